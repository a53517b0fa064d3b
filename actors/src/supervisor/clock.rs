//! Moments as plain numbers, so that one atomic can hold one.

use tokio::time::Instant;

/// Counts microseconds from a fixed moment. Every cell of one supervisor shares it, whatever thread reads it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    pub(super) fn now(self) -> u64 {
        self.micros(Instant::now())
    }

    /// The moment `at` in microseconds; one before the clock's start is 0.
    pub(super) fn micros(self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.origin).as_micros()).unwrap_or(u64::MAX)
    }
}
