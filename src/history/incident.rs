//! When an incident begins and ends, and what sort it is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use health_monitor_actors::model::{
    ContainerKey, ContainerState, ContainerStatus, HealthVerdict, ServiceName, compose_labels,
};
use health_monitor_actors::registry::StatusTurn;
use jiff::{SignedDuration, Timestamp};

use super::model::{ContainerEvent, ContainerEventKind, Incident, IncidentId, IncidentKind, StatusChange, to_millis};

/// How long after a container was replaced an outage is put down to that.
const DEPLOY: SignedDuration = SignedDuration::from_mins(10);

/// How long after a start that nobody asked for an outage is put down to the exit before it.
const CRASH: SignedDuration = SignedDuration::from_mins(2);

/// The incidents that go on, and what is needed to tell of which sort the next one is.
#[derive(Debug, Default)]
pub struct Incidents {
    open: HashMap<ServiceName, Incident>,
    /// The containers of each service when it was last up.
    bearers: HashMap<ServiceName, Vec<ContainerKey>>,
}

impl Incidents {
    /// These go on from before the process began.
    pub fn resume(&mut self, open: impl IntoIterator<Item = Incident>) {
        for incident in open {
            self.open.entry(incident.service.clone()).or_insert(incident);
        }
    }

    /// How many go on.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// What a change makes of the service's incident: one that begins, or ends. None begins while one goes on, so a restart
    /// of the monitor raises no new one.
    pub fn turn(&mut self, turn: &StatusTurn, change: &StatusChange) -> Option<Incident> {
        if turn.to.is_up() {
            let bearers = turn.containers.iter().map(|container| container.key.clone());
            self.bearers.insert(turn.service.clone(), bearers.collect());
        }
        if turn.to.is_up() {
            self.end(&turn.service, change.at)
        } else if turn.to.is_down() && !self.open.contains_key(&turn.service) {
            let incident = Incident {
                id: IncidentId::new(change.at, fastrand::u32(..)),
                service: turn.service.clone(),
                kind: self.kind(turn),
                started: change.at,
                ended: None,
                status: turn.to,
                cause: turn.reason.clone(),
                dependency_down: turn.dependency_down,
                containers: turn.containers.iter().map(|container| container.name.clone()).collect(),
                reconstructed_since: change.reconstructed_since,
            };
            self.open.insert(turn.service.clone(), incident.clone());
            Some(incident)
        } else {
            None
        }
    }

    /// Ends a service's incident, where there is one: it works again, or is not monitored any more.
    pub fn end(&mut self, service: &ServiceName, at: Timestamp) -> Option<Incident> {
        let incident = self.open.remove(service)?;
        Some(Incident {
            ended: Some(at.max(incident.started)),
            ..incident
        })
    }

    /// The sort of outage that begins with this turn, the most telling sign first.
    fn kind(&self, turn: &StatusTurn) -> IncidentKind {
        let any = |is: &dyn Fn(&ContainerState) -> bool| turn.containers.iter().any(|container| is(container));
        let was_stopped = any(&|container| {
            let is_over = matches!(container.status, ContainerStatus::Exited | ContainerStatus::Removing);
            is_over && !container.exit_unplanned && !container.oom_killed
        });
        let bearers = self.bearers.get(&turn.service);
        let was_replaced = any(&|container| {
            let is_new = container
                .created
                .is_some_and(|created| turn.at.duration_since(created) < DEPLOY);
            let is_another = bearers.is_some_and(|bearers| !bearers.contains(&container.key));
            is_new && (is_another || container.label(compose_labels::REPLACE).is_some())
        });
        let has_crashed = any(&|container| {
            let ended = !container.status.has_processes() && (container.exit_unplanned || container.oom_killed);
            let starts = container.starts.last();
            ended || starts.is_some_and(|start| start.unplanned && turn.at.duration_since(start.at) < CRASH)
        });
        let is_paused = any(&|container| container.status == ContainerStatus::Paused);
        let was_removed = turn.containers.is_empty() && bearers.is_some_and(|bearers| !bearers.is_empty());
        if was_stopped || was_removed {
            IncidentKind::Operator
        } else if was_replaced {
            IncidentKind::Deploy
        } else if has_crashed {
            IncidentKind::Crash
        } else if is_paused {
            IncidentKind::Operator
        } else {
            IncidentKind::Protocol
        }
    }
}

