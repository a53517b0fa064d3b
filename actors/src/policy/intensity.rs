//! Restart intensity: how many restarts in how long are a fault that passes, and when it is time to give up.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The limit: at most `restarts` restarts within `window`.
///
/// A burst may use all of them at once; what is sustained is one every `window / restarts`. The terms are those of
/// Erlang's supervisors (`intensity` and `period`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intensity {
    /// How many restarts are allowed within the window. 0 gives up at the first exit.
    pub restarts: u32,
    /// The time after which an exit is forgotten.
    pub window: Duration,
}

impl Default for Intensity {
    /// Five restarts in 30 s.
    fn default() -> Self {
        Self {
            restarts: 5,
            window: Duration::from_secs(30),
        }
    }
}

/// What to do about an exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Restart; this is exit number `attempt` within the window, counted from 0 (the attempt of a backoff).
    Restart {
        /// How many exits the window already held.
        attempt: u32,
    },
    /// Too many exits: stop restarting and try again at a slow cadence.
    GiveUp,
}

/// The exits of one child that its intensity still remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestartWindow {
    exits: VecDeque<Instant>,
    /// The child was given up, and nothing since has shown that it works again.
    on_probation: bool,
}

impl RestartWindow {
    /// Takes note of an exit at `now` of a run that lasted `ran_for`, and judges it by `limit`.
    ///
    /// A child that was given up gets no fresh budget by waiting: unless the retry outlived a whole window, its next
    /// exit gives it up again. Otherwise every slow retry would bring a burst of restarts.
    pub fn record_exit(&mut self, now: Instant, ran_for: Duration, limit: &Intensity) -> Verdict {
        if ran_for >= limit.window {
            self.on_probation = false;
        }
        while self
            .exits
            .front()
            .is_some_and(|exit| now.saturating_duration_since(*exit) >= limit.window)
        {
            self.exits.pop_front();
        }
        let attempt = u32::try_from(self.exits.len()).unwrap_or(u32::MAX);
        if self.on_probation || attempt >= limit.restarts {
            // The retry starts from an empty window: what counts from here on is the probation.
            self.exits.clear();
            self.on_probation = true;
            return Verdict::GiveUp;
        }
        self.exits.push_back(now);
        Verdict::Restart { attempt }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const LIMIT: Intensity = Intensity {
        restarts: 3,
        window: Duration::from_secs(30),
    };
    const SECOND: Duration = Duration::from_secs(1);

    fn exit(window: &mut RestartWindow) -> Verdict {
        window.record_exit(Instant::now(), SECOND, &LIMIT)
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_uses_the_whole_intensity_and_one_more_gives_up() {
        let mut window = RestartWindow::default();
        for attempt in 0..3 {
            assert_eq!(exit(&mut window), Verdict::Restart { attempt });
        }
        assert_eq!(exit(&mut window), Verdict::GiveUp);
    }

    #[tokio::test(start_paused = true)]
    async fn exits_are_forgotten_after_the_window() {
        let mut window = RestartWindow::default();
        for _ in 0..20 {
            assert!(
                matches!(exit(&mut window), Verdict::Restart { .. }),
                "one exit every 10 s is what the limit sustains"
            );
            advance(10 * SECOND).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_count_only_what_the_window_holds() {
        let mut window = RestartWindow::default();
        assert_eq!(exit(&mut window), Verdict::Restart { attempt: 0 });
        advance(29 * SECOND).await;
        assert_eq!(exit(&mut window), Verdict::Restart { attempt: 1 });
        advance(SECOND).await;
        assert_eq!(
            exit(&mut window),
            Verdict::Restart { attempt: 1 },
            "the first exit is 30 s old"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_retry_that_fails_soon_is_given_up_at_once() {
        let mut window = RestartWindow::default();
        while exit(&mut window) != Verdict::GiveUp {}
        advance(300 * SECOND).await;
        assert_eq!(exit(&mut window), Verdict::GiveUp);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_retry_that_outlives_the_window_earns_a_fresh_budget() {
        let mut window = RestartWindow::default();
        while exit(&mut window) != Verdict::GiveUp {}
        advance(330 * SECOND).await;
        let verdict = window.record_exit(Instant::now(), LIMIT.window, &LIMIT);
        assert_eq!(verdict, Verdict::Restart { attempt: 0 });
        assert_eq!(exit(&mut window), Verdict::Restart { attempt: 1 });
    }

    #[tokio::test(start_paused = true)]
    async fn an_intensity_of_zero_never_restarts() {
        let limit = Intensity { restarts: 0, ..LIMIT };
        let verdict = RestartWindow::default().record_exit(Instant::now(), SECOND, &limit);
        assert_eq!(verdict, Verdict::GiveUp);
    }
}
