//! How the process ends: by a signal, or by a failure with an exit code of its own.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use crate::docker::InvalidApiVersion;
use crate::settings::values::InvalidValue;
use health_monitor_actors::supervisor::Fatal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinError;

/// From the order to stop to the end of the process, whatever still blocks.
const HARD_LIMIT: Duration = Duration::from_secs(10);

/// What the monitor cannot go on after.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The API's address cannot be had.
    #[error("cannot listen on {bind}: {source}; free the address, or set server.bind")]
    Bind {
        /// The address.
        bind: SocketAddr,
        /// The operating system's word.
        source: io::Error,
    },
    /// The Docker API's version is none.
    #[error("docker.api_version: {0}")]
    ApiVersion(#[from] InvalidApiVersion),
    /// The server's certificate cannot be used.
    #[error("server.{0}")]
    Certificate(#[from] InvalidValue),
    /// The HTTP server did not start, or failed.
    #[error("the http server failed: {0}")]
    Serve(io::Error),
    /// Signals cannot be listened to.
    #[error("cannot listen to signals: {0}")]
    Signals(io::Error),
    /// The registry ended.
    #[error("the registry ended: {0}")]
    Registry(String),
    /// Only a new start of the container leads to the engine again.
    #[error(
        "the engine is back with another socket than the one that is mounted here; the next start of this container mounts \
         it (mount the socket's folder to do without)"
    )]
    SocketReplaced,
    /// The supervisor ended, or cannot go on.
    #[error(transparent)]
    Supervision(Fatal),
    /// The thread of an actor that must not fail is blocked.
    #[error("{actor} has been blocked for {seconds} s")]
    Blocked {
        /// Whose it is.
        actor: Vital,
        /// For how long, in seconds.
        seconds: u64,
    },
    /// Nobody can watch these two.
    #[error("no thread for the watchdog: {0}")]
    Watchdog(io::Error),
}

/// An actor that the monitor cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vital {
    /// The registry.
    Registry,
    /// The supervisor.
    Supervisor,
}

impl fmt::Display for Vital {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Vital::Registry => "the registry",
            Vital::Supervisor => "the supervisor",
        })
    }
}

impl Failure {
    /// The process's exit code, by which Compose's log tells what ended it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Bind { .. }
            | Failure::ApiVersion(_)
            | Failure::Certificate(_)
            | Failure::Serve(_)
            | Failure::Signals(_)
            | Failure::Watchdog(_) => 1,
            Failure::Registry(_) => 3,
            Failure::Supervision(Fatal::SupervisorEnded) => 4,
            Failure::Blocked { actor, .. } => match actor {
                Vital::Registry => 3,
                Vital::Supervisor => 4,
            },
            Failure::Supervision(Fatal::LanesExhausted { .. } | Fatal::NoThread { .. }) => 5,
            Failure::SocketReplaced => 6,
        }
    }

    pub(super) fn registry_ended(ended: Result<(), JoinError>) -> Self {
        Failure::Registry(match ended {
            Ok(()) => "it stopped".to_owned(),
            Err(error) => error.to_string(),
        })
    }

    pub(super) fn server_ended(ended: Result<io::Result<()>, JoinError>) -> Self {
        Failure::Serve(match ended {
            Ok(Ok(())) => io::Error::other("it stopped"),
            Ok(Err(error)) => error,
            Err(error) => io::Error::other(error),
        })
    }
}

/// Waits for TERM or INT; tells which.
pub(super) async fn told_to_stop() -> Result<&'static str, Failure> {
    let mut term = signal(SignalKind::terminate()).map_err(Failure::Signals)?;
    let mut int = signal(SignalKind::interrupt()).map_err(Failure::Signals)?;
    tokio::select! {
        _ = term.recv() => Ok("TERM"),
        _ = int.recv() => Ok("INT"),
    }
}

/// Ends the process in time even where this thread is blocked.
pub(super) fn hard_limit(exit_code: u8) {
    end_after(HARD_LIMIT, exit_code);
}

fn end_after(limit: Duration, exit_code: u8) {
    std::thread::spawn(move || {
        let (_open, never) = mpsc::channel::<()>();
        let _elapsed = never.recv_timeout(limit).is_err();
        tracing::warn!("something still blocks; the process ends without it");
        std::process::exit(exit_code.into());
    });
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use tokio::process::Command;
    use tokio::time::timeout;

    use super::*;

    /// Set in the process that is to end itself.
    const BLOCKED: &str = "HEALTH_MONITOR_TEST_BLOCKED";

    /// What would end where its own thread could only wait: the process that this test starts of itself.
    #[tokio::test]
    async fn a_process_that_blocks_ends_in_time_and_with_its_own_exit_code() {
        let failure = Failure::Supervision(Fatal::SupervisorEnded);
        if std::env::var_os(BLOCKED).is_some() {
            end_after(Duration::from_millis(100), failure.exit_code());
            let (_open, never) = mpsc::channel::<()>();
            // Far longer than the test waits for it.
            never.recv_timeout(HARD_LIMIT * 60).unwrap_err();
        }
        let mut itself = Command::new(std::env::current_exe().unwrap());
        itself
            .args([
                "--exact",
                "app::end::tests::a_process_that_blocks_ends_in_time_and_with_its_own_exit_code",
            ])
            .env(BLOCKED, "yes")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let status = timeout(HARD_LIMIT * 6, itself.status()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(4));
    }
}
