//! A configuration that is read while the monitor runs.

use std::fmt;

use health_monitor_actors::model::ServiceName;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::watched_files::{Looked, WatchedFiles};
use crate::settings::schema::{API_KEYS, DEFAULTS_SECTION, DISCOVERY_SECTION, MAINTENANCE, SERVICES};
use crate::settings::{Settings, Sources};

/// Sections whose changes take effect while the monitor runs.
const LIVE: [&str; 5] = [SERVICES, DEFAULTS_SECTION, DISCOVERY_SECTION, MAINTENANCE, API_KEYS];

/// Such keys of other sections.
const LIVE_KEYS: [&str; 3] = ["server.trusted_proxies", "server.open_badges", "metrics.open"];

/// What made the monitor read its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// The signal HUP.
    Signal,
    /// A file changed.
    File,
    /// Somebody asked over the API, with the key of this name.
    Key(String),
}

/// What a reload changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Changes {
    /// Services that are watched from now on.
    #[serde(serialize_with = "names")]
    #[schemars(with = "Vec<String>")]
    pub added: Vec<ServiceName>,
    /// Services with other settings. All others go on undisturbed.
    #[serde(serialize_with = "names")]
    #[schemars(with = "Vec<String>")]
    pub changed: Vec<ServiceName>,
    /// Services that are no longer watched.
    #[serde(serialize_with = "names")]
    #[schemars(with = "Vec<String>")]
    pub removed: Vec<ServiceName>,
    /// Keys whose new values take effect only when the monitor is started again.
    pub needs_restart: Vec<String>,
}

/// A configuration that was not taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Rejected {
    /// What is wrong with it: what `health-monitor validate` says.
    pub problem: String,
}

/// What became of the configurations that were read since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReloadStatus {
    /// What is wrong with the last one; `None` where it holds.
    pub problem: Option<String>,
    /// When the last one was read after the start.
    pub last_attempt: Option<Timestamp>,
    /// When the one that holds was read.
    pub holds_since: Option<Timestamp>,
    /// What was taken over.
    pub accepted: u64,
    /// What was not.
    pub rejected: u64,
    /// Keys whose new values take effect only when the monitor is started again.
    pub needs_restart: Vec<String>,
}

/// A configuration that cannot be taken over.
#[derive(Debug)]
pub(super) struct Unfit {
    pub(super) rejected: Rejected,
    /// The files beside it, as they were before they were read.
    pub(super) files: Looked,
}

/// Reads the configuration, all of it.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn read(sources: &Sources) -> Result<Settings, Unfit> {
    let error = match Settings::load(sources) {
        Ok(settings) => return Ok(settings),
        Err(error) => error,
    };
    // Only now it is known which files belong to it. So that none is set right unseen, they are looked at, and then all is
    // read again.
    let files = WatchedFiles::look(sources, error.files());
    Settings::load(sources).map_err(|error| Unfit {
        rejected: Rejected::new(error.to_string()),
        files,
    })
}

/// The keys of sections that do not change while the monitor runs and that differ from those it was started with.
pub(super) fn needs_restart(started_with: &Settings, now: &Settings) -> Vec<String> {
    let fixed = |settings: &Settings| -> Vec<(String, serde_json::Value)> {
        let effective = settings.effective.iter();
        let fixed = effective.filter(|effective| {
            let section = effective.path.names().first().map(String::as_str);
            let is_live = section.is_some_and(|section| LIVE.contains(&section))
                || LIVE_KEYS.contains(&effective.path.to_string().as_str());
            !is_live
        });
        fixed
            .map(|effective| (effective.path.to_string(), effective.value.clone()))
            .collect()
    };
    let (before, after) = (fixed(started_with), fixed(now));
    let differs = |one: &[(String, serde_json::Value)], other: &[(String, serde_json::Value)]| -> Vec<String> {
        one.iter()
            .filter(|pair| !other.contains(pair))
            .map(|(path, _)| path.clone())
            .collect()
    };
    let mut keys = differs(&before, &after);
    keys.extend(differs(&after, &before));
    // Its value is hidden in what is compared above.
    if started_with.history.password != now.history.password {
        keys.push("history.password".to_owned());
    }
    keys.sort();
    keys.dedup();
    keys
}

fn names<S: Serializer>(names: &[ServiceName], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(names.iter().map(ServiceName::as_str))
}

// === impl Trigger ===

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trigger::Signal => f.write_str("signal HUP"),
            Trigger::File => f.write_str("changed file"),
            Trigger::Key(name) => write!(f, "key {name}"),
        }
    }
}

// === impl Rejected ===

impl Rejected {
    pub(super) fn new(problem: String) -> Self {
        Self { problem }
    }
}
