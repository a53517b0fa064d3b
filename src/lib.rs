//! health-monitor: the service-health monitor for Docker-composed stacks.

pub mod secret;
pub mod settings;
