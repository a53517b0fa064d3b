//! Plain data that the actors exchange and the API shows. No behaviour beyond reading oneself.

mod change;
pub mod compose_labels;
mod container;
mod maintenance;
mod moment;
mod name;
mod outcome;
mod service;
mod snapshot;
mod spec;
mod status;

pub use change::{Change, ChangeKind};
pub use container::{
    ContainerHealth, ContainerKey, ContainerState, ContainerStatus, HealthVerdict, Mount, Network, PortBinding,
    ResourceUsage, Start,
};
pub use maintenance::{Maintenance, MaintenanceOrigin, MaintenanceWindow};
pub use moment::Moment;
pub use name::{InvalidName, ServiceName};
pub use outcome::{FailureKind, Fault, Outcome, Verdict};
pub use service::{BreakerView, DurationHistogram, Pending, ServiceState, Totals};
pub use snapshot::{EngineState, Snapshot};
pub use spec::{Container, DockerHealth, RetryBackoff, ServiceSpec, Thresholds};
pub use status::Status;
