//! Exponential backoff with a cap and full jitter.

use std::time::Duration;

/// How long to wait before the next try: a random share of `base · 2^attempt`, which never passes `cap`.
///
/// Full jitter (the wait is uniform in `[0, ceiling)`) spreads many clients that failed together better than a fixed
/// wait with a little noise, and makes the least work in total.
/// Source: "Exponential Backoff And Jitter", AWS Architecture Blog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
}

impl Backoff {
    /// A backoff whose first wait is at most `base` and whose longest is at most `cap`. A cap below the base wins.
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap }
    }

    /// The longest wait before try number `attempt`, counted from 0.
    pub fn ceiling(&self, attempt: u32) -> Duration {
        let doubled = 2_u32
            .checked_pow(attempt)
            .and_then(|factor| self.base.checked_mul(factor));
        doubled.map_or(self.cap, |wait| wait.min(self.cap))
    }

    /// The wait before try number `attempt`, counted from 0, for a random number in `[0, 1)`.
    ///
    /// The number is passed in so that tests, and whoever replays a run, decide it. One outside the range is clamped,
    /// and one that is not a number waits the whole ceiling: a faulty source must not turn retries into a busy loop.
    pub fn delay(&self, attempt: u32, random: f64) -> Duration {
        let ceiling = self.ceiling(attempt);
        if random.is_nan() {
            return ceiling;
        }
        Duration::try_from_secs_f64(ceiling.as_secs_f64() * random.clamp(0.0, 1.0)).unwrap_or(ceiling)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BACKOFF: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));

    #[test]
    fn the_ceiling_doubles_up_to_the_cap() {
        let ceilings: Vec<u128> = (0..8).map(|attempt| BACKOFF.ceiling(attempt).as_millis()).collect();
        assert_eq!(ceilings, [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
    }

    #[test]
    fn an_attempt_past_every_number_waits_the_cap() {
        assert_eq!(BACKOFF.ceiling(u32::MAX), Duration::from_secs(10));
        assert_eq!(Backoff::new(Duration::MAX, Duration::MAX).ceiling(3), Duration::MAX);
    }

    #[test]
    fn a_cap_below_the_base_wins() {
        assert_eq!(
            Backoff::new(Duration::from_secs(5), Duration::from_secs(1)).ceiling(0),
            Duration::from_secs(1)
        );
    }

    #[test]
    fn jitter_is_full() {
        assert_eq!(BACKOFF.delay(1, 0.0), Duration::ZERO);
        assert_eq!(BACKOFF.delay(1, 0.5), Duration::from_millis(200));
    }

    #[test]
    fn a_faulty_random_source_does_not_shorten_the_wait() {
        assert_eq!(BACKOFF.delay(0, f64::NAN), Duration::from_millis(200));
        assert_eq!(BACKOFF.delay(0, 7.0), Duration::from_millis(200));
        assert_eq!(BACKOFF.delay(0, -1.0), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn a_delay_never_passes_its_ceiling_nor_the_cap(base in 0_u64..100_000, cap in 0_u64..100_000, attempt: u32, random in 0.0..1.0_f64) {
            let backoff = Backoff::new(Duration::from_millis(base), Duration::from_millis(cap));
            let delay = backoff.delay(attempt, random);
            prop_assert!(delay <= backoff.ceiling(attempt));
            prop_assert!(delay <= Duration::from_millis(cap));
        }
    }
}
