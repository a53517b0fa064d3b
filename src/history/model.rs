//! What is kept, as plain data.

mod bucket;
mod change;
mod incident;
mod result;
mod run;
mod saved;
mod span;
mod usage;

pub use bucket::{Bucket, Durations, Percentiles, Tier};
pub use change::StatusChange;
pub use incident::{
    ContainerEvent, ContainerEventKind, Evidence, Incident, IncidentId, IncidentKind, InvalidIncidentId, LogExcerpt,
};
pub(crate) use result::to_millis;
pub use result::{RawResult, ResultKind, ServiceResult};
pub use run::Run;
pub use saved::SavedService;
pub(crate) use span::from_millis;
pub use span::{DAY, HOUR, MINUTE, Span};
pub use usage::{UsageBucket, UsageSample};
