//! A service as a monitor tells it.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// The part of `GET /health/{service}` that tests look at.
#[derive(Debug, Clone, Deserialize)]
pub struct Service {
    pub status: String,
    pub reason: String,
    pub container_id: Option<String>,
    pub container_status: Option<String>,
    pub dependency_unhealthy: bool,
    pub containers: Vec<Value>,
    pub health_check: HealthCheck,
    pub breaker: Breaker,
    /// When the next cycle or trial is due.
    pub next_check: Option<Timestamp>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct HealthCheck {
    pub interval_seconds: f64,
    pub timeout_seconds: f64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Breaker {
    pub state: String,
}

impl Service {
    /// It works, with or without a warning.
    pub fn is_up(&self) -> bool {
        self.status == "healthy" || self.status == "degraded"
    }

    /// The status is this one and the reason holds this text.
    pub fn is(&self, status: &str, reason: &str) -> bool {
        self.status == status && self.reason.contains(reason)
    }
}
