//! health-monitor: the service-health monitor for Docker-composed stacks.

pub mod access;
pub mod api;
pub mod app;
pub mod build;
pub mod checks;
pub mod cli;
pub mod discovery;
pub mod docker;
mod excerpt;
#[cfg(test)]
mod fuzz;
pub mod history;
pub mod metrics;
mod pem;
pub mod roster;
pub mod secret;
pub mod settings;
pub mod telemetry;
mod units;
