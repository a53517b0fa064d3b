//! What is known of one container.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Length of the short form of a container's id, in characters.
const SHORT_ID: usize = 12;

/// Which container: the engine it runs on, and its full id there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContainerKey {
    /// The engine's name; `local` while there is one engine.
    pub engine: Arc<str>,
    /// The container's full id, 64 hexadecimal digits.
    pub id: Arc<str>,
}

/// A container as its engine describes it, secrets already redacted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerState {
    /// Which container.
    pub key: ContainerKey,
    /// Name without the leading slash.
    pub name: String,
    /// Image as the container was created with it.
    pub image: String,
    /// Command line, words joined by blanks.
    pub command: String,
    /// What Docker says of it.
    pub status: ContainerStatus,
    /// The container's own HEALTHCHECK; `None` where it has none.
    pub health: Option<ContainerHealth>,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// When it was last started; `None` where it never was.
    pub started_at: Option<Timestamp>,
    /// When it last ended; `None` where it never did.
    pub finished_at: Option<Timestamp>,
    /// Exit code of the last run; meaningful while the container is not running.
    pub exit_code: Option<i64>,
    /// The kernel ended the last run because memory ran out.
    pub oom_killed: bool,
    /// Restarts by Docker's restart policy.
    pub restart_count: u64,
    /// Exposed ports (`1883/tcp`) and what each is published as.
    pub ports: BTreeMap<String, Vec<PortBinding>>,
    /// Mounted volumes and folders.
    pub mounts: Vec<Mount>,
    /// Networks by name.
    pub networks: BTreeMap<String, Network>,
    /// Addresses at which the monitor can reach it, because they share the network.
    pub reachable_at: Vec<IpAddr>,
    /// Environment, `NAME=value`, redacted as configured.
    pub environment: Vec<String>,
    /// Labels, redacted.
    pub labels: BTreeMap<String, String>,
    /// The start period of the container's own HEALTHCHECK.
    pub start_period: Duration,
    /// Starts that were seen or are told by Docker, oldest first, bounded.
    pub starts: Vec<Start>,
    /// Starts seen since the monitor watches it.
    pub starts_total: u64,
    /// The last exit came without a stop or kill through the API.
    pub exit_unplanned: bool,
    /// Last sample of its resources; `None` before the first.
    pub usage: Option<Arc<ResourceUsage>>,
}

/// Docker's own list of states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerStatus {
    /// Created, never started.
    Created,
    /// Running.
    Running,
    /// Frozen by `docker pause`.
    Paused,
    /// Waiting for its restart policy to start it again.
    Restarting,
    /// Being removed.
    Removing,
    /// Ended.
    Exited,
    /// Docker failed to remove it.
    Dead,
}

/// The state of a container's own HEALTHCHECK.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerHealth {
    /// What it says.
    pub verdict: HealthVerdict,
    /// Failures in a row.
    pub failing_streak: u64,
    /// Output of its last run, redacted and shortened.
    pub output: String,
}

/// What a HEALTHCHECK says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthVerdict {
    /// Not decided yet.
    Starting,
    /// Passes.
    Healthy,
    /// Fails.
    Unhealthy,
}

/// One start of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// When it started.
    pub at: Timestamp,
    /// It came after an exit that nobody asked for.
    pub unplanned: bool,
    /// Exit code of the run before, where known.
    pub exit_code: Option<i64>,
    /// The run before ended because memory ran out.
    pub oom_killed: bool,
}

/// One published form of a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortBinding {
    /// Address on the host.
    #[serde(rename = "HostIp")]
    pub host_ip: String,
    /// Port on the host.
    #[serde(rename = "HostPort")]
    pub host_port: String,
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// `bind`, `volume`, `tmpfs`, …
    pub kind: String,
    /// Folder or volume it comes from.
    pub source: String,
    /// Path in the container.
    pub destination: String,
    /// It can be written to.
    pub writable: bool,
}

/// A container's place in one network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// IPv4 address; empty while it has none.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    /// Gateway of the network.
    #[serde(rename = "Gateway")]
    pub gateway: String,
    /// Names by which other containers in the network reach it.
    #[serde(skip)]
    pub aliases: Vec<String>,
}

