//! What the sections say, all but the services.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use config::Map;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::duration;
use super::key::Key;
use super::place::KeyPath;
use super::schema::{DISCOVERY, DOCKER, HISTORY, LOG, METRICS, SERVER, SUPERVISION};
use super::values::Values;
use super::walk::{Owner, Schema, Walk};
use crate::access::client::TrustedProxies;
use crate::api::{CertificateFiles, ServerCertificate};
use crate::secret::Secret;

/// The REST API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it listens; port 0 takes any free one.
    pub bind: SocketAddr,
    /// Proxies whose word on the client's address counts.
    pub trusted_proxies: TrustedProxies,
    /// `/badge/{service}.svg` needs no key even where there are API keys.
    pub open_badges: bool,
    /// Certificate and key; without them there is no TLS.
    pub certificate: Option<CertificateFiles>,
}

/// The container engine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Docker {
    /// Containers are looked at.
    pub enabled: bool,
    /// Where the engine listens: `unix://…`, `tcp://…`, `http://…` or `https://…`.
    pub host: String,
    /// Version of its API as `major.minor`; negotiated where it is `None`.
    pub api_version: Option<String>,
    /// Folder of `ca.pem`, `cert.pem` and `key.pem`, for an engine behind TLS.
    pub cert_path: Option<PathBuf>,
    /// Compose project whose service names are matched; the monitor's own where it is `None`.
    pub project: Option<String>,
    /// From one sample of each container's resources to the next.
    #[serde(with = "duration")]
    pub stats_interval: Duration,
    /// From one full list of containers to the next.
    #[serde(with = "duration")]
    pub resync_interval: Duration,
    /// Total time for one call.
    #[serde(with = "duration")]
    pub request_timeout: Duration,
    /// What is shown of a container's environment.
    pub environment: EnvironmentShown,
}

/// What is shown of a container's environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentShown {
    /// Names and values, but `***` for values that look like secrets.
    Redacted,
    /// Names alone.
    Names,
    /// Everything.
    All,
}

/// Services that are made for containers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Discovery {
    /// Which containers.
    pub containers: Discovered,
    /// The Compose project for [`Discovered::Project`]; the one in which services are matched where it is `None`.
    pub project: Option<String>,
    /// Folder of the files that labels may name.
    pub files: PathBuf,
}

/// Which containers are watched without a service in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Discovered {
    /// None.
    None,
    /// Those with labels of the monitor.
    Labelled,
    /// Beside them those of a Compose project.
    Project,
    /// Beside them all that run.
    Running,
}

/// What `/metrics` shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Metrics {
    /// Beside the histogram `health_check_duration_seconds`, also the plain last value under that name.
    pub plain_duration: bool,
    /// `/metrics` needs no key even where there are API keys.
    pub open: bool,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Log {
    /// Least important level that is logged: `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// In which form.
    pub format: LogFormat,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// How probes are spread over threads.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Supervision {
    /// Threads that probes run on, at least two.
    pub lanes: usize,
}

/// What is kept of the past, where and how long.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct History {
    /// Anything is kept.
    pub enabled: bool,
    /// In which kind of store.
    pub store: StoreKind,
    /// The SQLite file; a default place where it is `None`.
    pub path: Option<PathBuf>,
    /// Where PostgreSQL listens, `host:port`.
    pub address: Option<String>,
    /// PostgreSQL user.
    pub user: String,
    /// Its password.
    pub password: Option<Secret>,
    /// PostgreSQL database.
    pub database: String,
    /// Whether PostgreSQL is spoken to over TLS.
    pub tls: StoreTls,
    /// Certificates to trust for it instead of the public authorities.
    pub ca_file: Option<PathBuf>,
    /// How long each result is kept.
    #[serde(with = "duration")]
    pub raw_retention: Duration,
    /// MiB that results may take.
    pub raw_max_size: u64,
    /// How long minutes are kept.
    #[serde(with = "duration")]
    pub minute_retention: Duration,
    /// How long hours are kept.
    #[serde(with = "duration")]
    pub hour_retention: Duration,
    /// How long changes of status and incidents are kept.
    #[serde(with = "duration")]
    pub event_retention: Duration,
    /// Results and changes that wait in memory while the store is away.
    pub buffer: usize,
    /// Lines of a container's log that are kept with an incident.
    pub log_lines: usize,
}

/// Kinds of stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// A file.
    Sqlite,
    /// A server.
    Postgres,
}

/// Whether TLS is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreTls {
    /// Never.
    Disable,
    /// Always, with a verified certificate.
    Require,
}

/// All sections but the services.
pub(super) struct Sections {
    pub(super) server: Server,
    pub(super) docker: Docker,
    pub(super) discovery: Discovery,
    pub(super) metrics: Metrics,
    pub(super) log: Log,
    pub(super) supervision: Supervision,
    pub(super) history: History,
}

// === impl Sections ===

impl Sections {
    /// Services may be made for containers.
    pub(super) fn discovers(&self) -> bool {
        self.docker.enabled && self.discovery.containers != Discovered::None
    }
}

/// Reads the sections; `None` where that is impossible, which is a problem then.
pub(super) fn read(walk: &mut Walk<'_>) -> Option<Sections> {
    let server = read_server(walk);
    if let Some(files) = server.as_ref().and_then(|server| server.certificate.as_ref()) {
        check_certificate(walk, files);
    }
    let docker = read_docker(walk);
    let discovery = read_section::<Discovery>(walk, "discovery", DISCOVERY);
    if let (Some(docker), Some(discovery)) = (&docker, &discovery) {
        check_discovery(walk, docker, discovery);
    }
    let metrics = read_section(walk, "metrics", METRICS);
    let log = read_section(walk, "log", LOG);
    let supervision = read_section(walk, "supervision", SUPERVISION);
    let history = read_history(walk);
    Some(Sections {
        server: server?,
        docker: docker?,
        discovery: discovery?,
        metrics: metrics?,
        log: log?,
        supervision: supervision?,
        history: history?,
    })
}

