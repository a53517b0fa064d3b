//! Whether a service changes too often to be acted on: Nagios' algorithm and weights.
//!
//! Of the last 21 settled states the 20 transitions are weighted from 0.75 for the oldest to 1.25 for the newest. The
//! service flaps from 30 % of the possible sum on, and until it has fallen to 20 %.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::thresholds::Standing;

const STATES: usize = 21;
const OLDEST_WEIGHT: f64 = 0.75;
const NEWEST_WEIGHT: f64 = 1.25;
/// Percent of change from which a service flaps.
const STARTS_AT: f64 = 30.0;
/// Percent of change at which it no longer does.
const ENDS_AT: f64 = 20.0;

/// The last settled states, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct FlapWindow {
    states: VecDeque<Standing>,
    flapping: bool,
}

// === impl FlapWindow ===

impl FlapWindow {
    pub(super) fn is_flapping(&self) -> bool {
        self.flapping
    }

    /// Adds a settled state; one that is only announced does not count.
    pub(super) fn push(&mut self, standing: Standing) {
        if self.states.len() >= STATES {
            self.states.pop_front();
        }
        self.states.push_back(standing);
        let change = self.percent();
        self.flapping = change >= STARTS_AT || (self.flapping && change > ENDS_AT);
    }

    /// Weighted share of transitions, in percent. A window that is not full counts as if nothing had changed before.
    fn percent(&self) -> f64 {
        const TRANSITIONS: usize = STATES - 1;
        let missing = STATES - self.states.len().min(STATES);
        let pairs = self.states.iter().zip(self.states.iter().skip(1));
        let changed = pairs.enumerate().filter(|(_, (before, after))| before != after);
        let sum: f64 = changed
            .map(|(index, _)| {
                let place = (missing + index) as f64 / (TRANSITIONS - 1) as f64;
                OLDEST_WEIGHT + place * (NEWEST_WEIGHT - OLDEST_WEIGHT)
            })
            .sum();
        sum * 100.0 / TRANSITIONS as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(states: &str) -> FlapWindow {
        let mut window = FlapWindow::default();
        for state in states.chars() {
            window.push(match state {
                'u' => Standing::Up,
                'w' => Standing::Warned,
                _ => Standing::Down,
            });
        }
        window
    }

    #[test]
    fn percentages_are_those_of_nagios() {
        assert_eq!(window("").percent(), 0.0);
        assert_eq!(window(&"u".repeat(30)).percent(), 0.0);
        // Every transition: the weights' mean is 1.
        assert!((window(&"ud".repeat(20)).percent() - 100.0).abs() < 1e-9);
        // The newest transition alone weighs 1.25, the oldest 0.75.
        assert!((window("ud").percent() - 6.25).abs() < 1e-9);
        assert!((window(&format!("u{}", "d".repeat(20))).percent() - 3.75).abs() < 1e-9);
    }

    #[test]
    fn it_flaps_from_30_percent_until_20() {
        let mut window = window("uuuuu");
        for (state, flapping) in "dududu".chars().zip([false, false, false, false, false, true]) {
            window.push(if state == 'u' { Standing::Up } else { Standing::Down });
            assert_eq!(window.percent() >= STARTS_AT, flapping, "{} %", window.percent());
            assert_eq!(window.is_flapping(), flapping, "{} %", window.percent());
        }
        while window.percent() > ENDS_AT {
            assert!(window.is_flapping(), "{} %", window.percent());
            window.push(Standing::Up);
        }
        assert!(!window.is_flapping());
    }

    #[test]
    fn a_warning_is_a_state_of_its_own() {
        assert!(window(&"uw".repeat(5)).is_flapping());
    }

    #[test]
    fn the_window_does_not_grow() {
        assert_eq!(window(&"u".repeat(100)).states.len(), STATES);
    }
}
