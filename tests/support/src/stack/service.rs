//! A service as a monitor tells it.

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
}

impl Service {
    /// The status is this one and the reason holds this text.
    pub fn is(&self, status: &str, reason: &str) -> bool {
        self.status == status && self.reason.contains(reason)
    }
}
