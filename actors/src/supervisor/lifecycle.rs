//! The life of a child, run by run: added, started, ended, judged, started again.

use std::time::Duration;

use actix::{AsyncContext, Context, Handler, Message};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::Supervisor;
use super::child::{ChildName, ChildSpec, Restart};
use super::children::{Active, After, Child, Phase, Wait};
use super::event::{ChildEvent, ChildEventKind, Fatal, Next};
use super::exit::{AbortCause, Exit};
use super::heart::Heart;
use super::lane::{LaneEnded, LaneId};
use super::lanes::LaneEnd;
use super::message::AddError;
use super::run::{Launch, RunEnded};
use super::state::LastExit;
use crate::policy::intensity::Verdict;

/// A child that blocks one thread after another is given up before it holds more than this many. So one bad child
/// cannot use up the number of threads whose loss ends the process.
const THREADS_HELD_BY_ONE_CHILD: usize = 2;

/// The wait of a child is over.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Wake {
    name: ChildName,
    /// The run after which it waited.
    run: u64,
}

impl Supervisor {
    pub(super) fn add(&mut self, spec: ChildSpec, ctx: &mut Context<Self>) -> Result<(), AddError> {
        if self
            .children
            .get(&spec.name)
            .is_some_and(|child| !child.is_being_removed())
        {
            return Err(AddError::Exists(spec.name));
        }
        self.replace(spec, ctx).map(|_new| ())
    }

    pub(super) fn replace(&mut self, spec: ChildSpec, ctx: &mut Context<Self>) -> Result<bool, AddError> {
        if self.shutting_down.is_some() {
            return Err(AddError::ShuttingDown);
        }
        let name = spec.name.clone();
        let Some(child) = self.children.get_mut(&name) else {
            self.children.insert(name.clone(), Child::new(spec));
            self.start(&name, ctx);
            return Ok(false);
        };
        let existed = !child.is_being_removed();
        child.renew(spec);
        if child.active().is_some() {
            child.end(AbortCause::Replaced, After::StartAnew);
        } else {
            self.start(&name, ctx);
        }
        Ok(existed)
    }

    pub(super) fn remove(&mut self, name: &ChildName) -> bool {
        let Some(child) = self.children.get_mut(name) else {
            return false;
        };
        let existed = !child.is_being_removed();
        if child.active().is_some() {
            child.end(AbortCause::Removed, After::Remove);
        } else {
            self.forget(name);
        }
        existed
    }

    /// Starts a run on the lane that suits the child.
    fn start(&mut self, name: &ChildName, ctx: &mut Context<Self>) {
        let lane = self.lane_for(name, ctx);
        let Some(child) = self.children.get_mut(name) else {
            return;
        };
        let Some((lane, cell)) = lane.and_then(|lane| Some((lane, self.lanes.cell(lane)?))) else {
            // No thread was to be had, which was reported as fatal. Should the process live on, so does the child.
            child.phase = Phase::GivenUp(wait(name, child.run, self.options.slow_retry, ctx));
            return;
        };
        self.last_run += 1;
        self.live += 1;
        child.run = self.last_run;
        let heart = Heart::new(self.clock, child.spec.overdue_after);
        let launch = Launch::new(
            (name.clone(), child.run),
            child.spec.start.clone(),
            heart.clone(),
            self.stalls.clone(),
            cell,
            ctx.address(),
        );
        child.phase = Phase::Running(Active {
            lane,
            since: Instant::now(),
            control: launch.control(),
            heart,
        });
        self.lanes.send(lane, launch);
        let run = child.run;
        self.publish(&ChildEvent {
            name: name.clone(),
            run,
            kind: ChildEventKind::Started,
        });
    }

    /// The lane of the child's next run: a shared one, or the private one that it had before, if that is still of the right
    /// kind, or a fresh one.
    fn lane_for(&mut self, name: &ChildName, ctx: &mut Context<Self>) -> Option<LaneId> {
        let child = self.children.get_mut(name)?;
        let kind = child.private_lane_kind();
        if let Some(kept) = child.private_lane {
            if kind.is_some() && self.lanes.kind(kept) == kind.as_ref() {
                return Some(kept);
            }
            child.private_lane = None;
            self.lanes.close(kept);
        }
        let Some(kind) = kind else {
            return self.lanes.least_loaded();
        };
        match self.lanes.open(kind, &ctx.address()) {
            Ok(lane) => {
                child.private_lane = Some(lane);
                Some(lane)
            }
            Err(error) => {
                self.fatal(Fatal::NoThread {
                    reason: error.to_string(),
                });
                None
            }
        }
    }

