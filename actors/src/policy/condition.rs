//! What one container's own state says of its service.

use std::time::Duration;

use crate::model::{ContainerState, ContainerStatus, DockerHealth, HealthVerdict, Moment, ServiceSpec, compose_labels};

use super::ago;
use super::crash_loop::crash_loop;

/// How long a container may take another's place.
const REPLACING: Duration = Duration::from_secs(60);

/// What containers say of their service, before any protocol is spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// Nothing against it: the check decides.
    Good,
    /// The check decides, and a pass is a pass with this warning.
    Warning(String),
    /// It is about to run.
    Starting(String),
    /// It cannot work.
    Bad(String),
}

/// The condition of one container.
pub(super) fn condition(spec: &ServiceSpec, container: &ContainerState, now: Moment) -> Condition {
    match container.status {
        ContainerStatus::Created => created(container, now),
        ContainerStatus::Running => match crash_loop(container, now) {
            Some(crash_loop) => Condition::Bad(crash_loop.to_string()),
            None => own_health(spec, container),
        },
        ContainerStatus::Paused => Condition::Bad(format!("{} (docker unpause resumes it)", status_text(container))),
        ContainerStatus::Restarting | ContainerStatus::Exited | ContainerStatus::Dead | ContainerStatus::Removing => {
            let reason = match crash_loop(container, now) {
                Some(crash_loop) => format!("{}, {crash_loop}", status_text(container)),
                None => ended(container, now),
            };
            Condition::Bad(reason)
        }
    }
}

fn created(container: &ContainerState, now: Moment) -> Condition {
    let Some(replaced) = container.label(compose_labels::REPLACE) else {
        return Condition::Starting(format!("{}, not started yet", status_text(container)));
    };
    let age = container
        .created
        .map(|created| now.since_wall(created))
        .unwrap_or_default();
    if age < REPLACING {
        Condition::Starting("being replaced by Compose".to_owned())
    } else {
        Condition::Bad(format!(
            "{} (made {} to replace {replaced} and never started; docker compose up finishes it)",
            status_text(container),
            ago(age)
        ))
    }
}

/// What the container's own HEALTHCHECK does to the status.
fn own_health(spec: &ServiceSpec, container: &ContainerState) -> Condition {
    let Some(health) = &container.health else {
        return Condition::Good;
    };
    match (spec.docker_health, health.verdict) {
        (DockerHealth::Ignore, _) | (_, HealthVerdict::Healthy) | (DockerHealth::Warn, HealthVerdict::Starting) => {
            Condition::Good
        }
        (DockerHealth::Decide, HealthVerdict::Starting) => {
            Condition::Starting("the container's HEALTHCHECK has not passed yet".to_owned())
        }
        (decides, HealthVerdict::Unhealthy) => {
            let output = health.output.trim();
            let colon = if output.is_empty() { "" } else { ": " };
            let reason = format!(
                "the container's HEALTHCHECK fails ({} in a row){colon}{output}",
                health.failing_streak
            );
            if decides == DockerHealth::Decide {
                Condition::Bad(reason)
            } else {
                Condition::Warning(reason)
            }
        }
    }
}

/// `Container status: exited (exit code 137, out of memory, 3 min ago)`.
fn ended(container: &ContainerState, now: Moment) -> String {
    let mut evidence = Vec::new();
    if let Some(exit_code) = container.exit_code {
        evidence.push(format!("exit code {exit_code}"));
    }
    if container.oom_killed {
        evidence.push("out of memory".to_owned());
    }
    if let Some(finished_at) = container.finished_at {
        evidence.push(ago(now.since_wall(finished_at)));
    }
    if evidence.is_empty() {
        status_text(container)
    } else {
        format!("{} ({})", status_text(container), evidence.join(", "))
    }
}

fn status_text(container: &ContainerState) -> String {
    format!("Container status: {}", container.status.as_str())
}
