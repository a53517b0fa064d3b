//! Why a run of a child ended.

use std::fmt;

use serde::Serialize;

/// Why a run of a child ended. The text of its `Display` completes "the child …".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It stopped itself.
    Normal,
    /// It panicked, in its factory, in a hook or in a handler; with the panic's message.
    Panicked(String),
    /// The supervisor ended it.
    Aborted(AbortCause),
    /// It blocked its thread until the lane was given up.
    Blocked,
    /// Its lane ended under it for another reason (the arbiter was stopped), and it was the last to be polled there.
    LaneLost,
}

/// Why the supervisor ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AbortCause {
    /// It was silent past the moment by which it had promised to beat.
    Overdue,
    /// Another child blocked or ended the lane they shared; this one moves to a fresh lane and is not charged.
    LaneLost,
    /// It was removed.
    Removed,
    /// It was replaced by a new specification.
    Replaced,
    /// The supervisor shuts down.
    Shutdown,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("stopped by itself"),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
            Self::Aborted(cause) => cause.fmt(f),
            Self::Blocked => f.write_str("blocked its thread"),
            Self::LaneLost => f.write_str("lost the thread it ran on"),
        }
    }
}

impl fmt::Display for AbortCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overdue => "was silent past its due time",
            Self::LaneLost => "was moved off a lost thread",
            Self::Removed => "was removed",
            Self::Replaced => "was replaced",
            Self::Shutdown => "was shut down",
        })
    }
}
