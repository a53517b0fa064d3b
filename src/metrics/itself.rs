//! What the monitor tells of itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use health_monitor_actors::model::EngineState;
use health_monitor_actors::probe::Lateness;
use health_monitor_actors::registry::RegistryFigures;
use health_monitor_actors::supervisor::{PhaseState, SupervisorState};
use serde::Serialize;

use super::text::{Histogram, Kind, Labels, NO_LABELS, Text};
use crate::build;
use crate::history::handle::HistoryFigures;
use crate::roster::reload::ReloadStatus;
use crate::telemetry::LogFigures;

/// What the monitor's own parts tell of themselves at the time of a scrape. `None` where there is no such part or it did
/// not answer in time: its series are absent then, rather than wrong.
#[derive(Debug, Clone, Default)]
pub struct SelfFigures {
    /// The supervisor, its children and its lanes.
    pub supervisor: Option<SupervisorState>,
    /// The registry's own figures.
    pub registry: Option<RegistryFigures>,
    /// How late cycles start.
    pub lateness: Option<Arc<Lateness>>,
    /// What the Docker side counts.
    pub docker: Option<DockerFigures>,
    /// What became of the configurations that were read.
    pub reload: Option<ReloadStatus>,
    /// How much is wrong with labels and windows of maintenance.
    pub label_problems: Option<usize>,
    /// How the history is written.
    pub history: Option<HistoryFigures>,
    /// What became of the log.
    pub log: Option<LogFigures>,
}

/// What the Docker side counts of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DockerFigures {
    /// Calls by what was asked and how it ended, each pair once.
    pub requests: Vec<DockerRequests>,
    /// Events that came, each once.
    pub events: u64,
    /// How often the event stream had to be opened again.
    pub event_reconnects: u64,
}

/// Calls to the Docker daemon that asked for the same and ended in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DockerRequests {
    /// What was asked: a word of a short, fixed list.
    pub endpoint: &'static str,
    /// How it ended: a word of a short, fixed list.
    pub result: &'static str,
    /// How many since the process started.
    pub count: u64,
}

/// Writes all families of the monitor itself.
pub(super) fn write(text: &mut Text, engine: &EngineState, figures: &SelfFigures) {
    let build = Labels::of("version", build::VERSION).and("revision", build::REVISION);
    text.family(
        Kind::Gauge,
        "health_monitor_build_info",
        "Always 1; the labels tell which build this is.",
        [(&build, true)],
    );
    write_docker(text, engine, figures.docker.as_ref());
    if let Some(reload) = &figures.reload {
        write_reload(text, reload);
    }
    if let Some(problems) = figures.label_problems {
        text.family(
            Kind::Gauge,
            "health_monitor_label_problems",
            "Labels and windows of maintenance that cannot be followed; GET /services tells which.",
            [(&NO_LABELS, problems as u64)],
        );
    }
    if let Some(supervisor) = &figures.supervisor {
        write_supervisor(text, supervisor);
    }
    let lateness = figures.lateness.as_ref();
    let lateness = lateness.map(|lateness| (lateness.buckets(), lateness.sum_seconds()));
    text.histograms(
        "health_monitor_schedule_lateness_seconds",
        "How late cycles start after they are due.",
        &Lateness::BOUNDS,
        lateness.as_ref().map(|(buckets, sum)| {
            let histogram = Histogram { buckets, sum: *sum };
            (&NO_LABELS, histogram, None)
        }),
    );
    text.family(
        Kind::Counter,
        "health_monitor_cycles_skipped_total",
        "Cycles that were due and left out: the one before took too long, or the monitor stood still.",
        one(figures.lateness.as_ref().map(|lateness| lateness.skipped())),
    );
    text.family(
        Kind::Counter,
        "health_monitor_outcomes_dropped_total",
        "Outcomes that the registry did not take: of an older run or out of order.",
        one(figures.registry.as_ref().map(|registry| registry.outcomes_dropped)),
    );
    text.family(
        Kind::Counter,
        "health_monitor_log_lines_lost_total",
        "Lines of the log that were lost, because nobody took those before them.",
        one(figures.log.map(|log| log.lines_lost)),
    );
}

