//! One finished cycle of a check.

use std::sync::Arc;
use std::time::Duration;

use health_monitor_actors::model::{Fault, Outcome, ServiceName, Status, Verdict};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One finished cycle of a service's check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawResult {
    /// When it ended, to the millisecond.
    pub at: Timestamp,
    /// What it found.
    pub kind: ResultKind,
    /// The service's status after it.
    pub status: Status,
    /// How long the deciding attempt took, to the microsecond; `None` where none was made.
    pub duration: Option<Duration>,
    /// How many attempts were made.
    pub attempts: u32,
    /// One sentence: the evidence.
    pub reason: Arc<str>,
}

/// A result and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceResult {
    /// The service.
    pub service: ServiceName,
    /// What its cycle found.
    #[serde(flatten)]
    pub result: RawResult,
}

/// What a cycle found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultKind {
    /// The service does its work.
    Pass,
    /// It does, with a warning.
    Warn,
    /// It failed.
    Fail,
    /// The monitor could not check.
    Unmeasured,
}

// === impl RawResult ===

impl RawResult {
    /// What is kept of an outcome, after which the service had this status.
    pub fn of(outcome: &Outcome, status: Status) -> Self {
        Self {
            at: to_millis(outcome.ended),
            kind: ResultKind::of(outcome.verdict),
            status,
            duration: outcome.measured().map(to_micros),
            attempts: outcome.attempts,
            reason: outcome.reason.as_str().into(),
        }
    }

    /// How long the service took, where this tells: what the monitor could not do tells nothing of the service.
    pub fn measured(&self) -> Option<Duration> {
        self.duration.filter(|_| self.kind != ResultKind::Unmeasured)
    }
}

// === impl ResultKind ===

impl ResultKind {
    /// Of a verdict.
    pub fn of(verdict: Verdict) -> Self {
        match (verdict, verdict.fault()) {
            (Verdict::Warn, _) => ResultKind::Warn,
            (_, None) => ResultKind::Pass,
            (_, Some(Fault::Monitor)) => ResultKind::Unmeasured,
            (_, Some(Fault::Service | Fault::Startup)) => ResultKind::Fail,
        }
    }

    /// The word used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            ResultKind::Pass => "pass",
            ResultKind::Warn => "warn",
            ResultKind::Fail => "fail",
            ResultKind::Unmeasured => "unmeasured",
        }
    }
}

/// A time cut to the millisecond, as it is stored.
pub(crate) fn to_millis(at: Timestamp) -> Timestamp {
    super::span::from_millis(at.as_millisecond())
}

/// A duration cut to the microsecond, as it is stored.
fn to_micros(duration: Duration) -> Duration {
    Duration::from_micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}
