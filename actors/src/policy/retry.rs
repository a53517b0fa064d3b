//! Further attempts within one cycle.

use std::time::Duration;

use crate::model::{FailureKind, ServiceSpec};

use super::backoff::Backoff;

/// The pause before the next attempt of a cycle, drawn with full jitter, or `None` where there is none.
///
/// `retries` is how many this cycle may make: the service's own number; none in its first cycle, since nobody should
/// wait for the first answer, and none where the policy does [not allow it](super::PolicyState::may_retry). Only what may
/// well pass a moment later is retried, and only where a whole attempt would end within the interval.
pub fn pause(
    spec: &ServiceSpec,
    retries: u32,
    attempts_made: u32,
    kind: FailureKind,
    cycle_elapsed: Duration,
    random: f64,
) -> Option<Duration> {
    if attempts_made > retries || !kind.is_transient() {
        return None;
    }
    let backoff = Backoff::new(spec.retry_backoff.min, spec.retry_backoff.max);
    let pause = backoff.delay(attempts_made.saturating_sub(1), random);
    let would_end = cycle_elapsed.saturating_add(pause).saturating_add(spec.timeout);
    (would_end <= spec.interval).then_some(pause)
}