/// Reads what is said of the container engine.
pub(super) fn read_docker(walk: &mut Walk<'_>) -> Option<Docker> {
    let docker = read_section::<Docker>(walk, "docker", DOCKER)?;
    if let Some(version) = &docker.api_version {
        check_api_version(walk, version);
    }
    Some(docker)
}

/// Reads what is said of the history.
pub(super) fn read_history(walk: &mut Walk<'_>) -> Option<History> {
    let history = read_section::<History>(walk, "history", HISTORY)?;
    if history.enabled && history.store == StoreKind::Postgres && history.address.is_none() {
        walk.problem(
            &KeyPath::of(&["history"]),
            "needs the key 'address' where the store is postgres: where PostgreSQL listens",
        );
    }
    Some(history)
}

/// The values of a section, complete with its defaults.
pub(super) fn values(walk: &mut Walk<'_>, name: &str, keys: &'static [Key]) -> Values {
    let schema = Schema {
        keys: keys.iter().collect(),
        owner: Owner::Section,
        // Of the sections, only the history has an address: PostgreSQL's.
        default_port: Some(5_432),
    };
    let empty = Map::new();
    let table = walk.layers.section(name).unwrap_or(&empty);
    walk.table(&KeyPath::of(&[name]), table, &schema)
}

fn read_section<T: DeserializeOwned>(walk: &mut Walk<'_>, name: &str, keys: &'static [Key]) -> Option<T> {
    match values(walk, name, keys).read() {
        Ok(section) => Some(section),
        Err(error) => {
            walk.problem(&KeyPath::of(&[name]), error);
            None
        }
    }
}

/// Reads what is said of the API.
pub(super) fn read_server(walk: &mut Walk<'_>) -> Option<Server> {
    let values = values(walk, "server", SERVER);
    let trusted_proxies = read_proxies(walk, &values);
    let certificate = read_certificate_files(walk, &values);
    let bind = values.get("bind").and_then(|bind| bind.as_str())?;
    match bind.parse() {
        Ok(bind) => Some(Server {
            bind,
            trusted_proxies: trusted_proxies?,
            open_badges: values.get("open_badges").and_then(Json::as_bool)?,
            certificate: certificate?,
        }),
        Err(_not_an_address) => {
            walk.problem(
                &KeyPath::of(&["server", "bind"]),
                format!("must be an IP address and a port, such as \"0.0.0.0:8000\" or \"[::1]:8000\", not \"{bind}\""),
            );
            None
        }
    }
}

/// Where certificate and key are, `Some(None)` where there is neither; what the files hold is not looked at.
fn read_certificate_files(walk: &mut Walk<'_>, values: &Values) -> Option<Option<CertificateFiles>> {
    let path = |key| values.get(key).and_then(Json::as_str).map(PathBuf::from);
    let (given, missing) = match (path("certificate_file"), path("key_file")) {
        (None, None) => return Some(None),
        (Some(certificate), Some(key)) => return Some(Some(CertificateFiles { certificate, key })),
        (Some(_), None) => ("certificate_file", "key_file"),
        (None, Some(_)) => ("key_file", "certificate_file"),
    };
    walk.problem(&KeyPath::of(&["server", given]), format!("needs {missing} beside it"));
    None
}

/// Whether certificate and key can be used.
fn check_certificate(walk: &mut Walk<'_>, files: &CertificateFiles) {
    if let Err(invalid) = ServerCertificate::load(files.clone()) {
        walk.problem(&KeyPath::of(&["server", &invalid.key]), invalid.problem);
    }
}

fn read_proxies(walk: &mut Walk<'_>, values: &Values) -> Option<TrustedProxies> {
    let listed = values.get("trusted_proxies").and_then(Json::as_array);
    match TrustedProxies::parse(listed.into_iter().flatten().filter_map(Json::as_str)) {
        Ok(proxies) => Some(proxies),
        Err(error) => {
            walk.problem(&KeyPath::of(&["server", "trusted_proxies"]), error);
            None
        }
    }
}

/// What contradicts the rest of what is said of discovery.
fn check_discovery(walk: &mut Walk<'_>, docker: &Docker, discovery: &Discovery) {
    let containers = KeyPath::of(&["discovery", "containers"]);
    let is_said = walk.layers.places.sets(&containers);
    if !docker.enabled && is_said && discovery.containers != Discovered::None {
        walk.problem(
            &containers,
            "needs Docker, but docker.enabled is false; enable it, or discover \"none\"",
        );
    }
    if discovery.project.is_some() && discovery.containers != Discovered::Project {
        walk.problem(
            &KeyPath::of(&["discovery", "project"]),
            "holds for containers = \"project\" alone; set that, or leave the project out",
        );
    }
}

fn check_api_version(walk: &mut Walk<'_>, version: &str) {
    let is_number = |part: &str| !part.is_empty() && part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_good = version
        .split_once('.')
        .is_some_and(|(major, minor)| is_number(major) && is_number(minor));
    if !is_good {
        walk.problem(
            &KeyPath::of(&["docker", "api_version"]),
            format!("must be a version such as \"1.41\", not \"{version}\""),
        );
    }
}
