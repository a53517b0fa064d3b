//! What the policies' tests share: a spec, containers, outcomes, and a small world in which time is told.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::model::{
    Container, ContainerHealth, ContainerKey, ContainerState, ContainerStatus, DockerHealth, EngineState, FailureKind,
    HealthVerdict, Moment, Network, Outcome, RetryBackoff, ServiceName, ServiceSpec, Start, Thresholds, Verdict,
};

use super::{Admission, Decision, Matching, PolicyState, Situation, Urgency, attribute, decide, schedule};

/// The middle of the range of random numbers: a jitter of nothing.
pub(super) const MIDDLE: f64 = 0.5;

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The same wall time in every test, and a monotonic time that leaves room below.
pub(super) fn start() -> Moment {
    Moment {
        mono: Instant::now() + seconds(30 * 86_400),
        wall: "2026-03-01T12:00:00Z".parse().unwrap(),
    }
}

pub(super) fn spec() -> ServiceSpec {
    ServiceSpec {
        name: ServiceName::new("kafka").unwrap(),
        check: "kafka".to_owned(),
        address: Some("kafka:29092".to_owned()),
        container: Container::Named("kafka".to_owned()),
        depends_on: Vec::new(),
        critical: true,
        interval: seconds(10),
        timeout: seconds(5),
        retries: 2,
        retry_backoff: RetryBackoff {
            min: Duration::from_millis(500),
            max: seconds(2),
        },
        retry_interval: seconds(2),
        thresholds: Thresholds { failure: 2, success: 1 },
        start_period: seconds(60),
        docker_health: DockerHealth::Warn,
        min_replicas: 1,
        auth_failure_degrades: false,
        maintenance: Vec::new(),
    }
}

/// The settings of a service whose check is its container's state.
pub(super) fn container_spec() -> ServiceSpec {
    ServiceSpec {
        check: "container".to_owned(),
        address: None,
        docker_health: DockerHealth::Decide,
        ..spec()
    }
}

/// A container that has been running for `up_for` at `now`, started once on request.
pub(super) fn running(name: &str, up_for: Duration, now: Moment) -> ContainerState {
    let started_at = now.wall - up_for;
    let key = ContainerKey {
        engine: Arc::from("local"),
        id: Arc::from(format!("{name:0<64}")),
    };
    ContainerState {
        image: "image".to_owned(),
        created: Some(started_at),
        started_at: Some(started_at),
        starts: vec![start_at(started_at, false)],
        starts_total: 1,
        ..ContainerState::new(key, name, ContainerStatus::Running)
    }
}

pub(super) fn start_at(at: Timestamp, unplanned: bool) -> Start {
    Start {
        at,
        unplanned,
        exit_code: unplanned.then_some(137),
        oom_killed: unplanned,
    }
}

pub(super) fn with_status(container: &ContainerState, status: ContainerStatus) -> ContainerState {
    ContainerState {
        status,
        ..container.clone()
    }
}

pub(super) fn exited(container: &ContainerState, exit_code: i64, at: Timestamp) -> ContainerState {
    ContainerState {
        exit_code: Some(exit_code),
        finished_at: Some(at),
        ..with_status(container, ContainerStatus::Exited)
    }
}

/// The container after another start at `at`.
pub(super) fn restarted(container: &ContainerState, at: Timestamp, unplanned: bool) -> ContainerState {
    let mut container = with_status(container, ContainerStatus::Running);
    container.started_at = Some(at);
    container.starts.push(start_at(at, unplanned));
    container.exit_unplanned = unplanned;
    container
}

pub(super) fn created(name: &str, now: Moment) -> ContainerState {
    ContainerState {
        started_at: None,
        starts: Vec::new(),
        ..with_status(&running(name, Duration::ZERO, now), ContainerStatus::Created)
    }
}

pub(super) fn with_health(container: &ContainerState, verdict: HealthVerdict, output: &str) -> ContainerState {
    ContainerState {
        health: Some(ContainerHealth {
            verdict,
            failing_streak: 3,
            output: output.to_owned(),
        }),
        ..container.clone()
    }
}

