//! Which containers run, from the inventory to whoever samples them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

/// What runs on an engine now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Running {
    /// The engine answers. While it does not, there is nobody to ask.
    pub(super) engine_is_up: bool,
    /// Running containers by id, with their start time: a restart makes it another process with new counters.
    pub(super) containers: BTreeMap<Arc<str>, Timestamp>,
}

/// The inventory's end.
#[derive(Debug, Clone)]
pub(super) struct RunningTeller(Arc<watch::Sender<Running>>);

// === impl RunningTeller ===

impl RunningTeller {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Running::default())))
    }

    pub(super) fn watch(&self) -> watch::Receiver<Running> {
        self.0.subscribe()
    }

    pub(super) fn engine(&self, is_up: bool) {
        self.0
            .send_if_modified(|running| std::mem::replace(&mut running.engine_is_up, is_up) != is_up);
    }

    /// This container runs since `started_at`, or does not run.
    pub(super) fn container(&self, id: &Arc<str>, started_at: Option<Timestamp>) {
        self.0.send_if_modified(|running| match started_at {
            Some(at) => running.containers.insert(id.clone(), at) != Some(at),
            None => running.containers.remove(id).is_some(),
        });
    }

    /// Only these may run; the others are gone.
    pub(super) fn retain(&self, is_known: impl Fn(&str) -> bool) {
        self.0.send_if_modified(|running| {
            let before = running.containers.len();
            running.containers.retain(|id, _| is_known(id));
            running.containers.len() != before
        });
    }
}
