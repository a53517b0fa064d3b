//! The lanes of a supervisor: which arbiters there are, who runs where, and which are lost.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Arbiter};

use super::Supervisor;
use super::child::ChildName;
use super::clock::Clock;
use super::lane::{LaneCell, LaneGuard, LaneId, beat};
use super::run::Launch;
use super::state::{LaneKind, LaneState};

/// A lane beats this often within the time after which it is lost, so that one late beat is no news.
const BEATS_PER_LIMIT: u32 = 8;

pub(super) struct Lanes {
    table: BTreeMap<LaneId, Lane>,
    /// The present lane of each shared slot; `None` where no thread could be had.
    shared: Vec<Option<LaneId>>,
    /// Abandoned lanes whose threads have not come back, and the child that holds each.
    held: BTreeMap<LaneId, Option<ChildName>>,
    abandoned_total: u64,
    next_id: LaneId,
    limit: Duration,
    clock: Clock,
}

struct Lane {
    kind: LaneKind,
    arbiter: Arbiter,
    cell: Arc<LaneCell>,
    children: usize,
    /// The polls seen at the previous tick.
    polls: u64,
}

/// A lane that was closed, abandoned or left behind ends as soon as its thread is free.
impl Drop for Lane {
    fn drop(&mut self) {
        self.cell.abandon();
        // Already stopped is as good.
        self.arbiter.stop();
    }
}

/// A lane that no longer moves.
pub(super) struct Stuck {
    pub(super) lane: LaneId,
    /// The run whose poll does not return; `None` where the thread is blocked in a task that no child owns.
    pub(super) polling: Option<u64>,
}

/// What the end of a lane's thread means.
pub(super) enum LaneEnd {
    /// It had been abandoned; the child that held it, if one did.
    CameBack(Option<ChildName>),
    /// Nobody expected it.
    Lost,
    /// It had been closed.
    Closed,
}

impl Lanes {
    pub(super) fn new(slots: usize, limit: Duration, clock: Clock) -> Self {
        Self {
            table: BTreeMap::new(),
            shared: vec![None; slots],
            held: BTreeMap::new(),
            abandoned_total: 0,
            next_id: 0,
            limit,
            clock,
        }
    }

    /// Opens a lane for every shared slot that has none.
    pub(super) fn open_shared(&mut self, supervisor: &Addr<Supervisor>) -> io::Result<()> {
        for slot in 0..self.shared.len() {
            if self.shared.get(slot).is_some_and(Option::is_none) {
                let id = self.open(LaneKind::Shared { slot }, supervisor)?;
                if let Some(place) = self.shared.get_mut(slot) {
                    *place = Some(id);
                }
            }
        }
        Ok(())
    }

    /// Opens a lane.
    pub(super) fn open(&mut self, kind: LaneKind, supervisor: &Addr<Supervisor>) -> io::Result<LaneId> {
        let arbiter = Arbiter::try_new()?;
        self.next_id += 1;
        let id = self.next_id;
        let cell = Arc::new(LaneCell::new(self.clock.now()));
        let guard = LaneGuard {
            id,
            supervisor: supervisor.clone(),
        };
        // An arbiter that does not take the task drops the guard, which reports the lane's end.
        arbiter.spawn(beat(Arc::clone(&cell), self.clock, self.limit / BEATS_PER_LIMIT, guard));
        self.table.insert(
            id,
            Lane {
                kind,
                arbiter,
                cell,
                children: 0,
                polls: 0,
            },
        );
        Ok(id)
    }

    /// The shared lane with the fewest children.
    pub(super) fn least_loaded(&self) -> Option<LaneId> {
        let lanes = self.shared.iter().flatten();
        lanes
            .copied()
            .min_by_key(|id| self.table.get(id).map_or(usize::MAX, |lane| lane.children))
    }

    pub(super) fn kind(&self, id: LaneId) -> Option<&LaneKind> {
        self.table.get(&id).map(|lane| &lane.kind)
    }

    pub(super) fn cell(&self, id: LaneId) -> Option<Arc<LaneCell>> {
        self.table.get(&id).map(|lane| Arc::clone(&lane.cell))
    }