    /// The end of the present run of a child: what follows from it is done and told.
    pub(super) fn conclude(&mut self, name: &ChildName, exit: Exit, ctx: &mut Context<Self>) {
        let Some(child) = self.children.get_mut(name) else {
            return;
        };
        let (active, after) = match std::mem::replace(&mut child.phase, Phase::Stopped) {
            Phase::Running(active) => (active, After::Settle),
            Phase::Ending(active, after) => (active, after),
            idle => {
                child.phase = idle;
                return;
            }
        };
        self.live -= 1;
        self.lanes.leave(active.lane);
        child.last_exit = Some(LastExit {
            exit: exit.clone(),
            at: Timestamp::now(),
        });
        let run = child.run;
        let next = match after {
            After::Settle if self.shutting_down.is_some() => Next::NoRestart,
            After::Settle if exit == Exit::Aborted(AbortCause::LaneLost) => {
                self.totals.moved += 1;
                Next::Restart { after: Duration::ZERO }
            }
            After::Settle => self.settle(name, &exit, active.since.elapsed(), ctx),
            After::StartAnew => Next::Restart { after: Duration::ZERO },
            After::Remove | After::Stop => Next::NoRestart,
        };
        log_exit(name, run, &exit, next);
        self.publish(&ChildEvent {
            name: name.clone(),
            run,
            kind: ChildEventKind::Exited { exit, next },
        });
        match after {
            After::Remove => self.forget(name),
            _ if next == (Next::Restart { after: Duration::ZERO }) => self.start(name, ctx),
            _ => {}
        }
        self.shutdown_progress();
    }

    /// Charges an exit to the child and starts the wait that it deserves.
    fn settle(&mut self, name: &ChildName, exit: &Exit, ran_for: Duration, ctx: &mut Context<Self>) -> Next {
        let Some(child) = self.children.get_mut(name) else {
            return Next::NoRestart;
        };
        if child.spec.restart == Restart::Transient && *exit == Exit::Normal {
            return Next::NoRestart;
        }
        self.totals.exits.count(exit);
        child.restarts += 1;
        let verdict = child
            .window
            .record_exit(Instant::now(), ran_for, &self.options.intensity);
        let holds_too_many = self.lanes.held_by(name) >= THREADS_HELD_BY_ONE_CHILD;
        child.holds_too_many = holds_too_many && verdict != Verdict::GiveUp;
        match verdict {
            Verdict::Restart { attempt } if !holds_too_many => {
                // Not quite zero, which would mean a restart that is not charged.
                let after = self
                    .options
                    .backoff
                    .delay(attempt, (self.options.random)())
                    .max(Duration::from_millis(1));
                child.phase = Phase::BackingOff(wait(name, child.run, after, ctx));
                Next::Restart { after }
            }
            Verdict::Restart { .. } | Verdict::GiveUp => {
                self.totals.given_up += 1;
                let retry_after = self.options.slow_retry;
                child.phase = Phase::GivenUp(wait(name, child.run, retry_after, ctx));
                Next::GiveUp { retry_after }
            }
        }
    }

    /// A thread that the child held is free again. Where that was all there was against it, it is started again.
    fn thread_came_back(&mut self, name: &ChildName, ctx: &mut Context<Self>) {
        let held = self.lanes.held_by(name);
        let Some(child) = self.children.get_mut(name) else {
            return;
        };
        if matches!(child.phase, Phase::GivenUp(_)) && child.holds_too_many && held < THREADS_HELD_BY_ONE_CHILD {
            child.holds_too_many = false;
            let after = self.options.backoff.ceiling(0);
            child.phase = Phase::BackingOff(wait(name, child.run, after, ctx));
        }
    }

