//! How late cycles start, and how many do not start at all.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A histogram of how late cycles start, written by every probe without a lock.
#[derive(Debug, Default)]
pub struct Lateness {
    buckets: [AtomicU64; Lateness::BOUNDS.len() + 1],
    /// Sum of all observations, in microseconds.
    sum: AtomicU64,
    /// Cycles that were due and were left out.
    skipped: AtomicU64,
}

impl Lateness {
    /// Upper bounds of the buckets, in seconds.
    pub const BOUNDS: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1.0, 10.0];

    /// Counts a cycle that started `late` after it was due.
    pub fn observe(&self, late: Duration) {
        let seconds = late.as_secs_f64();
        let bucket = Self::BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.buckets.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum
            .fetch_add(u64::try_from(late.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Counts cycles that were due and are left out.
    pub fn skip(&self, cycles: u64) {
        self.skipped.fetch_add(cycles, Ordering::Relaxed);
    }

    /// Cycles that were due and were left out.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Observations in each bucket and, last, above them all; not cumulated.
    pub fn buckets(&self) -> [u64; Lateness::BOUNDS.len() + 1] {
        self.buckets.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// Sum of all observations, in seconds.
    pub fn sum_seconds(&self) -> f64 {
        Duration::from_micros(self.sum.load(Ordering::Relaxed)).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_into_the_bucket_whose_bound_is_not_exceeded() {
        let lateness = Lateness::default();
        for millis in [0, 1, 2, 99, 60_000] {
            lateness.observe(Duration::from_millis(millis));
        }
        assert_eq!(lateness.buckets(), [2, 1, 0, 0, 0, 0, 1, 0, 0, 1]);
        assert!((lateness.sum_seconds() - 60.102).abs() < 1e-9);
    }
}
