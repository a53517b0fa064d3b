//! The log: for people on a terminal, JSON otherwise, always to standard error.
//!
//! Whoever reads standard error may stop reading: Docker's daemon does where it hangs or is stopped, and a pipe takes 64 KiB.
//! So lines are written by a thread of their own. Where too many wait, further ones are lost, and counted.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use serde::Serialize;
use tracing::{Level, Metadata};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::settings::{Log, LogFormat};

/// The variable whose level or filter wins over the settings, such as `debug` or `info,health_monitor::docker=trace`.
pub const FILTER_VARIABLE: &str = "RUST_LOG";

/// The engine's client, which writes down every answer of the engine, with the secrets of every container.
const TALKATIVE: &str = "bollard";

/// Lines that may wait to be written, at most: about a megabyte.
const WAITING_LINES: usize = 4_096;

/// Counts the lines that were lost. There is one log for the whole process.
static LOST: OnceLock<ErrorCounter> = OnceLock::new();

/// Keeps the log running. Lines that wait when it is dropped are written within a second, or not at all.
#[derive(Debug)]
#[must_use = "the log ends when it is dropped"]
pub struct Running {
    _writer: WorkerGuard,
}

/// What the log tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LogFigures {
    /// Lines that were lost since the start, because nobody took those before them.
    pub lines_lost: u64,
}

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

/// What became of the log so far.
pub fn figures() -> LogFigures {
    let lost = LOST.get().map_or(0, ErrorCounter::dropped_lines);
    LogFigures {
        lines_lost: lost as u64,
    }
}

/// Starts the log. `filter` is the value of [`FILTER_VARIABLE`].
///
/// # Errors
///
/// Where the filter cannot be understood, or the log was started already.
pub fn start(log: &Log, filter: Option<&str>) -> Result<Running, TelemetryError> {
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
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING_LINES)
        .thread_name("log")
        .finish(io::stderr());
    let lost = writer.error_counter();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(writer)
        // It would tell of a line that cannot be written with `eprintln!`, which panics where that cannot be written either.
        .log_internal_errors(false);
    let started = if to_person {
        let log = builder.with_ansi(io::stderr().is_terminal()).finish();
        log.with(filter_fn(may_be_shown)).try_init()
    } else {
        let log = builder.json().flatten_event(true).finish();
        log.with(filter_fn(may_be_shown)).try_init()
    };
    started.map_err(|_twice| TelemetryError::StartedTwice)?;
    LOST.get_or_init(|| lost);
    Ok(Running { _writer: guard })
}

/// Whatever filter is asked for, what repeats the engine's answers is not written.
fn may_be_shown(metadata: &Metadata<'_>) -> bool {
    !metadata.target().starts_with(TALKATIVE) || *metadata.level() <= Level::INFO
}
