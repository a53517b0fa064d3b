//! One scheduled run of a check: a first attempt and its retries.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout};

use crate::check::{Attempt, Check, CheckFailure, Finding};
use crate::model::{ContainerState, FailureKind, Outcome, ServiceSpec, Verdict};
use crate::policy::retry;

use super::wording;

/// What one cycle needs to know.
pub(super) struct Cycle {
    pub(super) spec: Arc<ServiceSpec>,
    pub(super) check: Arc<dyn Check>,
    pub(super) containers: Arc<[Arc<ContainerState>]>,
    /// Retries that this cycle may make; none while the breaker is not closed, nor in a first cycle.
    pub(super) retries: u32,
    /// Number of the first attempt; the retries count on from it.
    pub(super) first_attempt: u64,
}

impl Cycle {
    /// Attempts until one passes, fails for good, or is the last that there is time for.
    pub(super) async fn run(self) -> Outcome {
        let (started, began) = (Timestamp::now(), Instant::now());
        let mut attempts = 0;
        loop {
            let attempt = Attempt {
                service: self.spec.name.clone(),
                number: self.first_attempt + u64::from(attempts),
                timeout: match attempts {
                    0 => self.spec.timeout,
                    // The timeout is the whole cycle's.
                    _ => self.spec.timeout.saturating_sub(began.elapsed()),
                },
                containers: self.containers.clone(),
                containers_first: self.spec.container.is_discovered(),
            };
            attempts += 1;
            let attempt_began = Instant::now();
            let result = match timeout(attempt.timeout, self.check.attempt(&attempt)).await {
                Ok(result) => result,
                Err(_elapsed) => Err(no_answer(attempt.timeout)),
            };
            let duration = attempt_began.elapsed();
            if let Err(failure) = &result
                && let Some(pause) = retry::pause(
                    &self.spec,
                    self.retries,
                    attempts,
                    failure.kind,
                    began.elapsed(),
                    fastrand::f64(),
                )
            {
                sleep(pause).await;
                continue;
            }
            return self.outcome(result, attempts, started, duration);
        }
    }

    fn outcome(
        &self,
        result: Result<Finding, CheckFailure>,
        attempts: u32,
        started: Timestamp,
        duration: Duration,
    ) -> Outcome {
        let (verdict, reason, info) = match result {
            Ok(finding) if finding.warning => (Verdict::Warn, finding.reason, finding.info),
            Ok(finding) => (Verdict::Pass, finding.reason, finding.info),
            Err(failure) => (Verdict::Fail(failure.kind), failure.reason, failure.info),
        };
        Outcome {
            verdict,
            reason: wording::sentence(reason),
            info: wording::facts(info),
            attempts,
            started,
            ended: Timestamp::now(),
            duration,
        }
    }
}

fn no_answer(time: Duration) -> CheckFailure {
    CheckFailure::new(
        FailureKind::Timeout,
        format!("no answer within {} ms", time.as_millis()),
    )
}

/// The outcome of a cycle that asked nobody, because its failure is certain without.
pub(super) fn without_attempt(failure: CheckFailure) -> Outcome {
    let now = Timestamp::now();
    Outcome {
        verdict: Verdict::Fail(failure.kind),
        reason: failure.reason,
        info: failure.info,
        attempts: 0,
        started: now,
        ended: now,
        duration: Duration::ZERO,
    }
}
