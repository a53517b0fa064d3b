//! One change of a service's status.

use health_monitor_actors::model::{ServiceName, Status};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One change of a service's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusChange {
    /// Of which service.
    pub service: ServiceName,
    /// When, to the millisecond. No two changes of one service have the same time.
    pub at: Timestamp,
    /// What it was.
    pub from: Status,
    /// What it is from then on.
    pub to: Status,
    /// The evidence.
    pub reason: String,
    /// It was not seen when it happened, but found out after a time in which nobody looked, or its record was lost with the
    /// process: it happened at some time after this one, and until `at` nothing is known of the service. `None` for a
    /// change that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconstructed_since: Option<Timestamp>,
}

impl StatusChange {
    /// It was made again from the first observation after a time in which nobody looked.
    pub fn is_reconstructed(&self) -> bool {
        self.reconstructed_since.is_some()
    }
}
