//! A monitor whose own parts misbehave: the real one, run by this program as a process of its own
//! (`faults --monitor CONFIG`).
//!
//! What misbehaves stands in the file `fault` of the configuration's folder, for as long as that lies there.

mod actors;
mod checks;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use health_monitor::settings::{Settings, Sources};
use health_monitor::{app, telemetry};
use health_monitor_test_support::local::Launch;

/// The service that misbehaves: its check, or its probe. Of others whose names begin like this, the check does.
pub(crate) const FAULTY: &str = "faulty";

/// How such a monitor is started.
pub(crate) fn launch() -> Launch {
    let this = std::env::current_exe().expect("this program has a path");
    Launch::of(this).with_arguments(&["--monitor"], &[])
}

/// What misbehaves in a monitor that runs in this folder, from now on.
pub(crate) fn begin(folder: &Path, fault: &str) {
    // In one step, so that nobody reads half of it.
    let prepared = folder.join("fault.new");
    fs::write(&prepared, fault).expect("a folder of the test's own");
    fs::rename(prepared, folder.join("fault")).expect("a folder of the test's own");
}

/// Nothing misbehaves any more.
pub(crate) fn end(folder: &Path) {
    fs::remove_file(folder.join("fault")).expect("something misbehaved");
}

/// Reads what misbehaves now.
#[derive(Debug, Clone)]
struct Switch(PathBuf);

impl Switch {
    fn fault(&self) -> Option<String> {
        // A look that needs no descriptor: where none is left, what was begun goes on until it is ended.
        let lies_there = self.0.try_exists().unwrap_or(true);
        lies_there.then(|| fs::read_to_string(&self.0).unwrap_or_default())
    }
}

/// Runs the monitor until it ends, and ends with its exit code.
pub(crate) fn main(configuration: &str) -> ExitCode {
    let _is_first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let file = PathBuf::from(configuration);
    let switch = Switch(file.with_file_name("fault"));
    let sources = Sources::of_process(Some(file));
    let mut settings = Settings::load(&sources).expect("a valid configuration");
    let log = telemetry::start(&settings.log, None).expect("the only log");
    // As careless code would put them into a message.
    let printed: Arc<str> = format!("{settings:#?}").into();
    let ended = actix::System::new().block_on(async {
        let faulty = settings.services.iter_mut();
        let faulty = faulty.filter(|service| service.spec.name.as_str().starts_with(FAULTY));
        let faulty: Vec<_> = faulty
            .map(|service| {
                service.check = checks::misbehaving(service.check.clone(), switch.clone(), printed.clone());
                service.clone()
            })
            .collect();
        let first = faulty.into_iter().next().expect("a service of this name");
        let running = app::start(settings, sources).await?;
        actors::break_when_told(&running, first, switch);
        running.until_end().await
    });
    let code = match ended {
        Ok(()) => 0,
        Err(failure) => {
            tracing::error!(%failure, "monitor ends");
            failure.exit_code()
        }
    };
    drop(log);
    // As the monitor's own command does.
    std::process::exit(code.into())
}
