//! Everything the registry knows at one version.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::{ContainerKey, ContainerState, ServiceName, ServiceState, Status};

/// Everything the registry knew when `version` was made. Shared, never changed.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// Grows with every change.
    pub version: u64,
    /// When it was made.
    pub at: Timestamp,
    /// Services by name.
    pub services: BTreeMap<ServiceName, Arc<ServiceState>>,
    /// Containers by engine and id.
    pub containers: BTreeMap<ContainerKey, Arc<ContainerState>>,
    /// What is known of the container engine.
    pub engine: EngineState,
}

/// Whether the container engine answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum EngineState {
    /// The configuration does without one.
    Disabled,
    /// No answer yet, and no failure.
    Connecting,
    /// It answers.
    Up,
    /// It does not answer; what is known of containers is old.
    Down {
        /// Since when.
        since: Timestamp,
        /// Why, in one sentence.
        reason: String,
    },
}

// === impl Snapshot ===

impl Snapshot {
    /// A service's containers, the oldest first.
    pub fn containers_of<'a>(&'a self, service: &'a ServiceState) -> impl Iterator<Item = &'a Arc<ContainerState>> {
        service.containers.iter().filter_map(|key| self.containers.get(key))
    }

    /// The container of this name, else the one of this full or 12-character id.
    pub fn container(&self, name: &str) -> Option<&Arc<ContainerState>> {
        let by_name = self.containers.values().find(|container| container.name == name);
        by_name.or_else(|| {
            let is_meant = |key: &ContainerKey| key.id.as_ref() == name || key.short_id() == name;
            self.containers.values().find(|container| is_meant(&container.key))
        })
    }

    /// How many services have each status, in the order of [`Status::ALL`].
    pub fn status_counts(&self) -> [(Status, usize); 8] {
        Status::ALL.map(|status| {
            (
                status,
                self.services
                    .values()
                    .filter(|service| service.status == status)
                    .count(),
            )
        })
    }

    /// The status of the whole: unhealthy when a critical service is down, healthy when all are, degraded otherwise.
    /// So a monitor that just started, or that lost Docker, reports no outage that it has not seen.
    pub fn overall(&self) -> Status {
        let mut services = self.services.values();
        if services.any(|service| service.spec.critical && service.status.is_down()) {
            Status::Unhealthy
        } else if self.services.values().all(|service| service.status == Status::Healthy) {
            Status::Healthy
        } else {
            Status::Degraded
        }
    }
}

// === impl EngineState ===

impl EngineState {
    /// Its containers are known as they are now.
    pub fn is_up(&self) -> bool {
        matches!(self, EngineState::Up)
    }
}
