//! The actor that holds what is known and answers for it; the single writer of the [`Snapshot`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::time::Instant;

use crate::model::{
    Change, ChangeKind, ContainerKey, ContainerState, EngineState, Moment, ServiceName, ServiceState, Snapshot,
};
use crate::policy::ContainerIndex;
use crate::supervisor::{Counted, MailboxDepth, Pulse};

mod containers;
mod dependencies;
mod entry;
mod messages;
mod orders;
mod recorder;
mod saved;
mod subscribers;

use dependencies::Dependencies;
use entry::{Entry, Shift};
pub use messages::{
    Attach, Briefing, CheckNow, Checked, Containers, Define, EngineChanged, Forget, GetSnapshot, InProject, Observe,
    Order, OrderMaintenance, ProbeFate, Refusal, RegistryFigures, Report, Restore, Subscribe, Subscription,
    Surroundings, TakeUnsaved, TrialBegan, Usage,
};
use recorder::Recorder;
pub use recorder::{Measured, Recording, StartRecording, StatusTurn, Turn};
pub use saved::{Identity, SavedService};
use subscribers::Subscribers;

/// Results alone make a new snapshot at most this often.
const COALESCE: Duration = Duration::from_millis(100);

/// How often the registry looks for changes that only time brings.
const SWEEP: Duration = Duration::from_secs(1);

/// Between two turns lies a sweep's time at most. Where it was so much more, the process stood still.
const STOOD_STILL: Duration = Duration::from_secs(2);

/// Holds what is known of every service and container. Never fails: where it ends, the process does.
pub struct Registry {
    /// The Compose project in which services are looked for; `None` for all.
    project: Option<String>,
    services: BTreeMap<ServiceName, Entry>,
    dependencies: Dependencies,
    containers: BTreeMap<ContainerKey, Arc<ContainerState>>,
    engine: EngineState,
    subscribers: Subscribers,
    recorder: Option<Recorder>,
    /// What is known of services from before the process began, until they are defined.
    restored: BTreeMap<ServiceName, SavedService>,
    /// Services of which a restart would have to know more than was handed out.
    unsaved: BTreeSet<ServiceName>,
    snapshot: Option<Cached>,
    figures: RegistryFigures,
    mailbox: MailboxDepth,
    pulse: Pulse,
    /// When it last had its turn.
    last_turn: Instant,
}

/// The last snapshot, and whether it still tells the truth.
struct Cached {
    snapshot: Arc<Snapshot>,
    made: Instant,
    /// Something changed since that nobody may miss.
    is_outdated: bool,
}

impl Registry {
    /// Knows nothing yet. Services are looked for in the Compose project `project`, or in all where it is `None`.
    pub fn new(project: Option<String>, engine: EngineState) -> Self {
        Self {
            project,
            services: BTreeMap::new(),
            dependencies: Dependencies::default(),
            containers: BTreeMap::new(),
            engine,
            subscribers: Subscribers::default(),
            recorder: None,
            restored: BTreeMap::new(),
            unsaved: BTreeSet::new(),
            snapshot: None,
            figures: RegistryFigures::default(),
            mailbox: MailboxDepth::default(),
            pulse: Pulse::default(),
            last_turn: Instant::now(),
        }
    }

    /// The time of this turn. Nobody could be asked while the process stood still, so that time makes no result stale.
    fn now(&mut self) -> Moment {
        let now = Moment::now();
        if now.mono.saturating_duration_since(self.last_turn) > STOOD_STILL {
            for entry in self.services.values_mut() {
                entry.stood_still_until(now.mono);
            }
        }
        self.last_turn = now.mono;
        now
    }

    /// Beats once a second, unless its thread is blocked.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Counts the messages that wait for it: those that are sent in its envelopes.
    pub fn mailbox(&self) -> MailboxDepth {
        self.mailbox.clone()
    }

    /// The snapshot of now: the last one, unless a status or container changed since, or results came and it is old.
    fn snapshot(&mut self, now: Moment) -> Arc<Snapshot> {
        if let Some(cached) = &self.snapshot {
            let has_news = cached.snapshot.version != self.figures.version;
            let is_old = now.mono.saturating_duration_since(cached.made) >= COALESCE;
            let is_due = cached.is_outdated || (has_news && is_old);
            if !is_due {
                return cached.snapshot.clone();
            }
        }
        let services: BTreeMap<ServiceName, Arc<ServiceState>> = self
            .services
            .iter()
            .map(|(name, entry)| (name.clone(), entry.state.clone()))
            .collect();
        let snapshot = Arc::new(Snapshot {
            version: self.figures.version,
            at: now.wall,
            services,
            containers: self.containers.clone(),
            engine: self.engine.clone(),
        });
        self.figures.snapshots += 1;
        self.snapshot = Some(Cached {
            snapshot: snapshot.clone(),
            made: now.mono,
            is_outdated: false,
        });
        snapshot
    }

