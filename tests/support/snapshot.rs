//! Snapshots for tests, built as one would tell them:
//!
//! ```ignore
//! let snapshot = snapshot()
//!     .container(container("kafka").image("confluentinc/cp-kafka:7.4.0"))
//!     .service(service("kafka").on(&["kafka"]).checked(Verdict::Pass, "3 brokers, controller 1"))
//!     .service(service("sink").depends_on(&["kafka"]).status(Status::Unknown, "no result yet"))
//!     .build();
//! ```
//!
//! Everything that is not said has a value that a healthy stack has. What has no method of its own is set by `with`.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use health_monitor_actors::model::{
    BreakerView, Container, ContainerHealth, ContainerKey, ContainerState, ContainerStatus, DockerHealth,
    DurationHistogram, EngineState, HealthVerdict, Network, Outcome, PortBinding, ResourceUsage, RetryBackoff,
    ServiceName, ServiceSpec, ServiceState, Snapshot, Status, Thresholds, Totals, Verdict,
};
use jiff::Timestamp;

/// A time, as RFC 3339 spells it.
pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// An empty snapshot with an engine that answers.
pub(crate) fn snapshot() -> SnapshotBuilder {
    SnapshotBuilder {
        version: 1,
        engine: EngineState::Up,
        services: Vec::new(),
        containers: Vec::new(),
    }
}

/// A healthy service without a container whose check has passed once.
pub(crate) fn service(name: &str) -> ServiceBuilder {
    let state = ServiceState {
        spec: Arc::new(spec(name)),
        status: Status::Healthy,
        reason: "port 1234 accepts connections".to_owned(),
        since: time("2023-05-26T12:00:00Z"),
        pending: None,
        flapping: false,
        breaker: BreakerView::Closed,
        dependency_unhealthy: false,
        containers: Vec::new(),
        last: None,
        next_due: Some(time("2023-05-26T18:34:14.928538Z")),
        totals: Totals::default(),
        durations: DurationHistogram::default(),
        last_verdict: None,
        maintenance: None,
        is_remembered: false,
    };
    ServiceBuilder { state, on: Vec::new() }.checked(Verdict::Pass, "port 1234 accepts connections")
}

/// A running container without ports, networks or samples. Its id follows from its name.
pub(crate) fn container(name: &str) -> ContainerBuilder {
    ContainerBuilder {
        state: ContainerState {
            image: format!("{name}:1"),
            command: format!("/usr/bin/{name}"),
            created: Some(time("2023-05-26T11:59:58.5Z")),
            started_at: Some(time("2023-05-26T12:00:00Z")),
            ..ContainerState::new(key(name), name, ContainerStatus::Running)
        },
    }
}

/// A sample of half a core and 512 of 2048 MiB, on a host with eight cores.
pub(crate) fn usage() -> ResourceUsage {
    const MEBIBYTE: u64 = 1024 * 1024;
    ResourceUsage {
        at: time("2023-05-26T18:34:00Z"),
        cpu_percent: Some(5.2),
        cpu_cores: Some(0.416),
        cpu_seconds: 321.5,
        memory_usage: 512 * MEBIBYTE,
        memory_working_set: 400 * MEBIBYTE,
        memory_limit: 2048 * MEBIBYTE,
        network_receive: Some(1_000),
        network_transmit: Some(2_000),
        block_read: Some(3_000),
        block_write: Some(4_000),
    }
}

/// The settings that a service has when the configuration says nothing.
pub(crate) fn spec(name: &str) -> ServiceSpec {
    ServiceSpec {
        name: ServiceName::new(name).unwrap(),
        check: "tcp".to_owned(),
        address: Some(format!("{name}:1234")),
        container: Container::Named(name.to_owned()),
        depends_on: Vec::new(),
        critical: true,
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        retries: 2,
        retry_backoff: RetryBackoff {
            min: Duration::from_millis(500),
            max: Duration::from_secs(2),
        },
        retry_interval: Duration::from_secs(2),
        thresholds: Thresholds { failure: 2, success: 1 },
        start_period: Duration::from_secs(60),
        docker_health: DockerHealth::Warn,
        min_replicas: 1,
        auth_failure_degrades: false,
        maintenance: Vec::new(),
    }
}

pub(crate) struct SnapshotBuilder {
    version: u64,
    engine: EngineState,
    services: Vec<ServiceBuilder>,
    containers: Vec<ContainerBuilder>,
}

pub(crate) struct ServiceBuilder {
    state: ServiceState,
    /// Names of containers, looked up when the snapshot is built.
    on: Vec<String>,
}

pub(crate) struct ContainerBuilder {
    state: ContainerState,
}

// === impl SnapshotBuilder ===

impl SnapshotBuilder {
    pub(crate) fn version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    pub(crate) fn engine(mut self, engine: EngineState) -> Self {
        self.engine = engine;
        self
    }

    pub(crate) fn docker_away(self) -> Self {
        self.engine(EngineState::Down {
            since: time("2023-05-26T18:30:00Z"),
            reason: "connection to /var/run/docker.sock refused".to_owned(),
        })
    }

    pub(crate) fn service(mut self, service: ServiceBuilder) -> Self {
        self.services.push(service);
        self
    }

    pub(crate) fn container(mut self, container: ContainerBuilder) -> Self {
        self.containers.push(container);
        self
    }

