//! The one place that makes a status.

use std::ops::ControlFlow;

use tokio::time::Instant;

use crate::model::{EngineState, FailureKind, Fault, Moment, Outcome, Pending, ServiceSpec, Status, Verdict};

use super::breaker::Breaker;
use super::condition::Condition;
use super::maintenance;
use super::matching::Matching;
use super::preflight::{ambiguous, docker_away, has_address, missing, only_docker_can_tell};
use super::replicas::condition_of_all;
use super::staleness::overdue;
use super::thresholds::{Settled, Standing};
use super::{PolicyState, ago};

/// Everything that a status depends on.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The service's settings.
    pub spec: &'a ServiceSpec,
    /// Its containers, as they were last known.
    pub containers: &'a Matching,
    /// Whether what is known of containers is known now.
    pub engine: &'a EngineState,
    /// What its policies remember, [told](PolicyState::observe_containers) of these containers.
    pub policy: &'a PolicyState,
    /// What its last cycle found.
    pub last: Option<&'a Outcome>,
    /// When its next cycle is due, or was when its probe was last heard; `None` before the first result.
    pub next_due: Option<Instant>,
    /// Why the supervisor no longer runs its probe.
    pub given_up: Option<&'a str>,
    /// Now.
    pub now: Moment,
}

/// A status with its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The status.
    pub status: Status,
    /// One sentence: why.
    pub reason: String,
    /// The change that the last cycles announce.
    pub pending: Option<Pending>,
}

/// What stands beside the check's word: containers that warn, or that do not exist.
enum Beside<'a> {
    Nothing,
    Warning(String),
    NeverSeen(&'a str),
}

/// Makes the status. Maintenance stands before everything; then containers come first, and where they say nothing against
/// the service, its check decides.
pub fn decide(situation: &Situation<'_>) -> Decision {
    if let Some(found) = maintenance::maintenance(situation.spec, situation.policy, situation.now) {
        return Decision::of(Status::Maintenance, maintenance::sentence(&found));
    }
    match look_at_containers(situation) {
        ControlFlow::Continue(beside) => look_at_check(situation, &beside),
        ControlFlow::Break(decision) => decision,
    }
}

/// What the containers decide alone, or what they add to the check's word.
fn look_at_containers<'a>(situation: &Situation<'a>) -> ControlFlow<Decision, Beside<'a>> {
    let Situation { spec, engine, now, .. } = *situation;
    let Some(name) = spec.container.name() else {
        return ControlFlow::Continue(Beside::Nothing);
    };
    match (engine, situation.containers) {
        (EngineState::Connecting, _) if only_docker_can_tell(spec) => ControlFlow::Break(Decision::of(
            Status::Unknown,
            "no result yet: Docker has not answered yet",
        )),
        (EngineState::Connecting | EngineState::Disabled | EngineState::Down { .. }, _) => {
            if only_docker_can_tell(spec) {
                ControlFlow::Break(Decision::of(Status::Error, docker_away(engine, now)))
            } else {
                ControlFlow::Continue(Beside::Nothing)
            }
        }
        (EngineState::Up, Matching::Ambiguous(candidates)) => {
            ControlFlow::Break(Decision::of(Status::Error, ambiguous(name, candidates)))
        }
        (EngineState::Up, Matching::None) if !situation.policy.ever_seen() && has_address(spec) => {
            ControlFlow::Continue(Beside::NeverSeen(name))
        }
        (EngineState::Up, Matching::None) => ControlFlow::Break(Decision::of(Status::NotFound, missing(name))),
        (EngineState::Up, Matching::Found(containers)) => match condition_of_all(spec, containers, now) {
            Condition::Good => ControlFlow::Continue(Beside::Nothing),
            Condition::Warning(warning) => ControlFlow::Continue(Beside::Warning(warning)),
            Condition::Starting(reason) => ControlFlow::Break(Decision::of(Status::Starting, reason)),
            Condition::Bad(reason) => ControlFlow::Break(Decision::of(Status::Unhealthy, reason)),
        },
    }
}

