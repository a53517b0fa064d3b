//! Stalls: times in which the monitor itself stood still, so that nothing it measured meanwhile counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::clock::Clock;

/// Counts the stalls of the process. A cycle whose start and end see different generations spans a stall (a paused
/// container, a suspended machine, no CPU): what it measured says nothing about the service.
#[derive(Debug, Clone)]
pub struct Stalls {
    shared: Arc<Shared>,
    clock: Clock,
    /// By how much a tick may be late, in microseconds.
    limit: u64,
}

#[derive(Debug)]
struct Shared {
    generation: AtomicU64,
    /// When the supervisor's next tick is due, in microseconds of the clock.
    due: AtomicU64,
}

impl Stalls {
    pub(super) fn new(clock: Clock, limit: Duration) -> Self {
        let shared = Arc::new(Shared {
            generation: AtomicU64::new(0),
            due: AtomicU64::new(u64::MAX),
        });
        Self {
            shared,
            clock,
            limit: u64::try_from(limit.as_micros()).unwrap_or(u64::MAX),
        }
    }

    /// The present generation.
    ///
    /// A child may wake from a stall before the supervisor does and counts it. So a tick that is overdue by more than
    /// the limit already reads as the next generation.
    pub fn generation(&self) -> u64 {
        // The due time first: the supervisor writes it last, so a stall can be seen twice for an instant, never missed.
        let due = self.shared.due.load(Ordering::Acquire);
        let generation = self.shared.generation.load(Ordering::Acquire);
        let stalled = self.clock.now() > due.saturating_add(self.limit);
        generation + u64::from(stalled)
    }

    /// Takes note of a tick of the supervisor, and of the time when the next is due. Tells whether it ends a stall.
    pub(super) fn tick(&self, next_due: Instant) -> bool {
        let due = self.shared.due.load(Ordering::Acquire);
        let stalled = self.clock.now() > due.saturating_add(self.limit);
        if stalled {
            self.shared.generation.fetch_add(1, Ordering::AcqRel);
        }
        self.shared.due.store(self.clock.micros(next_due), Ordering::Release);
        stalled
    }

    /// The number of stalls counted so far.
    pub(super) fn total(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const PERIOD: Duration = Duration::from_millis(500);

    #[tokio::test(start_paused = true)]
    async fn a_stall_is_seen_before_and_after_the_supervisor_counts_it_and_only_once() {
        let stalls = Stalls::new(Clock::start(), Duration::from_secs(1));
        assert!(!stalls.tick(Instant::now() + PERIOD));
        let before = stalls.generation();
        advance(Duration::from_secs(5)).await;
        let seen_by_an_early_child = stalls.generation();
        assert_eq!(seen_by_an_early_child, before + 1);
        assert!(stalls.tick(Instant::now() + PERIOD));
        assert_eq!(stalls.generation(), seen_by_an_early_child);
        advance(PERIOD).await;
        assert!(!stalls.tick(Instant::now() + PERIOD));
        assert_eq!(stalls.total(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_tick_within_the_limit_is_no_stall() {
        let stalls = Stalls::new(Clock::start(), Duration::from_secs(1));
        stalls.tick(Instant::now() + PERIOD);
        advance(PERIOD + Duration::from_secs(1)).await;
        assert!(!stalls.tick(Instant::now() + PERIOD));
        assert_eq!(stalls.generation(), 0);
    }
}
