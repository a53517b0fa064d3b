//! The log: for people on a terminal, JSON otherwise, always to standard error.

use std::io::{self, IsTerminal};

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::settings::{Log, LogFormat};

/// The variable whose level or filter wins over the settings, such as `debug` or `info,health_monitor::docker=trace`.
pub const FILTER_VARIABLE: &str = "RUST_LOG";

/// The engine's client, which writes down every answer of the engine, with the secrets of every container.
const TALKATIVE: &str = "bollard";

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be understood.
    #[error(
        "{FILTER_VARIABLE} ({filter}) is not a level such as \"debug\" nor a filter such as \"info,name=trace\": {source}"
    )]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// There is a log already.
    #[error("the log was started twice")]
    StartedTwice,
}

/// Starts the log. `filter` is the value of [`FILTER_VARIABLE`].
///
/// # Errors
///
/// Where the filter cannot be understood, or the log was started already.
pub fn start(log: &Log, filter: Option<&str>) -> Result<(), TelemetryError> {
    let filter = filter.filter(|filter| !filter.trim().is_empty()).unwrap_or(&log.level);
    let parsed = EnvFilter::try_new(filter).map_err(|source| TelemetryError::Filter {
        filter: filter.to_owned(),
        source,
    })?;
    let to_person = match log.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => io::stderr().is_terminal(),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(io::stderr)
        // It would tell of a line that cannot be written, as on a full disk, with `eprintln!`, which panics there.
        .log_internal_errors(false);
    let started = if to_person {
        let log = builder.with_ansi(io::stderr().is_terminal()).finish();
        log.with(filter_fn(may_be_shown)).try_init()
    } else {
        let log = builder.json().flatten_event(true).finish();
        log.with(filter_fn(may_be_shown)).try_init()
    };
    started.map_err(|_twice| TelemetryError::StartedTwice)
}

/// Whatever filter is asked for, what repeats the engine's answers is not written.
fn may_be_shown(metadata: &Metadata<'_>) -> bool {
    !metadata.target().starts_with(TALKATIVE) || *metadata.level() <= Level::INFO
}
