//! What is known of one service.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ContainerKey, Maintenance, Outcome, ServiceSpec, Status};

/// A service as the registry answers for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceState {
    /// Its effective settings.
    pub spec: Arc<ServiceSpec>,
    /// Its status.
    pub status: Status,
    /// One sentence: the evidence for the status.
    pub reason: String,
    /// Since when it has this status.
    pub since: Timestamp,
    /// The change that its last cycles announce but have not decided.
    pub pending: Option<Pending>,
    /// Its status changes too often to be acted on.
    pub flapping: bool,
    /// Its circuit breaker.
    pub breaker: BreakerView,
    /// A service that it depends on, directly or not, is down.
    pub dependency_unhealthy: bool,
    /// Its containers, the oldest first.
    pub containers: Vec<ContainerKey>,
    /// What its last cycle found; `None` before the first.
    pub last: Option<Arc<Outcome>>,
    /// When its next cycle is due, or was when its probe was last heard; `None` before the first result.
    pub next_due: Option<Timestamp>,
    /// Finished cycles since the process started.
    pub totals: Totals,
    /// Durations of its finished cycles' deciding attempts.
    pub durations: DurationHistogram,
    /// The last status that was measured: `true` up, `false` down; `None` while it never was.
    pub last_verdict: Option<bool>,
    /// The maintenance that it is in.
    pub maintenance: Option<Maintenance>,
    /// Its status is what the process before this one knew: nothing was found out since.
    pub is_remembered: bool,
}

/// A change of status that is announced and not decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The status it would become.
    pub status: Status,
    /// Why.
    pub reason: String,
    /// Cycles in a row that say so.
    pub seen: u32,
    /// Cycles in a row that it takes.
    pub needed: u32,
}

/// A circuit breaker as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum BreakerView {
    /// Cycles run on schedule.
    Closed,
    /// No cycles until the next trial.
    Open {
        /// When the next trial is due.
        next_trial: Timestamp,
    },
    /// One trial is under way.
    HalfOpen,
}

/// Finished cycles since the process started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// The service did its work.
    pub success: u64,
    /// The service failed.
    pub failure: u64,
    /// The monitor could not check.
    pub error: u64,
}

/// Cumulated durations, in Prometheus' sense of a histogram.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct DurationHistogram {
    /// Observations in each bucket of [`DurationHistogram::BOUNDS`] and, last, above them all; not cumulated.
    pub buckets: [u64; 13],
    /// Sum of all observations, in seconds.
    pub sum: f64,
}

// === impl ServiceState ===

impl ServiceState {
    /// The service was down when it was last measured, and has not been seen up since. So a dependency that was down
    /// when Docker went away is still the cause of what it brought down.
    pub fn is_held_down(&self) -> bool {
        match self.status {
            Status::Unhealthy | Status::NotFound => true,
            Status::Healthy | Status::Degraded | Status::Maintenance => false,
            Status::Error | Status::Unknown | Status::Starting => self.last_verdict == Some(false),
        }
    }

    /// The value of `service_health_status`, so that losing sight of a service neither pages nor announces a recovery:
    /// while unmeasured a previous 0 stays, and a series whose last verdict was 1 is absent.
    pub fn health_gauge(&self) -> Option<u8> {
        match self.status {
            Status::Healthy | Status::Degraded => Some(1),
            Status::Unhealthy | Status::NotFound => Some(0),
            Status::Error | Status::Unknown => (self.last_verdict != Some(true)).then_some(0),
            Status::Starting => (self.last_verdict == Some(false)).then_some(0),
            Status::Maintenance => None,
        }
    }
}

// === impl BreakerView ===

impl BreakerView {
    /// The states' words, as labels use them.
    pub const STATES: [&'static str; 3] = ["closed", "open", "half_open"];

    /// The state's word.
    pub fn as_str(&self) -> &'static str {
        match self {
            BreakerView::Closed => "closed",
            BreakerView::Open { .. } => "open",
            BreakerView::HalfOpen => "half_open",
        }
    }
}

// === impl DurationHistogram ===

impl DurationHistogram {
    /// Upper bounds of the buckets, in seconds. 3 s and 5 s are there because timeouts are.
    pub const BOUNDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 3.0, 5.0, 10.0];

    /// Counts one duration.
    pub fn observe(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = Self::BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.buckets.get_mut(bucket) {
            *count += 1;
        }
        self.sum += seconds;
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}
