//! From the engine's description of a container to ours.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bollard::models::{
    ContainerConfig, ContainerInspectResponse, ContainerState as EngineContainerState, ContainerStateStatusEnum,
    ContainerSummary, ContainerSummaryStateEnum, EndpointSettings, Health, HealthStatusEnum, MountPoint, PortMap,
};
use health_monitor_actors::model::{
    ContainerHealth, ContainerKey, ContainerState, ContainerStatus, HealthVerdict, Mount, Network, PortBinding,
};
use jiff::Timestamp;

use super::lifecycle::{Lifecycle, Vitals};
use super::list::own_name;
use super::reach::Reach;
use super::redact;
use crate::settings::EnvironmentShown;

/// The engine's word for "never" is a time of the year 1.
const BEFORE_DOCKER: Timestamp = Timestamp::UNIX_EPOCH;

/// What a description depends on beside the container.
#[derive(Debug, Clone)]
pub(super) struct Lens {
    pub(super) engine: Arc<str>,
    pub(super) environment: EnvironmentShown,
    pub(super) reach: Reach,
}

// === impl Lens ===

impl Lens {
    pub(super) fn key(&self, id: &Arc<str>) -> ContainerKey {
        ContainerKey {
            engine: self.engine.clone(),
            id: id.clone(),
        }
    }

    /// Describes a container, secrets redacted.
    pub(super) fn describe(
        &self,
        id: &Arc<str>,
        answer: &ContainerInspectResponse,
        lifecycle: &Lifecycle,
    ) -> ContainerState {
        let vitals = vitals(answer);
        let no_config = ContainerConfig::default();
        let config = answer.config.as_ref().unwrap_or(&no_config);
        let networks = answer
            .network_settings
            .as_ref()
            .and_then(|settings| settings.networks.as_ref());
        let is_alive = vitals.status.has_processes();
        let words = answer.path.iter().chain(answer.args.iter().flatten());
        ContainerState {
            key: self.key(id),
            name: answer
                .name
                .as_deref()
                .unwrap_or_default()
                .trim_start_matches('/')
                .to_owned(),
            image: config
                .image
                .clone()
                .or_else(|| answer.image.clone())
                .unwrap_or_default(),
            command: redact::command(words.map(String::as_str)),
            status: vitals.status,
            health: answer
                .state
                .as_ref()
                .and_then(|state| state.health.as_ref())
                .and_then(read_health),
            created: time(answer.created.as_deref()),
            started_at: vitals.started_at,
            finished_at: vitals.finished_at,
            exit_code: vitals.exit_code.filter(|_| !is_alive && vitals.finished_at.is_some()),
            oom_killed: !is_alive && (vitals.oom_killed || lifecycle.ended_out_of_memory()),
            restart_count: vitals.restart_count,
            ports: read_ports(answer, config),
            mounts: read_mounts(answer.mounts.as_deref()),
            networks: read_networks(networks),
            reachable_at: self.reach.addresses(networks),
            environment: redact::environment(config.env.as_deref().unwrap_or_default(), self.environment),
            labels: redact::labels(config.labels.iter().flatten()),
            start_period: start_period(config),
            starts: lifecycle.starts(),
            starts_total: lifecycle.starts_total(),
            exit_unplanned: lifecycle.exit_unplanned(),
            usage: None,
        }
    }

    /// Describes a container as well as the list can, for one that cannot be inspected.
    pub(super) fn describe_row(&self, id: &Arc<str>, row: &ContainerSummary, lifecycle: &Lifecycle) -> ContainerState {
        let networks = row_networks(row);
        let ports = row.ports.iter().flatten().map(|port| {
            let protocol = port
                .typ
                .map_or_else(|| "tcp".to_owned(), |protocol| protocol.to_string());
            (format!("{}/{protocol}", port.private_port), Vec::new())
        });
        let name = own_name(row.names.as_deref().unwrap_or_default()).unwrap_or_default();
        let status = row.state.map_or(ContainerStatus::Created, read_row_status);
        ContainerState {
            image: row.image.clone().unwrap_or_default(),
            command: redact::command(row.command.as_deref().unwrap_or_default().split(' ')),
            created: row.created.and_then(|seconds| Timestamp::from_second(seconds).ok()),
            ports: ports.collect(),
            mounts: read_mounts(row.mounts.as_deref()),
            networks: read_networks(networks),
            reachable_at: self.reach.addresses(networks),
            labels: redact::labels(row.labels.iter().flatten()),
            starts: lifecycle.starts(),
            starts_total: lifecycle.starts_total(),
            exit_unplanned: lifecycle.exit_unplanned(),
            ..ContainerState::new(self.key(id), name, status)
        }
    }
}