    /// Something changed that a result-only snapshot may show late.
    fn tell_result(&mut self, service: &ServiceName, now: Moment) {
        self.figures.version += 1;
        if !self.subscribers.is_empty() {
            let kind = ChangeKind::Result {
                service: service.clone(),
            };
            self.subscribers.tell(&Change {
                version: self.figures.version,
                at: now.wall,
                kind,
            });
        }
    }

    /// The next snapshot is made anew.
    fn outdate_snapshot(&mut self) {
        if let Some(cached) = &mut self.snapshot {
            cached.is_outdated = true;
        }
    }

    /// Something changed that the next snapshot must show.
    fn tell(&mut self, kind: ChangeKind, now: Moment) {
        self.figures.version += 1;
        self.outdate_snapshot();
        self.subscribers.tell(&Change {
            version: self.figures.version,
            at: now.wall,
            kind,
        });
    }

    /// Decides on one service anew, and draws what follows for others. True where its status changed.
    fn decide(&mut self, name: &ServiceName, now: Moment) -> bool {
        let Some(entry) = self.services.get_mut(name) else {
            return false;
        };
        let was_down = entry.state.is_held_down();
        match entry.decide(now) {
            Shift::None => false,
            Shift::Detail => {
                self.figures.version += 1;
                self.outdate_snapshot();
                false
            }
            Shift::Status { from } => {
                let (to, reason) = (entry.state.status, entry.state.reason.clone());
                let is_down = entry.state.is_held_down();
                tracing::info!(service = %name, %from, %to, reason, "status changed");
                if self.recorder.is_some() {
                    let turn = StatusTurn {
                        service: name.clone(),
                        at: now.wall,
                        from,
                        to,
                        reason: reason.clone(),
                        dependency_down: entry.state.dependency_unhealthy,
                        containers: entry.containers(),
                        saved: entry.save(now),
                    };
                    self.unsaved.remove(name);
                    self.record(Turn::Status(Box::new(turn)));
                }
                self.tell(
                    ChangeKind::Status {
                        service: name.clone(),
                        from,
                        to,
                        reason,
                    },
                    now,
                );
                if was_down != is_down {
                    self.refresh_dependents(name);
                }
                if was_down && to.is_up() {
                    self.nudge_dependents(name, now);
                }
                true
            }
        }
    }

    /// Works out anew which of those who need `name` have a dependency that is down.
    fn refresh_dependents(&mut self, name: &ServiceName) {
        for dependent in self.dependencies.dependents(name) {
            self.refresh_dependency_flag(&dependent);
        }
    }

    fn refresh_dependency_flag(&mut self, name: &ServiceName) {
        let is_down = |needed: &ServiceName| {
            self.services
                .get(needed)
                .is_some_and(|entry| entry.state.is_held_down())
        };
        let has_down = self.dependencies.needs(name).iter().any(is_down);
        if let Some(entry) = self.services.get_mut(name)
            && entry.state.dependency_unhealthy != has_down
        {
            Arc::make_mut(&mut entry.state).dependency_unhealthy = has_down;
        }
    }

    /// `name` works again, which may have mended those who need it.
    fn nudge_dependents(&mut self, name: &ServiceName, now: Moment) {
        for dependent in self.dependencies.direct_dependents(name) {
            if let Some(entry) = self.services.get_mut(dependent) {
                entry.dependency_mended(now);
            }
        }
    }

    fn decide_all(&mut self, now: Moment) {
        let names: Vec<ServiceName> = self.services.keys().cloned().collect();
        for name in &names {
            self.decide(name, now);
        }
    }

    /// Decides where time alone can have changed something.
    fn sweep(&mut self) {
        self.pulse.beat();
        let now = self.now();
        let aging = self.services.iter().filter(|(_, entry)| entry.ages(now));
        let names: Vec<ServiceName> = aging.map(|(name, _)| name.clone()).collect();
        for name in &names {
            self.decide(name, now);
        }
    }
}

impl Actor for Registry {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(SWEEP, |registry, _| registry.sweep());
    }
}

impl Handler<GetSnapshot> for Registry {
    type Result = Arc<Snapshot>;

    fn handle(&mut self, _: GetSnapshot, _: &mut Self::Context) -> Self::Result {
        self.snapshot(Moment::now())
    }
}

impl Handler<Counted<Report>> for Registry {
    type Result = ();

    fn handle(&mut self, report: Counted<Report>, ctx: &mut Self::Context) {
        Handler::<Report>::handle(self, report.open(), ctx);
    }
}

impl Handler<Observe> for Registry {
    type Result = MessageResult<Observe>;

