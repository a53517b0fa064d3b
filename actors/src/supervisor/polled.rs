//! Who is being polled: published for the duration of every poll, to other threads and to the panic hook.

use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::child::ChildName;
use super::lane::LaneCell;

thread_local! {
    static CURRENT: RefCell<Option<ChildName>> = const { RefCell::new(None) };
}

/// The child that this thread is polling, if any.
pub fn current_child() -> Option<ChildName> {
    // A thread that is being torn down has nobody to poll, and the hook must not panic in its turn.
    CURRENT
        .try_with(|current| current.try_borrow().ok().and_then(|name| name.clone()))
        .ok()
        .flatten()
}

fn replace_current(name: Option<ChildName>) -> Option<ChildName> {
    CURRENT.try_with(|current| current.replace(name)).unwrap_or_default()
}

/// On whose behalf a task runs.
#[derive(Clone)]
pub(super) struct Tag {
    pub(super) name: ChildName,
    pub(super) run: u64,
    pub(super) cell: Arc<LaneCell>,
}

impl Tag {
    /// Publishes the tag for a poll, until the guard is dropped, which a panic does too.
    pub(super) fn enter(&self) -> Entered<'_> {
        self.entered(self.cell.begin_poll(self.run))
    }

    /// Publishes the tag while something is dropped.
    pub(super) fn enter_drop(&self) -> Entered<'_> {
        self.entered(self.cell.begin_drop(self.run))
    }

    fn entered(&self, outer_run: u64) -> Entered<'_> {
        Entered {
            cell: &self.cell,
            outer_run,
            outer_name: replace_current(Some(self.name.clone())),
        }
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} run {}", self.name, self.run)
    }
}

/// A poll under way. What was published before comes back when it ends.
pub(super) struct Entered<'a> {
    cell: &'a LaneCell,
    outer_run: u64,
    outer_name: Option<ChildName>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        replace_current(self.outer_name.take());
        self.cell.end_poll(self.outer_run);
    }
}

/// A future whose every poll, and whose drop, is published as its child's.
pub struct Polled<F> {
    /// `None` once it ended, so that what it owns is dropped while the child is still named.
    inner: Option<Pin<Box<F>>>,
    tag: Tag,
}

impl<F> Polled<F> {
    pub(super) fn new(inner: F, tag: Tag) -> Self {
        Self {
            inner: Some(Box::pin(inner)),
            tag,
        }
    }
}

impl<F: Future> Future for Polled<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let _entered = this.tag.enter();
        let Some(inner) = this.inner.as_mut() else {
            return Poll::Pending;
        };
        let output = std::task::ready!(inner.as_mut().poll(cx));
        this.inner = None;
        Poll::Ready(output)
    }
}

impl<F> Drop for Polled<F> {
    fn drop(&mut self) {
        let _entered = self.tag.enter_drop();
        self.inner = None;
    }
}

impl<F> fmt::Debug for Polled<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Polled").field(&self.tag).finish()
    }
}
