//! What the supervisor tells others: the starts and exits of its children, and that it cannot go on.

use std::time::Duration;

use actix::Message;

use super::child::ChildName;
use super::exit::Exit;

/// A run of a child has started or ended. The events of one child come in order: every start before its exit.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct ChildEvent {
    /// The child.
    pub name: ChildName,
    /// Which run of it.
    pub run: u64,
    /// What happened.
    pub kind: ChildEventKind,
}

/// What happened to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildEventKind {
    /// It was sent to its lane.
    Started,
    /// It ended.
    Exited {
        /// How.
        exit: Exit,
        /// What comes next.
        next: Next,
    },
}

/// What follows an exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A restart.
    Restart {
        /// After this long.
        after: Duration,
    },
    /// Too many exits in too short a time: nothing but a slow retry.
    GiveUp {
        /// After this long.
        retry_after: Duration,
    },
    /// Nothing.
    NoRestart,
}

/// The supervisor cannot do its work any longer; the process should exit with a code of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// Children hold too many threads.
    #[error("{alive} threads are blocked by children and do not come back")]
    LanesExhausted {
        /// How many abandoned lanes have not come back.
        alive: usize,
    },
    /// No thread could be had for a lane.
    #[error("no thread for a lane: {reason}")]
    NoThread {
        /// The operating system's word.
        reason: String,
    },
    /// The supervisor itself ended without being asked to.
    #[error("the supervisor ended without being asked to")]
    SupervisorEnded,
}
