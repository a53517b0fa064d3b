//! The papers: what was told and is not written yet, and what is known of services meanwhile.
//!
//! They make of what the registry tells what the store keeps: changes with their incidents, results, events of containers.

use std::collections::{HashMap, VecDeque};

use health_monitor_actors::model::{ServiceName, Snapshot, Status};
use health_monitor_actors::registry::{self, Recording, StatusTurn, Turn};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::buffer::Buffer;
use super::evidence::EVIDENCE_AFTER;
use super::watch::Clock;
use crate::history::incident::{Incidents, container_events};
use crate::history::model::{
    Evidence, Incident, RawResult, ResultKind, SavedService, ServiceResult, StatusChange, to_millis,
};
use crate::history::store::{Decided, Memory};

/// How far back an incident that goes on may have started for its results to be looked for after a restart.
const RECENT: SignedDuration = SignedDuration::from_hours(1);

/// What lies on the desk.
pub(super) struct Papers {
    pub(super) buffer: Buffer,
    pub(super) incidents: Incidents,
    pub(super) clock: Clock,
    /// What the store knew before; `None` until it was opened for the first time. Changes wait for it, since only it tells
    /// which incidents go on.
    pub(super) is_resumed: bool,
    pub(super) waiting: VecDeque<StatusTurn>,
    /// Changes that had to give way before that.
    pub(super) waiting_dropped: u64,
    bound: usize,
    /// Each service's status and since when, as they were written down.
    pub(super) statuses: HashMap<ServiceName, (Status, Timestamp)>,
    /// Services whose status is one from before the process began, or before the actor was restarted, and since when nobody
    /// has looked.
    unconfirmed: HashMap<ServiceName, Timestamp>,
    /// The recording, while no run of the actor reads it: the next one goes on with it, or whoever closes.
    pub(super) recording: Option<Recording>,
    /// Incidents of whose results and events something is to be kept, and when.
    pub(super) captures: Vec<(Instant, Incident)>,
}

impl Papers {
    /// None yet. Results and changes that wait take at most `bound` places.
    pub(super) fn new(bound: usize) -> Self {
        Self {
            buffer: Buffer::new(bound),
            incidents: Incidents::default(),
            clock: Clock::start(),
            is_resumed: false,
            waiting: VecDeque::new(),
            waiting_dropped: 0,
            bound,
            statuses: HashMap::new(),
            unconfirmed: HashMap::new(),
            recording: None,
            captures: Vec::new(),
        }
    }

    /// Takes in what is told and cannot be told twice. Yields the incident that begins or ends with it.
    pub(super) fn hear(&mut self, turn: Turn) -> Option<Incident> {
        match turn {
            Turn::Status(turn) => {
                let incident = self.turn(*turn);
                if let Some(incident) = &incident {
                    self.captures.push((Instant::now() + EVIDENCE_AFTER, incident.clone()));
                }
                incident
            }
            Turn::Forgotten { service, at, .. } => {
                self.forgotten(&service, at);
                None
            }
            Turn::Container { before, after, at } => {
                for event in container_events(before.as_ref(), after.as_ref(), at) {
                    self.buffer.push_event(event);
                }
                None
            }
        }
    }

    /// Takes in all that nobody has read yet.
    pub(super) fn read_the_rest(&mut self) {
        let Some(mut recording) = self.recording.take() else {
            return;
        };
        while let Ok(turn) = recording.turns.try_recv() {
            self.hear(turn);
        }
        while let Ok(measured) = recording.results.try_recv() {
            self.result(measured.service, RawResult::of(&measured.outcome, measured.status));
        }
    }

    pub(super) fn captured(&mut self, incident: &Incident, found: Vec<Evidence>) {
        for evidence in found {
            self.buffer.push_evidence(incident.id, evidence);
        }
    }

    /// What the store knew. Only the first time: what is known since then is newer. Yields what was known of services.
    pub(super) fn resume(&mut self, memory: Memory) -> Vec<registry::SavedService> {
        if std::mem::replace(&mut self.is_resumed, true) {
            return Vec::new();
        }
        // What was found around a start shortly before the process ended may not have been kept.
        let recent = memory
            .open_incidents
            .iter()
            .filter(|incident| incident.started > Timestamp::now() - RECENT);
        self.captures
            .extend(recent.map(|incident| (Instant::now() + EVIDENCE_AFTER, incident.clone())));
        self.incidents.resume(memory.open_incidents);
        let since = memory.last_run.map(|run| run.until);
        for (service, status, at) in memory.statuses {
            let since = since.map_or(at, |since| since.max(at));
            if !self.statuses.contains_key(&service) {
                self.unconfirmed.insert(service.clone(), since);
                self.statuses.insert(service, (status, at));
            }
        }
        for turn in std::mem::take(&mut self.waiting) {
            self.decide(&turn);
        }
        memory.saved.into_iter().filter_map(remembered).collect()
    }

