//! The supervisor's tick: first its own lateness is judged, then the lanes, then the hearts.

use std::time::Duration;

use actix::{AsyncContext, Context};
use tokio::time::Instant;

use super::Supervisor;
use super::child::ChildName;
use super::children::{After, Phase};
use super::event::Fatal;
use super::exit::{AbortCause, Exit};
use super::lanes::Stuck;
use super::state::{SupervisorState, Totals};

impl Supervisor {
    /// Re-armed after each tick: an interval would make up for missed ticks in a burst.
    pub(super) fn arm_tick(&mut self, ctx: &mut Context<Self>) {
        self.tick_due = Instant::now() + self.options.tick;
        ctx.run_later(self.options.tick, Self::tick);
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        self.pulse.beat();
        self.tick_late = Instant::now().saturating_duration_since(self.tick_due);
        self.tick_late_max = self.tick_late_max.max(self.tick_late);
        let stalled = self.stalls.tick(Instant::now() + self.options.tick);
        let stuck = self.lanes.stuck();
        if stalled {
            // Whoever was silent may have been stopped just as we were. One period of grace shows who is alive.
            tracing::warn!(
                late_ms = self.tick_late.as_millis(),
                "the process stood still; judging nobody"
            );
        } else {
            for lane in stuck {
                self.abandon(&lane, ctx);
            }
            self.judge_hearts();
        }
        // After a shutdown there is nobody left to watch.
        if self.shutting_down.is_none() || self.live > 0 {
            self.arm_tick(ctx);
        }
    }

    /// Leaves a stuck lane, charges the child that holds it, and moves the others.
    fn abandon(&mut self, stuck: &Stuck, ctx: &mut Context<Self>) {
        let on_lane = self
            .children
            .iter()
            .filter(|(_, child)| child.active().is_some_and(|run| run.lane == stuck.lane));
        let (culprits, others): (Vec<_>, Vec<_>) = on_lane.partition(|(_, child)| Some(child.run) == stuck.polling);
        let culprit: Option<ChildName> = culprits.first().map(|(name, _)| (*name).clone());
        let others: Vec<ChildName> = others.into_iter().map(|(name, _)| name.clone()).collect();
        tracing::error!(
            lane = stuck.lane,
            child = culprit.as_ref().map(ChildName::as_str),
            moved = others.len(),
            "lane is blocked; abandoning it"
        );
        self.lanes.abandon(stuck.lane, culprit.clone());
        let alive = self.lanes.abandoned_alive();
        if alive > self.options.max_abandoned {
            self.fatal(Fatal::LanesExhausted { alive });
        }
        if self.shutting_down.is_none()
            && let Err(error) = self.lanes.open_shared(&ctx.address())
        {
            self.fatal(Fatal::NoThread {
                reason: error.to_string(),
            });
        }
        if let Some(name) = culprit {
            if let Some(child) = self.children.get_mut(&name) {
                child.quarantined = true;
            }
            self.write_off(&name, Exit::Blocked, ctx);
        }
        for name in others {
            self.write_off(&name, Exit::Aborted(AbortCause::LaneLost), ctx);
        }
    }

    /// Ends a run whose thread does not listen. When the thread comes back the run ends by itself, and its report is stale.
    fn write_off(&mut self, name: &ChildName, exit: Exit, ctx: &mut Context<Self>) {
        let Some(child) = self.children.get_mut(name) else {
            return;
        };
        if let Some(active) = child.active() {
            active.control.abort(AbortCause::LaneLost);
            if child.private_lane == Some(active.lane) {
                child.private_lane = None;
            }
        }
        let exit = match (&child.phase, exit) {
            // It was being aborted for its silence when the lane was lost. The charge stands.
            (Phase::Ending(_, After::Settle), Exit::Aborted(_)) => Exit::Aborted(AbortCause::Overdue),
            (_, exit) => exit,
        };
        self.conclude(name, exit, ctx);
    }

    /// Aborts every child that broke its promise, unless its lane is to blame.
    fn judge_hearts(&mut self) {
        let now = self.clock.now();
        let (lanes, period) = (&self.lanes, self.options.tick);
        for (name, child) in &mut self.children {
            let Phase::Running(active) = &child.phase else { continue };
            if active.heart.is_overdue(now) && lanes.is_steady(active.lane, period) {
                tracing::warn!(child = %name, run = child.run, "child is overdue; aborting it");
                child.end(AbortCause::Overdue, After::Settle);
            }
        }
    }

    pub(super) fn observe(&self) -> SupervisorState {
        let now = self.clock.now();
        let mut children: Vec<_> = self.children.values().map(|child| child.observe(now)).collect();
        children.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let name_of = |run| {
            children
                .iter()
                .find(|child| child.run == run)
                .map(|child| child.name.clone())
        };
        SupervisorState {
            lanes: self.lanes.observe(name_of),
            totals: Totals {
                lanes_abandoned: self.lanes.abandoned_total(),
                stalls: self.stalls.total(),
                ..self.totals.clone()
            },
            tick_late_ms: millis(self.tick_late),
            tick_late_max_ms: millis(self.tick_late_max),
            lanes_abandoned_alive: self.lanes.abandoned_alive(),
            children,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