/// One sample of a container's resources.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ResourceUsage {
    /// When it was taken.
    pub at: Timestamp,
    /// Share of the whole host, 0 to 100; `None` before a second sample.
    pub cpu_percent: Option<f64>,
    /// Cores' worth of time: 1.0 is one core busy; `None` before a second sample.
    pub cpu_cores: Option<f64>,
    /// CPU time used since the start, in seconds.
    pub cpu_seconds: f64,
    /// Memory with file cache, in bytes.
    pub memory_usage: u64,
    /// Memory without inactive file cache, in bytes.
    pub memory_working_set: u64,
    /// Memory limit, in bytes: the container's own or the host's.
    pub memory_limit: u64,
    /// Bytes received over all networks since the start; `None` without a network of its own.
    pub network_receive: Option<u64>,
    /// Bytes sent over all networks since the start; `None` without a network of its own.
    pub network_transmit: Option<u64>,
    /// Bytes read from block devices since the start; `None` where the kernel does not count them.
    pub block_read: Option<u64>,
    /// Bytes written to block devices since the start; `None` where the kernel does not count them.
    pub block_write: Option<u64>,
}

// === impl ContainerKey ===

impl ContainerKey {
    /// The 12-character form of the id.
    pub fn short_id(&self) -> &str {
        self.id.get(..SHORT_ID).unwrap_or(&self.id)
    }
}

// === impl ContainerState ===

impl ContainerState {
    /// A container of which no more is known than this.
    pub fn new(key: ContainerKey, name: impl Into<String>, status: ContainerStatus) -> Self {
        Self {
            key,
            name: name.into(),
            image: String::new(),
            command: String::new(),
            status,
            health: None,
            created: None,
            started_at: None,
            finished_at: None,
            exit_code: None,
            oom_killed: false,
            restart_count: 0,
            ports: BTreeMap::new(),
            mounts: Vec::new(),
            networks: BTreeMap::new(),
            reachable_at: Vec::new(),
            environment: Vec::new(),
            labels: BTreeMap::new(),
            start_period: Duration::ZERO,
            starts: Vec::new(),
            starts_total: 0,
            exit_unplanned: false,
            usage: None,
        }
    }

    /// It runs and is not frozen.
    pub fn is_running(&self) -> bool {
        self.status == ContainerStatus::Running
    }

    /// Both describe the same container in the same state; samples of its resources do not count.
    pub fn is_like(&self, other: &Self) -> bool {
        let Self {
            key,
            name,
            image,
            command,
            status,
            health,
            created,
            started_at,
            finished_at,
            exit_code,
            oom_killed,
            restart_count,
            ports,
            mounts,
            networks,
            reachable_at,
            environment,
            labels,
            start_period,
            starts,
            starts_total,
            exit_unplanned,
            // Samples come on their own way, and change nothing that is decided.
            usage: _,
        } = self;
        *key == other.key
            && *name == other.name
            && *image == other.image
            && *command == other.command
            && *status == other.status
            && *health == other.health
            && *created == other.created
            && *started_at == other.started_at
            && *finished_at == other.finished_at
            && *exit_code == other.exit_code
            && *oom_killed == other.oom_killed
            && *restart_count == other.restart_count
            && *ports == other.ports
            && *mounts == other.mounts
            && *networks == other.networks
            && *reachable_at == other.reachable_at
            && *environment == other.environment
            && *labels == other.labels
            && *start_period == other.start_period
            && *starts == other.starts
            && *starts_total == other.starts_total
            && *exit_unplanned == other.exit_unplanned
    }

    /// A label's value.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }
}

// === impl ContainerStatus ===

impl ContainerStatus {
    /// Every state of Docker's list.
    pub const ALL: [ContainerStatus; 7] = [
        ContainerStatus::Created,
        ContainerStatus::Running,
        ContainerStatus::Paused,
        ContainerStatus::Restarting,
        ContainerStatus::Removing,
        ContainerStatus::Exited,
        ContainerStatus::Dead,
    ];

    /// Its processes exist: it runs or is frozen.
    pub fn has_processes(self) -> bool {
        matches!(self, ContainerStatus::Running | ContainerStatus::Paused)
    }

    /// Docker's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            ContainerStatus::Created => "created",
            ContainerStatus::Running => "running",
            ContainerStatus::Paused => "paused",
            ContainerStatus::Restarting => "restarting",
            ContainerStatus::Removing => "removing",
            ContainerStatus::Exited => "exited",
            ContainerStatus::Dead => "dead",
        }
    }
}

// === impl ResourceUsage ===

impl ResourceUsage {
    /// Share of the limit in use, file cache included, 0 to 100; `None` without a limit.
    pub fn memory_percent(&self) -> Option<f64> {
        (self.memory_limit > 0).then(|| self.memory_usage as f64 / self.memory_limit as f64 * 100.0)
    }
}
