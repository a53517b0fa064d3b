//! The actor that knows what running containers use.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use bollard::models::ContainerStatsResponse;
use health_monitor_actors::model::{ContainerKey, ResourceUsage};
use health_monitor_actors::registry::Usage;
use health_monitor_actors::supervisor::Heart;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::running::Running;
use super::usage::{self, CpuReading};
use super::{ApiVersion, Engine, EngineError, Settings};

/// Pause before the second sample of a run: the first has no rate of CPU time.
const SECOND_SAMPLE: Duration = Duration::from_secs(2);

/// How long samples wait for others, to be published together.
const GATHER: Duration = Duration::from_millis(100);

/// What a heart's promise allows for a busy machine.
const SLACK: Duration = Duration::from_secs(5);

/// Samples the resources of an engine's running containers in the background and publishes them.
///
/// Several at a time, because engines before 25 take a second for each; never two of one container. Which containers
/// run is what the inventory of the same [`Engine`] says; while that engine is away nothing is asked.
#[derive(Debug)]
pub struct Stats {
    engine: Engine,
    usage: Recipient<Usage>,
    heart: Option<Heart>,
}

// === impl Stats ===

impl Stats {
    /// Samples `engine`'s containers and tells `usage`.
    pub fn new(engine: Engine, usage: Recipient<Usage>) -> Self {
        Self {
            engine,
            usage,
            heart: None,
        }
    }

    /// Beats this heart while it lives.
    pub fn with_heart(mut self, heart: Heart) -> Self {
        self.heart = Some(heart);
        self
    }
}

impl Actor for Stats {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let sampler = Sampler::new(self);
        // In the actor's own task: it ends with the actor, and a panic in it is the actor's.
        ctx.spawn(async move { match sampler.run().await {} }.into_actor(self));
    }
}

/// The actor's task.
struct Sampler {
    engine: Engine,
    usage: Recipient<Usage>,
    heart: Option<Heart>,
    running: watch::Receiver<Running>,
    engine_is_up: bool,
    runs: BTreeMap<Arc<str>, Run>,
    /// Those whose sample is due, in order.
    due: VecDeque<Arc<str>>,
    /// Samples that wait for others, and until when.
    gathered: Vec<(ContainerKey, ResourceUsage)>,
    publish_at: Option<Instant>,
}

/// One run of a container.
#[derive(Debug)]
struct Run {
    started_at: Timestamp,
    previous: Option<CpuReading>,
    /// When the next sample is due; `None` while one is wanted or under way.
    due: Option<Instant>,
}

/// What a task comes back with: of which run, and what the engine answered.
struct Sampled {
    id: Arc<str>,
    started_at: Timestamp,
    answer: Result<Box<ContainerStatsResponse>, EngineError>,
}

// === impl Sampler ===

impl Sampler {
    fn new(stats: &Stats) -> Self {
        Self {
            engine: stats.engine.clone(),
            usage: stats.usage.clone(),
            heart: stats.heart.clone(),
            running: stats.engine.running().watch(),
            engine_is_up: false,
            runs: BTreeMap::new(),
            due: VecDeque::new(),
            gathered: Vec::new(),
            publish_at: None,
        }
    }

    async fn run(mut self) -> Infallible {
        let mut tasks = JoinSet::new();
        self.read_running(Instant::now());
        loop {
            while tasks.len() < self.at_once()
                && let Some(task) = self.next_task()
            {
                tasks.spawn(task);
            }
            let due_at = self.next_due();
            self.beat(due_at, tasks.is_empty());
            let publish_at = self.publish_at;
            let never = Instant::now();
            tokio::select! {
                // The engine is kept, and the sender with it: this cannot end.
                Ok(()) = self.running.changed() => self.read_running(Instant::now()),
                Some(done) = tasks.join_next() => match done.map_err(tokio::task::JoinError::try_into_panic) {
                    Ok(sampled) => self.sampled(sampled, Instant::now()),
                    // It is the actor's own: its supervisor starts it anew.
                    Err(Ok(panic)) => std::panic::resume_unwind(panic),
                    Err(Err(_aborted)) => {}
                },
                () = sleep_until(due_at.unwrap_or(never)), if due_at.is_some() => self.fall_due(Instant::now()),
                () = sleep_until(publish_at.unwrap_or(never)), if publish_at.is_some() => {
                    self.publish_at = None;
                    self.usage.do_send(Usage(std::mem::take(&mut self.gathered)));
                }
            }
        }
    }

