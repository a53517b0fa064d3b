//! `health-monitor run`: the monitor itself.

use super::{MISCONFIGURED, WORKED, block_on, refuse};
use crate::app;
use crate::settings::{Settings, Sources};
use crate::telemetry;

/// Runs the monitor until it is told to stop.
pub(super) fn run(sources: &Sources) -> u8 {
    let settings = match Settings::load(sources) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error),
    };
    let filter = sources.environment.get(telemetry::FILTER_VARIABLE).map(String::as_str);
    let log = match telemetry::start(&settings.log, filter) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("error: {error}");
            return MISCONFIGURED;
        }
    };
    match &settings.file {
        Some(file) => tracing::info!(file = %file.display(), services = settings.services.len(), "configuration read"),
        None => tracing::info!(
            services = settings.services.len(),
            "no configuration file, built-in defaults hold"
        ),
    }
    let code = match block_on(app::run(settings, sources.clone())) {
        Ok(()) => WORKED,
        Err(failure) => {
            tracing::error!(%failure, "monitor ends");
            failure.exit_code()
        }
    };
    drop(log);
    // Not by returning: the runtime would wait for whatever still blocks a thread.
    std::process::exit(code.into())
}