/// What an answer says of the container's life.
pub(super) fn vitals(answer: &ContainerInspectResponse) -> Vitals {
    let nothing = EngineContainerState::default();
    let state = answer.state.as_ref().unwrap_or(&nothing);
    let config = answer.config.as_ref();
    let seconds = config
        .and_then(|config| config.stop_timeout)
        .and_then(|seconds| u64::try_from(seconds).ok());
    Vitals {
        status: read_status(state),
        started_at: time(state.started_at.as_deref()),
        finished_at: time(state.finished_at.as_deref()),
        exit_code: state.exit_code,
        oom_killed: state.oom_killed.unwrap_or_default(),
        restart_count: answer
            .restart_count
            .and_then(|count| u64::try_from(count).ok())
            .unwrap_or_default(),
        stop_timeout: seconds.map(Duration::from_secs),
        stop_signal: config
            .and_then(|config| config.stop_signal.as_deref())
            .and_then(signal_number),
    }
}

/// The networks of a list's row with their addresses, to compare them with what is known.
pub(super) fn row_addresses(row: &ContainerSummary) -> BTreeMap<&str, &str> {
    let networks = row_networks(row);
    let address = |place: &'_ EndpointSettings| place.ip_address.is_some();
    let places = networks.into_iter().flatten().filter(|(_, place)| address(place));
    places
        .map(|(name, place)| (name.as_str(), place.ip_address.as_deref().unwrap_or_default()))
        .collect()
}

fn row_networks(row: &ContainerSummary) -> Option<&HashMap<String, EndpointSettings>> {
    row.network_settings.as_ref()?.networks.as_ref()
}

fn read_status(state: &EngineContainerState) -> ContainerStatus {
    match state.status {
        Some(ContainerStateStatusEnum::CREATED) => ContainerStatus::Created,
        Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING) => ContainerStatus::Running,
        Some(ContainerStateStatusEnum::PAUSED) => ContainerStatus::Paused,
        Some(ContainerStateStatusEnum::RESTARTING) => ContainerStatus::Restarting,
        Some(ContainerStateStatusEnum::REMOVING) => ContainerStatus::Removing,
        Some(ContainerStateStatusEnum::DEAD) => ContainerStatus::Dead,
        Some(ContainerStateStatusEnum::EXITED) => ContainerStatus::Exited,
        Some(ContainerStateStatusEnum::EMPTY) | None if state.running == Some(true) => ContainerStatus::Running,
        Some(ContainerStateStatusEnum::EMPTY) | None => ContainerStatus::Exited,
    }
}

fn read_row_status(state: ContainerSummaryStateEnum) -> ContainerStatus {
    match state {
        ContainerSummaryStateEnum::RUNNING | ContainerSummaryStateEnum::STOPPING => ContainerStatus::Running,
        ContainerSummaryStateEnum::PAUSED => ContainerStatus::Paused,
        ContainerSummaryStateEnum::RESTARTING => ContainerStatus::Restarting,
        ContainerSummaryStateEnum::REMOVING => ContainerStatus::Removing,
        ContainerSummaryStateEnum::DEAD => ContainerStatus::Dead,
        ContainerSummaryStateEnum::EXITED => ContainerStatus::Exited,
        ContainerSummaryStateEnum::CREATED | ContainerSummaryStateEnum::EMPTY => ContainerStatus::Created,
    }
}

