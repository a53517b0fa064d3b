//! The clerk: the actor's task. It reads what the registry tells, looks at the rest once a second, and has the store do one
//! thing at a time (`work`).

use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::prelude::*;
use health_monitor_actors::model::{ContainerKey, EngineState, ServiceName};
use health_monitor_actors::registry::{GetSnapshot, Recording, Registry, StartRecording, TakeUnsaved, Turn};
use health_monitor_actors::supervisor::Heart;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::CAPACITY;
use super::desk::Desk;
use super::evidence::{LOGS_OF, LogsAsked};
use super::papers::saved;
use super::watch::UsageWatch;
use super::work::{Due, Work};
use crate::history::model::{Evidence, Incident, RawResult};

/// From one batch of results to the next: with the time that it takes to write one, no more than a second is not written.
const FLUSH: Duration = Duration::from_millis(500);

/// From one look at everything else to the next.
const TICK: Duration = Duration::from_secs(1);

/// Without anything to write, how often it is written down that the monitor runs.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// From one look at containers' resources to the next. Samples come every few seconds at most.
const USAGE_EVERY: Duration = Duration::from_secs(5);

/// From one look at how much is kept to the next.
const FIGURES_EVERY: Duration = Duration::from_secs(60);

/// Services of which is saved in one second what a restart needs.
const SAVED_AT_ONCE: usize = 256;

/// Seconds after its start at which every configured service is defined, so that those that are not are gone.
const FORGOTTEN_AFTER: u32 = 3;

/// Most of a promise's length for a busy machine.
const GRACE: Duration = Duration::from_secs(30);

/// The actor's task.
pub(super) struct Clerk {
    pub(super) desk: Desk,
    pub(super) registry: Addr<Registry>,
    heart: Heart,
    pub(super) work: Option<Work>,
    pub(super) retry_at: Instant,
    pub(super) failures: u32,
    pub(super) due: Due,
    usage: UsageWatch,
    logs: LogsAsked,
}

/// A recording that is read. It goes back to the desk with what is unread, however the reading ends.
struct Reading {
    desk: Desk,
    recording: Option<Recording>,
}

impl Clerk {
    /// Begins with nothing under way.
    pub(super) fn new(desk: Desk, registry: Addr<Registry>, heart: Heart) -> Self {
        Self {
            desk,
            registry,
            heart,
            work: None,
            retry_at: Instant::now(),
            failures: 0,
            due: Due::default(),
            usage: UsageWatch::default(),
            logs: LogsAsked::default(),
        }
    }

    /// Until the registry tells nothing any more.
    pub(super) async fn run(mut self) {
        let first = self.desk.papers().recording.take();
        let recording = match first {
            Some(recording) => Some(recording),
            None => self.registry.send(StartRecording { capacity: CAPACITY }).await.ok(),
        };
        let mut reading = Reading {
            desk: self.desk.clone(),
            recording,
        };
        let Some(recording) = &mut reading.recording else {
            return;
        };
        {
            let mut papers = self.desk.papers();
            let since = papers.clock.last();
            if papers.is_resumed {
                papers.reconcile(&recording.from, since);
            }
        }
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut flush = interval(FLUSH);
        flush.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut ticks = 0_u32;
        let mut results = Vec::new();
        loop {
            self.heart.expect_within(TICK + GRACE);
            self.start_work();
            tokio::select! {
                turn = recording.turns.recv() => match turn {
                    Some(turn) => self.turn(turn),
                    None => {
                        reading.recording = None;
                        return;
                    }
                },
                count = recording.results.recv_many(&mut results, 1_024), if !recording.results.is_closed() => {
                    if count == 0 {
                        reading.recording = None;
                        return;
                    }
                    let mut papers = self.desk.papers();
                    for measured in results.drain(..) {
                        papers.result(measured.service, RawResult::of(&measured.outcome, measured.status));
                    }
                }
                done = async { match &mut self.work { Some(work) => work.await, None => std::future::pending().await } } => {
                    self.work = None;
                    self.done(done);
                }
                Some((incident, excerpt)) = self.logs.next(), if !self.logs.is_empty() => {
                    self.desk.papers().buffer.push_evidence(incident.id, Evidence::Logs(excerpt));
                }
                _ = flush.tick() => self.flush(),
                _ = tick.tick() => {
                    ticks = ticks.wrapping_add(1);
                    self.tick(ticks, recording.dropped.load(Ordering::Relaxed)).await;
                }
            }
        }
    }

