//! Cycles of a check, put together from the visits that a listener noted.

use std::time::Duration;

use tokio::time::Instant;

use crate::listener::{Listener, Mode, Visit};

/// Attempts that begin within this time of a cycle's first are its own: retries begin sooner, and the next cycle later, even
/// after one that was late itself.
const ONE_CYCLE: Duration = Duration::from_millis(700);

/// No cycle makes more.
pub(super) const ATTEMPTS: usize = 3;

/// A cycle as the listener saw it.
#[derive(Debug, Clone)]
pub(super) struct Cycle {
    /// When each of its attempts began.
    pub(super) attempts: Vec<Instant>,
    /// The last of them was answered.
    pub(super) has_passed: bool,
}

/// All cycles of a service so far.
pub(super) fn cycles_of(port: &Listener) -> Vec<Cycle> {
    let mut cycles: Vec<Cycle> = Vec::new();
    for Visit { at, mode } in port.visits() {
        let has_passed = mode == Mode::Up;
        match cycles.last_mut() {
            Some(cycle) if cycle.may_go_on(at) => {
                cycle.attempts.push(at);
                cycle.has_passed = has_passed;
            }
            _ => cycles.push(Cycle {
                attempts: vec![at],
                has_passed,
            }),
        }
    }
    cycles
}

impl Cycle {
    fn may_go_on(&self, at: Instant) -> bool {
        !self.has_passed && self.attempts.len() < ATTEMPTS && at - self.start() < ONE_CYCLE
    }

    pub(super) fn start(&self) -> Instant {
        self.attempts[0]
    }

    /// When its last attempt began.
    pub(super) fn end(&self) -> Instant {
        self.attempts[self.attempts.len() - 1]
    }
}