    /// Sends a run to its lane and counts it there. Where the arbiter has ended, the run reports so itself.
    pub(super) fn send(&mut self, id: LaneId, launch: Launch) {
        if let Some(lane) = self.table.get_mut(&id) {
            lane.children += 1;
            lane.arbiter.spawn_fn(move || {
                // Detached: the run reports its own end.
                drop(actix::spawn(launch.begin()));
            });
        }
    }

    /// A run that was counted on the lane has ended.
    pub(super) fn leave(&mut self, id: LaneId) {
        if let Some(lane) = self.table.get_mut(&id) {
            lane.children = lane.children.saturating_sub(1);
        }
    }

    /// Ends a lane that nobody needs any more.
    pub(super) fn close(&mut self, id: LaneId) {
        self.table.remove(&id);
    }

    /// Ends all lanes.
    pub(super) fn close_all(&mut self) {
        self.shared.fill(None);
        self.table.clear();
    }

    /// The lanes that have not beaten for the limit and were in one and the same poll since the previous tick. A lane that
    /// went from one poll to another meanwhile is slow, and a fresh thread would be no faster.
    pub(super) fn stuck(&mut self) -> Vec<Stuck> {
        let now = self.clock.now();
        let limit = u64::try_from(self.limit.as_micros()).unwrap_or(u64::MAX);
        let mut stuck = Vec::new();
        for (id, lane) in &mut self.table {
            let polls = lane.cell.polls();
            let moves = std::mem::replace(&mut lane.polls, polls) != polls;
            if !moves && lane.cell.beat_age(now) > limit {
                stuck.push(Stuck {
                    lane: *id,
                    polling: lane.cell.polling(),
                });
            }
        }
        stuck
    }

    /// Whether the lane has been beating for the whole of `period`, so that its children had their turns.
    pub(super) fn is_steady(&self, id: LaneId, period: Duration) -> bool {
        let period = u64::try_from(period.as_micros()).unwrap_or(u64::MAX);
        let beat_every = u64::try_from((self.limit / BEATS_PER_LIMIT).as_micros()).unwrap_or(u64::MAX);
        self.table.get(&id).is_some_and(|lane| {
            let now = self.clock.now();
            let beats = lane.cell.beat_age(now) <= beat_every.saturating_mul(2);
            beats && now.saturating_sub(lane.cell.gap_ended()) >= period
        })
    }

    /// Leaves a stuck lane to itself. Its thread ends when it comes back; until then it is counted as held, by `culprit`.
    pub(super) fn abandon(&mut self, id: LaneId, culprit: Option<ChildName>) {
        if self.table.remove(&id).is_some() {
            self.vacate(id);
            self.held.insert(id, culprit);
            self.abandoned_total += 1;
        }
    }

    /// A lane's thread has ended.
    pub(super) fn ended(&mut self, id: LaneId) -> LaneEnd {
        if let Some(culprit) = self.held.remove(&id) {
            tracing::info!(lane = id, "abandoned lane came back and ended");
            return LaneEnd::CameBack(culprit);
        }
        self.vacate(id);
        match self.table.remove(&id) {
            Some(_) => LaneEnd::Lost,
            None => LaneEnd::Closed,
        }
    }

    fn vacate(&mut self, id: LaneId) {
        for place in &mut self.shared {
            if *place == Some(id) {
                *place = None;
            }
        }
    }

    /// How many abandoned lanes still hold a thread.
    pub(super) fn abandoned_alive(&self) -> usize {
        self.held.len()
    }

    /// How many of them are held by this child.
    pub(super) fn held_by(&self, name: &ChildName) -> usize {
        self.held
            .values()
            .filter(|culprit| culprit.as_ref() == Some(name))
            .count()
    }

    pub(super) fn abandoned_total(&self) -> u64 {
        self.abandoned_total
    }

    /// What there is to see of the lanes; `name_of` tells whose run a number is.
    pub(super) fn observe(&self, name_of: impl Fn(u64) -> Option<ChildName>) -> Vec<LaneState> {
        let now = self.clock.now();
        let state = |(id, lane): (&LaneId, &Lane)| LaneState {
            generation: *id,
            kind: lane.kind.clone(),
            beat_age_ms: lane.cell.beat_age(now) / 1_000,
            polling: lane.cell.polling().and_then(&name_of),
            children: lane.children,
        };
        self.table.iter().map(state).collect()
    }
}
