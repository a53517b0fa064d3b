//! What the rest of the monitor holds of the history.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use jiff::Timestamp;
use serde::Serialize;

use super::store::{Retention, Store, StoreFigures};

/// The history as the rest of the monitor sees it: the store, while there is one, and how writing goes. Cheap to clone.
#[derive(Clone, Default)]
pub struct History {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    store: RwLock<Option<Arc<dyn Store>>>,
    figures: Mutex<HistoryFigures>,
    retention: Retention,
}

/// How writing goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HistoryFigures {
    /// The store is open.
    pub is_open: bool,
    /// Why it is not, or the last write failed; `None` while all is well.
    pub problem: Option<String>,
    /// When something was last written.
    pub last_written: Option<Timestamp>,
    /// Results that wait in memory.
    pub results_waiting: usize,
    /// Changes of status that wait in memory.
    pub changes_waiting: usize,
    /// Results written since the process started.
    pub results_written: u64,
    /// Changes of status written since then.
    pub changes_written: u64,
    /// Results that had to give way because too many waited.
    pub results_dropped: u64,
    /// Changes that had to give way: never while there was a result in their place.
    pub changes_dropped: u64,
    /// Writes that failed.
    pub failures: u64,
    /// Incidents that go on.
    pub open_incidents: usize,
    /// What lies at a path that goes with the container; `None` where it stays.
    pub warning: Option<String>,
    /// Bytes that results may take.
    pub raw_limit_bytes: u64,
    /// How much is kept, read now and then.
    pub kept: Option<StoreFigures>,
}

impl History {
    /// A store that is written like this and keeps things for so long.
    pub fn new(store: Option<Arc<dyn Store>>, figures: HistoryFigures, retention: Retention) -> Self {
        let inner = Inner {
            store: RwLock::new(store),
            figures: Mutex::new(figures),
            retention,
        };
        Self { inner: Arc::new(inner) }
    }

    /// How long things are kept.
    pub fn retention(&self) -> &Retention {
        &self.inner.retention
    }

    /// The store; `None` while it is not open, for which the figures have the reason.
    pub fn store(&self) -> Option<Arc<dyn Store>> {
        self.inner.store.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How writing goes.
    pub fn figures(&self) -> HistoryFigures {
        self.figures_mut().clone()
    }

    pub(super) fn set_store(&self, store: Option<Arc<dyn Store>>) {
        self.figures_mut().is_open = store.is_some();
        *self.inner.store.write().unwrap_or_else(PoisonError::into_inner) = store;
    }

    pub(super) fn figures_mut(&self) -> MutexGuard<'_, HistoryFigures> {
        self.inner.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").field("figures", &self.figures()).finish()
    }
}
