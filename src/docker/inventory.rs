//! The actor that knows which containers there are.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use bollard::models::{ContainerInspectResponse, ContainerSummary};
use futures_util::StreamExt;
use health_monitor_actors::model::{ContainerStatus, EngineState};
use health_monitor_actors::registry::{Containers, EngineChanged, InProject};
use health_monitor_actors::supervisor::Heart;
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::book::Book;
use super::event::{Event, Seen};
use super::inspect::Lens;
use super::reach::Reach;
use super::{Endpoint, Engine, EngineError, RequestResult, Settings};

/// First pause before another attempt to reach the engine; doubles with every failure.
const RECONNECT_MIN: Duration = Duration::from_millis(250);

/// When the list is read for the second time. The engine answers before it has subscribed to its own events, and its
/// clock may not be ours.
const SECOND_LIST: Duration = Duration::from_secs(1);

/// Pause before the list, or a ping, is asked for again that was refused.
const SECOND_TRY: Duration = Duration::from_secs(2);

/// What a heart's promise allows for a busy machine.
const SLACK: Duration = Duration::from_secs(5);

/// Follows an engine's events and publishes its containers and whether it answers.
///
/// An event is a hint and the inspect after it the truth; the full list, read again every
/// [`Settings::resync_interval`], is the ground under both. A connection that is lost, or hangs, is made again with
/// growing pauses. Everything runs in one task of the actor's and ends with it; an actor that is started again publishes
/// everything anew.
#[derive(Debug)]
pub struct Inventory {
    engine: Engine,
    audience: Audience,
    heart: Option<Heart>,
}

/// Who is told what an inventory learns: the registry, in whose place a test may stand.
#[derive(Debug, Clone)]
pub struct Audience {
    /// Told of containers.
    pub containers: Recipient<Containers>,
    /// Told whether the engine answers. It counts as up once everything was told.
    pub engine: Recipient<EngineChanged>,
    /// Told the monitor's own Compose project, where none was configured, before the containers.
    pub project: Recipient<InProject>,
}

/// What a connection's tasks come back with.
enum Done {
    Pinged(Result<(), EngineError>),
    Surveyed(Result<Survey, EngineError>),
    Looked(Arc<str>, Box<Result<ContainerInspectResponse, EngineError>>),
}

/// A full list, and how what is in it can be reached.
struct Survey {
    rows: Vec<ContainerSummary>,
    reach: Reach,
}

/// Why a connection ended.
enum Lost {
    /// The engine could not be asked.
    Failed(EngineError),
    /// The stream of events ended. That alone says nothing of the engine; the next attempt will.
    Stream,
}

// === impl Inventory ===

impl Inventory {
    /// An inventory of `engine`'s containers that tells `audience`.
    pub fn new(engine: Engine, audience: Audience) -> Self {
        Self {
            engine,
            audience,
            heart: None,
        }
    }

    /// Beats this heart while it lives.
    pub fn with_heart(mut self, heart: Heart) -> Self {
        self.heart = Some(heart);
        self
    }
}

impl Actor for Inventory {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let follower = Follower::new(self);
        // In the actor's own task: it ends with the actor, and a panic in it is the actor's.
        ctx.spawn(async move { match follower.run().await {} }.into_actor(self));
    }
}

// === impl Audience ===

impl<A> From<Addr<A>> for Audience
where
    A: Actor<Context = Context<A>> + Handler<Containers> + Handler<EngineChanged> + Handler<InProject>,
{
    fn from(one: Addr<A>) -> Self {
        Self {
            containers: one.clone().recipient(),
            engine: one.clone().recipient(),
            project: one.recipient(),
        }
    }
}

/// The actor's task.
struct Follower {
    engine: Engine,
    audience: Audience,
    heart: Option<Heart>,
    told_project: Option<String>,
    book: Book,
    seen: Seen,
    /// From when on events are asked for: at first from now on, since what was before is not this monitor's to tell.
    since: Timestamp,
    state: EngineState,
}

// === impl Follower ===

impl Follower {
    fn new(inventory: &Inventory) -> Self {
        let Inventory {
            engine,
            audience,
            heart,
        } = inventory;
        let Settings {
            engine: name,
            environment,
            inspect_concurrency,
            ..
        } = engine.settings();
        let lens = Lens {
            engine: name.as_str().into(),
            environment: *environment,
            reach: Reach::default(),
        };
        let book = Book::new(lens, *inspect_concurrency);
        Self {
            engine: engine.clone(),
            audience: audience.clone(),
            heart: heart.clone(),
            told_project: None,
            book,
            seen: Seen::default(),
            since: Timestamp::now(),
            state: EngineState::Connecting,
        }
    }

