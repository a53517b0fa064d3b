//! health-monitor: the service-health monitor for Docker-composed stacks.

pub mod app;
pub mod checks;
pub mod cli;
pub mod secret;
pub mod settings;
pub mod telemetry;