pub(super) fn with_label(mut container: ContainerState, label: &str, value: &str) -> ContainerState {
    container.labels.insert(label.to_owned(), value.to_owned());
    container
}

pub(super) fn in_network(mut container: ContainerState, network: &str, aliases: &[&str]) -> ContainerState {
    let place = Network {
        ip_address: "172.20.0.2".to_owned(),
        gateway: "172.20.0.1".to_owned(),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
    };
    container.networks.insert(network.to_owned(), place);
    container
}

/// A cycle of no length that ended at `now`.
pub(super) fn outcome(verdict: Verdict, reason: &str, now: Moment) -> Outcome {
    Outcome {
        verdict,
        reason: reason.to_owned(),
        info: serde_json::Map::new(),
        attempts: 1,
        started: now.wall,
        ended: now.wall,
        duration: Duration::ZERO,
    }
}

/// One service in a world whose time is told: what a probe and the registry do with the policies, without them.
pub(super) struct World {
    pub(super) now: Moment,
    pub(super) spec: ServiceSpec,
    pub(super) containers: Matching,
    pub(super) engine: EngineState,
    pub(super) policy: PolicyState,
    pub(super) last: Option<Outcome>,
    pub(super) next_due: Option<Instant>,
    pub(super) given_up: Option<String>,
}

impl World {
    /// A service that nothing is known of, Docker up and nothing listed.
    pub(super) fn new(spec: ServiceSpec) -> Self {
        Self {
            now: start(),
            spec,
            containers: Matching::None,
            engine: EngineState::Up,
            policy: PolicyState::new(),
            last: None,
            next_due: None,
            given_up: None,
        }
    }

    /// A service with one container that has been running for an hour.
    pub(super) fn settled(spec: ServiceSpec) -> Self {
        let mut world = Self::new(spec);
        world.has(vec![running("kafka", seconds(3_600), world.now)]);
        world
    }

    pub(super) fn has(&mut self, containers: Vec<ContainerState>) -> Urgency {
        let containers: Arc<[_]> = containers.into_iter().map(Arc::new).collect();
        self.containers = if containers.is_empty() {
            Matching::None
        } else {
            Matching::Found(containers)
        };
        self.policy
            .observe_containers(&self.spec, &self.containers.containers(), self.now)
    }

    /// The service's only container.
    pub(super) fn container(&self) -> ContainerState {
        let containers = self.containers.containers();
        let container = containers.first().expect("the world has a container");
        ContainerState::clone(container)
    }

    pub(super) fn pass(&mut self, by: Duration) {
        self.now = self.now + by;
    }

    /// One cycle that takes no time, now, with this outcome; the next due time follows from it.
    pub(super) fn cycle(&mut self, verdict: Verdict, reason: &str) {
        let mut outcome = outcome(verdict, reason, self.now);
        attribute(&self.spec, &self.engine, &mut outcome);
        assert!(
            !matches!(self.policy.admit(&self.spec, self.now), Admission::NotBefore(_)),
            "the cycle is admitted"
        );
        self.policy.record(&self.spec, &outcome, self.now, MIDDLE);
        self.last = Some(outcome);
        self.next_due = Some(schedule::next_due(&self.spec, &self.policy, self.now.mono, self.now));
    }

    /// Waits for the next cycle, and runs it with this outcome.
    pub(super) fn next_cycle(&mut self, verdict: Verdict, reason: &str) {
        let due = self.next_due.unwrap_or(self.now.mono);
        self.pass(due.saturating_duration_since(self.now.mono));
        self.cycle(verdict, reason);
    }

    pub(super) fn passes(&mut self) {
        self.next_cycle(Verdict::Pass, "3 brokers");
    }

    pub(super) fn fails(&mut self) {
        self.next_cycle(Verdict::Fail(FailureKind::Refused), "connection refused");
    }

    pub(super) fn decide(&self) -> Decision {
        decide(&Situation {
            spec: &self.spec,
            containers: &self.containers,
            engine: &self.engine,
            policy: &self.policy,
            last: self.last.as_ref(),
            next_due: self.next_due,
            given_up: self.given_up.as_deref(),
            now: self.now,
        })
    }
}
