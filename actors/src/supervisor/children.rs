//! What the supervisor knows of each child.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::child::{ChildSpec, Placement};
use super::exit::AbortCause;
use super::heart::Heart;
use super::lane::LaneId;
use super::run::RunControl;
use super::state::{ChildState, LaneKind, LastExit, PhaseState};
use crate::policy::intensity::RestartWindow;

/// A child and its record.
pub(super) struct Child {
    pub(super) spec: ChildSpec,
    /// The number of its present or last run; 0 before the first.
    pub(super) run: u64,
    pub(super) phase: Phase,
    pub(super) window: RestartWindow,
    pub(super) restarts: u64,
    pub(super) last_exit: Option<LastExit>,
    /// It blocked or ended a lane, and runs alone since.
    pub(super) quarantined: bool,
    /// It was given up for the threads that it holds, and for nothing else.
    pub(super) holds_too_many: bool,
    /// The lane that only this child uses, kept from run to run.
    pub(super) private_lane: Option<LaneId>,
}

/// What a child is doing.
pub(super) enum Phase {
    Running(Active),
    /// Aborted, and not ended yet.
    Ending(Active, After),
    BackingOff(Wait),
    GivenUp(Wait),
    Stopped,
}

/// A run under way.
pub(super) struct Active {
    pub(super) lane: LaneId,
    pub(super) since: Instant,
    pub(super) control: Arc<RunControl>,
    pub(super) heart: Heart,
}

/// What follows the end of an aborted run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// What its exit deserves.
    Settle,
    /// The child is forgotten.
    Remove,
    /// A run of the new specification.
    StartAnew,
    /// Nothing; the supervisor shuts down.
    Stop,
}

/// A time to wait. Dropped, it ends the timer.
pub(super) struct Wait {
    until: Instant,
    timer: AbortHandle,
}

impl Wait {
    pub(super) fn new(time: Duration, timer: AbortHandle) -> Self {
        Self {
            until: Instant::now() + time,
            timer,
        }
    }

    fn left_ms(&self) -> u64 {
        let left = self.until.saturating_duration_since(Instant::now());
        u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.timer.abort();
    }
}

impl Child {
    pub(super) fn new(spec: ChildSpec) -> Self {
        Self {
            spec,
            run: 0,
            phase: Phase::Stopped,
            window: RestartWindow::default(),
            restarts: 0,
            last_exit: None,
            quarantined: false,
            holds_too_many: false,
            private_lane: None,
        }
    }

    /// A clean record for a new specification. Counters stay, so that they never fall.
    pub(super) fn renew(&mut self, spec: ChildSpec) {
        self.spec = spec;
        self.window = RestartWindow::default();
        self.quarantined = false;
    }

    /// The kind of lane that only this child may use; `None` where it shares.
    pub(super) fn private_lane_kind(&self) -> Option<LaneKind> {
        let child = self.spec.name.clone();
        match self.spec.placement {
            _ if self.quarantined => Some(LaneKind::Quarantine { child }),
            Placement::OwnArbiter => Some(LaneKind::Own { child }),
            Placement::Lanes => None,
        }
    }

    /// The run under way, aborted or not.
    pub(super) fn active(&self) -> Option<&Active> {
        match &self.phase {
            Phase::Running(active) | Phase::Ending(active, _) => Some(active),
            Phase::BackingOff(_) | Phase::GivenUp(_) | Phase::Stopped => None,
        }
    }

    /// Ends the run under way, if any, and says what follows. A cause that was given before stands.
    pub(super) fn end(&mut self, cause: AbortCause, after: After) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Stopped) {
            Phase::Running(active) | Phase::Ending(active, _) => {
                active.control.abort(cause);
                Phase::Ending(active, after)
            }
            idle => idle,
        };
    }

    pub(super) fn is_being_removed(&self) -> bool {
        matches!(self.phase, Phase::Ending(_, After::Remove))
    }

    pub(super) fn observe(&self, now: u64) -> ChildState {
        let active = self.active();
        ChildState {
            name: self.spec.name.clone(),
            run: self.run,
            phase: match &self.phase {
                Phase::Running(_) => PhaseState::Running,
                Phase::Ending(..) => PhaseState::Ending,
                Phase::BackingOff(wait) => PhaseState::BackingOff {
                    restart_in_ms: wait.left_ms(),
                },
                Phase::GivenUp(wait) => PhaseState::GivenUp {
                    retry_in_ms: wait.left_ms(),
                },
                Phase::Stopped => PhaseState::Stopped,
            },
            lane: active.map(|active| active.lane),
            restarts: self.restarts,
            last_exit: self.last_exit.clone(),
            beat_due_in_ms: active.and_then(|active| active.heart.due_in_ms(now)),
            quarantined: self.quarantined,
        }
    }
}
