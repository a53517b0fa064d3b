//! What the monitor tells of itself.

use std::collections::BTreeMap;
use std::fmt;

use health_monitor_actors::model::{DurationHistogram, EngineState};
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry, TextEncoder};
use tracing::{error, warn};

use super::text::{Kind, Labels, NO_LABELS, Text};
use crate::build;

/// Bytes that the monitor's own families need, roughly.
pub(super) const SIZE: usize = 8_192;

/// What the monitor's actors report of themselves when they are asked. `None` where they did not answer: the series are
/// absent then, rather than wrong.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SelfFigures {
    /// Restarts of each kind of actor since the process started.
    pub actor_restarts: Option<BTreeMap<String, u64>>,
    /// Actors that crash too often and wait for their slow retry.
    pub actors_given_up: Option<u64>,
    /// Lanes whose thread is stuck and was left behind, since the process started.
    pub lanes_abandoned: Option<u64>,
    /// How late cycles began.
    pub schedule_lateness: Option<DurationHistogram>,
    /// Outcomes that the registry did not take: of an older run or out of order.
    pub outcomes_dropped: Option<u64>,
}

/// Counters that are counted up where the thing happens. Cheap to clone: clones count the same.
#[derive(Clone)]
pub struct Counters {
    registry: Registry,
    docker_requests: IntCounterVec,
    docker_event_reconnects: IntCounter,
}

/// Writes the families that need no counter of their own.
pub(super) fn write(text: &mut Text, engine: &EngineState, figures: &SelfFigures) {
    let one = |value: Option<u64>| value.map(|value| (&NO_LABELS, value));

    let build = Labels::of("version", build::VERSION).and("revision", build::REVISION);
    text.family(
        Kind::Gauge,
        "health_monitor_build_info",
        "Always 1; the labels tell which build this is.",
        [(&build, true)],
    );
    let docker_up = match engine {
        EngineState::Disabled => None,
        EngineState::Up => Some(1),
        EngineState::Connecting | EngineState::Down { .. } => Some(0),
    };
    text.family(
        Kind::Gauge,
        "health_monitor_docker_up",
        "1 while the Docker daemon answers, 0 while it does not.",
        one(docker_up),
    );

    let restarts = figures.actor_restarts.iter().flatten();
    let restarts: Vec<(Labels, u64)> = restarts
        .map(|(actor, count)| (Labels::of("actor", actor), *count))
        .collect();
    text.family(
        Kind::Counter,
        "health_monitor_actor_restarts_total",
        "Restarts of actors by the supervisor.",
        restarts.iter().map(|(labels, count)| (labels, *count)),
    );
    text.family(
        Kind::Gauge,
        "health_monitor_actors_given_up",
        "Actors that crash too often and wait for their slow retry.",
        one(figures.actors_given_up),
    );
    text.family(
        Kind::Counter,
        "health_monitor_lanes_abandoned_total",
        "Lanes whose thread was stuck and left behind.",
        one(figures.lanes_abandoned),
    );
    let lateness = figures.schedule_lateness.as_ref();
    text.histograms(
        "health_monitor_schedule_lateness_seconds",
        "How late cycles began.",
        lateness.map(|histogram| (&NO_LABELS, histogram, None)),
    );
    text.family(
        Kind::Counter,
        "health_monitor_outcomes_dropped_total",
        "Outcomes that the registry did not take: of an older run or out of order.",
        one(figures.outcomes_dropped),
    );
}

// === impl Counters ===

impl Counters {
    /// All at zero.
    ///
    /// # Errors
    ///
    /// Only where two of them bore the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let docker_requests = Opts::new(
            "health_monitor_docker_requests_total",
            "Calls to the Docker daemon, by what was asked and how it ended.",
        );
        let counters = Self {
            docker_requests: registered(&registry, IntCounterVec::new(docker_requests, &["endpoint", "result"])?)?,
            docker_event_reconnects: registered(
                &registry,
                IntCounter::new(
                    "health_monitor_docker_event_reconnects_total",
                    "Times that the stream of Docker events had to be opened again.",
                )?,
            )?,
            registry,
        };
        counters.registry.register(Box::new(ProcessCollector::for_self()))?;
        Ok(counters)
    }

    /// One call to the Docker daemon ended: `endpoint` and `result` are words of a fixed, short list.
    pub fn docker_request(&self, endpoint: &str, result: &str) {
        match self.docker_requests.get_metric_with_label_values(&[endpoint, result]) {
            Ok(counter) => counter.inc(),
            Err(error) => warn!(%error, "a call to the Docker daemon was not counted"),
        }
    }

    /// The stream of Docker events had to be opened again.
    pub fn docker_event_reconnect(&self) {
        self.docker_event_reconnects.inc();
    }

    /// Appends every family.
    pub(super) fn write(&self, out: &mut String) {
        let intact = out.len();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), out) {
            error!(%error, "the monitor's own counters could not be written");
            out.truncate(intact);
        }
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters").finish_non_exhaustive()
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
