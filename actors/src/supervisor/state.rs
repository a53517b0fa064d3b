//! What there is to see of a supervisor: the document behind `GET /internals`, and what tests look at.

use jiff::Timestamp;
use serde::Serialize;

use super::child::ChildName;
use super::exit::Exit;

/// A supervisor, its children and its lanes at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SupervisorState {
    /// By name.
    pub children: Vec<ChildState>,
    /// By generation.
    pub lanes: Vec<LaneState>,
    /// Counted since the supervisor's start.
    pub totals: Totals,
    /// By how much the supervisor's last tick was late, in milliseconds.
    pub tick_late_ms: u64,
    /// The largest such lateness since the start, in milliseconds.
    pub tick_late_max_ms: u64,
    /// Abandoned lanes whose threads have not come back.
    pub lanes_abandoned_alive: usize,
}

/// A child at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChildState {
    /// Its name.
    pub name: ChildName,
    /// The number of its present or last run; 0 before the first.
    pub run: u64,
    /// What it is doing.
    pub phase: PhaseState,
    /// The generation of the lane it runs on; `null` while it does not run.
    pub lane: Option<u64>,
    /// How often it was restarted for a fault of its own.
    pub restarts: u64,
    /// Its last exit; `null` before the first.
    pub last_exit: Option<LastExit>,
    /// Milliseconds until the beat that it promised, negative while overdue; `null` while it needs no watching.
    pub beat_due_in_ms: Option<i64>,
    /// It blocked or ended a lane once, and runs on one of its own since.
    pub quarantined: bool,
}

/// An exit and its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastExit {
    /// How the run ended.
    pub exit: Exit,
    /// When the supervisor heard of it.
    pub at: Timestamp,
}

/// What a child is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PhaseState {
    /// It runs.
    Running,
    /// It was aborted and has not ended yet.
    Ending,
    /// It waits for its restart.
    BackingOff {
        /// Milliseconds until the restart.
        restart_in_ms: u64,
    },
    /// It failed too often, and waits for the slow retry.
    GivenUp {
        /// Milliseconds until the retry.
        retry_in_ms: u64,
    },
    /// It ended and is not restarted.
    Stopped,
}

/// A lane at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LaneState {
    /// Names this lane among all that the supervisor ever opened.
    pub generation: u64,
    /// What it is for.
    #[serde(flatten)]
    pub kind: LaneKind,
    /// Milliseconds since its last beat.
    pub beat_age_ms: u64,
    /// The child being polled; `null` between polls.
    pub polling: Option<ChildName>,
    /// How many children run on it.
    pub children: usize,
}

/// What a lane is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LaneKind {
    /// For all children that ask for nothing else.
    Shared {
        /// Which of the shared slots it fills; a slot outlives its lanes.
        slot: usize,
    },
    /// For one child that asked for its own arbiter.
    Own {
        /// The child.
        child: ChildName,
    },
    /// For one child that blocked or ended a lane.
    Quarantine {
        /// The child.
        child: ChildName,
    },
}

/// What was counted since the supervisor's start. None of them ever falls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Exits that were charged to their children, by kind.
    pub exits: ExitTotals,
    /// Children moved off a lane that another had blocked or ended.
    pub moved: u64,
    /// How often a child was given up.
    pub given_up: u64,
    /// Lanes abandoned because they did not beat.
    pub lanes_abandoned: u64,
    /// Stalls of the process.
    pub stalls: u64,
    /// Exits of runs that had been written off before, as of a lane that came back.
    pub stale_exits: u64,
}

/// Charged exits by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ExitTotals {
    /// Ended by themselves.
    pub normal: u64,
    /// Panicked.
    pub panicked: u64,
    /// Silent past their due time.
    pub overdue: u64,
    /// Blocked their thread.
    pub blocked: u64,
    /// Lost their thread for another reason.
    pub lane_lost: u64,
}

impl ExitTotals {
    pub(super) fn count(&mut self, exit: &Exit) {
        let counter = match exit {
            Exit::Normal => &mut self.normal,
            Exit::Panicked(_) => &mut self.panicked,
            // The only abort that is charged.
            Exit::Aborted(_) => &mut self.overdue,
            Exit::Blocked => &mut self.blocked,
            Exit::LaneLost => &mut self.lane_lost,
        };
        *counter += 1;
    }
}
