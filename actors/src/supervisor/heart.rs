//! The heart: a child's promise of when it will be heard next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::clock::Clock;

/// The promise of a child that needs no watching.
const RESTING: u64 = u64::MAX;

/// A cell in which a child publishes the latest moment by which it will beat again.
///
/// The supervisor looks at it once a tick; a child that is silent past its promise is aborted and restarted. A beat is
/// one atomic store and costs no message. The promise should hold on a busy machine: the due time of the next cycle,
/// plus the longest that the cycle may take, plus some seconds.
#[derive(Debug, Clone)]
pub struct Heart {
    /// Microseconds of `clock`, or [`RESTING`]. Nothing else is read through it, so relaxed order is enough.
    promise: Arc<AtomicU64>,
    clock: Clock,
}

impl Heart {
    /// A heart that must beat within `first`, or one at rest.
    pub(super) fn new(clock: Clock, first: Option<Duration>) -> Self {
        let heart = Self {
            promise: Arc::new(AtomicU64::new(RESTING)),
            clock,
        };
        if let Some(first) = first {
            heart.expect_within(first);
        }
        heart
    }

    /// Beats, and promises to beat again by `at`.
    pub fn expect_by(&self, at: Instant) {
        self.promise
            .store(self.clock.micros(at).min(RESTING - 1), Ordering::Relaxed);
    }

    /// Beats, and promises to beat again within `time` from now.
    pub fn expect_within(&self, time: Duration) {
        match Instant::now().checked_add(time) {
            Some(at) => self.expect_by(at),
            None => self.rest(),
        }
    }

    /// Needs no watching until the next promise.
    pub fn rest(&self) {
        self.promise.store(RESTING, Ordering::Relaxed);
    }

    /// Whether the promise is broken at `now` (microseconds of the shared clock).
    pub(super) fn is_overdue(&self, now: u64) -> bool {
        self.promise.load(Ordering::Relaxed) < now
    }

    /// Milliseconds from `now` until the promised beat, negative once it is overdue; `None` at rest.
    pub(super) fn due_in_ms(&self, now: u64) -> Option<i64> {
        let promise = self.promise.load(Ordering::Relaxed);
        if promise == RESTING {
            return None;
        }
        let millis = |micros: u64| i64::try_from(micros / 1_000).unwrap_or(i64::MAX);
        Some(millis(promise) - millis(now))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_broken_promise_is_overdue_and_a_kept_one_is_not() {
        let clock = Clock::start();
        let heart = Heart::new(clock, Some(Duration::from_secs(1)));
        advance(Duration::from_secs(1)).await;
        assert!(
            !heart.is_overdue(clock.now()),
            "the promised moment itself is still in time"
        );
        advance(Duration::from_millis(1)).await;
        assert!(heart.is_overdue(clock.now()));
        assert_eq!(heart.due_in_ms(clock.now()), Some(-1));
        heart.expect_within(Duration::from_secs(2));
        assert!(!heart.is_overdue(clock.now()));
        assert_eq!(heart.due_in_ms(clock.now()), Some(2_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_resting_heart_is_never_overdue() {
        let clock = Clock::start();
        let heart = Heart::new(clock, None);
        advance(Duration::from_secs(86_400 * 365)).await;
        assert!(!heart.is_overdue(clock.now()));
        assert_eq!(heart.due_in_ms(clock.now()), None);
        heart.expect_within(Duration::MAX);
        assert!(
            !heart.is_overdue(clock.now()),
            "a promise past the end of time is a rest"
        );
    }
}
