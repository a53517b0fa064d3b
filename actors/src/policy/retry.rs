//! Further attempts within one cycle.

use std::time::Duration;

use crate::model::{FailureKind, ServiceSpec};

use super::backoff::Backoff;

/// The pause before the next attempt of a cycle, drawn with full jitter, or `None` where there is none.
///
/// `retries` is how many this cycle may make: the service's own number; none in its first cycle, since nobody should
/// wait for the first answer, and none where the policy does [not allow it](super::PolicyState::may_retry). Only what may
/// well pass a moment later is retried, and only in the first half of the timeout.
///
/// That half is what makes a failure show in time. A cycle as a whole takes no longer than one timeout, so that two of them,
/// a retry interval apart, settle that a service is down within interval + 2 × timeout + retry interval. A retry has what is
/// left of the timeout: half of it at least. What fails slowly has its second chance in the next cycle.
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
    let would_begin = cycle_elapsed.saturating_add(pause);
    (would_begin <= spec.timeout / 2).then_some(pause)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::fixtures::*;
    use super::*;

    const REFUSED: FailureKind = FailureKind::Refused;

    #[test]
    fn pauses_double_to_their_longest_with_full_jitter() {
        let longest = |made| pause(&spec(), 9, made, REFUSED, seconds(0), 1.0).unwrap().as_millis();
        assert_eq!([1, 2, 3, 4].map(longest), [500, 1_000, 2_000, 2_000]);
        assert_eq!(pause(&spec(), 9, 3, REFUSED, seconds(0), 0.0), Some(Duration::ZERO));
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
    fn none_starts_with_less_than_half_of_the_timeout() {
        let after = |milliseconds| pause(&spec(), 2, 1, REFUSED, Duration::from_millis(milliseconds), MIDDLE);
        assert_eq!(after(2_250), Some(Duration::from_millis(250)));
        assert_eq!(after(2_251), None);
        assert_eq!(after(99_000), None);
    }

    proptest! {
        /// Attempts that each take a share of the time that they have, and then fail.
        #[test]
        fn a_cycle_takes_no_longer_than_the_timeout(
            shares in prop::collection::vec(0.0..=1.0, 11),
            retries in 0..=10_u32,
            random in 0.0..1.0,
        ) {
            let spec = spec();
            let mut elapsed = Duration::ZERO;
            for (made, share) in (1..).zip(shares) {
                let left = spec.timeout - elapsed;
                prop_assert!(made == 1 || left >= spec.timeout / 2);
                elapsed += left.mul_f64(share);
                match pause(&spec, retries, made, REFUSED, elapsed, random) {
                    Some(pause) => elapsed += pause,
                    None => break,
                }
            }
            prop_assert!(elapsed <= spec.timeout);
        }
    }
}
