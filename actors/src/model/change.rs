//! What subscribers of the registry are told.

use jiff::Timestamp;
use serde::Serialize;

use super::{ContainerKey, EngineState, ServiceName, Status};

/// One change, in the order in which the registry made them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The version of the first snapshot that has it.
    pub version: u64,
    /// When it was made.
    pub at: Timestamp,
    /// What changed.
    pub kind: ChangeKind,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum ChangeKind {
    /// A service's status.
    Status {
        /// Which service.
        service: ServiceName,
        /// What it was.
        from: Status,
        /// What it is.
        to: Status,
        /// The evidence.
        reason: String,
    },
    /// A service has a new result, its status is the same.
    Result {
        /// Which service.
        service: ServiceName,
    },
    /// A service is monitored from now on, or with other settings.
    ServiceDefined {
        /// Which service.
        service: ServiceName,
    },
    /// A service is no longer monitored.
    ServiceRemoved {
        /// Which service.
        service: ServiceName,
    },
    /// A container appeared or changed.
    Container {
        /// Which container.
        container: ContainerKey,
    },
    /// A container is gone.
    ContainerRemoved {
        /// Which container.
        container: ContainerKey,
    },
    /// The container engine came or went.
    Engine {
        /// What it is now.
        state: EngineState,
    },
}