    /// A status changed. Yields the incident that begins or ends with it.
    fn turn(&mut self, turn: StatusTurn) -> Option<Incident> {
        if self.is_resumed {
            self.decide(&turn)
        } else {
            self.waiting.push_back(turn);
            if self.waiting.len() > self.bound {
                self.waiting.pop_front();
                self.waiting_dropped += 1;
            }
            None
        }
    }

    fn decide(&mut self, turn: &StatusTurn) -> Option<Incident> {
        let saved = saved(&turn.saved);
        let change = self.change(&turn.service, turn.at, turn.from, turn.to, turn.reason.clone());
        let incident = self.incidents.turn(turn, &change);
        self.buffer.push_decided(Decided {
            change,
            incident: incident.clone(),
            saved,
        });
        incident
    }

    /// Makes a change, each service's later than the one before.
    fn change(
        &mut self,
        service: &ServiceName,
        at: Timestamp,
        from: Status,
        to: Status,
        reason: String,
    ) -> StatusChange {
        let mut at = to_millis(at);
        if let Some((_, last)) = self.statuses.get(service)
            && *last == at
        {
            at += SignedDuration::from_millis(1);
        }
        self.statuses.insert(service.clone(), (to, at));
        StatusChange {
            service: service.clone(),
            at,
            from,
            to,
            reason,
            reconstructed_since: self.unconfirmed.remove(service).map(|since| since.min(at)),
        }
    }

    /// A service is not monitored any more: from now on nothing is known of it, and its incident is over.
    pub(super) fn forgotten(&mut self, service: &ServiceName, at: Timestamp) {
        let Some((status, _)) = self
            .statuses
            .get(service)
            .copied()
            .filter(|(status, _)| *status != Status::Unknown)
        else {
            return;
        };
        let change = self.change(
            service,
            at,
            status,
            Status::Unknown,
            "not monitored any more".to_owned(),
        );
        let incident = self.incidents.end(service, change.at);
        self.buffer.push_decided(Decided {
            change,
            incident,
            saved: None,
        });
    }

    pub(super) fn result(&mut self, service: ServiceName, result: RawResult) {
        let agrees = match result.kind {
            ResultKind::Pass | ResultKind::Warn => result.status.is_up(),
            ResultKind::Fail => result.status.is_down(),
            ResultKind::Unmeasured => false,
        };
        // The first result that says the same as before: nothing was missed that still matters.
        if agrees
            && self
                .statuses
                .get(&service)
                .is_some_and(|(status, _)| *status == result.status)
        {
            self.unconfirmed.remove(&service);
        }
        self.buffer.push_result(ServiceResult { service, result });
    }

    /// Makes good what was missed while nobody recorded: statuses that are others than those written down, and services
    /// that are not monitored any more.
    pub(super) fn reconcile(&mut self, snapshot: &Snapshot, since: Timestamp) {
        let missed: Vec<ServiceName> = snapshot
            .services
            .iter()
            .filter(|(name, state)| {
                self.statuses.get(*name).map_or(Status::Unknown, |(status, _)| *status) != state.status
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in missed {
            let Some(state) = snapshot.services.get(&name) else {
                continue;
            };
            let from = self.statuses.get(&name).map_or(Status::Unknown, |(status, _)| *status);
            self.unconfirmed.entry(name.clone()).or_insert(since);
            let change = self.change(&name, snapshot.at, from, state.status, state.reason.clone());
            let incident = if state.status.is_up() {
                self.incidents.end(&name, change.at)
            } else {
                None
            };
            self.buffer.push_decided(Decided {
                change,
                incident,
                saved: None,
            });
        }
    }
}

/// What a restart finds, as the registry takes it.
fn remembered(saved: SavedService) -> Option<registry::SavedService> {
    serde_json::from_value(saved.state)
        .inspect_err(|error| tracing::warn!(service = %saved.service, %error, "what was saved is not understood"))
        .ok()
}

/// What a restart needs, as the store keeps it.
pub(super) fn saved(of_registry: &registry::SavedService) -> Option<SavedService> {
    let state = serde_json::to_value(of_registry);
    let state = state
        .inspect_err(|error| tracing::error!(%error, "cannot save what a restart needs"))
        .ok()?;
    Some(SavedService {
        service: of_registry.service.clone(),
        at: to_millis(of_registry.saved_at),
        state,
    })
}
