//! health-monitor: the service-health monitor for Docker-composed stacks.

pub mod checks;
pub mod secret;
pub mod settings;