/// The engine says `unhealthy` also where nothing failed: it does so when it stops running the HEALTHCHECK, at every pause
/// and end, and takes it back without an event some time after the next start. Nothing is decided then.
fn read_health(health: &Health) -> Option<ContainerHealth> {
    let failing_streak = health
        .failing_streak
        .and_then(|streak| u64::try_from(streak).ok())
        .unwrap_or_default();
    let verdict = match health.status? {
        HealthStatusEnum::UNHEALTHY if failing_streak == 0 => HealthVerdict::Starting,
        HealthStatusEnum::STARTING => HealthVerdict::Starting,
        HealthStatusEnum::HEALTHY => HealthVerdict::Healthy,
        HealthStatusEnum::UNHEALTHY => HealthVerdict::Unhealthy,
        HealthStatusEnum::NONE | HealthStatusEnum::EMPTY => return None,
    };
    let last_run = health.log.as_deref().and_then(<[_]>::last);
    let output = last_run.and_then(|run| run.output.as_deref()).unwrap_or_default();
    Some(ContainerHealth {
        verdict,
        failing_streak,
        output: redact::health_output(output),
    })
}

fn start_period(config: &ContainerConfig) -> Duration {
    let nanos = config.healthcheck.as_ref().and_then(|check| check.start_period);
    nanos
        .and_then(|nanos| u64::try_from(nanos).ok())
        .map_or(Duration::ZERO, Duration::from_nanos)
}

/// The engine lists ports while the container runs; else those are shown that it exposes.
fn read_ports(answer: &ContainerInspectResponse, config: &ContainerConfig) -> BTreeMap<String, Vec<PortBinding>> {
    let exposed = config
        .exposed_ports
        .iter()
        .flatten()
        .map(|port| (port.clone(), Vec::new()));
    let live: Option<&PortMap> = answer
        .network_settings
        .as_ref()
        .and_then(|settings| settings.ports.as_ref());
    let live = live.into_iter().flatten().map(|(port, bindings)| {
        let bindings = bindings.iter().flatten().map(|binding| PortBinding {
            host_ip: binding.host_ip.clone().unwrap_or_default(),
            host_port: binding.host_port.clone().unwrap_or_default(),
        });
        (port.clone(), bindings.collect())
    });
    exposed.chain(live).collect()
}

fn read_mounts(mounts: Option<&[MountPoint]>) -> Vec<Mount> {
    let read = |mount: &MountPoint| Mount {
        kind: mount.typ.as_ref().map(ToString::to_string).unwrap_or_default(),
        source: mount.name.clone().or_else(|| mount.source.clone()).unwrap_or_default(),
        destination: mount.destination.clone().unwrap_or_default(),
        writable: mount.rw.unwrap_or_default(),
    };
    mounts.unwrap_or_default().iter().map(read).collect()
}

fn read_networks(networks: Option<&HashMap<String, EndpointSettings>>) -> BTreeMap<String, Network> {
    let networks = networks.into_iter().flatten();
    networks
        .map(|(name, place)| (name.clone(), read_network(place)))
        .collect()
}

fn read_network(place: &EndpointSettings) -> Network {
    let mut aliases: Vec<String> = place
        .aliases
        .iter()
        .chain(&place.dns_names)
        .flatten()
        .cloned()
        .collect();
    aliases.sort();
    aliases.dedup();
    Network {
        ip_address: place.ip_address.clone().unwrap_or_default(),
        gateway: place.gateway.clone().unwrap_or_default(),
        aliases,
    }
}

/// A time of the engine; `None` for never.
fn time(text: Option<&str>) -> Option<Timestamp> {
    text?.parse::<Timestamp>().ok().filter(|time| *time > BEFORE_DOCKER)
}

/// The number of a signal that is given by number or by name. Real-time signals are given by number in practice.
fn signal_number(signal: &str) -> Option<i64> {
    let name = signal.trim().to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let numbers: HashMap<&str, i64> = HashMap::from([
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ABRT", 6),
        ("KILL", 9),
        ("USR1", 10),
        ("USR2", 12),
        ("TERM", 15),
        ("WINCH", 28),
    ]);
    name.parse().ok().or_else(|| numbers.get(name).copied())
}

#[cfg(test)]
mod tests;
