//! The real stack, which `make test` and `make stack-up` bring up: where it is, whose turn it is to disturb it, the `docker`
//! command, and the monitors that watch it.

pub mod docker;
mod location;
pub mod monitor;
pub mod network;
pub mod quick;
pub mod script;
pub mod service;
pub mod wait;

pub use location::{SERVICES, Stack, Turn, turn};
