//! The end of an attempt, a little before the probe's own, so that a check can say what it was waiting for.

use std::future::Future;
use std::time::Duration;

use health_monitor_actors::check::{Attempt, CheckFailure};
use health_monitor_actors::model::FailureKind;
use tokio::time::{Instant, timeout_at};

use crate::settings::duration;

/// A check ends this part of its time before the probe would drop it, ...
const MARGIN: u32 = 20;

/// ... but never more than this before it.
const LONGEST_MARGIN: Duration = Duration::from_millis(100);

/// When one attempt must be over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    timeout: Duration,
}

// === impl Deadline ===

impl Deadline {
    /// The end of an attempt that begins now.
    pub(super) fn of(attempt: &Attempt) -> Self {
        let margin = (attempt.timeout / MARGIN).min(LONGEST_MARGIN);
        Self {
            at: Instant::now() + attempt.timeout.saturating_sub(margin),
            timeout: attempt.timeout,
        }
    }

    /// The same attempt, but this step of it may take no longer than `most`.
    pub(super) fn step(self, most: Duration) -> Self {
        let at = self.at.min(Instant::now() + most);
        Self { at, ..self }
    }

    /// Time that is left.
    pub(super) fn left(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Waits for `future` until the deadline.
    ///
    /// # Errors
    ///
    /// [`FailureKind::Timeout`] with what was being waited for: `<waiting> within 5s`.
    pub(super) async fn within<T>(
        self,
        waiting: impl FnOnce() -> String,
        future: impl Future<Output = T>,
    ) -> Result<T, CheckFailure> {
        timeout_at(self.at, future)
            .await
            .map_err(|_elapsed| self.elapsed(&waiting()))
    }

    /// What [`Deadline::within`] fails with.
    pub(super) fn elapsed(self, waiting: &str) -> CheckFailure {
        let timeout = duration::format(self.timeout);
        CheckFailure::new(FailureKind::Timeout, format!("{waiting} within {timeout}"))
    }

    /// Waits for `future` until the deadline; `None` where it did not end by then.
    pub(super) async fn cut<T>(self, future: impl Future<Output = T>) -> Option<T> {
        timeout_at(self.at, future).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::attempt_of;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ends_before_the_probe_would_and_says_what_it_waited_for() {
        let deadline = Deadline::of(&attempt_of(Duration::from_secs(5)));
        let begin = Instant::now();
        let failure = deadline
            .within(|| "connected, but no CONNACK".to_owned(), std::future::pending::<()>())
            .await
            .unwrap_err();
        assert_eq!(begin.elapsed().as_millis(), 4_900);
        assert_eq!(failure.kind, FailureKind::Timeout);
        assert_eq!(failure.reason, "connected, but no CONNACK within 5s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_never_outlives_the_attempt() {
        let deadline = Deadline::of(&attempt_of(Duration::from_secs(1)));
        assert_eq!(deadline.step(Duration::from_secs(60)).left(), deadline.left());
        assert_eq!(deadline.step(Duration::from_millis(10)).left().as_millis(), 10);
    }
}
