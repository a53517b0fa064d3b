//! The actor that writes the history.
//!
//! It is told of every result and change by the registry and hands them to the store, one write under way at a time. It
//! waits for the store and nobody waits for it: what the store does not take for now waits here within a bound. A change of
//! status is handed on at once, results twice a second.

use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::prelude::*;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use health_monitor_actors::model::{ContainerKey, EngineState, ServiceName, Snapshot, Status};
use health_monitor_actors::registry::{
    self, GetSnapshot, Recording, Registry, Restore, StartRecording, StatusTurn, TakeUnsaved, Turn,
};
use health_monitor_actors::supervisor::{ChildContext, Heart};
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::buffer::Buffer;
use super::handle::History;
use super::incident::{Incidents, container_events};
use super::model::{
    Evidence, Incident, LogExcerpt, RawResult, ResultKind, SavedService, ServiceResult, Span, StatusChange, to_millis,
};
use super::place::Place;
use super::store::{Decided, Memory, Order, Retention, Store, StoreError, Upkeep};
use super::watch::{Clock, UsageWatch};

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

/// Pauses before a store that failed is tried again: doubled from the first to the last.
const AGAIN_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Longest that one call to the store may take before it counts as failed.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// Results that may wait between the registry and this actor.
const CAPACITY: usize = 65_536;

/// Services of which is saved in one second what a restart needs.
const SAVED_AT_ONCE: usize = 256;

/// Seconds after its start at which every configured service is defined, so that those that are not are gone.
const FORGOTTEN_AFTER: u32 = 3;

/// What is kept of the results around an incident's start and end.
const EVIDENCE_BEFORE: SignedDuration = SignedDuration::from_mins(2);
const EVIDENCE_AFTER: Duration = Duration::from_secs(60);
const EVIDENCE_RESULTS: usize = 60;
const EVENTS_BEFORE: SignedDuration = SignedDuration::from_mins(10);
const EVIDENCE_EVENTS: usize = 100;

/// How far back an incident that goes on may have started for its results to be looked for after a restart.
const RECENT: SignedDuration = SignedDuration::from_hours(1);

/// Containers of a service whose logs are asked for, and asked at once over all services.
const LOGS_OF: usize = 3;
const LOGS_AT_ONCE: usize = 4;

/// Most of a promise's length for a busy machine.
const GRACE: Duration = Duration::from_secs(30);

/// Where containers' last log lines come from.
#[async_trait::async_trait]
pub trait Logs: Send + Sync {
    /// The last lines that the container with this id logged, secrets hidden, the oldest first; at most `lines`.
    async fn tail(&self, id: &str, lines: usize) -> Result<Vec<String>, String>;
}

/// What the writer needs to know.
#[derive(Clone)]
pub struct WriterOptions {
    /// Where the store is.
    pub place: Place,
    /// How long things are kept.
    pub retention: Retention,
    /// Results and changes that may wait in memory.
    pub buffer: usize,
    /// Lines of a container's log that are kept with an incident.
    pub log_lines: usize,
    /// Where they come from; `None` without a container engine.
    pub logs: Option<Arc<dyn Logs>>,
}

/// What outlives a run of the actor: whoever restarts it hands it on.
#[derive(Clone)]
pub struct Desk {
    options: WriterOptions,
    history: History,
    inner: Arc<Mutex<Papers>>,
}

/// What lies on the desk.
struct Papers {
    buffer: Buffer,
    incidents: Incidents,
    clock: Clock,
    /// What the store knew before; `None` until it was opened for the first time. Changes wait for it, since only it tells
    /// which incidents go on.
    is_resumed: bool,
    waiting: VecDeque<StatusTurn>,
    /// Changes that had to give way before that.
    waiting_dropped: u64,
    bound: usize,
    /// Each service's status and since when, as they were written down.
    statuses: HashMap<ServiceName, (Status, Timestamp)>,
    /// Services whose status is one from before the process began, or before the actor was restarted, and since when nobody
    /// has looked.
    unconfirmed: HashMap<ServiceName, Timestamp>,
    /// The recording, while no run of the actor reads it: the next one goes on with it, or whoever closes.
    recording: Option<Recording>,
    /// Incidents of whose results and events something is to be kept, and when.
    captures: Vec<(Instant, Incident)>,
}

