//! The side tasks of one run, which end with it.

use std::cell::{Cell, RefCell};

use tokio::task::AbortHandle;

/// Below this many there is nothing to gain from looking for finished ones. A handle keeps the memory of its task, finished or
/// not, so with ten thousand probes it must be few.
const PRUNE_AT_LEAST: usize = 2;

/// The handles of a run's side tasks.
#[derive(Debug, Default)]
pub(super) struct SideTasks {
    handles: RefCell<Vec<AbortHandle>>,
    /// At which length finished tasks are swept out. It doubles with what is left, so a spawn costs the same however
    /// many tasks a child keeps.
    prune_at: Cell<usize>,
    ended: Cell<bool>,
}

impl SideTasks {
    /// Keeps the task until it ends or the run does. After the run's end there is no life for it.
    pub(super) fn adopt(&self, task: AbortHandle) {
        if self.ended.get() {
            task.abort();
            return;
        }
        let mut handles = self.handles.borrow_mut();
        if handles.len() >= self.prune_at.get().max(PRUNE_AT_LEAST) {
            handles.retain(|task| !task.is_finished());
            self.prune_at.set(handles.len() * 2);
        }
        handles.push(task);
    }

    /// Ends them all, and every later one at once.
    pub(super) fn end(&self) {
        self.ended.set(true);
        // Taken out first: aborting may run code that comes back here.
        let handles = self.handles.take();
        handles.iter().for_each(AbortHandle::abort);
    }
}