    /// A lane's thread has ended. The runs on it report their own ends.
    fn lane_ended(&mut self, lane: LaneId, ctx: &mut Context<Self>) {
        let end = self.lanes.ended(lane);
        if self.shutting_down.is_some() {
            return;
        }
        match end {
            LaneEnd::CameBack(Some(culprit)) => self.thread_came_back(&culprit, ctx),
            LaneEnd::CameBack(None) | LaneEnd::Closed => {}
            LaneEnd::Lost => {
                tracing::error!(lane, "lane ended unexpectedly");
                let children = self.children.values_mut();
                for child in children.filter(|child| child.private_lane == Some(lane)) {
                    child.private_lane = None;
                }
                if let Err(error) = self.lanes.open_shared(&ctx.address()) {
                    self.fatal(Fatal::NoThread {
                        reason: error.to_string(),
                    });
                }
            }
        }
    }

    fn wake(&mut self, Wake { name, run }: Wake, ctx: &mut Context<Self>) {
        let Some(child) = self.children.get_mut(&name) else {
            return;
        };
        if child.run != run {
            return;
        }
        match child.phase {
            Phase::GivenUp(_) if self.lanes.held_by(&name) >= THREADS_HELD_BY_ONE_CHILD => {
                child.phase = Phase::GivenUp(wait(&name, run, self.options.slow_retry, ctx));
            }
            Phase::GivenUp(_) | Phase::BackingOff(_) => self.start(&name, ctx),
            Phase::Running(_) | Phase::Ending(..) | Phase::Stopped => {}
        }
    }

    fn forget(&mut self, name: &ChildName) {
        if let Some(lane) = self.children.remove(name).and_then(|child| child.private_lane) {
            self.lanes.close(lane);
        }
    }
}

/// Has the child woken after `time`, by a task of its own: the context would poll every one of its futures each time.
fn wait(name: &ChildName, run: u64, time: Duration, ctx: &mut Context<Supervisor>) -> Wait {
    let supervisor = ctx.address();
    let wake = Wake {
        name: name.clone(),
        run,
    };
    let timer = actix::spawn(async move {
        sleep(time).await;
        supervisor.do_send(wake);
    });
    Wait::new(time, timer.abort_handle())
}

fn log_exit(name: &ChildName, run: u64, exit: &Exit, next: Next) {
    let reason = exit.to_string();
    match (exit, next) {
        (_, Next::GiveUp { retry_after }) => {
            tracing::error!(child = %name, run, reason, retry_after_s = retry_after.as_secs(), "child given up");
        }
        // A lane that is abandoned logs how many it moves.
        (Exit::Aborted(AbortCause::LaneLost), Next::Restart { .. })
        | (Exit::Normal | Exit::Aborted(AbortCause::Removed | AbortCause::Replaced | AbortCause::Shutdown), _) => {
            tracing::debug!(child = %name, run, reason, "child ended");
        }
        (_, Next::Restart { after }) => {
            tracing::warn!(child = %name, run, reason, restart_in_ms = after.as_millis(), "child ended");
        }
        (_, Next::NoRestart) => tracing::warn!(child = %name, run, reason, "child ended"),
    }
}

impl Handler<RunEnded> for Supervisor {
    type Result = ();

    fn handle(&mut self, ended: RunEnded, ctx: &mut Context<Self>) {
        let present = self
            .children
            .get_mut(&ended.name)
            .filter(|child| child.run == ended.run);
        let Some((child, lane)) =
            present.and_then(|child| child.active().map(|run| run.lane).map(|lane| (child, lane)))
        else {
            self.totals.stale_exits += 1;
            tracing::debug!(child = %ended.name, run = ended.run, reason = %ended.exit, "stale exit");
            return;
        };
        // Should it do so again, it is alone.
        child.quarantined |= ended.exit == Exit::LaneLost;
        if matches!(ended.exit, Exit::LaneLost | Exit::Aborted(AbortCause::LaneLost)) {
            // Before any of its children is started again, on another one.
            self.lane_ended(lane, ctx);
        }
        self.conclude(&ended.name, ended.exit, ctx);
    }
}

impl Handler<LaneEnded> for Supervisor {
    type Result = ();

    fn handle(&mut self, LaneEnded(lane): LaneEnded, ctx: &mut Context<Self>) {
        self.lane_ended(lane, ctx);
    }
}

impl Handler<Wake> for Supervisor {
    type Result = ();

    fn handle(&mut self, wake: Wake, ctx: &mut Context<Self>) {
        self.wake(wake, ctx);
    }
}