    async fn run(mut self) -> Infallible {
        self.engine.running().engine(false);
        // Nothing is announced yet: to the registry an inventory that was started again is the one that it knows.
        let mut failures = 0_u32;
        loop {
            self.beat();
            let began = Instant::now();
            let lost = Box::pin(self.connection()).await;
            self.engine.running().engine(false);
            self.engine.counters().count_reconnect();
            if began.elapsed() > self.engine.settings().reconnect_max {
                failures = 0;
            }
            match lost {
                Lost::Stream if failures == 0 => tracing::debug!("docker event stream ended; opening it again"),
                Lost::Stream => self.pause(failures).await,
                Lost::Failed(error) => {
                    let error = self.engine.explain(error).await;
                    self.is_down(&error);
                    self.pause(failures).await;
                }
            }
            failures = failures.saturating_add(1);
        }
    }

    /// It wakes at least for every ping, and waits for no longer than one call and the pause after its failure.
    fn beat(&self) {
        let Settings {
            ping_interval,
            request_timeout,
            reconnect_max,
            ..
        } = self.engine.settings();
        if let Some(heart) = &self.heart {
            heart.expect_within(*ping_interval + *request_timeout + *reconnect_max + SLACK);
        }
    }

    /// Waits between nothing and twice as long as the last time (full jitter), so that many monitors do not come back
    /// to an engine together.
    async fn pause(&self, failures: u32) {
        let longest = RECONNECT_MIN.saturating_mul(2_u32.saturating_pow(failures));
        let longest = longest.min(self.engine.settings().reconnect_max);
        sleep(longest.mul_f64(fastrand::f64())).await;
    }

    /// Follows the engine until it is lost.
    async fn connection(&mut self) -> Lost {
        match self.follow().await {
            Err(error) => Lost::Failed(error),
            Ok(()) => Lost::Stream,
        }
    }

    async fn follow(&mut self) -> Result<(), EngineError> {
        self.engine.connect().await?;
        let mut events = self.engine.events(self.since)?;
        // Dropped with the connection, and everything in it with it.
        let mut tasks = JoinSet::new();
        self.book.open();
        self.book.asks_for_list();
        tasks.spawn(surveyed(self.engine.clone()));
        let Settings {
            resync_interval,
            ping_interval,
            ..
        } = *self.engine.settings();
        let mut is_up = false;
        let mut is_refused = false;
        let mut is_list_refused = false;
        let mut is_pinging = false;
        let mut is_surveying = true;
        let mut survey_at = Instant::now() + SECOND_LIST;
        let mut ping_at = Instant::now() + ping_interval;
        loop {
            self.beat();
            while let Some(id) = self.book.next_look() {
                tasks.spawn(looked(self.engine.clone(), id));
            }
            if self.publish() && !is_up {
                is_up = true;
                self.engine
                    .counters()
                    .count_request(Endpoint::Events, RequestResult::Ok);
                self.is_up();
            }
            if self.book.wants_list() {
                survey_at = Instant::now();
            }
            if self.book.is_deaf() {
                tracing::warn!("containers changed and no docker event told of it; opening the event stream again");
                return Ok(());
            }
            let wake_at = self.book.wake_at();
            tokio::select! {
                event = events.next() => {
                    match event {
                        Some(Ok(event)) => self.happened(&event),
                        Some(Err(error)) if !is_up => {
                            self.engine.counters().count_request(Endpoint::Events, error.result());
                            return Err(error);
                        }
                        Some(Err(_)) | None => return Ok(()),
                    }
                    ping_at = Instant::now() + ping_interval;
                }
                Some(done) = tasks.join_next() => {
                    match resumed(done) {
                        Some(Done::Pinged(answer)) => {
                            is_pinging = false;
                            let again = if answer.is_err() { SECOND_TRY } else { ping_interval };
                            is_refused = refused_once(answer, is_refused)?;
                            ping_at = Instant::now() + again;
                        }
                        Some(Done::Surveyed(Ok(Survey { rows, reach }))) => {
                            is_surveying = false;
                            is_list_refused = false;
                            self.tell_project();
                            self.book.listed(rows, reach, Instant::now(), Timestamp::now());
                            ping_at = Instant::now() + ping_interval;
                        }
                        Some(Done::Surveyed(Err(error))) => {
                            is_surveying = false;
                            // Events alone are no ground: a list that fails twice is an engine out of order.
                            if !is_up || error.is_away() || std::mem::replace(&mut is_list_refused, true) {
                                return Err(error);
                            }
                            tracing::warn!(%error, "cannot list containers; trying once more");
                            survey_at = Instant::now() + SECOND_TRY;
                        }
                        Some(Done::Looked(id, found)) => {
                            // One container that hangs is not the engine; a ping will tell.
                            let is_in_doubt = found.as_ref().as_ref().is_err_and(EngineError::is_away);
                            let next = if is_in_doubt { Duration::ZERO } else { ping_interval };
                            ping_at = Instant::now() + next;
                            self.book.looked(&id, *found, Instant::now());
                        }
                        None => {}
                    }
                }
                () = sleep_until(survey_at), if !is_surveying => {
                    is_surveying = true;
                    survey_at = Instant::now() + resync_interval;
                    self.book.asks_for_list();
                    tasks.spawn(surveyed(self.engine.clone()));
                }
                () = sleep_until(ping_at), if !is_pinging => {
                    is_pinging = true;
                    tasks.spawn(pinged(self.engine.clone()));
                }
                () = sleep_until(wake_at.unwrap_or(ping_at)), if wake_at.is_some() => self.book.wake(Instant::now()),
            }
        }
    }

