//! Whether the stream of events still tells what happens.
//!
//! A connection can die without a word: then no event comes, nothing ends, and everything would be seen one full list late
//! for ever. So what a list finds without that an event told of it is a doubt, and a doubt that no event clears means that
//! the stream is deaf.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// How much later than a list an event may come that tells the same.
const LATE: Duration = Duration::from_secs(1);

/// What lists found and events did not tell, by container.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    doubts: HashMap<Arc<str>, Instant>,
    is_deaf: bool,
}

// === impl Hearing ===

impl Hearing {
    /// Something was found of this container that no event told so far.
    pub(super) fn doubt(&mut self, id: &Arc<str>, now: Instant) {
        self.doubts.entry(id.clone()).or_insert(now + LATE);
    }

    /// An event told of it.
    pub(super) fn heard(&mut self, id: &Arc<str>) {
        self.doubts.remove(id);
    }

    /// When the next doubt becomes certain.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.doubts.values().min().copied().filter(|_| !self.is_deaf)
    }

    /// Time has passed.
    pub(super) fn wake(&mut self, now: Instant) {
        self.is_deaf |= self.doubts.values().any(|until| *until <= now);
    }

    /// The stream has to be opened again.
    pub(super) const fn is_deaf(&self) -> bool {
        self.is_deaf
    }
}
