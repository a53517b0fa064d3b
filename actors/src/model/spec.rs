//! What the configuration says of one service, complete: every default already applied.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{MaintenanceWindow, ServiceName};

/// The effective settings of one service that the actors act on. What belongs to one protocol stays with its check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// The service's name.
    pub name: ServiceName,
    /// Kind of its check: `container`, `tcp`, `kafka`, …
    pub check: String,
    /// Where the check goes, for people to read, without secrets; `None` where it needs no address.
    pub address: Option<String>,
    /// Which containers bear the service.
    pub container: Container,
    /// Services it cannot work without.
    pub depends_on: Vec<ServiceName>,
    /// Its outage is an outage of the whole.
    pub critical: bool,
    /// From the start of one cycle to the start of the next.
    pub interval: Duration,
    /// Time for one cycle: an attempt, and retries in what it leaves.
    pub timeout: Duration,
    /// Attempts after the first, within one cycle.
    pub retries: u32,
    /// Pause before such an attempt.
    pub retry_backoff: RetryBackoff,
    /// From the start of a cycle to the next while a change is pending.
    pub retry_interval: Duration,
    /// Cycles in a row that change the status.
    pub thresholds: Thresholds,
    /// Failures in this time after a start are not held against the service.
    pub start_period: Duration,
    /// What the container's own HEALTHCHECK does.
    pub docker_health: DockerHealth,
    /// Containers that must be good for the service to work at all.
    pub min_replicas: u32,
    /// A refused login is a warning and not a failure.
    pub auth_failure_degrades: bool,
    /// Times in which it is not checked.
    pub maintenance: Vec<MaintenanceWindow>,
}

/// Which containers bear a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Container {
    /// None: the check alone decides.
    None,
    /// The ones found by this name: container name or id, else Compose service, else network alias.
    Named(String),
    /// The ones that the service was made for, because they were discovered: of a project the containers of a Compose
    /// service, else one container by its exact name.
    Discovered {
        /// The Compose project; `None` for a container without one.
        project: Option<String>,
        /// The Compose service, or the container's name.
        name: String,
    },
}

/// Bounds of the pause before a retry; it doubles from one retry to the next, and jitter draws from all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryBackoff {
    /// Before the first retry.
    pub min: Duration,
    /// Never longer than this; at least `min`.
    pub max: Duration,
}

/// Cycles in a row that change a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Failing cycles until the service is unhealthy, at least 1.
    pub failure: u32,
    /// Passing cycles until it is healthy again, at least 1.
    pub success: u32,
}

/// What the container's own HEALTHCHECK does to the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DockerHealth {
    /// It decides: unhealthy there is unhealthy here.
    Decide,
    /// It warns: degraded, with its output.
    Warn,
    /// Nothing.
    Ignore,
}

// === impl Container ===

impl Container {
    /// The name that is looked for; `None` where no container bears the service.
    pub fn name(&self) -> Option<&str> {
        match self {
            Container::None => None,
            Container::Named(name) | Container::Discovered { name, .. } => Some(name),
        }
    }

    /// The service was made for its containers, and not they found for it.
    pub fn is_discovered(&self) -> bool {
        matches!(self, Container::Discovered { .. })
    }
}
