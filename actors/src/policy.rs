//! Pure state machines that are told the time. None reads a clock, draws a random number or talks to anybody.
//!
//! [`PolicyState`] is what one service's policies remember between cycles; [`decide()`] makes the status out of it, the
//! containers and the last outcome, and nothing else does. Random numbers are arguments in `[0, 1)`.

mod attribution;
pub mod backoff;
mod breaker;
mod condition;
mod crash_loop;
mod decide;
#[cfg(test)]
mod fixtures;
mod flapping;
#[cfg(test)]
mod histories;
mod human;
mod incarnation;
pub mod intensity;
mod maintenance;
mod matching;
mod preflight;
mod replicas;
pub mod retry;
mod saved;
pub mod schedule;
mod staleness;
mod start_period;
mod state;
mod thresholds;

pub use attribution::attribute;
pub use breaker::Admission;
pub use decide::{Decision, Situation, decide};
pub use human::{ago, human};
pub use maintenance::maintenance;
pub use matching::{ContainerIndex, Matching};
pub use preflight::preflight;
pub use saved::SavedPolicy;
pub use state::{PolicyState, Urgency};
