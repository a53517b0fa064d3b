//! The Docker side: which containers there are, what became of them, and what they use.
//!
//! # Layout
//!
//! - [`Settings`]: how to reach the engine and how much of it to show.
//! - [`Engine`]: the client. Every call has a total timeout, a typed error and a counter.
//! - [`Inventory`]: the actor that follows the engine's events and publishes containers.
//! - [`Stats`]: the actor that samples the resources of running containers.
//! - `book`, `lifecycle`, `usage`, `inspect`, `event`, `redact`, `tail`: what the two actors know, as plain data and pure
//!   functions that need no engine.
//!
//! Both actors may be dropped and started again at any time: their tasks end with them, and a new [`Inventory`]
//! publishes everything anew.

mod book;
mod counters;
mod engine;
mod error;
mod event;
#[cfg(test)]
pub(crate) mod fuzz;
mod hearing;
mod inspect;
mod inventory;
mod lifecycle;
mod list;
mod own;
mod reach;
mod redact;
mod running;
mod settings;
mod socket;
mod stats;
mod tail;
mod uptime;
mod usage;
mod version;

pub use counters::{Counters, Endpoint, RequestResult};
pub use engine::Engine;
pub use error::EngineError;
pub use inventory::{Audience, Inventory};
pub use list::{Listed, ListedPort};
pub use own::Own;
pub use settings::Settings;
pub use stats::Stats;
pub use version::{ApiVersion, InvalidApiVersion};
