//! What is said of the services, made whole: every default applied, every check built, no contradiction left.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use config::{Map, Value, ValueKind};
use health_monitor_actors::check::Check;
use health_monitor_actors::model::{Container, DockerHealth, RetryBackoff, ServiceName, ServiceSpec, Thresholds};
use serde_json::Value as Json;

use super::dependencies;
use super::duration;
use super::key::{Key, KeyKind};
use super::normal;
use super::place::KeyPath;
use super::schema::{DEFAULTS, FILE_SUFFIX, SERVICE, SERVICES};
use super::suggest::did_you_mean;
use super::values::Values;
use super::walk::{Owner, Schema, Walk};
use super::windows::Window;
use crate::checks::{self, CheckKind};
use crate::secret::shown_url;

/// A service to watch.
#[derive(Clone)]
pub struct ServiceDefinition {
    /// Its effective settings.
    pub spec: Arc<ServiceSpec>,
    /// Its check, ready to run.
    pub check: Arc<dyn Check>,
    /// What the check was made from: as long as these are equal, and the files that they name, the check does the same.
    pub check_values: Values,
    files: Vec<ReadFile>,
}

/// A file that a check was made from, such as a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ReadFile {
    path: PathBuf,
    /// Tells its content from another's; `None` where it could not be read.
    content: Option<u64>,
}

/// A value that applies to a service, and how near to the service it was said.
struct Setting<T> {
    value: T,
    level: Level,
    path: KeyPath,
}

/// How near to a service something was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    BuiltIn,
    Defaults,
    Service,
}

/// Times of a service that have to fit each other.
struct Times {
    interval: Setting<Duration>,
    timeout: Setting<Duration>,
    retry_interval: Setting<Duration>,
    backoff: Setting<Duration>,
    backoff_max: Setting<Duration>,
}

/// Reads all services.
pub(super) fn read(walk: &mut Walk<'_>, defaults: &Values, docker_enabled: bool) -> Vec<ServiceDefinition> {
    // Contradictions among the defaults are said once, and even where no service is named.
    read_times(&Values::default(), defaults, &KeyPath::default(), walk);

    let tables: BTreeMap<String, Value> = match walk.layers.section(SERVICES) {
        Some(services) => services
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        None => BTreeMap::new(),
    };
    check_names(&tables, walk);
    dependencies::check(&tables, walk);

    let mut definitions = Vec::new();
    let mut without_container = Vec::new();
    for (name, table) in &tables {
        let path = KeyPath::of(&[SERVICES, name]);
        let ValueKind::Table(table) = &table.kind else {
            walk.problem(&path, "must be a section with keys of its own, check among them");
            continue;
        };
        if !docker_enabled && text_of(table, "check") == Some("container") {
            without_container.push(name.as_str());
        }
        definitions.extend(read_service(name, table, &path, defaults, walk));
    }
    if !without_container.is_empty() {
        let services = without_container.join(", ");
        walk.problem(
            &KeyPath::of(&["docker", "enabled"]),
            format!("(false) contradicts check = \"container\" of {services}; give other checks, or enable Docker"),
        );
    }
    definitions
}

/// Reads one service.
pub(super) fn read_service(
    name: &str,
    table: &Map<String, Value>,
    path: &KeyPath,
    defaults: &Values,
    walk: &mut Walk<'_>,
) -> Option<ServiceDefinition> {
    let Some(kind) = find_kind(table, path, walk) else {
        let values = read_common(table, path, walk);
        read_times(&values, defaults, path, walk);
        return None;
    };
    let schema = Schema {
        keys: SERVICE.iter().chain(DEFAULTS).chain(kind.schema).collect(),
        owner: Owner::Service(Some(kind)),
        default_port: kind.default_port,
    };
    let values = walk.table(path, table, &schema);
    let times = read_times(&values, defaults, path, walk)?;
    let name = ServiceName::new(name).ok()?;
    let spec = complete(name, kind, &values, defaults, times);
    note_inherited(&spec, kind, &values, defaults, path, walk);
    check_container(&spec, &values, path, walk);

    if walk.has_problem(path) {
        return None;
    }
    let own = |key: &Key| Some((key.name.to_owned(), values.get(key.name)?.clone()));
    let check_values: Values = kind.schema.iter().filter_map(own).collect();
    let files: Vec<ReadFile> = files_of(kind, &check_values).map(ReadFile::read).collect();
    for file in &files {
        walk.note_file(file.path.clone());
    }
    match (kind.build)(&check_values) {
        Ok(check) => Some(ServiceDefinition {
            spec: Arc::new(spec),
            check,
            check_values,
            files,
        }),
        Err(invalid) => {
            walk.problem(&path.join(&invalid.key), invalid.problem);
            None
        }
    }
}