fn write_reload(text: &mut Text, reload: &ReloadStatus) {
    text.family(
        Kind::Gauge,
        "health_monitor_config_last_reload_successful",
        "1 while the configuration that was read last holds; 0 where it was bad and the one before holds.",
        [(&NO_LABELS, !reload.is_rejected())],
    );
    if let Some(since) = reload.holds_since {
        text.family(
            Kind::Gauge,
            "health_monitor_config_last_reload_success_timestamp_seconds",
            "When the configuration that holds was read.",
            [(&NO_LABELS, since.as_second() as f64)],
        );
    }
    let accepted = Labels::of("result", "accepted");
    let rejected = Labels::of("result", "rejected");
    text.family(
        Kind::Counter,
        "health_monitor_config_reloads_total",
        "Configurations read since the start, by what became of them.",
        [(&accepted, reload.accepted), (&rejected, reload.rejected)],
    );
}

fn write_docker(text: &mut Text, engine: &EngineState, docker: Option<&DockerFigures>) {
    let is_up = match engine {
        EngineState::Disabled => None,
        EngineState::Up => Some(1),
        EngineState::Connecting | EngineState::Down { .. } => Some(0),
    };
    text.family(
        Kind::Gauge,
        "health_monitor_docker_up",
        "1 while the Docker daemon answers, 0 while it does not.",
        one(is_up),
    );
    let requests: Vec<(Labels, u64)> = docker
        .iter()
        .flat_map(|docker| &docker.requests)
        .map(|requests| {
            let labels = Labels::of("endpoint", requests.endpoint).and("result", requests.result);
            (labels, requests.count)
        })
        .collect();
    text.family(
        Kind::Counter,
        "health_monitor_docker_requests_total",
        "Calls to the Docker daemon, by what was asked and how it ended.",
        requests.iter().map(|(labels, count)| (labels, *count)),
    );
    text.family(
        Kind::Counter,
        "health_monitor_docker_events_total",
        "Docker events of containers that came.",
        one(docker.map(|docker| docker.events)),
    );
    text.family(
        Kind::Counter,
        "health_monitor_docker_event_reconnects_total",
        "Times that the stream of Docker events had to be opened again.",
        one(docker.map(|docker| docker.event_reconnects)),
    );
}

fn write_supervisor(text: &mut Text, supervisor: &SupervisorState) {
    let mut restarts: BTreeMap<&str, u64> = BTreeMap::new();
    for child in &supervisor.children {
        *restarts.entry(kind_of(child.name.as_str())).or_default() += child.restarts;
    }
    let restarts: Vec<(Labels, u64)> = restarts
        .into_iter()
        .map(|(actor, count)| (Labels::of("actor", actor), count))
        .collect();
    text.family(
        Kind::Counter,
        "health_monitor_actor_restarts_total",
        "Restarts of actors by the supervisor, for faults of their own.",
        restarts.iter().map(|(labels, count)| (labels, *count)),
    );
    let children = supervisor.children.iter();
    let given_up = children.filter(|child| matches!(child.phase, PhaseState::GivenUp { .. }));
    text.family(
        Kind::Gauge,
        "health_monitor_actors_given_up",
        "Actors that failed too often and wait for their slow retry.",
        one(Some(given_up.count() as u64)),
    );
    text.family(
        Kind::Counter,
        "health_monitor_lanes_abandoned_total",
        "Lanes whose thread was blocked and left behind.",
        one(Some(supervisor.totals.lanes_abandoned)),
    );
    text.family(
        Kind::Counter,
        "health_monitor_stalls_total",
        "Times that the whole process stood still for over a second.",
        one(Some(supervisor.totals.stalls)),
    );
}

/// What kind of actor a child is: its name up to a colon, so that ten thousand probes are one series (`probe:kafka` is a
/// `probe`).
fn kind_of(child: &str) -> &str {
    child.split(':').next().unwrap_or(child)
}

fn one(value: Option<u64>) -> Option<(&'static Labels, u64)> {
    value.map(|value| (&NO_LABELS, value))
}
