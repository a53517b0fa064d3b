//! What the demo's four applications share: settings, logging, the signal to stop, and the pauses between attempts.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The environment variable `name`, or `default` where it is not set.
pub(crate) fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// Logs to standard output, at the level (or by the filter) that `LOG` gives.
pub(crate) fn start_logging() {
    // The server's notices, such as that a table exists already, are no news.
    let filter = format!("{},tokio_postgres=warn", setting("LOG", "info"));
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_target(false)
        .with_ansi(false)
        .init();
}

/// Resolves when the process is told to stop: by TERM, as `docker stop` does it, or by an interrupt from the keyboard.
pub(crate) async fn told_to_stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    Ok(())
}

/// Pauses between attempts that fail: 250 ms, doubled each time up to 8 s, of which a random half is left out so that the
/// applications do not come back in step.
#[derive(Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(crate) async fn pause(&mut self) {
        let longest = Duration::from_millis(250) * 2_u32.pow(self.failures.min(5));
        self.failures += 1;
        tokio::time::sleep(longest.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
    }
}
