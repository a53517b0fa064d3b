//! What is known before anybody is asked.

use crate::check::CheckFailure;
use crate::model::{EngineState, FailureKind, Moment, ServiceSpec};

use super::PolicyState;
use super::ago;
use super::condition::Condition;
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
    let name = spec.container.name()?;
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
            let lost = ago(now.since_wall(*since));
            format!("Docker daemon unavailable: {reason} (lost {lost})")
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::fixtures::*;
    use super::*;
    use crate::model::{ContainerState, ContainerStatus};

    fn kind(world: &World) -> Option<FailureKind> {
        let World {
            spec,
            containers,
            policy,
            engine,
            now,
            ..
        } = world;
        preflight(spec, containers, policy, engine, *now).map(|failure| failure.kind)
    }

    fn with(containers: &[ContainerState]) -> World {
        let mut world = World::new(spec());
        world.has(containers.to_vec());
        world
    }

    #[test]
    fn nobody_is_asked_where_no_container_runs() {
        let up = running("a", seconds(3_600), start());
        let down = exited(&up, 1, start().wall);
        let other = running("b", seconds(3_600), start());
        let paused = with_status(&up, ContainerStatus::Paused);
        assert_eq!(kind(&with(std::slice::from_ref(&up))), None);
        assert_eq!(kind(&with(&[down.clone(), other])), None);
        for stopped in [down, paused, created("a", start())] {
            assert_eq!(kind(&with(&[stopped])), Some(FailureKind::Container));
        }
    }

    #[test]
    fn an_address_is_asked_until_a_container_was_seen() {
        let mut world = with(&[]);
        assert_eq!(kind(&world), None);
        world.has(vec![running("a", seconds(3_600), world.now)]);
        world.has(vec![]);
        assert_eq!(kind(&world), Some(FailureKind::Container));
        assert_eq!(kind(&World::new(container_spec())), Some(FailureKind::Container));
    }

    #[test]
    fn while_docker_is_away_only_protocols_are_asked() {
        let mut world = with(&[exited(&running("a", seconds(9), start()), 1, start().wall)]);
        world.engine = EngineState::Connecting;
        assert_eq!(kind(&world), None);
        world.spec = container_spec();
        assert_eq!(kind(&world), Some(FailureKind::DockerUnavailable));
        world.engine = EngineState::Disabled;
        assert_eq!(kind(&world), Some(FailureKind::DockerUnavailable));
    }

    #[test]
    fn ambiguous_containers_and_none_at_all() {
        let mut world = with(&[]);
        world.containers = Matching::Ambiguous(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(kind(&world), Some(FailureKind::Ambiguous));
        world.spec.container = crate::model::Container::None;
        assert_eq!(kind(&world), None);
    }

    #[test]
    fn a_replica_that_runs_is_asked_although_too_few_do() {
        let mut world = with(&[]);
        world.spec.min_replicas = 2;
        world.containers = Matching::Found(Arc::from([Arc::new(running("a", seconds(9), world.now))]));
        assert_eq!(kind(&world), None);
    }
}
