//! The supervision system of health-monitor. It knows no protocol, no Docker, no HTTP and no storage.
//!
//! # Layout
//!
//! - [`model`]: plain data: names, statuses, outcomes, what is known of a service and of a container.
//! - [`policy`]: pure state machines that are told the time. [`policy::decide`] is the one place that makes a status.
//! - [`check`]: the trait behind which every protocol stands.
//! - [`probe`]: the actor that runs one service's check on its own schedule.
//! - [`registry`]: the actor that holds what is known and answers for it; single writer.
//! - [`supervisor`]: starts actors from factories, restarts them, and gives up on them with a reason.
//!
//! Arrows point one way: supervisor, probe and registry use policy; policy uses model.

pub mod check;
pub mod model;
pub mod policy;
pub mod probe;
pub mod registry;
pub mod supervisor;
