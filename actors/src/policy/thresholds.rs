//! Streaks of cycles, and the standing that they have settled.

use serde::{Deserialize, Serialize};

use crate::model::Thresholds;

/// What enough cycles in a row have said, and still holds while fewer say otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settled {
    pub(super) standing: Standing,
    /// The reason of the last cycle that said so.
    pub(super) reason: String,
}

/// Where a service stands by its check alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Standing {
    /// It passes.
    Up,
    /// It passes with a warning.
    Warned,
    /// It fails.
    Down,
}

/// Cycles in a row, by the service's own fault or merit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Streaks {
    failures: u32,
    successes: u32,
    settled: Option<Settled>,
}

// === impl Standing ===

impl Standing {
    pub(super) fn is_up(self) -> bool {
        self != Standing::Down
    }
}

// === impl Streaks ===

impl Streaks {
    pub(super) fn settled(&self) -> Option<&Settled> {
        self.settled.as_ref()
    }

    /// Failing cycles in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Passing cycles in a row.
    pub(super) fn successes(&self) -> u32 {
        self.successes
    }

    pub(super) fn is_down(&self) -> bool {
        self.settled
            .as_ref()
            .is_some_and(|settled| settled.standing == Standing::Down)
    }

    /// The last cycles say otherwise than what is settled.
    pub(super) fn is_pending(&self) -> bool {
        match &self.settled {
            Some(settled) if settled.standing.is_up() => self.failures > 0,
            Some(_) => self.successes > 0,
            None => false,
        }
    }

    /// Begins to count anew, and keeps what is settled.
    pub(super) fn restart(&mut self) {
        self.failures = 0;
        self.successes = 0;
    }

    /// A cycle passed. Without an earlier verdict it decides alone.
    pub(super) fn passed(&mut self, warned: bool, reason: &str, thresholds: Thresholds) {
        self.failures = 0;
        self.successes = self.successes.saturating_add(1);
        if !self.is_down() || self.successes >= thresholds.success {
            let standing = if warned { Standing::Warned } else { Standing::Up };
            self.settle(standing, reason);
        }
    }

    /// A cycle failed. Without an earlier verdict it decides alone.
    pub(super) fn failed(&mut self, reason: &str, thresholds: Thresholds) {
        self.successes = 0;
        self.failures = self.failures.saturating_add(1);
        let is_up = self.settled.as_ref().is_some_and(|settled| settled.standing.is_up());
        if !is_up || self.failures >= thresholds.failure {
            self.settle(Standing::Down, reason);
        }
    }

    fn settle(&mut self, standing: Standing, reason: &str) {
        self.settled = Some(Settled {
            standing,
            reason: reason.to_owned(),
        });
    }
}
