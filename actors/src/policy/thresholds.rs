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
    /// What the last cycles say instead, too few to settle it.
    announced: Option<Settled>,
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

    /// What the last cycles say otherwise than what is settled.
    pub(super) fn announced(&self) -> Option<&Settled> {
        self.announced.as_ref()
    }

    pub(super) fn is_pending(&self) -> bool {
        self.announced.is_some()
    }

    /// Begins to count anew, and keeps what is settled.
    pub(super) fn restart(&mut self) {
        self.failures = 0;
        self.successes = 0;
        self.announced = None;
    }

    /// A cycle passed. Without an earlier verdict it decides alone.
    pub(super) fn passed(&mut self, warned: bool, reason: &str, thresholds: Thresholds) {
        self.failures = 0;
        self.successes = self.successes.saturating_add(1);
        let standing = if warned { Standing::Warned } else { Standing::Up };
        let is_enough = !self.is_down() || self.successes >= thresholds.success;
        self.take(standing, reason, is_enough);
    }

    /// A cycle failed. Without an earlier verdict it decides alone.
    pub(super) fn failed(&mut self, reason: &str, thresholds: Thresholds) {
        self.successes = 0;
        self.failures = self.failures.saturating_add(1);
        let is_up = self.settled.as_ref().is_some_and(|settled| settled.standing.is_up());
        let is_enough = !is_up || self.failures >= thresholds.failure;
        self.take(Standing::Down, reason, is_enough);
    }

    fn take(&mut self, standing: Standing, reason: &str, is_enough: bool) {
        let said = Some(Settled {
            standing,
            reason: reason.to_owned(),
        });
        if is_enough {
            self.settled = said;
            self.announced = None;
        } else {
            self.announced = said;
        }
    }
}
