//! The settings of a supervisor.

use std::time::Duration;

use crate::policy::backoff::Backoff;
use crate::policy::intensity::Intensity;

/// How a supervisor watches and restarts.
#[derive(Debug, Clone)]
pub struct SupervisorOptions {
    /// Shared lanes; at least 2, so that one that is blocked leaves another.
    pub lanes: usize,
    /// How often hearts and lanes are looked at.
    pub tick: Duration,
    /// A lane that has not beaten for this long is abandoned.
    pub lane_limit: Duration,
    /// A supervisor whose own tick is late by more than this judges nobody for one period.
    pub stall_limit: Duration,
    /// More abandoned lanes than this that hold their threads are fatal.
    pub max_abandoned: usize,
    /// How many restarts of one child in how long.
    pub intensity: Intensity,
    /// The wait before a restart.
    pub backoff: Backoff,
    /// The wait before a given-up child is tried again.
    pub slow_retry: Duration,
    /// Draws the backoff's random numbers, in `[0, 1)`.
    pub random: fn() -> f64,
}

impl Default for SupervisorOptions {
    fn default() -> Self {
        Self {
            lanes: 2,
            tick: Duration::from_millis(500),
            lane_limit: Duration::from_secs(3),
            stall_limit: Duration::from_secs(1),
            max_abandoned: 4,
            intensity: Intensity::default(),
            backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(10)),
            slow_retry: Duration::from_secs(300),
            random: fastrand::f64,
        }
    }
}
