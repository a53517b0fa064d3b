//! The pulse of an actor that must not fail: the sign, to a thread that is no actor's, that it still does its work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the beats of one actor. Clones share the count.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// The actor had its turn.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Beats so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