/// A recording that is read. It goes back to the desk with what is unread, however the reading ends.
struct Reading {
    desk: Desk,
    recording: Option<Recording>,
}

/// The actor that writes the history.
pub struct Writer {
    desk: Desk,
    registry: Addr<Registry>,
    heart: Heart,
}

// === impl Desk ===

impl Desk {
    /// An empty one.
    pub fn new(options: WriterOptions, history: History) -> Self {
        let papers = Papers {
            buffer: Buffer::new(options.buffer),
            incidents: Incidents::default(),
            clock: Clock::start(),
            is_resumed: false,
            waiting: VecDeque::new(),
            waiting_dropped: 0,
            bound: options.buffer,
            statuses: HashMap::new(),
            unconfirmed: HashMap::new(),
            recording: None,
            captures: Vec::new(),
        };
        let warning = options.place.warning();
        if let Some(warning) = &warning {
            tracing::warn!("{warning}");
        }
        {
            let mut figures = history.figures_mut();
            figures.warning = warning;
            figures.raw_limit_bytes = options.retention.raw_bytes;
        }
        Self {
            options,
            history,
            inner: Arc::new(Mutex::new(papers)),
        }
    }

    /// Opens the store before anything is watched, within `limit`, and yields what was saved of services. Where it cannot be
    /// had in time, the monitor begins without, the actor goes on trying, and tells the registry once it succeeds.
    pub async fn open(&self, limit: Duration) -> Vec<registry::SavedService> {
        let opened = timeout(limit, async {
            let store = self.options.place.open().await?;
            let memory = store.resume().await?;
            Ok::<_, StoreError>((store, memory))
        });
        match opened.await {
            Ok(Ok((store, memory))) => self.opened(store, memory),
            Ok(Err(error)) => {
                self.failed(&error);
                Vec::new()
            }
            Err(_elapsed) => {
                tracing::warn!(limit = ?limit, "history not opened in time; the monitor begins without and goes on trying");
                Vec::new()
            }
        }
    }

    /// Everything is to be written down from now on: to be called before the first service is defined.
    pub async fn begin(&self, registry: &Addr<Registry>) {
        match registry.send(StartRecording { capacity: CAPACITY }).await {
            Ok(recording) => self.papers().recording = Some(recording),
            Err(error) => tracing::error!(%error, "the registry does not tell what is to be written down"),
        }
    }

    /// Writes what is left, once the actor has ended, and leaves the store in order; within `limit`. What the actor has not
    /// read yet is part of it.
    pub async fn close(&self, registry: &Addr<Registry>, limit: Duration) {
        let Some(store) = self.history.store() else { return };
        let end = async {
            let unsaved = registry.send(TakeUnsaved { limit: usize::MAX }).await;
            {
                let mut papers = self.papers();
                papers.clock.beat();
                papers.read_the_rest();
                for one in unsaved.unwrap_or_default().iter().filter_map(saved) {
                    papers.buffer.push_saved(one);
                }
            }
            self.write_all(&store).await?;
            let captures = std::mem::take(&mut self.papers().captures);
            for (_, incident) in captures {
                let found = capture(store.clone(), &incident).await?;
                self.papers().captured(&incident, found);
            }
            self.write_all(&store).await?;
            store.close().await;
            Ok::<_, StoreError>(())
        };
        match timeout(limit, end).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last second of history is not written"),
            Err(_elapsed) => tracing::warn!(
                ?limit,
                "the history was not closed in time; what is not written is lost"
            ),
        }
    }

    /// Writes all that waits, changes first.
    async fn write_all(&self, store: &Arc<dyn Store>) -> Result<(), StoreError> {
        loop {
            let decided = self.papers().buffer.next_changes();
            let Some(decided) = decided else { break };
            store.commit(decided).await?;
            self.papers().buffer.committed();
        }
        loop {
            let batch = {
                let mut papers = self.papers();
                let run = papers.clock.run();
                papers.buffer.next_batch(run)
            };
            store.append(batch).await?;
            let mut papers = self.papers();
            papers.buffer.appended();
            if papers.buffer.has_nothing_to_append() {
                return Ok(());
            }
        }
    }

    fn papers(&self) -> MutexGuard<'_, Papers> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store is there. Yields what was known of services, the first time.
    fn opened(&self, store: Arc<dyn Store>, memory: Memory) -> Vec<registry::SavedService> {
        tracing::info!(history = store.describe(), "history opened");
        self.history.set_store(Some(store));
        self.history.figures_mut().problem = None;
        self.papers().resume(memory)
    }

    fn failed(&self, error: &StoreError) {
        let mut figures = self.history.figures_mut();
        figures.failures += 1;
        let problem = error.to_string();
        if figures.problem.as_ref() != Some(&problem) {
            tracing::error!(%error, "history not written; results and changes wait in memory");
            figures.problem = Some(problem);
        }
    }
}

