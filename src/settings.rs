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
mod environment;
mod expand;
#[cfg(test)]
pub(crate) mod fuzz;
pub mod key;
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

use std::path::PathBuf;
use std::sync::Arc;

pub use layers::Sources;
pub use place::{KeyPath, Place};
pub use problem::{Problem, SettingsError};
pub use sections::{
    Docker, EnvironmentShown, History, Log, LogFormat, Metrics, Server, StoreKind, StoreTls, Supervision,
};
pub use services::ServiceDefinition;

use crate::access::key::ApiKey;
use layers::Layers;
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
        let services = services::read(&mut walk, docker_enabled);
        let problems = walk.into_problems();
        match sections {
            Some(sections) if problems.is_empty() => Ok(Self {
                server: sections.server,
                api_keys,
                docker: sections.docker,
                metrics: sections.metrics,
                log: sections.log,
                supervision: sections.supervision,
                history: sections.history,
                services,
                built_in_services: layers.built_in_services,
                file: layers.file,
            }),
            _ => Err(SettingsError::invalid(problems)),
        }
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