fn look_at_check(situation: &Situation<'_>, beside: &Beside<'_>) -> Decision {
    let Situation { spec, policy, now, .. } = *situation;
    if let Some(reason) = situation.given_up {
        return Decision::of(Status::Error, reason);
    }
    if policy.breaker.is_closed()
        && let Some(late) = overdue(spec, situation.next_due, policy.last_heard.or(policy.counts_from), now)
    {
        return Decision::of(Status::Unknown, format!("no result: a cycle was due {}", ago(late)));
    }
    let Some(last) = situation.last.filter(|_| policy.last_heard.is_some()) else {
        return without_result(situation);
    };
    if let Some(decision) = look_at_fault(situation, last) {
        return decision;
    }
    match policy.streaks.settled() {
        Some(settled) => {
            let (status, reason) = beside.apply(settled);
            Decision {
                status,
                reason: with_breaker(policy, reason, now),
                pending: pending(situation, beside),
            }
        }
        None if is_service_failure(last.verdict) => {
            Decision::of(Status::Starting, format!("{} (within the start period)", last.reason))
        }
        None => without_result(situation),
    }
}

/// What a last cycle that could not ask the service leaves to say. `None` where the verdict on the service stands.
fn look_at_fault(situation: &Situation<'_>, last: &Outcome) -> Option<Decision> {
    let engine = situation.engine;
    let Verdict::Fail(kind) = last.verdict else {
        return None;
    };
    match kind {
        // The containers had decided alone, and no longer do; what was settled before holds until the next cycle.
        FailureKind::Container | FailureKind::DockerUnavailable | FailureKind::Ambiguous if engine.is_up() => None,
        FailureKind::Container => {
            let away = docker_away(engine, situation.now);
            Some(Decision::of(
                Status::Error,
                format!("{away} (before that: {})", last.reason),
            ))
        }
        _ if kind.fault() == Fault::Monitor => Some(Decision::of(Status::Error, &last.reason)),
        _ => None,
    }
}

fn is_service_failure(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Fail(kind) if kind != FailureKind::Container && kind.fault() != Fault::Monitor)
}

fn pending(situation: &Situation<'_>, beside: &Beside<'_>) -> Option<Pending> {
    let Situation { spec, policy, .. } = *situation;
    let announced = policy.streaks.announced()?;
    let (seen, needed) = if announced.standing.is_up() {
        (policy.streaks.successes(), spec.thresholds.success)
    } else {
        (policy.streaks.failures(), spec.thresholds.failure)
    };
    let (status, reason) = beside.apply(announced);
    Some(Pending {
        status,
        reason,
        seen,
        needed,
    })
}

/// No cycle of the present run of the containers has ended.
fn without_result(situation: &Situation<'_>) -> Decision {
    let Situation { policy, now, .. } = *situation;
    if policy.fresh || policy.start_period.is_active(now) {
        Decision::of(Status::Starting, "no result yet since the container started")
    } else {
        Decision::of(Status::Unknown, "no result yet")
    }
}

/// A reason with what the breaker does. The next trial is told by a time of day, which stays the same until it comes.
fn with_breaker(policy: &PolicyState, reason: String, now: Moment) -> String {
    let trial = match policy.breaker {
        Breaker::Closed => return reason,
        Breaker::Open { next_trial, .. } if next_trial <= now.mono => "a trial is due".to_owned(),
        Breaker::Open { next_trial, .. } => {
            format!("next trial at {} UTC", now.wall_at(next_trial).strftime("%H:%M:%S"))
        }
        Breaker::HalfOpen { .. } => "a trial is under way".to_owned(),
    };
    let failures = policy.streaks.failures();
    format!("{reason} (breaker open: {failures} cycles in a row failed, {trial})")
}

// === impl Beside ===

impl Beside<'_> {
    /// The status that a standing by the check makes, and its reason.
    fn apply(&self, Settled { standing, reason }: &Settled) -> (Status, String) {
        let status = match standing {
            Standing::Up => Status::Healthy,
            Standing::Warned => Status::Degraded,
            Standing::Down => Status::Unhealthy,
        };
        match self {
            Beside::Nothing => (status, reason.clone()),
            Beside::Warning(warning) if status.is_up() => (Status::Degraded, format!("{reason}; {warning}")),
            Beside::Warning(warning) => (status, format!("{reason}; {warning}")),
            Beside::NeverSeen(name) if status.is_up() => {
                (status, format!("{reason} (answers although {})", missing(name)))
            }
            Beside::NeverSeen(name) => (
                Status::NotFound,
                format!("{}, and the check failed: {reason}", missing(name)),
            ),
        }
    }
}

// === impl Decision ===

impl Decision {
    fn of(status: Status, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
            pending: None,
        }
    }
}

#[cfg(test)]
mod tests;
