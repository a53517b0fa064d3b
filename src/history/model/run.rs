//! One stretch of time in which the monitor looked.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Span;

/// One stretch of time in which the monitor ran, by the wall clock. One ends with the process, and where the wall clock
/// was set: what lies between two of them is a gap in everybody's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When it began. No two runs have the same time.
    pub started: Timestamp,
    /// Until when it is known to have gone on.
    pub until: Timestamp,
}

impl Run {
    /// The stretch as a span.
    pub fn span(&self) -> Span {
        Span::new(self.started, self.until)
    }

    /// Start and end in milliseconds since 1970.
    pub(crate) fn millis(&self) -> (i64, i64) {
        (self.started.as_millisecond(), self.until.as_millisecond())
    }
}
