//! A stretch of time.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Milliseconds in a minute.
pub const MINUTE: i64 = 60_000;
/// Milliseconds in an hour.
pub const HOUR: i64 = 60 * MINUTE;
/// Milliseconds in a day. Days are UTC's, which have no others.
pub const DAY: i64 = 24 * HOUR;

/// From a time on, the end excluded. Times in the history have milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
}

impl Span {
    /// From `from` until before `to`; empty where that is not later.
    pub fn new(from: Timestamp, to: Timestamp) -> Self {
        Self { from, to: to.max(from) }
    }

    /// All the time there is.
    pub const ALL: Self = Self {
        from: Timestamp::MIN,
        to: Timestamp::MAX,
    };

    /// How long it is.
    pub fn length(&self) -> Duration {
        Duration::try_from(self.to.duration_since(self.from)).unwrap_or(Duration::ZERO)
    }

    /// Nothing falls into it.
    pub fn is_empty(&self) -> bool {
        self.to <= self.from
    }

    /// The moment falls into it.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    /// What both have in common.
    pub fn overlap(&self, other: &Span) -> Span {
        Span::new(self.from.max(other.from), self.to.min(other.to))
    }
}

/// A time in milliseconds since 1970, as everything is stored; a time that jiff cannot tell is its nearest.
pub(crate) fn from_millis(millis: i64) -> Timestamp {
    let nearest = if millis < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(millis).unwrap_or(nearest)
}