    fn happened(&mut self, event: &Event) {
        if self.seen.is_new(event) {
            self.engine.counters().count_event();
            self.since = event.ask_again_from(self.since);
            self.book.event(event);
        }
    }

    fn tell_project(&mut self) {
        let project = self.engine.own_project();
        if self.engine.settings().project.is_none()
            && let Some(project) = project
            && self.told_project.as_ref() != Some(&project)
        {
            self.told_project = Some(project.clone());
            self.audience.project.do_send(InProject(project));
        }
    }

    /// Sends what is new, and says whether it was everything at once.
    fn publish(&mut self) -> bool {
        let mut was_everything = false;
        for news in self.book.take_news() {
            let running = self.engine.running();
            match &news {
                Containers::All(states) => {
                    was_everything = true;
                    running.retain(|id| states.iter().any(|state| state.key.id.as_ref() == id));
                    for state in states {
                        let is_running = state.status == ContainerStatus::Running;
                        running.container(&state.key.id, state.started_at.filter(|_| is_running));
                    }
                }
                Containers::One(state) => {
                    let is_running = state.status == ContainerStatus::Running;
                    running.container(&state.key.id, state.started_at.filter(|_| is_running));
                }
                Containers::Gone(key) => running.container(&key.id, None),
            }
            self.audience.containers.do_send(news);
        }
        was_everything
    }

    fn is_up(&mut self) {
        self.engine.running().engine(true);
        if self.state != EngineState::Up {
            self.state = EngineState::Up;
            self.audience.engine.do_send(EngineChanged(self.state.clone()));
        }
    }

    fn is_down(&mut self, error: &EngineError) {
        self.engine.lost();
        let since = match &self.state {
            EngineState::Down { since, .. } => *since,
            _ => {
                tracing::error!(%error, "docker daemon unavailable");
                Timestamp::now()
            }
        };
        let state = EngineState::Down {
            since,
            reason: error.to_string(),
        };
        if self.state != state {
            self.state = state;
            self.audience.engine.do_send(EngineChanged(self.state.clone()));
        }
    }
}

async fn pinged(engine: Engine) -> Done {
    Done::Pinged(engine.ping().await)
}

async fn looked(engine: Engine, id: Arc<str>) -> Done {
    let found = engine.inspect(&id).await;
    Done::Looked(id, Box::new(found))
}

async fn surveyed(engine: Engine) -> Done {
    Done::Surveyed(survey(&engine).await)
}

async fn survey(engine: &Engine) -> Result<Survey, EngineError> {
    let rows = engine.list().await?;
    // Behind a proxy that lets only containers through, addresses are not known to be reachable, and that is all.
    let networks = engine.networks().await.or_else(|error| {
        tracing::debug!(%error, "cannot list networks");
        unless_away(error).map(|()| Vec::new())
    })?;
    let own = engine.find_own_among(&rows).await.or_else(|error| {
        tracing::debug!(%error, "cannot find the monitor's own container");
        // What was known of it holds.
        unless_away(error).map(|()| engine.own().borrow().clone().unwrap_or_default())
    })?;
    let reach = Reach::new(&own, &engine.settings().host, &networks);
    Ok(Survey { rows, reach })
}

/// An engine that answers with an error is there.
fn unless_away(error: EngineError) -> Result<(), EngineError> {
    if error.is_away() { Err(error) } else { Ok(()) }
}

/// Whether a ping was refused by an engine that may only be busy; an error where it is away, or out of order: where this
/// is the second in a row. One that forbids pings (a proxy may) is neither.
fn refused_once(answer: Result<(), EngineError>, before: bool) -> Result<bool, EngineError> {
    match answer {
        Ok(()) => Ok(false),
        Err(error) if error.is_away() || (before && error.is_out_of_order()) => Err(error),
        Err(error) => Ok(error.is_out_of_order()),
    }
}

/// What a task came back with. A panic in it is the actor's own: its supervisor starts it anew.
fn resumed(done: Result<Done, tokio::task::JoinError>) -> Option<Done> {
    match done.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(done) => Some(done),
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_aborted)) => None,
    }
}
