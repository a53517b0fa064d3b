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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::fixtures::*;
    use super::*;

    const REFUSED: FailureKind = FailureKind::Refused;

    #[test]
    fn pauses_double_to_their_longest_with_full_jitter() {
        let spec = ServiceSpec {
            interval: seconds(60),
            ..spec()
        };
        let longest = |made| pause(&spec, 9, made, REFUSED, seconds(0), 1.0).unwrap().as_millis();
        assert_eq!([1, 2, 3, 4].map(longest), [500, 1_000, 2_000, 2_000]);
        assert_eq!(pause(&spec, 9, 3, REFUSED, seconds(0), 0.0), Some(Duration::ZERO));
    }

    #[test]
    fn only_so_many_are_made() {
        let made = |retries, made| pause(&spec(), retries, made, REFUSED, seconds(0), MIDDLE).is_some();
        assert!(made(2, 1) && made(2, 2) && !made(2, 3));
        assert!(!made(0, 1));
    }

    #[test]
    fn only_what_may_pass_a_moment_later_is_retried() {
        for (kind, retried) in [
            (FailureKind::Refused, true),
            (FailureKind::Reset, true),
            (FailureKind::Timeout, true),
            (FailureKind::LoginRefused, false),
            (FailureKind::WrongProtocol, false),
            (FailureKind::Assertion, false),
            (FailureKind::Container, false),
            (FailureKind::LocalResources, false),
        ] {
            assert_eq!(
                pause(&spec(), 2, 1, kind, seconds(0), MIDDLE).is_some(),
                retried,
                "{kind:?}"
            );
        }
    }

    #[test]
    fn none_starts_that_cannot_end_within_the_interval() {
        let after = |milliseconds| pause(&spec(), 2, 1, REFUSED, Duration::from_millis(milliseconds), MIDDLE);
        assert_eq!(after(4_750), Some(Duration::from_millis(250)));
        assert_eq!(after(4_751), None);
        assert_eq!(after(99_000), None);
    }
}
