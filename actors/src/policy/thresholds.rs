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

    /// What a restart needs of it: standings without their reasons, and counts as far as they decide anything.
    pub(super) fn gist(&self) -> (Option<Standing>, Option<Standing>, u32, u32) {
        /// No threshold of the breaker or the like is higher; those of the configuration only count while they announce.
        const DECIDES: u32 = 8;
        let standing = |settled: &Option<Settled>| settled.as_ref().map(|settled| settled.standing);
        let (failures, successes) = if self.is_pending() {
            (self.failures, self.successes)
        } else {
            (self.failures.min(DECIDES), 0)
        };
        (standing(&self.settled), standing(&self.announced), failures, successes)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Cycles (`+` passed, `!` passed with a warning, `-` failed), thresholds, and what each cycle leaves settled:
    /// upper case where a change is announced.
    #[test]
    fn streaks_settle_at_their_thresholds() {
        for (cycles, failure, success, settled) in [
            ("+-+--", 2, 1, "uUuUd"),
            ("-+", 2, 1, "du"),
            ("-++", 2, 2, "dDu"),
            ("-+-++", 1, 2, "dDdDu"),
            ("+--+-", 1, 1, "uddud"),
            ("+!-!+", 2, 1, "uwWwu"),
            ("+----", 3, 1, "uUUdd"),
            ("--!!", 3, 3, "ddDD"),
        ] {
            let thresholds = Thresholds { failure, success };
            let mut streaks = Streaks::default();
            let mut seen = String::new();
            for cycle in cycles.chars() {
                match cycle {
                    '-' => streaks.failed("", thresholds),
                    _ => streaks.passed(cycle == '!', "", thresholds),
                }
                let letter = match streaks.settled().unwrap().standing {
                    Standing::Up => 'u',
                    Standing::Warned => 'w',
                    Standing::Down => 'd',
                };
                seen.push(if streaks.is_pending() {
                    letter.to_ascii_uppercase()
                } else {
                    letter
                });
            }
            assert_eq!(seen, settled, "{cycles} with {thresholds:?}");
        }
    }

    #[test]
    fn a_new_count_keeps_what_is_settled() {
        let thresholds = Thresholds { failure: 2, success: 1 };
        let mut streaks = Streaks::default();
        streaks.passed(false, "passed", thresholds);
        streaks.failed("failed", thresholds);
        streaks.restart();
        assert_eq!((streaks.failures(), streaks.is_pending()), (0, false));
        assert_eq!(streaks.settled().unwrap().reason, "passed");
    }
}
