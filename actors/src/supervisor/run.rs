//! One run of a child: from its factory to its exit, which is reported exactly once.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use actix::{Addr, Message};
use futures_util::future::LocalBoxFuture;
use futures_util::task::AtomicWaker;

use super::Supervisor;
use super::child::{ChildContext, ChildName, StartLife};
use super::exit::{AbortCause, Exit};
use super::heart::Heart;
use super::lane::{LaneCell, LaneHandle};
use super::polled::Tag;
use super::side_tasks::SideTasks;
use super::stall::Stalls;

/// A run has ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct RunEnded {
    pub(super) name: ChildName,
    pub(super) run: u64,
    pub(super) exit: Exit,
}

/// The supervisor's hold on a run on another thread.
#[derive(Debug, Default)]
pub(super) struct RunControl {
    /// Set once the run must end.
    cause: OnceLock<AbortCause>,
    waker: AtomicWaker,
}

impl RunControl {
    /// Ends the run at its next poll, and has it polled. The first cause stands.
    pub(super) fn abort(&self, cause: AbortCause) {
        self.cause.get_or_init(|| cause);
        self.waker.wake();
    }
}

/// Reports the exit when it is dropped, so that no way of ending is silent, the end of the arbiter included.
struct ExitGuard {
    supervisor: Addr<Supervisor>,
    name: ChildName,
    run: u64,
    cell: Arc<LaneCell>,
    exit: Exit,
}

impl Drop for ExitGuard {
    fn drop(&mut self) {
        let exit = match std::mem::replace(&mut self.exit, Exit::LaneLost) {
            // Somebody else had the last poll before the lane ended.
            Exit::LaneLost if self.cell.last() != self.run => Exit::Aborted(AbortCause::LaneLost),
            exit => exit,
        };
        self.supervisor.do_send(RunEnded {
            name: self.name.clone(),
            run: self.run,
            exit,
        });
    }
}

/// A run on its way to its lane. Dropped there unstarted, it reports that the lane was lost.
pub(super) struct Launch {
    guard: ExitGuard,
    control: Arc<RunControl>,
    start: StartLife,
    heart: Heart,
    stalls: Stalls,
    cell: Arc<LaneCell>,
}

impl Launch {
    pub(super) fn new(
        (name, run): (ChildName, u64),
        start: StartLife,
        heart: Heart,
        stalls: Stalls,
        cell: Arc<LaneCell>,
        supervisor: Addr<Supervisor>,
    ) -> Self {
        let guard = ExitGuard {
            supervisor,
            name,
            run,
            cell: Arc::clone(&cell),
            exit: Exit::LaneLost,
        };
        Self {
            guard,
            control: Arc::default(),
            start,
            heart,
            stalls,
            cell,
        }
    }

    pub(super) fn control(&self) -> Arc<RunControl> {
        Arc::clone(&self.control)
    }

    /// Arrives on the lane's thread.
    pub(super) fn begin(self) -> Run {
        let tag = Tag {
            name: self.guard.name.clone(),
            run: self.guard.run,
            cell: self.cell,
        };
        let side_tasks = Rc::new(SideTasks::default());
        let child = ChildContext {
            name: tag.name.clone(),
            run: tag.run,
            heart: self.heart,
            lane: LaneHandle::new(tag.clone(), Rc::clone(&side_tasks)),
            stalls: self.stalls,
        };
        Run {
            stage: Stage::Start(self.start, child),
            control: self.control,
            tag,
            side_tasks,
            guard: self.guard,
        }
    }
}

enum Stage {
    Start(StartLife, ChildContext),
    Live(LocalBoxFuture<'static, ()>),
    Ended,
}

/// The task of a run.
///
/// It catches panics itself rather than leaving them to the task: the actor is then dropped after the unwinding and not
/// during it. actix polls an actor once more while it drops it; a panic in there, or a `stopping()` that says `Continue`,
/// would otherwise be a panic during a panic, which ends the process.
pub(super) struct Run {
    stage: Stage,
    control: Arc<RunControl>,
    tag: Tag,
    side_tasks: Rc<SideTasks>,
    guard: ExitGuard,
}

impl Future for Run {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        // Before the look at the cause, so that an abort in between wakes this task again.
        this.control.waker.register(cx.waker());
        if let Some(cause) = this.control.cause.get() {
            let exit = Exit::Aborted(*cause);
            this.end(exit);
            return Poll::Ready(());
        }
        let exit = match this.poll_life(cx) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => Exit::Normal,
            Err(payload) => Exit::Panicked(panic_message(payload)),
        };
        this.end(exit);
        Poll::Ready(())
    }
}

impl Run {
    fn poll_life(&mut self, cx: &mut Context<'_>) -> std::thread::Result<Poll<()>> {
        let _entered = self.tag.enter();
        let stage = &mut self.stage;
        // A life that panicked is never polled again, only dropped: nobody sees a half-updated actor.
        catch_unwind(AssertUnwindSafe(|| match stage {
            Stage::Start(..) => {
                if let Stage::Start(start, child) = std::mem::replace(stage, Stage::Ended) {
                    *stage = Stage::Live(start(child));
                }
                Self::poll_live(stage, cx)
            }
            _ => Self::poll_live(stage, cx),
        }))
    }

    fn poll_live(stage: &mut Stage, cx: &mut Context<'_>) -> Poll<()> {
        match stage {
            Stage::Live(life) => life.as_mut().poll(cx),
            Stage::Start(..) | Stage::Ended => Poll::Ready(()),
        }
    }

    /// Ends the side tasks, then the actor, whose `stopping` and `stopped` run here. A panic in them is the exit of a run
    /// that would have been normal, and no news about any other.
    fn end(&mut self, exit: Exit) {
        let _entered = self.tag.enter_drop();
        self.side_tasks.end();
        let stage = std::mem::replace(&mut self.stage, Stage::Ended);
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(stage)));
        self.guard.exit = match dropped.map_err(panic_message) {
            Err(message) if exit == Exit::Normal => Exit::Panicked(message),
            _ => exit,
        };
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !matches!(self.stage, Stage::Ended) {
            self.end(Exit::LaneLost);
        }
    }
}

/// The text of a panic's payload. The payload ends here: what it does when it is dropped, a panic of its own included,
/// must not befall whoever asked for its text.
pub fn panic_message(payload: Box<dyn Any + Send>) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("no message").to_owned();
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // Left where it is, or this might never end.
        std::mem::forget(again);
    }
    text
}
