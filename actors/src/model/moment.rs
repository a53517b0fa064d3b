//! One reading of both clocks.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// A point in time: the monotonic clock decides, the wall clock is shown.
///
/// Policies are given a moment and never read a clock themselves, so that tests can choose it and a stepped wall clock
/// changes no decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// What durations are measured with.
    pub mono: Instant,
    /// What people and other machines are told.
    pub wall: Timestamp,
}

impl Moment {
    /// Reads both clocks.
    pub fn now() -> Self {
        Self {
            mono: Instant::now(),
            wall: Timestamp::now(),
        }
    }

    /// How long ago `wall` was by the wall clock; zero for a time in the future.
    pub fn since_wall(&self, wall: Timestamp) -> Duration {
        Duration::try_from(self.wall.duration_since(wall)).unwrap_or(Duration::ZERO)
    }

    /// The wall time at which the monotonic clock will reach `at`.
    pub fn wall_at(&self, at: Instant) -> Timestamp {
        let (ahead, behind) = (
            at.saturating_duration_since(self.mono),
            self.mono.saturating_duration_since(at),
        );
        self.wall
            .checked_add(ahead)
            .and_then(|wall| wall.checked_sub(behind))
            .unwrap_or(self.wall)
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Moment;

    /// The moment `by` later on both clocks.
    fn add(self, by: Duration) -> Moment {
        Moment {
            mono: self.mono + by,
            wall: self.wall.checked_add(by).unwrap_or(Timestamp::MAX),
        }
    }
}
