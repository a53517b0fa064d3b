//! `health-monitor validate`: what is wrong with a configuration, without starting.

use std::path::PathBuf;

use super::{WORKED, refuse};
use crate::settings::{Settings, Sources};

/// Checks the file that is named, else the one that `run` would read; variables count as they would then.
pub(super) fn run(file: Option<PathBuf>, mut sources: Sources) -> u8 {
    sources.file = file.or(sources.file);
    match Settings::load(&sources) {
        Ok(settings) => {
            println!("{}", describe(&settings));
            WORKED
        }
        Err(error) => refuse(&error),
    }
}

fn describe(settings: &Settings) -> String {
    let subject = match &settings.file {
        Some(file) => format!("{} is valid", file.display()),
        None => "no configuration file; the built-in defaults hold".to_owned(),
    };
    let services: Vec<&str> = settings
        .services
        .iter()
        .map(|service| service.spec.name.as_str())
        .collect();
    let built_in = if settings.built_in_services { " built-in" } else { "" };
    match services.len() {
        0 => format!("{subject}; no services"),
        1 => format!("{subject}; 1{built_in} service: {}", services.concat()),
        count => format!("{subject}; {count}{built_in} services: {}", services.join(", ")),
    }
}
