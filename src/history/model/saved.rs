//! What a restart of the monitor needs to know of a service.

use health_monitor_actors::model::ServiceName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a restart of the monitor needs to know of a service, as its registry wrote it down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedService {
    /// Which service.
    pub service: ServiceName,
    /// When it was written down, to the millisecond.
    pub at: Timestamp,
    /// The registry's own form; nobody else reads it.
    pub state: serde_json::Value,
}