/// The files that a check reads when it is made.
fn files_of(kind: CheckKind, values: &Values) -> impl Iterator<Item = PathBuf> {
    let paths = kind.schema.iter().filter(|key| key.kind == KeyKind::Path);
    paths.filter_map(|key| values.get(key.name)?.as_str().map(PathBuf::from))
}

/// The values of the keys that any service may have, where it is not known which check is meant: then the keys of all
/// checks are let through unseen.
fn read_common(table: &Map<String, Value>, path: &KeyPath, walk: &mut Walk<'_>) -> Values {
    let of_checks = || checks::KINDS.iter().flat_map(|kind| kind.schema);
    let is_of_a_check = |name: &str| of_checks().any(|key| key.name == name.strip_suffix(FILE_SUFFIX).unwrap_or(name));
    let common = table
        .iter()
        .filter(|(name, _)| *name != "check" && !is_of_a_check(name));
    let common = common.map(|(name, value)| (name.clone(), value.clone())).collect();
    let keys = SERVICE.iter().chain(DEFAULTS).filter(|key| key.name != "check");
    let schema = Schema {
        keys: keys.collect(),
        owner: Owner::Service(None),
        default_port: None,
    };
    walk.table(path, &common, &schema)
}

/// The kind of check that a service names.
fn find_kind(table: &Map<String, Value>, path: &KeyPath, walk: &mut Walk<'_>) -> Option<CheckKind> {
    let known = || checks::KINDS.iter().map(|kind| kind.name);
    let all = known().collect::<Vec<_>>().join(", ");
    let Some(check) = text_of(table, "check") else {
        if table.contains_key("check") {
            walk.problem(&path.join("check"), format!("must be the name of a check: {all}"));
        } else {
            walk.problem(path, format!("needs the key 'check': one of {all}"));
        }
        return None;
    };
    let kind = checks::find(check);
    if kind.is_none() {
        let hint = did_you_mean(check, known());
        let hint = if hint.is_empty() {
            format!("; there are {all}")
        } else {
            hint
        };
        walk.problem(&path.join("check"), format!("(\"{check}\") is not a check{hint}"));
    }
    kind.copied()
}

fn complete(name: ServiceName, kind: CheckKind, values: &Values, defaults: &Values, times: Times) -> ServiceSpec {
    let text = |key| pick(values, defaults, key).and_then(Json::as_str);
    let number = |key| {
        let number = pick(values, defaults, key).and_then(Json::as_u64);
        number.and_then(|number| u32::try_from(number).ok()).unwrap_or(1)
    };
    let container = match values.get("container").and_then(Json::as_str) {
        None => Container::Named(name.as_str().to_owned()),
        Some("") => Container::None,
        Some(container) => Container::Named(container.to_owned()),
    };
    let docker_health = match text("docker_health") {
        Some("decide") => DockerHealth::Decide,
        Some("warn") => DockerHealth::Warn,
        Some("ignore") => DockerHealth::Ignore,
        _ if kind.name == "container" => DockerHealth::Decide,
        _ => DockerHealth::Warn,
    };
    let depends_on = values.get("depends_on").and_then(Json::as_array).into_iter().flatten();
    let depends_on = depends_on
        .filter_map(|name| ServiceName::new(name.as_str()?).ok())
        .collect();
    ServiceSpec {
        name,
        check: kind.name.to_owned(),
        address: show_target(kind, values),
        container,
        depends_on,
        critical: values.get("critical").and_then(Json::as_bool).unwrap_or(true),
        interval: times.interval.value,
        timeout: times.timeout.value,
        retries: number("retries"),
        retry_backoff: RetryBackoff {
            min: times.backoff.value,
            max: times.backoff_max.value,
        },
        retry_interval: times.retry_interval.value,
        thresholds: Thresholds {
            failure: number("failure_threshold"),
            success: number("success_threshold"),
        },
        start_period: pick(values, defaults, "start_period")
            .and_then(as_time)
            .unwrap_or_default(),
        docker_health,
        min_replicas: number("min_replicas"),
        auth_failure_degrades: text("auth_failure") == Some("degraded"),
        maintenance: Vec::new(),
    }
}