// === impl Reading ===

impl Drop for Reading {
    fn drop(&mut self) {
        self.desk.papers().recording = self.recording.take();
    }
}

// === impl Papers ===

impl Papers {
    /// Takes in what is told and cannot be told twice. Yields the incident that begins or ends with it.
    fn hear(&mut self, turn: Turn) -> Option<Incident> {
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
    fn read_the_rest(&mut self) {
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

    fn captured(&mut self, incident: &Incident, found: Vec<Evidence>) {
        for evidence in found {
            self.buffer.push_evidence(incident.id, evidence);
        }
    }

    /// What the store knew. Only the first time: what is known since then is newer. Yields what was known of services.
    fn resume(&mut self, memory: Memory) -> Vec<registry::SavedService> {
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
    fn forgotten(&mut self, service: &ServiceName, at: Timestamp) {
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

    fn result(&mut self, service: ServiceName, result: RawResult) {
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
    fn reconcile(&mut self, snapshot: &Snapshot, since: Timestamp) {
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
fn saved(of_registry: &registry::SavedService) -> Option<SavedService> {
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

// === impl Writer ===

impl Writer {
    /// Writes down what the registry tells.
    pub fn new(desk: Desk, registry: Addr<Registry>, child: ChildContext) -> Self {
        Self {
            desk,
            registry,
            heart: child.heart,
        }
    }
}

impl Actor for Writer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let clerk = Clerk {
            desk: self.desk.clone(),
            registry: self.registry.clone(),
            heart: self.heart.clone(),
            work: None,
            retry_at: Instant::now(),
            failures: 0,
            due: Due::default(),
            usage: UsageWatch::default(),
            logs: FuturesUnordered::new(),
        };
        // In the actor's own task: it ends with the actor, and a panic in it is the actor's.
        ctx.spawn(clerk.run().into_actor(self).map(|(), _, ctx| ctx.stop()));
    }
}

/// What a write came back with.
enum Done {
    Opened(Result<(Arc<dyn Store>, Memory), StoreError>),
    Appended(Result<(), StoreError>),
    Committed(Result<(), StoreError>),
    Maintained(Result<Upkeep, StoreError>),
    Figures(Result<super::store::StoreFigures, StoreError>),
    Captured(Incident, Result<Vec<Evidence>, StoreError>),
    SetAside(Result<(), StoreError>),
}

type Work = Pin<Box<dyn Future<Output = Done>>>;

/// A container's log that was asked for.
type Asked = Pin<Box<dyn Future<Output = (Incident, LogExcerpt)>>>;

/// What is to be done next.
#[derive(Debug, Default)]
struct Due {
    append: bool,
    maintain: bool,
    figures: bool,
    /// Why the store is to be moved aside.
    set_aside: Option<String>,
    last_append: Option<Instant>,
}

/// The actor's task.
struct Clerk {
    desk: Desk,
    registry: Addr<Registry>,
    heart: Heart,
    work: Option<Work>,
    retry_at: Instant,
    failures: u32,
    due: Due,
    usage: UsageWatch,
    logs: FuturesUnordered<Asked>,
}

impl Clerk {
    async fn run(mut self) {
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
            self.ask_for_logs(&incident, &containers);
        }
    }

    /// Asks once for the last log lines of the containers of an incident that begins; nobody waits for them.
    fn ask_for_logs(&mut self, incident: &Incident, containers: &[(ContainerKey, String)]) {
        let Some(logs) = self
            .desk
            .options
            .logs
            .clone()
            .filter(|_| self.desk.options.log_lines > 0)
        else {
            return;
        };
        for (key, name) in containers {
            let (incident, name) = (incident.clone(), name.clone());
            let excerpt = |lines, missing| LogExcerpt {
                at: to_millis(Timestamp::now()),
                container: name.clone(),
                lines,
                missing,
            };
            if self.logs.len() >= LOGS_AT_ONCE * LOGS_OF {
                let missing = Some("not asked for: too many incidents began at once".to_owned());
                let excerpt = Evidence::Logs(excerpt(Vec::new(), missing));
                self.desk.papers().buffer.push_evidence(incident.id, excerpt);
                continue;
            }
            let (logs, id, lines) = (logs.clone(), key.id.clone(), self.desk.options.log_lines);
            self.logs.push(Box::pin(async move {
                let (lines, missing) = match logs.tail(&id, lines).await {
                    Ok(lines) => (lines, None),
                    Err(why) => (Vec::new(), Some(why)),
                };
                let excerpt = LogExcerpt {
                    at: to_millis(Timestamp::now()),
                    container: name,
                    lines,
                    missing,
                };
                (incident, excerpt)
            }));
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

    /// Begins the next write, where none is under way: changes first.
    fn start_work(&mut self) {
        if self.work.is_some() || Instant::now() < self.retry_at {
            return;
        }
        if let Some(why) = self.due.set_aside.take() {
            let place = self.desk.options.place.clone();
            self.work = Some(Box::pin(async move {
                let moved = tokio::task::spawn_blocking(move || place.set_aside(&why)).await;
                Done::SetAside(moved.unwrap_or(Err(StoreError::Closed)))
            }));
            return;
        }
        let Some(store) = self.desk.history.store() else {
            let place = self.desk.options.place.clone();
            self.work = Some(Box::pin(async move {
                let open = async {
                    let store = place.open().await?;
                    let memory = store.resume().await?;
                    Ok((store, memory))
                };
                Done::Opened(limited(open).await)
            }));
            return;
        };
        let mut papers = self.desk.papers();
        if let Some(decided) = papers.buffer.next_changes() {
            self.work = Some(Box::pin(async move {
                Done::Committed(limited(store.commit(decided)).await)
            }));
        } else if self.due.append {
            let run = papers.clock.run();
            let batch = papers.buffer.next_batch(run);
            self.work = Some(Box::pin(
                async move { Done::Appended(limited(store.append(batch)).await) },
            ));
        } else if let Some(place) = papers.captures.iter().position(|(at, _)| *at <= Instant::now()) {
            let (_, incident) = papers.captures.swap_remove(place);
            self.work = Some(Box::pin(async move {
                let found = limited(capture(store, &incident)).await;
                Done::Captured(incident, found)
            }));
        } else if self.due.maintain {
            let retention = self.desk.options.retention.clone();
            self.work = Some(Box::pin(async move {
                Done::Maintained(limited(store.maintain(Timestamp::now(), &retention)).await)
            }));
        } else if self.due.figures {
            self.work = Some(Box::pin(async move { Done::Figures(limited(store.figures()).await) }));
        }
    }

    fn done(&mut self, done: Done) {
        let outcome = match done {
            Done::Opened(Ok((store, memory))) => {
                let late = self.desk.opened(store, memory);
                if !late.is_empty() {
                    self.registry.do_send(Restore(late));
                }
                Ok(())
            }
            Done::Appended(Ok(())) => {
                self.due.last_append = Some(Instant::now());
                let mut papers = self.desk.papers();
                let written = papers.buffer.appended();
                // More than one batch may wait where the store was away.
                self.due.append = papers.buffer.results() > 0 && written > 0 && papers.buffer.results() > CATCH_UP;
                let mut figures = self.desk.history.figures_mut();
                figures.results_written += written;
                figures.last_written = Some(Timestamp::now());
                Ok(())
            }
            Done::Committed(Ok(())) => {
                let written = self.desk.papers().buffer.committed();
                let mut figures = self.desk.history.figures_mut();
                figures.changes_written += written;
                figures.last_written = Some(Timestamp::now());
                Ok(())
            }
            Done::Maintained(Ok(upkeep)) => {
                self.due.maintain = upkeep == Upkeep::More;
                Ok(())
            }
            Done::Figures(Ok(kept)) => {
                self.due.figures = false;
                self.desk.history.figures_mut().kept = Some(kept);
                Ok(())
            }
            Done::Captured(incident, Ok(found)) => {
                self.desk.papers().captured(&incident, found);
                Ok(())
            }
            Done::Captured(incident, Err(error)) => {
                self.desk
                    .papers()
                    .captures
                    .push((Instant::now() + AGAIN_AFTER.1, incident));
                Err(error)
            }
            Done::SetAside(moved) => moved,
            Done::Opened(Err(error))
            | Done::Appended(Err(error))
            | Done::Committed(Err(error))
            | Done::Maintained(Err(error))
            | Done::Figures(Err(error)) => Err(error),
        };
        match outcome {
            Ok(()) => {
                self.failures = 0;
                let mut figures = self.desk.history.figures_mut();
                if figures.is_open && figures.problem.take().is_some() {
                    tracing::info!("history is written again");
                }
            }
            Err(error) => self.failed(&error),
        }
    }

    /// The store did not do it. It is tried again, opened anew where it is gone, and begun anew where it is damaged.
    fn failed(&mut self, error: &StoreError) {
        self.desk.failed(error);
        let (first, last) = AGAIN_AFTER;
        let pause = first.saturating_mul(2_u32.saturating_pow(self.failures)).min(last);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Instant::now() + pause;
        match error {
            StoreError::Damaged { why, .. } => {
                self.desk.history.set_store(None);
                self.due.set_aside = Some(why.clone());
            }
            StoreError::Closed | StoreError::Unavailable { .. } | StoreError::Lost(_) => {
                self.desk.history.set_store(None);
            }
            StoreError::Taken { .. }
            | StoreError::TooNew { .. }
            | StoreError::Locked
            | StoreError::Full
            | StoreError::Busy
            | StoreError::Failed(_) => {}
        }
    }
}

/// Results that may wait for the next second; more of them are written at once.
const CATCH_UP: usize = 5_000;

/// A call to the store that hangs is a failure too.
async fn limited<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match timeout(CALL_LIMIT, call).await {
        Ok(done) => done,
        Err(_elapsed) => Err(StoreError::Lost(format!("no answer within {} s", CALL_LIMIT.as_secs()))),
    }
}

/// What is kept with an incident of the results and container events around its start, or its end where it has ended: they
/// outlive the retention of results.
async fn capture(store: Arc<dyn Store>, incident: &Incident) -> Result<Vec<Evidence>, StoreError> {
    let around = incident.ended.unwrap_or(incident.started);
    let after = around + EVIDENCE_AFTER;
    let span = Span::new(around - EVIDENCE_BEFORE, after);
    let results = store
        .results(&incident.service, span, Order::OldestFirst, EVIDENCE_RESULTS)
        .await?;
    let names: HashSet<String> = incident
        .containers
        .iter()
        .cloned()
        .chain([incident.service.to_string()])
        .collect();
    let names: Vec<String> = names.into_iter().collect();
    let span = Span::new(incident.started - EVENTS_BEFORE, after);
    let events = store.container_events(&names, span, EVIDENCE_EVENTS).await?;
    let results = results.into_iter().map(Evidence::Result);
    Ok(results.chain(events.into_iter().map(Evidence::Container)).collect())
}
