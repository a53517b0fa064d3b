//! A service as a monitor tells it.

use serde::Deserialize;
use serde_json::Value;

/// The part of `GET /health/{service}` that tests look at.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Service {
    pub(crate) status: String,
    pub(crate) reason: String,
    pub(crate) container_id: Option<String>,
    pub(crate) container_status: Option<String>,
    pub(crate) dependency_unhealthy: bool,
    pub(crate) containers: Vec<Value>,
}

impl Service {
    /// The status is this one and the reason holds this text.
    pub(crate) fn is(&self, status: &str, reason: &str) -> bool {
        self.status == status && self.reason.contains(reason)
    }
}