    fn turn(&mut self, turn: Turn) {
        let containers: Vec<(ContainerKey, String)> = match &turn {
            Turn::Status(turn) => {
                let containers = turn.containers.iter().take(LOGS_OF);
                containers
                    .map(|container| (container.key.clone(), container.name.clone()))
                    .collect()
            }
            Turn::Forgotten { .. } | Turn::Container { .. } => Vec::new(),
        };
        let incident = self.desk.papers().hear(turn);
        if let Some(incident) = incident.filter(|incident| incident.ended.is_none()) {
            self.ask_for_logs(&incident, containers);
        }
    }

    /// Asks for the last log lines of the containers of an incident that begins.
    fn ask_for_logs(&mut self, incident: &Incident, containers: Vec<(ContainerKey, String)>) {
        let options = &self.desk.options;
        let Some(logs) = options.logs.clone().filter(|_| options.log_lines > 0) else {
            return;
        };
        for container in containers {
            if let Some(excerpt) = self.logs.ask(logs.clone(), options.log_lines, incident, container) {
                let mut papers = self.desk.papers();
                papers.buffer.push_evidence(incident.id, Evidence::Logs(excerpt));
            }
        }
    }

    /// What has gathered is due.
    fn flush(&mut self) {
        let mut papers = self.desk.papers();
        if papers.clock.beat() {
            tracing::warn!("the clock was set, or the monitor stood still: the time between counts as a gap");
        }
        self.due.append |= !papers.buffer.has_nothing_to_append();
    }

    async fn tick(&mut self, ticks: u32, dropped_before: u64) {
        let is_every = |period: Duration| u64::from(ticks) % period.as_secs().max(1) == 0;
        if let Ok(unsaved) = self.registry.send(TakeUnsaved { limit: SAVED_AT_ONCE }).await {
            let mut papers = self.desk.papers();
            for one in unsaved.iter().filter_map(saved) {
                papers.buffer.push_saved(one);
            }
        }
        if ticks == FORGOTTEN_AFTER || is_every(FIGURES_EVERY) {
            self.forget_the_gone(ticks == FORGOTTEN_AFTER).await;
        }
        if is_every(USAGE_EVERY)
            && let Ok(snapshot) = self.registry.send(GetSnapshot).await
        {
            let mut papers = self.desk.papers();
            for sample in self.usage.look(&snapshot) {
                papers.buffer.push_usage(sample);
            }
        }
        let papers = self.desk.papers();
        let is_silent = self.due.last_append.is_none_or(|last| last.elapsed() >= HEARTBEAT);
        self.due.append |= is_silent;
        self.due.maintain |= is_every(HEARTBEAT);
        self.due.figures |= is_every(FIGURES_EVERY) || ticks == 2;
        let dropped = papers.buffer.dropped();
        let mut figures = self.desk.history.figures_mut();
        figures.results_waiting = papers.buffer.results();
        figures.changes_waiting = papers.buffer.changes() + papers.waiting.len();
        figures.results_dropped = dropped.results + dropped_before;
        figures.changes_dropped = dropped.changes + papers.waiting_dropped;
        figures.open_incidents = papers.incidents.open();
    }

    /// Services that the store knows and nobody has defined are not monitored any more. Those that are made of containers
    /// are defined only once the engine has told of them.
    async fn forget_the_gone(&self, is_first: bool) {
        let Ok(snapshot) = self.registry.send(GetSnapshot).await else {
            return;
        };
        let is_told = match snapshot.engine {
            EngineState::Disabled => true,
            EngineState::Up => !is_first,
            EngineState::Connecting | EngineState::Down { .. } => false,
        };
        if !is_told {
            return;
        }
        let mut papers = self.desk.papers();
        let gone: Vec<ServiceName> = papers
            .statuses
            .keys()
            .filter(|name| !snapshot.services.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            papers.forgotten(&name, snapshot.at);
        }
    }
}

// === impl Reading ===

impl Drop for Reading {
    fn drop(&mut self) {
        self.desk.papers().recording = self.recording.take();
    }
}
