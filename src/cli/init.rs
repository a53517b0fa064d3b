//! `health-monitor init`: a configuration for the containers that run now.

mod fit;
mod write;

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;

use super::{FAILED, WORKED, block_on, refuse};
use crate::docker::{self, Engine, EngineError, Listed};
use crate::settings::{Docker, Settings, Sources};
use write::Seen;

/// What the command line says.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where to write; - for standard output
    #[arg(long, short, value_name = "FILE", default_value = "health-monitor.toml")]
    output: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

/// Asks the engine for its containers, and writes.
pub(super) fn run(arguments: &Arguments, sources: &Sources) -> u8 {
    // The engine may be named by DOCKER_HOST alone; what the file to be written says does not matter yet.
    let docker = match Settings::docker_of(sources) {
        Ok(docker) => docker,
        Err(error) => return refuse(&error),
    };
    match propose(&docker).and_then(|text| deliver(&arguments.output, arguments.force, &text)) {
        Ok(()) => WORKED,
        Err(error) => {
            eprintln!("error: {error}");
            FAILED
        }
    }
}

/// The text of a configuration for every container that runs, the monitor's own left out.
fn propose(docker: &Docker) -> Result<String, String> {
    let settings = docker::Settings::try_from(docker).map_err(|error| error.to_string())?;
    let engine = Engine::new(settings);
    let (own, listed) = block_on(async {
        engine.connect().await?;
        Ok((engine.find_own().await?, engine.list_containers().await?))
    })
    .map_err(|error: EngineError| error.to_string())?;
    let is_watched = |container: &&Listed| container.running && own.id.as_ref() != Some(&container.id);
    let seen: Vec<Seen> = listed.iter().filter(is_watched).map(Seen::from).collect();
    Ok(write::write(&seen))
}

fn deliver(output: &Path, force: bool, text: &str) -> Result<(), String> {
    if output == Path::new("-") {
        return io::stdout()
            .write_all(text.as_bytes())
            .map_err(|error| error.to_string());
    }
    let mut options = OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let written = options
        .open(output)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => {
            println!(
                "{} written; go through it, then run: health-monitor validate {0}",
                output.display()
            );
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(format!(
            "{} exists already; --force replaces it, --output names another",
            output.display()
        )),
        Err(error) => Err(format!("{} cannot be written: {error}", output.display())),
    }
}

impl From<&Listed> for Seen {
    fn from(listed: &Listed) -> Self {
        let tcp = listed.ports.iter().filter(|port| port.protocol == "tcp");
        Self {
            name: listed.name.clone(),
            image: listed.image.clone(),
            labels: listed.labels.clone(),
            ports: tcp.map(|port| port.container).collect(),
        }
    }
}