    fn handle(&mut self, _: Observe, _: &mut Self::Context) -> Self::Result {
        MessageResult(RegistryFigures {
            services: self.services.len(),
            containers: self.containers.len(),
            subscribers: self.subscribers.len(),
            mailbox_depth: self.mailbox.current(),
            ..self.figures.clone()
        })
    }
}

impl Handler<Define> for Registry {
    type Result = ();

    fn handle(&mut self, Define(spec): Define, _: &mut Self::Context) {
        let now = self.now();
        let name = spec.name.clone();
        self.dependencies.set(&name, &spec.depends_on);
        match self.services.get_mut(&name) {
            Some(entry) => entry.redefine(spec, now),
            None => {
                let engine = self.engine.clone();
                let saved = self.restored.remove(&name);
                let entry = match saved.filter(|saved| saved.about == Identity::of(&spec)) {
                    Some(saved) => Entry::restored(spec, engine, saved, now),
                    None => Entry::new(spec, engine, now),
                };
                self.services.insert(name.clone(), entry);
            }
        }
        let index = ContainerIndex::new(self.containers.values(), self.project.as_deref());
        if let Some(entry) = self.services.get_mut(&name) {
            let matching = index.find(&entry.state.spec.container);
            entry.set_containers(matching, now);
        }
        self.decide(&name, now);
        self.refresh_dependency_flag(&name);
        self.refresh_dependents(&name);
        self.tell(ChangeKind::ServiceDefined { service: name }, now);
    }
}

impl Handler<Forget> for Registry {
    type Result = ();

    fn handle(&mut self, Forget(name): Forget, _: &mut Self::Context) {
        let Some(entry) = self.services.remove(&name) else {
            return;
        };
        let now = self.now();
        self.dependencies.remove(&name);
        self.refresh_dependents(&name);
        self.unsaved.remove(&name);
        self.record(Turn::Forgotten {
            service: name.clone(),
            status: entry.state.status,
            at: now.wall,
        });
        self.tell(ChangeKind::ServiceRemoved { service: name }, now);
    }
}

impl Handler<Attach> for Registry {
    type Result = ();

    fn handle(&mut self, attach: Attach, _: &mut Self::Context) {
        let now = self.now();
        match self.services.get_mut(&attach.service) {
            Some(entry) if entry.run().is_none_or(|run| run < attach.run) => {
                entry.attach(attach.run, attach.orders);
                self.decide(&attach.service, now);
            }
            _ => attach.orders.do_send(Order::Retire),
        }
    }
}

impl Handler<Report> for Registry {
    type Result = ();

    fn handle(&mut self, report: Report, _: &mut Self::Context) {
        let now = self.now();
        let Some(entry) = self.services.get_mut(&report.service) else {
            self.figures.outcomes_dropped += 1;
            return;
        };
        if !entry.admit(report.run, report.sequence) {
            self.figures.outcomes_dropped += 1;
            tracing::debug!(service = %report.service, run = report.run, sequence = report.sequence, "stale outcome dropped");
            return;
        }
        self.figures.outcomes += 1;
        let outcome = report.outcome;
        entry.count(outcome.clone());
        if entry.set_policy(*report.policy, now) {
            self.unsaved.insert(report.service.clone());
        }
        entry.next_due = Some(report.next_due);
        Arc::make_mut(&mut entry.state).next_due = Some(now.wall_at(report.next_due));
        if !self.decide(&report.service, now) {
            self.tell_result(&report.service, now);
        }
        if let (Some(recorder), Some(entry)) = (&self.recorder, self.services.get(&report.service)) {
            recorder.result(Measured {
                service: report.service,
                status: entry.state.status,
                outcome,
            });
        }
    }
}

impl Handler<TrialBegan> for Registry {
    type Result = ();

    fn handle(&mut self, trial: TrialBegan, _: &mut Self::Context) {
        let now = self.now();
        if let Some(entry) = self.services.get_mut(&trial.service)
            && entry.run() == Some(trial.run)
        {
            entry.admit_trial(now);
            self.decide(&trial.service, now);
        }
    }
}

impl Handler<ProbeFate> for Registry {
    type Result = ();

    fn handle(&mut self, fate: ProbeFate, _: &mut Self::Context) {
        let now = self.now();
        if let Some(entry) = self.services.get_mut(&fate.service) {
            entry.set_given_up(fate.given_up);
            self.decide(&fate.service, now);
        }
    }
}

impl Handler<Subscribe> for Registry {
    type Result = MessageResult<Subscribe>;

    fn handle(&mut self, subscribe: Subscribe, _: &mut Self::Context) -> Self::Result {
        let from = self.snapshot(Moment::now());
        MessageResult(Subscription {
            from,
            changes: self.subscribers.add(subscribe.capacity),
        })
    }
}