    /// How many samples may be under way.
    fn at_once(&self) -> usize {
        let settings = self.engine.settings();
        let ticks = |version| version < ApiVersion::SAMPLES_AT_ONCE;
        let most = if self.engine.api_version().is_some_and(ticks) {
            settings.stats_concurrency_ticking
        } else {
            settings.stats_concurrency
        };
        most.max(1)
    }

    /// It wakes for the next sample, and before that for those under way. Where nothing runs it may sleep.
    fn beat(&self, due_at: Option<Instant>, is_idle: bool) {
        let Some(heart) = &self.heart else { return };
        let now = Instant::now();
        match due_at {
            None if is_idle => heart.rest(),
            _ => heart.expect_by(due_at.unwrap_or(now).max(now) + self.engine.settings().request_timeout + SLACK),
        }
    }

    /// Takes over which containers run. Another start time is another run: its counters began at zero.
    fn read_running(&mut self, now: Instant) {
        let running = self.running.borrow_and_update();
        self.engine_is_up = running.engine_is_up;
        self.runs
            .retain(|id, run| running.containers.get(id) == Some(&run.started_at));
        for (id, started_at) in &running.containers {
            self.runs.entry(id.clone()).or_insert(Run {
                started_at: *started_at,
                previous: None,
                due: Some(now),
            });
        }
    }

    /// When the next sample is due; never while the engine is away.
    fn next_due(&self) -> Option<Instant> {
        let due = self.runs.values().filter_map(|run| run.due);
        due.min().filter(|_| self.engine_is_up)
    }

    fn fall_due(&mut self, now: Instant) {
        // Those that are due soon come along: one round wakes everybody less often than many.
        let horizon = now + GATHER;
        for (id, run) in &mut self.runs {
            if run.due.is_some_and(|due| due <= horizon) {
                run.due = None;
                self.due.push_back(id.clone());
            }
        }
    }

    fn next_task(&mut self) -> Option<impl Future<Output = Sampled> + Send + use<>> {
        loop {
            let id = self.due.pop_front()?;
            let Some(run) = self.runs.get(&id).filter(|run| run.due.is_none()) else {
                continue;
            };
            let started_at = run.started_at;
            let engine = self.engine.clone();
            return Some(async move {
                let answer = engine.sample(&id).await.map(Box::new);
                Sampled { id, started_at, answer }
            });
        }
    }

    fn sampled(&mut self, sampled: Sampled, now: Instant) {
        let Sampled { id, started_at, answer } = sampled;
        let Settings {
            stats_interval,
            engine: name,
            ..
        } = self.engine.settings();
        let Some(run) = self.runs.get_mut(&id).filter(|run| run.started_at == started_at) else {
            return;
        };
        let is_first = run.previous.is_none();
        let pause = if is_first {
            SECOND_SAMPLE.min(*stats_interval)
        } else {
            *stats_interval
        };
        run.due = Some(now + pause);
        match answer {
            Ok(answer) => {
                if let Some(sample) = usage::sample(&answer, run.previous) {
                    run.previous = Some(sample.reading);
                    let key = ContainerKey {
                        engine: name.as_str().into(),
                        id,
                    };
                    self.gathered.push((key, sample.usage));
                    self.publish_at.get_or_insert(now + GATHER);
                }
            }
            Err(error) => tracing::debug!(container = %id, %error, "no sample of a container's resources"),
        }
    }
}
