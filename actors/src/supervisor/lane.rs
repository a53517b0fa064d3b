//! A lane: one arbiter that runs children, and what it publishes about itself.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use actix::{Addr, Message};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::Supervisor;
use super::clock::Clock;
use super::polled::{Polled, Tag};
use super::side_tasks::SideTasks;

/// Names one arbiter of one supervisor for good; a slot gets a new one with every arbiter.
pub(super) type LaneId = u64;

/// What a lane publishes to the supervisor's thread. The lane's thread is the only writer of all but `abandoned`.
#[derive(Debug)]
pub(super) struct LaneCell {
    /// When the lane last beat, in microseconds of the clock.
    beat: AtomicU64,
    /// When the lane last came back from a gap in its beats. Its children need time to be polled before they are judged.
    gap_ended: AtomicU64,
    /// The run being polled; 0 for none. Runs are counted from 1.
    polling: AtomicU64,
    /// The run that was polled last; 0 before the first. Of a lane that ends, it is the one to suspect.
    last: AtomicU64,
    /// The number of polls begun. A lane that goes from one poll to the next is slow, not stuck.
    polls: AtomicU64,
    abandoned: AtomicBool,
}

impl LaneCell {
    pub(super) fn new(now: u64) -> Self {
        Self {
            beat: AtomicU64::new(now),
            gap_ended: AtomicU64::new(0),
            polling: AtomicU64::new(0),
            last: AtomicU64::new(0),
            polls: AtomicU64::new(0),
            abandoned: AtomicBool::new(false),
        }
    }

    /// Publishes that `run` is being polled; returns what was published before.
    pub(super) fn begin_poll(&self, run: u64) -> u64 {
        // One writer: a load and a store are enough, and cheaper than a locked addition on every poll.
        self.polls
            .store(self.polls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        self.last.store(run, Ordering::Relaxed);
        self.begin_drop(run)
    }

    /// Publishes that something of `run` is being dropped, which may block the thread as a poll may.
    pub(super) fn begin_drop(&self, run: u64) -> u64 {
        let outer = self.polling.load(Ordering::Relaxed);
        self.polling.store(run, Ordering::Relaxed);
        outer
    }

    pub(super) fn end_poll(&self, outer: u64) {
        self.polling.store(outer, Ordering::Relaxed);
    }

    /// The run being polled, or `None` between polls and in tasks that no child owns.
    pub(super) fn polling(&self) -> Option<u64> {
        Some(self.polling.load(Ordering::Relaxed)).filter(|run| *run != 0)
    }

    pub(super) fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    pub(super) fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    /// The age of the last beat, in microseconds.
    pub(super) fn beat_age(&self, now: u64) -> u64 {
        now.saturating_sub(self.beat.load(Ordering::Relaxed))
    }

    pub(super) fn gap_ended(&self) -> u64 {
        self.gap_ended.load(Ordering::Relaxed)
    }

    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }
}

/// A lane's thread has nothing left to run. Sent once for every lane that was opened.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct LaneEnded(pub(super) LaneId);

/// Reports the end of the lane, however it comes: it lives in a task of the lane, which the arbiter drops at its end.
pub(super) struct LaneGuard {
    pub(super) id: LaneId,
    pub(super) supervisor: Addr<Supervisor>,
}

impl Drop for LaneGuard {
    fn drop(&mut self) {
        self.supervisor.do_send(LaneEnded(self.id));
    }
}

/// The lane's own task: beats until the lane is abandoned.
pub(super) async fn beat(cell: Arc<LaneCell>, clock: Clock, every: Duration, guard: LaneGuard) {
    while !cell.abandoned.load(Ordering::Relaxed) {
        let due = Instant::now() + every;
        sleep(every).await;
        let now = Instant::now();
        if now.saturating_duration_since(due) > every {
            cell.gap_ended.store(clock.micros(now), Ordering::Relaxed);
        }
        cell.beat.store(clock.micros(now), Ordering::Relaxed);
    }
    drop(guard);
}

/// Runs side tasks of one run of a child on the child's own lane.
///
/// It stays on that thread (it is not `Send`).
#[derive(Debug, Clone)]
pub struct LaneHandle {
    tag: Tag,
    side_tasks: Rc<SideTasks>,
}

impl LaneHandle {
    pub(super) fn new(tag: Tag, side_tasks: Rc<SideTasks>) -> Self {
        Self { tag, side_tasks }
    }

    /// Starts a task in the child's name.
    ///
    /// A panic in it ends that task alone, and is what the handle yields. If it blocks the thread, the child is charged
    /// as if it had done so itself. It is aborted when the child's run ends; dropping the handle lets it run on.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let task = actix::spawn(Polled::new(future, self.tag.clone()));
        self.side_tasks.adopt(task.abort_handle());
        task
    }
}
