//! Further attempts within one cycle.

use std::time::Duration;

use crate::model::{FailureKind, ServiceSpec};

use super::PolicyState;
use super::backoff::Backoff;

/// The pause before the next attempt, drawn with full jitter, or `None` where there is none.
///
/// Only what may well pass a moment later is retried, never in a first cycle (nobody should wait for the first answer),
/// never in the trial of a breaker, and never where a whole attempt would not end within the interval.
pub fn plan(
    spec: &ServiceSpec,
    attempts_made: u32,
    kind: FailureKind,
    cycle_elapsed: Duration,
    first_cycle: bool,
    policy: &PolicyState,
    random: f64,
) -> Option<Duration> {
    if first_cycle || attempts_made > spec.retries || !kind.is_transient() || !policy.breaker.is_closed() {
        return None;
    }
    let backoff = Backoff::new(spec.retry_backoff.min, spec.retry_backoff.max);
    let pause = backoff.delay(attempts_made.saturating_sub(1), random);
    let would_end = cycle_elapsed.saturating_add(pause).saturating_add(spec.timeout);
    (would_end <= spec.interval).then_some(pause)
}

/// The time that an attempt gets: the timeout, or what the interval has left.
pub fn attempt_timeout(spec: &ServiceSpec, cycle_elapsed: Duration) -> Duration {
    spec.timeout.min(spec.interval.saturating_sub(cycle_elapsed))
}