/// What happened to a container between two looks at it, in order.
pub fn container_events(
    before: Option<&Arc<ContainerState>>,
    after: Option<&Arc<ContainerState>>,
    at: Timestamp,
) -> Vec<ContainerEvent> {
    let Some(after) = after else {
        return before
            .map(|gone| event(gone, at, ContainerEventKind::Removed))
            .into_iter()
            .collect();
    };
    let Some(before) = before else {
        // What ran before the monitor looked did not happen now.
        let is_new = after
            .created
            .is_some_and(|created| at.duration_since(created).unsigned_abs() < JUST_NOW);
        let mut events = Vec::new();
        if is_new {
            events.push(event(after, after.created.unwrap_or(at), ContainerEventKind::Created));
            events.extend(started(after));
        }
        return events;
    };
    let mut events = Vec::new();
    let has_ended = before.status.has_processes() && !after.status.has_processes();
    let started_anew = after.started_at.is_some() && before.started_at != after.started_at;
    if has_ended || (started_anew && before.status.has_processes()) {
        events.push(exited(after, if started_anew { None } else { after.finished_at }, at));
    }
    if started_anew {
        events.extend(started(after));
    }
    match (before.status, after.status) {
        (ContainerStatus::Running, ContainerStatus::Paused) => {
            events.push(event(after, at, ContainerEventKind::Paused));
        }
        (ContainerStatus::Paused, ContainerStatus::Running) if !started_anew => {
            events.push(event(after, at, ContainerEventKind::Unpaused));
        }
        _ => {}
    }
    let verdict = |container: &ContainerState| container.health.as_ref().map(|health| health.verdict);
    match (verdict(before), verdict(after)) {
        (was, Some(HealthVerdict::Unhealthy)) if was != Some(HealthVerdict::Unhealthy) => {
            events.push(event(after, at, ContainerEventKind::HealthFailed));
        }
        (Some(HealthVerdict::Unhealthy), Some(HealthVerdict::Healthy)) => {
            events.push(event(after, at, ContainerEventKind::HealthPassed));
        }
        _ => {}
    }
    events
}

/// A container that was made no longer ago than this was made while the monitor looked.
const JUST_NOW: Duration = Duration::from_secs(60);

fn event(container: &ContainerState, at: Timestamp, kind: ContainerEventKind) -> ContainerEvent {
    ContainerEvent {
        at: to_millis(at),
        container: container.name.clone(),
        id: container.key.short_id().to_owned(),
        kind,
        exit_code: None,
        oom_killed: false,
        unplanned: false,
    }
}

fn started(container: &ContainerState) -> Option<ContainerEvent> {
    let at = container.started_at?;
    let unplanned = container
        .starts
        .last()
        .is_some_and(|start| start.at == at && start.unplanned);
    Some(ContainerEvent {
        unplanned,
        ..event(container, at, ContainerEventKind::Started)
    })
}

/// The end of a run; where it has started again since, how it ended stands with the start.
fn exited(container: &ContainerState, finished: Option<Timestamp>, seen: Timestamp) -> ContainerEvent {
    let last = container.starts.last().filter(|_| finished.is_none());
    let (exit_code, oom_killed, unplanned) = match last {
        Some(start) => (start.exit_code, start.oom_killed, start.unplanned),
        None => (container.exit_code, container.oom_killed, container.exit_unplanned),
    };
    let before_start = container.started_at.filter(|_| finished.is_none());
    ContainerEvent {
        exit_code,
        oom_killed,
        unplanned,
        ..event(
            container,
            finished.or(container.finished_at).or(before_start).unwrap_or(seen),
            ContainerEventKind::Exited,
        )
    }
}