    /// # Panics
    ///
    /// Where a service is on a container that is not there.
    pub(crate) fn build(self) -> Arc<Snapshot> {
        let containers = self.containers.into_iter().map(|container| container.state);
        let containers: BTreeMap<_, _> = containers
            .map(|container| (container.key.clone(), Arc::new(container)))
            .collect();
        let key_of = |name: &String| {
            let mut all = containers.values();
            let found = all.find(|container| container.name == *name);
            found.unwrap_or_else(|| panic!("no container '{name}'")).key.clone()
        };
        let services = self.services.into_iter().map(|mut service| {
            service.state.containers = service.on.iter().map(key_of).collect();
            (service.state.spec.name.clone(), Arc::new(service.state))
        });
        Arc::new(Snapshot {
            version: self.version,
            at: time("2023-05-26T18:34:04.928538Z"),
            services: services.collect(),
            containers,
            engine: self.engine,
        })
    }
}

// === impl ServiceBuilder ===

impl ServiceBuilder {
    /// Has this status for this reason, whatever its check last said.
    pub(crate) fn status(mut self, status: Status, reason: &str) -> Self {
        self.state.status = status;
        self.state.reason = reason.to_owned();
        self
    }

    /// Its last cycle took 15 ms and found this; status, totals and the reason follow as if no threshold held them.
    pub(crate) fn checked(mut self, verdict: Verdict, reason: &str) -> Self {
        let duration = Duration::from_millis(15);
        let ended = time("2023-05-26T18:34:04.928538Z");
        self.state.last = Some(Arc::new(Outcome {
            verdict,
            reason: reason.to_owned(),
            info: serde_json::Map::new(),
            attempts: 1,
            started: ended - duration,
            ended,
            duration,
        }));
        self.state.totals = Totals::default();
        let (status, last_verdict, total) = match verdict {
            Verdict::Pass => (Status::Healthy, Some(true), &mut self.state.totals.success),
            Verdict::Warn => (Status::Degraded, Some(true), &mut self.state.totals.success),
            Verdict::Fail(_) => (Status::Unhealthy, Some(false), &mut self.state.totals.failure),
        };
        *total = 1;
        self.state.last_verdict = last_verdict;
        self.state.durations = DurationHistogram::default();
        self.state.durations.observe(duration);
        self.status(status, reason)
    }

    /// Was never checked.
    pub(crate) fn unchecked(mut self) -> Self {
        self.state.last = None;
        self.state.next_due = None;
        self.state.totals = Totals::default();
        self.state.durations = DurationHistogram::default();
        self.state.last_verdict = None;
        self.status(Status::Unknown, "no result yet")
    }

    /// Runs on these containers, the oldest first.
    pub(crate) fn on(mut self, containers: &[&str]) -> Self {
        self.on = containers.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    pub(crate) fn depends_on(self, services: &[&str]) -> Self {
        let services = services.iter().map(|name| ServiceName::new(name).unwrap()).collect();
        self.spec(|spec| spec.depends_on = services)
    }

    /// Changes its settings.
    pub(crate) fn spec(self, change: impl FnOnce(&mut ServiceSpec)) -> Self {
        self.with(|state| change(Arc::make_mut(&mut state.spec)))
    }

    /// Changes anything else.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut ServiceState)) -> Self {
        change(&mut self.state);
        self
    }
}

// === impl ContainerBuilder ===

impl ContainerBuilder {
    /// Its id begins with these characters.
    pub(crate) fn id(self, short: &str) -> Self {
        self.with(|state| state.key.id = Arc::from(format!("{short:0<64}")))
    }

    pub(crate) fn image(self, image: &str) -> Self {
        self.with(|state| state.image = image.to_owned())
    }

    pub(crate) fn started_at(self, at: &str) -> Self {
        self.with(|state| state.started_at = Some(time(at)))
    }

    /// Ended with this code.
    pub(crate) fn exited(self, exit_code: i64) -> Self {
        self.with(|state| {
            state.status = ContainerStatus::Exited;
            state.exit_code = Some(exit_code);
            state.finished_at = Some(time("2023-05-26T18:00:00Z"));
        })
    }

    /// Has a HEALTHCHECK that says so.
    pub(crate) fn health(self, verdict: HealthVerdict, output: &str) -> Self {
        self.with(|state| {
            state.health = Some(ContainerHealth {
                verdict,
                failing_streak: 0,
                output: output.to_owned(),
            });
        })
    }

    /// Exposes a port, published at this one of the host where given.
    pub(crate) fn port(self, port: &str, published: Option<u16>) -> Self {
        let binding = published.map(|host_port| PortBinding {
            host_ip: "0.0.0.0".to_owned(),
            host_port: host_port.to_string(),
        });
        self.with(|state| {
            state.ports.insert(port.to_owned(), binding.into_iter().collect());
        })
    }

    pub(crate) fn network(self, name: &str, ip_address: &str, gateway: &str) -> Self {
        self.with(|state| {
            let network = Network {
                ip_address: ip_address.to_owned(),
                gateway: gateway.to_owned(),
                aliases: Vec::new(),
            };
            state.networks.insert(name.to_owned(), network);
        })
    }

    /// Has this sample.
    pub(crate) fn usage(self, usage: ResourceUsage) -> Self {
        self.with(|state| state.usage = Some(Arc::new(usage)))
    }

    /// Changes anything else.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut ContainerState)) -> Self {
        change(&mut self.state);
        self
    }
}

fn key(name: &str) -> ContainerKey {
    let digits: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    ContainerKey {
        engine: Arc::from("local"),
        id: Arc::from(format!("{digits:0<64.64}")),
    }
}