/// Notes what holds for a service without its own word: the defaults, and the times that gave way to its own.
fn note_inherited(
    spec: &ServiceSpec,
    kind: CheckKind,
    values: &Values,
    defaults: &Values,
    path: &KeyPath,
    walk: &mut Walk<'_>,
) {
    for key in DEFAULTS.iter().filter(|key| values.get(key.name).is_none()) {
        let effective = match key.name {
            "timeout" => Some(spec.timeout),
            "retry_interval" => Some(spec.retry_interval),
            "retry_backoff" => Some(spec.retry_backoff.min),
            "retry_backoff_max" => Some(spec.retry_backoff.max),
            _ => None,
        };
        let effective = effective.map(|time| Json::from(duration::format(time)));
        if let Some(value) = effective.or_else(|| defaults.get(key.name).cloned()) {
            let said_at = KeyPath::of(&["defaults", key.name]);
            walk.note_effective(path.join(key.name), key.kind, &value, &said_at);
        }
    }
    let left_out = SERVICE
        .iter()
        .chain(kind.schema)
        .filter(|key| values.get(key.name).is_none());
    for key in left_out {
        let value = match key.name {
            "container" => spec.container.name().map(Json::from),
            _ => normal::default_of(key, kind.default_port),
        };
        if let Some(value) = value {
            walk.note_effective(path.join(key.name), key.kind, &value, &KeyPath::default());
        }
    }
}

/// What a service says, else what the defaults say.
fn pick<'a>(values: &'a Values, defaults: &'a Values, key: &str) -> Option<&'a Json> {
    values.get(key).or_else(|| defaults.get(key))
}

/// Where the check goes, as everybody may see it.
fn show_target(kind: CheckKind, values: &Values) -> Option<String> {
    let key = kind.schema.iter().find(|key| Some(key.name) == kind.target)?;
    let show = |text: &str| match key.kind {
        KeyKind::Url(_) => shown_url(text),
        _ => text.to_owned(),
    };
    match values.get(key.name)? {
        Json::Array(items) => {
            let shown: Vec<_> = items.iter().filter_map(Json::as_str).map(show).collect();
            Some(shown.join(", "))
        }
        target => target.as_str().map(show),
    }
}

fn as_time(value: &Json) -> Option<Duration> {
    value.as_str().and_then(duration::parse)
}

fn text_of<'a>(table: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    match &table.get(key)?.kind {
        ValueKind::String(text) => Some(text),
        _ => None,
    }
}

