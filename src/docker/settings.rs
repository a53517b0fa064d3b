//! How to reach the container engine, and how much of what it says is shown.

use std::path::PathBuf;
use std::time::Duration;

use super::{ApiVersion, InvalidApiVersion};
use crate::settings::{Docker, EnvironmentShown};

/// Settings of the Docker side. The defaults are what a monitor beside a local engine needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `DOCKER_HOST`: `unix:///path`, `tcp://host:port`, `http://…` or `https://…`.
    /// Default: `unix:///var/run/docker.sock`.
    pub host: String,
    /// `DOCKER_API_VERSION`; `None` takes the newest that both sides know. An engine that does not speak the wanted
    /// version is negotiated with, and warned about.
    pub api_version: Option<ApiVersion>,
    /// `DOCKER_CERT_PATH`, where `DOCKER_TLS_VERIFY` asks for it: the folder of `ca.pem`, `cert.pem` and `key.pem`.
    pub cert_path: Option<PathBuf>,
    /// The Compose project in which services are looked for; `None` takes the monitor's own.
    pub project: Option<String>,
    /// The name under which the engine's containers are kept. Default: `local`.
    pub engine: String,
    /// Pause between two samples of a container's resources. Default: 15 s.
    pub stats_interval: Duration,
    /// How many samples are taken at the same time from an engine that answers at once. Default: 32.
    pub stats_concurrency: usize,
    /// How many from an engine before 25, where each waits for a tick that comes once a second, for all of them together: in
    /// turns of 32 two hundred containers took 8 s, all at once they take 2 s. Default: 256.
    pub stats_concurrency_ticking: usize,
    /// Pause between two full lists, the ground truth behind the events. Default: 30 s.
    pub resync_interval: Duration,
    /// Pause between two signs of life that are asked of the engine. A daemon that hangs keeps its connections open
    /// and says nothing; it counts as away after this and [`Self::request_timeout`]. Default: 5 s.
    pub ping_interval: Duration,
    /// Total time for one call, its body included. Default: 5 s.
    pub request_timeout: Duration,
    /// Longest pause between two attempts to reach an engine that is away. Default: 5 s.
    pub reconnect_max: Duration,
    /// How many containers are inspected at the same time. Default: 16.
    pub inspect_concurrency: usize,
    /// How much of the containers' environment is shown; command, labels and health output are redacted whatever it
    /// says. Default: [`EnvironmentShown::Redacted`].
    pub environment: EnvironmentShown,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: "unix:///var/run/docker.sock".to_owned(),
            api_version: None,
            cert_path: None,
            project: None,
            engine: "local".to_owned(),
            stats_interval: Duration::from_secs(15),
            stats_concurrency: 32,
            stats_concurrency_ticking: 256,
            resync_interval: Duration::from_secs(30),
            ping_interval: Duration::from_secs(5),
            request_timeout: Duration::from_secs(5),
            reconnect_max: Duration::from_secs(5),
            inspect_concurrency: 16,
            environment: EnvironmentShown::Redacted,
        }
    }
}

impl TryFrom<&Docker> for Settings {
    type Error = InvalidApiVersion;

    /// What a person configured, and the defaults for the rest.
    fn try_from(configured: &Docker) -> Result<Self, Self::Error> {
        Ok(Self {
            host: configured.host.clone(),
            api_version: configured.api_version.as_deref().map(str::parse).transpose()?,
            cert_path: configured.cert_path.clone(),
            project: configured.project.clone(),
            stats_interval: configured.stats_interval,
            resync_interval: configured.resync_interval,
            request_timeout: configured.request_timeout,
            environment: configured.environment,
            ..Self::default()
        })
    }
}
