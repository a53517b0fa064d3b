//! What a service is said to be.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A service's status. Every status is decided by [`crate::policy::decide`] and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The check passed.
    Healthy,
    /// It works, with a warning.
    Degraded,
    /// The check failed, or the container is not running.
    Unhealthy,
    /// The container does not exist, and no address answers in its place.
    NotFound,
    /// The monitor could not check.
    Error,
    /// Inside the start period and not passed yet, created, or being replaced.
    Starting,
    /// Paused by a person, with an end.
    Maintenance,
    /// No result yet, or none for too long.
    Unknown,
}

impl Status {
    /// Every status, in the order in which they are shown.
    pub const ALL: [Status; 8] = [
        Status::Healthy,
        Status::Degraded,
        Status::Unhealthy,
        Status::NotFound,
        Status::Error,
        Status::Starting,
        Status::Maintenance,
        Status::Unknown,
    ];

    /// The word used on the wire and in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Healthy => "healthy",
            Status::Degraded => "degraded",
            Status::Unhealthy => "unhealthy",
            Status::NotFound => "not_found",
            Status::Error => "error",
            Status::Starting => "starting",
            Status::Maintenance => "maintenance",
            Status::Unknown => "unknown",
        }
    }

    /// The service does its work: healthy or degraded.
    pub fn is_up(self) -> bool {
        matches!(self, Status::Healthy | Status::Degraded)
    }

    /// The service was seen not to do its work: unhealthy or not found.
    pub fn is_down(self) -> bool {
        matches!(self, Status::Unhealthy | Status::NotFound)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
