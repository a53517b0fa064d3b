//! What is known before anybody is asked.

use crate::check::CheckFailure;
use crate::model::{Container, EngineState, FailureKind, Moment, ServiceSpec};

use super::PolicyState;
use super::condition::Condition;
use super::human;
use super::matching::Matching;
use super::replicas::condition_of_all;

/// The check that asks nobody: its service is its containers.
const CONTAINER_CHECK: &str = "container";

/// The failure that is certain without an attempt, because the containers or the engine already say it; `None` where
/// the check has to be run. A cycle that meets one ends with it.
pub fn preflight(
    spec: &ServiceSpec,
    containers: &Matching,
    policy: &PolicyState,
    engine: &EngineState,
    now: Moment,
) -> Option<CheckFailure> {
    let Container::Named(name) = &spec.container else {
        return None;
    };
    if !engine.is_up() {
        return only_docker_can_tell(spec)
            .then(|| CheckFailure::new(FailureKind::DockerUnavailable, docker_away(engine, now)));
    }
    match containers {
        Matching::Ambiguous(candidates) => Some(CheckFailure::new(FailureKind::Ambiguous, ambiguous(name, candidates))),
        Matching::None if policy.ever_seen() || !has_address(spec) => {
            Some(CheckFailure::new(FailureKind::Container, missing(name)))
        }
        Matching::None => None,
        Matching::Found(containers) if containers.iter().any(|container| container.is_running()) => None,
        Matching::Found(containers) => match condition_of_all(spec, containers, now) {
            Condition::Good | Condition::Warning(_) => None,
            Condition::Starting(reason) | Condition::Bad(reason) => {
                Some(CheckFailure::new(FailureKind::Container, reason))
            }
        },
    }
}

pub(super) fn only_docker_can_tell(spec: &ServiceSpec) -> bool {
    spec.check == CONTAINER_CHECK
}

/// Somebody may answer although no container bears the service.
pub(super) fn has_address(spec: &ServiceSpec) -> bool {
    spec.address.is_some() && !only_docker_can_tell(spec)
}

pub(super) fn docker_away(engine: &EngineState, now: Moment) -> String {
    match engine {
        EngineState::Disabled => {
            "Docker daemon unavailable: docker.enabled is false, and check 'container' needs it".to_owned()
        }
        EngineState::Connecting | EngineState::Up => "Docker daemon unavailable: no answer yet".to_owned(),
        EngineState::Down { since, reason } => {
            format!(
                "Docker daemon unavailable for {}: {reason}",
                human(now.since_wall(*since))
            )
        }
    }
}

pub(super) fn ambiguous(name: &str, candidates: &[String]) -> String {
    format!(
        "{} containers fit '{name}': {}; set the service's container to the exact name of one, or docker.project",
        candidates.len(),
        candidates.join(", ")
    )
}

pub(super) fn missing(name: &str) -> String {
    format!("container '{name}' does not exist")
}
