//! The configuration: what may be set, what is set, and what is wrong with it.
//!
//! # Layout
//!
//! - `key`, `schema`: what may be set, one table a section; each check brings its own.
//! - `layers`: where settings come from: built-in defaults, file, variables; merged by the `config` crate.
//! - `document`, `expand`, `environment`: one layer each, with the place of every value.
//! - `walk`, `normal`: holds the merged values against the schemas.
//! - `services`: what is said of the services, made whole and free of contradictions.
//! - `api_keys`: what is said of the keys of the API.
//! - `problem`: everything that can be wrong, all of it at once.

mod api_keys;
mod builtin;
mod dependencies;
mod document;
pub mod duration;
mod effective;
mod environment;
mod expand;
#[cfg(test)]
pub(crate) mod fuzz;
mod json_schema;
pub mod key;
pub mod labels;
mod layers;
mod normal;
mod place;
mod problem;
pub mod schema;
mod sections;
mod services;
mod suggest;
pub mod values;
mod walk;
mod windows;

use std::path::PathBuf;
use std::sync::Arc;

pub use effective::Effective;
pub use json_schema::json_schema;
pub use layers::Sources;
pub use place::{KeyPath, Place};
pub use problem::{Problem, SettingsError};
pub use sections::{
    Discovered, Discovery, Docker, EnvironmentShown, History, Log, LogFormat, Metrics, Server, StoreKind, StoreTls,
    Supervision,
};
pub use services::ServiceDefinition;
pub use windows::Window;

use crate::access::key::ApiKey;
use layers::Layers;
use sections::Sections;
use walk::Walk;

/// The whole configuration, checked and complete.
#[derive(Debug)]
pub struct Settings {
    /// The file that was read; `None` where the built-in defaults and variables are all there is.
    pub file: Option<PathBuf>,
    /// The REST API.
    pub server: Server,
    /// The keys that open it, by name.
    pub api_keys: Vec<Arc<ApiKey>>,
    /// The container engine.
    pub docker: Docker,
    /// Services that are made for containers.
    pub discovery: Discovery,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// What is logged, and how.
    pub log: Log,
    /// How probes are spread over threads.
    pub supervision: Supervision,
    /// What is kept of the past.
    pub history: History,
    /// The services to watch, by name.
    pub services: Vec<ServiceDefinition>,
    /// The services are the built-in ones, because no file named any.
    pub built_in_services: bool,
    /// Recurring windows of maintenance; those of the services above are in their settings already.
    pub windows: Vec<Window>,
    /// What holds for every key, as it may be shown, and where it was said.
    pub effective: Vec<Effective>,
    /// The files beside the configuration whose content it is made from, such as those of passwords.
    pub files_read: Vec<PathBuf>,
    /// What services that are made of labels are held against.
    pub(crate) base: Arc<labels::Base>,
    places: place::Places,
}

// === impl Settings ===

impl Settings {
    /// Reads the configuration from its sources.
    ///
    /// # Errors
    ///
    /// Where there is anything wrong with it: a syntax error alone, else every problem there is.
    pub fn load(sources: &Sources) -> Result<Self, SettingsError> {
        let layers = Layers::read(sources)?;
        let mut walk = Walk::new(&layers);
        let sections = sections::read(&mut walk);
        let api_keys = api_keys::read(&mut walk);
        let docker_enabled = sections.as_ref().is_none_or(|sections| sections.docker.enabled);
        let defaults = sections::values(&mut walk, "defaults", schema::DEFAULTS);
        let mut services = services::read(&mut walk, &defaults, docker_enabled);
        let may_be_discovered = sections.as_ref().is_none_or(Sections::discovers);
        let names: Vec<&str> = walk
            .layers
            .section(schema::SERVICES)
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        let windows = windows::read(&mut walk, &names, may_be_discovered);
        for service in &mut services {
            service.set_windows(&windows);
        }
        let (effective, files_read) = walk.take_effective();
        let problems = walk.into_problems();
        match sections {
            Some(sections) if problems.is_empty() => Ok(Self {
                server: sections.server,
                api_keys,
                base: Arc::new(labels::Base::new(defaults, &layers.places, &sections.discovery)),
                docker: sections.docker,
                discovery: sections.discovery,
                metrics: sections.metrics,
                log: sections.log,
                supervision: sections.supervision,
                history: sections.history,
                services,
                windows,
                effective,
                files_read,
                built_in_services: layers.built_in_services,
                places: layers.places,
                file: layers.file,
            }),
            _ => Err(SettingsError::invalid(problems).of_files(files_read)),
        }
    }

    /// Where a section or value was said, for people.
    pub(crate) fn place_of(&self, path: &KeyPath) -> String {
        self.places.of(path).to_string()
    }

    /// Where the API listens, whatever else is wrong with the configuration: for a look at a monitor that runs.
    ///
    /// # Errors
    ///
    /// Where the file cannot be understood at all, or the address is wrong.
    pub fn server_of(sources: &Sources) -> Result<Server, SettingsError> {
        let layers = Layers::read(sources)?;
        let mut walk = Walk::new(&layers);
        match sections::read_server(&mut walk) {
            Some(server) => Ok(server),
            None => Err(SettingsError::invalid(walk.into_problems())),
        }
    }

    /// Where the history is, whatever else is wrong with the configuration: for a look into it.
    ///
    /// # Errors
    ///
    /// Where the file cannot be understood at all, or this section is wrong.
    pub fn history_of(sources: &Sources) -> Result<History, SettingsError> {
        let layers = Layers::read(sources)?;
        let mut walk = Walk::new(&layers);
        let history = sections::read_history(&mut walk);
        let section = KeyPath::of(&["history"]);
        match history {
            Some(history) if !walk.has_problem(&section) => Ok(history),
            _ => Err(SettingsError::invalid(walk.into_problems())),
        }
    }

    /// How to reach the container engine, whatever else is wrong with the configuration.
    ///
    /// # Errors
    ///
    /// Where the file cannot be understood at all, or this section is wrong.
    pub fn docker_of(sources: &Sources) -> Result<Docker, SettingsError> {
        let layers = Layers::read(sources)?;
        let mut walk = Walk::new(&layers);
        let docker = sections::read_docker(&mut walk);
        let section = KeyPath::of(&["docker"]);
        match docker {
            Some(docker) if !walk.has_problem(&section) => Ok(docker),
            _ => Err(SettingsError::invalid(walk.into_problems())),
        }
    }
}
