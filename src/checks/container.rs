//! Check `container`: the service works as long as its containers run. What the containers' own HEALTHCHECK and the number
//! of replicas add to that is policy.

use std::sync::Arc;

use async_trait::async_trait;
use health_monitor_actors::check::{Attempt, Check, CheckFailure, Finding};
use health_monitor_actors::model::{ContainerState, FailureKind};

use crate::settings::key::Key;
use crate::settings::values::{InvalidValue, Values};

/// It has no keys of its own.
pub(super) const SCHEMA: &[Key] = &[];

struct ContainerCheck;

/// Makes the check.
pub(super) fn build(_: &Values) -> Result<Arc<dyn Check>, InvalidValue> {
    Ok(Arc::new(ContainerCheck))
}

#[async_trait]
impl Check for ContainerCheck {
    async fn attempt(&self, attempt: &Attempt) -> Result<Finding, CheckFailure> {
        let containers = &attempt.containers;
        let running = containers.iter().filter(|container| container.is_running()).count();
        match (running, containers.first()) {
            // Policy sees to a service whose container is known to be absent; here, then, nobody knows.
            (_, None) => Err(CheckFailure::new(
                FailureKind::DockerUnavailable,
                "no container of this service is known, and only Docker could tell",
            )),
            (0, Some(container)) => Err(CheckFailure::new(FailureKind::Container, describe(container))),
            (1, Some(_)) if containers.len() == 1 => Ok(Finding::pass("Container running")),
            (running, Some(_)) => Ok(Finding::pass(format!(
                "{running} of {} containers running",
                containers.len()
            ))),
        }
    }
}

fn describe(container: &ContainerState) -> String {
    let status = container.status.as_str();
    match container.exit_code {
        Some(code) => format!("Container status: {status} ({}, exit code {code})", container.name),
        None => format!("Container status: {status} ({})", container.name),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use health_monitor_actors::model::ContainerStatus;

    use super::super::tests::{attempt_of, container};
    use super::*;

    async fn attempt(states: &[(ContainerStatus, Option<i64>)]) -> Result<Finding, CheckFailure> {
        let containers = states.iter().map(|(status, exit_code)| {
            let mut container = container("kafka");
            container.status = *status;
            container.exit_code = *exit_code;
            Arc::new(container)
        });
        let attempt = Attempt {
            containers: containers.collect(),
            ..attempt_of(Duration::from_secs(5))
        };
        build(&Values::default()).unwrap().attempt(&attempt).await
    }

    #[tokio::test]
    async fn passes_while_its_containers_run() {
        let one = attempt(&[(ContainerStatus::Running, None)]).await.unwrap();
        assert_eq!(one.reason, "Container running");
        let some = attempt(&[(ContainerStatus::Exited, Some(1)), (ContainerStatus::Running, None)])
            .await
            .unwrap();
        assert_eq!(some.reason, "1 of 2 containers running");
    }

    #[tokio::test]
    async fn fails_when_none_runs_and_says_how_it_ended() {
        let failure = attempt(&[(ContainerStatus::Exited, Some(137))]).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Container);
        assert_eq!(failure.reason, "Container status: exited (kafka, exit code 137)");
    }

    #[tokio::test]
    async fn blames_nobody_when_nothing_is_known() {
        assert_eq!(attempt(&[]).await.unwrap_err().kind, FailureKind::DockerUnavailable);
    }
}