/// The times that apply, and whether they fit each other. Of two that do not, the one that was said nearer to the service
/// wins and the other gives way; where neither was, it is a contradiction.
fn read_times(values: &Values, defaults: &Values, path: &KeyPath, walk: &mut Walk<'_>) -> Option<Times> {
    let time = |key: &str| -> Option<Setting<Duration>> {
        let default_path = KeyPath::of(&["defaults", key]);
        if let Some(value) = values.get(key).and_then(as_time) {
            return Some(Setting {
                value,
                level: Level::Service,
                path: path.join(key),
            });
        }
        let level = if walk.layers.places.sets(&default_path) {
            Level::Defaults
        } else {
            Level::BuiltIn
        };
        Some(Setting {
            value: defaults.get(key).and_then(as_time)?,
            level,
            path: default_path,
        })
    };
    let mut times = Times {
        interval: time("interval")?,
        timeout: time("timeout")?,
        retry_interval: time("retry_interval")?,
        backoff: time("retry_backoff")?,
        backoff_max: time("retry_backoff_max")?,
    };
    let interval = &times.interval;
    if times.timeout.value >= interval.value {
        if times.timeout.level < interval.level {
            times.timeout.value = interval.value / 2;
        } else {
            let message = format!("{} must be shorter than its interval {interval}", times.timeout);
            walk.problem(&times.timeout.path, message);
        }
    }
    if times.retry_interval.value > interval.value {
        if times.retry_interval.level < interval.level {
            times.retry_interval.value = interval.value;
        } else {
            let message = format!(
                "{} must not be longer than its interval {interval}",
                times.retry_interval
            );
            walk.problem(&times.retry_interval.path, message);
        }
    }
    if times.backoff.value > times.backoff_max.value {
        if times.backoff_max.level < times.backoff.level {
            times.backoff_max.value = times.backoff.value;
        } else if times.backoff.level < times.backoff_max.level {
            times.backoff.value = times.backoff_max.value;
        } else {
            let message = format!(
                "{} must not be longer than its retry_backoff_max {}",
                times.backoff, times.backoff_max
            );
            walk.problem(&times.backoff.path, message);
        }
    }
    Some(times)
}

/// What only a service with a container can have.
fn check_container(spec: &ServiceSpec, values: &Values, path: &KeyPath, walk: &mut Walk<'_>) {
    if spec.container != Container::None {
        return;
    }
    if spec.check == "container" {
        walk.problem(
            &path.join("container"),
            "(\"\") contradicts check = \"container\"; name the container, or choose another check",
        );
    }
    for key in ["docker_health", "min_replicas"] {
        if values.get(key).is_some() {
            walk.problem(
                &path.join(key),
                "needs a container, but container = \"\" says that there is none",
            );
        }
    }
}

/// Names that are none, and names that differ only in case.
fn check_names(tables: &BTreeMap<String, Value>, walk: &mut Walk<'_>) {
    let mut folded: BTreeMap<String, &str> = BTreeMap::new();
    for name in tables.keys() {
        let path = KeyPath::of(&[SERVICES, name]);
        match ServiceName::new(name) {
            Err(error) => walk.problem(&path, format!("has a bad name: {error}")),
            Ok(service) => {
                if let Some(other) = folded.insert(service.folded(), name) {
                    walk.problem(
                        &path,
                        format!(
                            "and {} differ only in case; give one of them another name",
                            KeyPath::of(&[SERVICES, other])
                        ),
                    );
                }
            }
        }
    }
}

// === impl Setting ===

impl fmt::Display for Setting<Duration> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({})", duration::format(self.value))
    }
}

// === impl ServiceDefinition ===

impl ServiceDefinition {
    /// Gives it the windows of maintenance that are for it.
    pub fn set_windows(&mut self, windows: &[Window]) {
        let name = &self.spec.name;
        let own = windows.iter().filter(|window| window.is_for(name));
        let own: Vec<_> = own.map(|window| window.window.clone()).collect();
        if self.spec.maintenance != own {
            Arc::make_mut(&mut self.spec).maintenance = own;
        }
    }

    /// It asks the same in the same way.
    pub fn is_like(&self, other: &Self) -> bool {
        self.spec == other.spec && self.check_values == other.check_values && self.files == other.files
    }
}

// === impl ReadFile ===

impl ReadFile {
    fn read(path: PathBuf) -> Self {
        let content = fs::read(&path).ok().map(|content| {
            let mut hasher = DefaultHasher::new();
            content.hash(&mut hasher);
            hasher.finish()
        });
        Self { path, content }
    }
}

impl fmt::Debug for ServiceDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceDefinition")
            .field("spec", &self.spec)
            .field("check_values", &self.check_values)
            .finish_non_exhaustive()
    }
}
