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
                kind: self.kind(&turn.service, turn.at, &turn.containers),
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

    /// The sort of outage that begins now, the most telling sign first.
    fn kind(&self, service: &ServiceName, now: Timestamp, containers: &[Arc<ContainerState>]) -> IncidentKind {
        let any = |is: &dyn Fn(&ContainerState) -> bool| containers.iter().any(|container| is(container));
        let was_stopped = any(&|container| {
            let is_over = matches!(container.status, ContainerStatus::Exited | ContainerStatus::Removing);
            is_over && !container.exit_unplanned && !container.oom_killed
        });
        let bearers = self.bearers.get(service);
        let was_replaced = any(&|container| {
            let is_new = container
                .created
                .is_some_and(|created| now.duration_since(created) < DEPLOY);
            let is_another = bearers.is_some_and(|bearers| !bearers.contains(&container.key));
            is_new && (is_another || container.label(compose_labels::REPLACE).is_some())
        });
        let has_crashed = any(&|container| {
            let ended = !container.status.has_processes() && (container.exit_unplanned || container.oom_killed);
            let starts = container.starts.last();
            ended || starts.is_some_and(|start| start.unplanned && now.duration_since(start.at) < CRASH)
        });
        let is_paused = any(&|container| container.status == ContainerStatus::Paused);
        let was_removed = containers.is_empty() && bearers.is_some_and(|bearers| !bearers.is_empty());
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

#[cfg(test)]
mod tests {
    use health_monitor_actors::model::Start;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-24T12:00:00Z".parse().unwrap()
    }

    fn ago(seconds: i64) -> Timestamp {
        now() - SignedDuration::from_secs(seconds)
    }

    fn key(id: &str) -> ContainerKey {
        ContainerKey {
            engine: "local".into(),
            id: id.into(),
        }
    }

    /// A container that was made and started a day ago.
    fn container(id: &str, status: ContainerStatus) -> ContainerState {
        ContainerState {
            created: Some(ago(86_400)),
            started_at: Some(ago(86_400)),
            ..ContainerState::new(key(id), "db", status)
        }
    }

    fn start(seconds_ago: i64, unplanned: bool) -> Start {
        Start {
            at: ago(seconds_ago),
            unplanned,
            exit_code: Some(1),
            oom_killed: false,
        }
    }

    #[test]
    fn the_kind_follows_from_what_became_of_the_containers() {
        use ContainerStatus::{Exited, Paused, Running};
        let mut incidents = Incidents::default();
        let service = ServiceName::new("db").unwrap();
        incidents.bearers.insert(service.clone(), vec![key("one")]);
        let young = |seconds| ContainerState {
            created: Some(ago(seconds)),
            ..container("two", Running)
        };
        let cases = [
            (
                "it runs, so the check failed",
                vec![container("one", Running)],
                IncidentKind::Protocol,
            ),
            (
                "somebody stopped it",
                vec![container("one", Exited)],
                IncidentKind::Operator,
            ),
            (
                "somebody paused it",
                vec![container("one", Paused)],
                IncidentKind::Operator,
            ),
            ("somebody removed it", vec![], IncidentKind::Operator),
            (
                "it ended by itself",
                vec![ContainerState {
                    exit_unplanned: true,
                    ..container("one", Exited)
                }],
                IncidentKind::Crash,
            ),
            (
                "memory ran out, whatever was asked",
                vec![ContainerState {
                    oom_killed: true,
                    ..container("one", Exited)
                }],
                IncidentKind::Crash,
            ),
            (
                "it was restarted after it ended by itself",
                vec![ContainerState {
                    starts: vec![start(30, true)],
                    ..container("one", Running)
                }],
                IncidentKind::Crash,
            ),
            (
                "that was too long ago",
                vec![ContainerState {
                    starts: vec![start(300, true)],
                    ..container("one", Running)
                }],
                IncidentKind::Protocol,
            ),
            (
                "somebody restarted it",
                vec![ContainerState {
                    starts: vec![start(30, false)],
                    ..container("one", Running)
                }],
                IncidentKind::Protocol,
            ),
            ("another one has taken its place", vec![young(60)], IncidentKind::Deploy),
            ("long ago", vec![young(3_600)], IncidentKind::Protocol),
            (
                "the new one crashes",
                vec![ContainerState {
                    exit_unplanned: true,
                    status: Exited,
                    ..young(60)
                }],
                IncidentKind::Deploy,
            ),
            (
                "one of two was stopped",
                vec![container("one", Running), container("three", Exited)],
                IncidentKind::Operator,
            ),
        ];
        for (why, containers, expected) in cases {
            let containers: Vec<Arc<ContainerState>> = containers.into_iter().map(Arc::new).collect();
            assert_eq!(incidents.kind(&service, now(), &containers), expected, "{why}");
        }
        // Of a service that was never up nothing can be missing.
        let never_up = ServiceName::new("new").unwrap();
        assert_eq!(incidents.kind(&never_up, now(), &[]), IncidentKind::Protocol);
    }

    fn kinds(before: Option<&ContainerState>, after: Option<&ContainerState>) -> Vec<ContainerEventKind> {
        let shared = |container: &ContainerState| Arc::new(container.clone());
        let events = container_events(before.map(shared).as_ref(), after.map(shared).as_ref(), now());
        events.iter().map(|event| event.kind).collect()
    }

    #[test]
    fn events_are_what_differs_between_two_looks() {
        use ContainerEventKind::{Created, Exited, Paused, Removed, Started, Unpaused};
        let running = container("one", ContainerStatus::Running);
        let ended = ContainerState {
            finished_at: Some(ago(1)),
            exit_code: Some(137),
            exit_unplanned: true,
            ..container("one", ContainerStatus::Exited)
        };
        let restarted = ContainerState {
            started_at: Some(ago(2)),
            starts: vec![start(2, true)],
            ..running.clone()
        };
        let paused = container("one", ContainerStatus::Paused);
        let new = ContainerState {
            created: Some(ago(2)),
            started_at: Some(ago(1)),
            ..running.clone()
        };
        for (before, after, expected) in [
            (None, Some(&running), vec![]),
            (None, Some(&new), vec![Created, Started]),
            (Some(&running), Some(&ended), vec![Exited]),
            (Some(&ended), Some(&restarted), vec![Started]),
            (Some(&running), Some(&restarted), vec![Exited, Started]),
            (Some(&running), Some(&paused), vec![Paused]),
            (Some(&paused), Some(&running), vec![Unpaused]),
            (Some(&running), Some(&running), vec![]),
            (Some(&ended), None, vec![Removed]),
        ] {
            assert_eq!(kinds(before, after), expected);
        }
        let (before, after) = (Arc::new(running), Arc::new(ended));
        let exit = container_events(Some(&before), Some(&after), now()).remove(0);
        assert_eq!((exit.at, exit.exit_code, exit.unplanned), (ago(1), Some(137), true));
        let after = Arc::new(restarted);
        let exit = container_events(Some(&before), Some(&after), now()).remove(0);
        assert_eq!(
            (exit.exit_code, exit.unplanned),
            (Some(1), true),
            "told by the start after it"
        );
    }
}
