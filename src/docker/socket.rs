//! The engine's socket, where it is mounted into the monitor's container by itself and not with its folder.
//!
//! Such a mount is of one file, and an engine that starts makes another. Where containers outlive it (live-restore), the
//! monitor's is left with a file that nobody listens on and nobody can bring back: only a new start of the container mounts
//! the new one. (Where systemd holds the socket, `docker.socket`, it stays the same.)

use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{Engine, EngineError};

/// From one look to the next.
const LOOK: Duration = Duration::from_secs(1);

/// How many looks in a row must find the engine back: one that is just starting is not yet ready to start containers.
const LOOKS: u32 = 3;

/// Where the engine answers for names in the networks of its containers. It does so itself, so that a listener there is the
/// sign that it is back which the socket no longer gives.
const RESOLVER: &str = "127.0.0.11:53";

/// How long the resolver may take to accept.
const RESOLVER_PATIENCE: Duration = Duration::from_millis(500);

// === impl Engine ===

impl Engine {
    /// Waits until the engine is back and only a new start of the monitor's own container leads to it, in a container that
    /// the engine will start anew.
    pub async fn needs_new_start(&self) {
        let mut found = 0;
        while found < LOOKS {
            sleep(LOOK).await;
            found = if self.is_to_be_found_anew().await { found + 1 } else { 0 };
        }
    }

    async fn is_to_be_found_anew(&self) -> bool {
        let is_up = self.running().watch().borrow().engine_is_up;
        let is_started_again = self.own().borrow().as_ref().is_some_and(|own| own.is_started_again);
        !is_up && is_started_again && self.has_removed_its_socket().await && resolver_listens().await
    }

    /// Adds to a failed connection what a look at the socket tells.
    pub(super) async fn explain(&self, error: EngineError) -> EngineError {
        match error {
            EngineError::Unreachable { host, why } if self.has_removed_its_socket().await => EngineError::Unreachable {
                host,
                why: format!(
                    "{why}: the engine has removed the socket that is mounted here, and its next one is another: start \
                     the monitor's container again, or mount the socket's folder"
                ),
            },
            other => other,
        }
    }

    /// A file that is there without a name is one that was mounted and then removed where it came from.
    async fn has_removed_its_socket(&self) -> bool {
        let Some(path) = self.settings().host.strip_prefix("unix://") else {
            return false;
        };
        tokio::fs::metadata(path).await.is_ok_and(|file| file.nlink() == 0)
    }
}

async fn resolver_listens() -> bool {
    let connected = timeout(RESOLVER_PATIENCE, TcpStream::connect(RESOLVER)).await;
    matches!(connected, Ok(Ok(_)))
}
