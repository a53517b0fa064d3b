//! A minute or an hour of a service.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::span::{HOUR, MINUTE};
use crate::history::sketch::Sketch;

/// How coarse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// One bucket a minute.
    Minute,
    /// One bucket an hour.
    Hour,
}

/// A minute or an hour of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// When it begins: a whole minute or hour.
    pub at: Timestamp,
    /// Cycles that ended in it, those that could not measure included.
    pub checks: u64,
    /// Cycles in which the service failed.
    pub failures: u64,
    /// Cycles in which the monitor could not check.
    pub unmeasured: u64,
    /// Milliseconds in which the service was up. What is missing to the bucket's length with `down` is a gap.
    pub up: u64,
    /// Milliseconds in which the service was down.
    pub down: u64,
    /// How long the service took; `None` where nothing was timed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durations: Option<Durations>,
}

/// How long a service took, over all its timed cycles in a bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Durations {
    /// Cycles that were timed.
    pub count: u64,
    /// The shortest, in microseconds.
    pub min: u64,
    /// The longest, in microseconds.
    pub max: u64,
    /// All together, in microseconds: divided by the count, the mean.
    pub sum: u64,
    /// Percentiles of this bucket alone; hours have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percentiles: Option<Percentiles>,
    /// What percentiles of several buckets together are made from; hours have it, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sketch: Option<Sketch>,
}

/// Durations in microseconds that half, 95 and 99 of a hundred cycles did not exceed, each within 1 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// The median.
    pub p50: f64,
    /// The 95th percentile.
    pub p95: f64,
    /// The 99th percentile.
    pub p99: f64,
}

// === impl Tier ===

impl Tier {
    /// Length of its buckets, in milliseconds.
    pub fn millis(self) -> i64 {
        match self {
            Tier::Minute => MINUTE,
            Tier::Hour => HOUR,
        }
    }

    /// Length of its buckets.
    pub fn length(self) -> Duration {
        Duration::from_millis(self.millis().unsigned_abs())
    }
}

// === impl Bucket ===

impl Bucket {
    /// One that begins at `at`, with nothing in it: a gap.
    pub fn empty(at: Timestamp) -> Self {
        Self {
            at,
            checks: 0,
            failures: 0,
            unmeasured: 0,
            up: 0,
            down: 0,
            durations: None,
        }
    }

    /// Nothing was seen of the service in it.
    pub fn is_gap(&self) -> bool {
        self.checks == 0 && self.up == 0 && self.down == 0
    }

    /// Takes in a later bucket, to make a longer one. Its percentiles stay right where both have sketches, and are
    /// dropped where not: percentiles do not add up.
    pub fn merge(&mut self, later: &Bucket) {
        self.checks += later.checks;
        self.failures += later.failures;
        self.unmeasured += later.unmeasured;
        self.up += later.up;
        self.down += later.down;
        match (&mut self.durations, &later.durations) {
            (Some(mine), Some(other)) => mine.merge(other),
            (None, Some(other)) => self.durations = Some(other.clone()),
            (_, None) => {}
        }
    }

    /// Share of the measured time in which the service was up, 0 to 1; `None` where nothing was measured.
    pub fn uptime(&self) -> Option<f64> {
        let measured = self.up + self.down;
        (measured > 0).then(|| self.up as f64 / measured as f64)
    }
}

// === impl Durations ===

impl Durations {
    /// Takes in others.
    pub fn merge(&mut self, other: &Durations) {
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum = self.sum.saturating_add(other.sum);
        self.percentiles = None;
        match (&mut self.sketch, &other.sketch) {
            (Some(mine), Some(other)) => mine.merge(other),
            (sketch, _) => *sketch = None,
        }
    }

    /// On average, in microseconds.
    pub fn mean(&self) -> f64 {
        self.sum as f64 / (self.count.max(1)) as f64
    }

    /// The percentiles: those of the bucket, else those of the sketch; `None` where neither is there.
    pub fn percentiles(&self) -> Option<Percentiles> {
        self.percentiles
            .or_else(|| self.sketch.as_ref().and_then(Sketch::percentiles))
    }
}
