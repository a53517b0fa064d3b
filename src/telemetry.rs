//! The log: for people on a terminal, JSON otherwise, always to standard error.

use std::io::{self, IsTerminal};

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

use crate::settings::{Log, LogFormat};

/// The variable whose level or filter wins over the settings, such as `debug` or `info,health_monitor::docker=trace`.
pub const FILTER_VARIABLE: &str = "RUST_LOG";

/// Libraries that log the documents that they receive.
const TALKATIVE: [&str; 1] = ["bollard"];

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
    let layer = fmt::layer().with_writer(io::stderr);
    let layer = if to_person {
        layer.with_ansi(io::stderr().is_terminal()).boxed()
    } else {
        layer.json().flatten_event(true).boxed()
    };
    let started = registry()
        .with(parsed)
        .with(layer.with_filter(filter_fn(may_be_shown)))
        .try_init();
    started.map_err(|_twice| TelemetryError::StartedTwice)
}

/// Whatever level is asked for, a library that writes down what passes through it is not heard below `info`: the engine's
/// answers hold the secrets of every container.
fn may_be_shown(metadata: &Metadata<'_>) -> bool {
    let is_talkative = TALKATIVE.iter().any(|library| metadata.target().starts_with(library));
    !is_talkative || *metadata.level() <= Level::INFO
}
