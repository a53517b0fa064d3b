//! The trait behind which every protocol stands.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::model::{ContainerState, FailureKind, ServiceName, compose_labels};

/// One protocol, configured for one service.
///
/// A check opens a new connection each time, resolves the name each time and closes in an orderly way. It needs no
/// timeout of its own: the probe drops the attempt when its time is over. Blocking client code belongs into
/// `spawn_blocking`, and must itself end by `attempt.timeout`.
#[async_trait]
pub trait Check: Send + Sync + 'static {
    /// Asks the service once.
    ///
    /// # Errors
    ///
    /// Where the service did not answer as it should, or could not be asked: the kind says whose fault that is.
    async fn attempt(&self, attempt: &Attempt) -> Result<Finding, CheckFailure>;
}

/// What an attempt is told.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// For which service.
    pub service: ServiceName,
    /// Grows with every attempt of one run of the service's probe; the next run begins at 0.
    pub number: u64,
    /// Time for this attempt.
    pub timeout: Duration,
    /// The service's containers, the oldest first, as they were last known: still so while Docker is away. Empty where
    /// none is known.
    pub containers: Arc<[Arc<ContainerState>]>,
    /// The service was made for its containers: where Docker says that they are counts before what their names resolve to.
    pub containers_first: bool,
}

/// The service does its work.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// One sentence for a person.
    pub reason: String,
    /// It works, but a person should look: the reason says why.
    pub warning: bool,
    /// Structured facts: version, mode, broker count, …
    pub info: Map<String, Value>,
}

/// The service does not do its work, or could not be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckFailure {
    /// How it failed.
    pub kind: FailureKind,
    /// One sentence for a person: what was tried, what came back, what to do.
    pub reason: String,
    /// Structured facts found before it failed.
    pub info: Map<String, Value>,
}

// === impl Attempt ===

impl Attempt {
    /// Where Docker says that `host` is, for when its name does not resolve: the reachable addresses of the service's
    /// running containers that bear the name.
    pub fn known_addresses(&self, host: &str) -> Vec<IpAddr> {
        let running = self.running(host);
        running
            .flat_map(|container| container.reachable_at.iter().copied())
            .collect()
    }

    /// A running container of the service bears the name `host`, but none at an address that the monitor can reach.
    pub fn is_cut_off(&self, host: &str) -> bool {
        self.running(host).next().is_some() && self.known_addresses(host).is_empty()
    }

    /// Running containers of the service bear the name `host`, and none is in any network: nobody can reach them by it.
    pub fn is_in_no_network(&self, host: &str) -> bool {
        let mut running = self.running(host).peekable();
        running.peek().is_some() && running.all(|container| container.networks.is_empty())
    }

    /// The service's running containers that bear this name.
    fn running(&self, host: &str) -> impl Iterator<Item = &Arc<ContainerState>> {
        let bears_name = move |container: &ContainerState| {
            container.name == host
                || container.label(compose_labels::SERVICE) == Some(host)
                || container
                    .networks
                    .values()
                    .any(|network| network.aliases.iter().any(|alias| alias == host))
        };
        let containers = self.containers.iter();
        containers.filter(move |container| container.is_running() && bears_name(container))
    }
}

// === impl Finding ===

impl Finding {
    /// It works.
    pub fn pass(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            warning: false,
            info: Map::new(),
        }
    }

    /// It works, but a person should look.
    pub fn warn(reason: impl Into<String>) -> Self {
        Self {
            warning: true,
            ..Self::pass(reason)
        }
    }

    /// Adds a fact.
    #[must_use]
    pub fn with(mut self, fact: &str, value: impl Into<Value>) -> Self {
        self.info.insert(fact.to_owned(), value.into());
        self
    }
}

// === impl CheckFailure ===

impl CheckFailure {
    /// It failed in this way, for this reason.
    pub fn new(kind: FailureKind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
            info: Map::new(),
        }
    }

    /// Adds a fact.
    #[must_use]
    pub fn with(mut self, fact: &str, value: impl Into<Value>) -> Self {
        self.info.insert(fact.to_owned(), value.into());
        self
    }
}

impl fmt::Display for CheckFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for CheckFailure {}
