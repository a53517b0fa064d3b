//! The command line.
//!
//! Exit codes: [`manual`].

mod check;
mod client;
mod generate;
mod healthcheck;
mod history;
mod incidents;
mod init;
mod key;
mod look;
mod manual;
mod own_server;
mod run;
mod table;
mod text;
mod validate;

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::settings::{SettingsError, Sources, duration};

/// It worked.
const WORKED: u8 = 0;
/// It failed.
const FAILED: u8 = 1;
/// The configuration or the command line is wrong; clap uses the same.
const MISCONFIGURED: u8 = 2;
/// The monitor answers, and a critical service is down.
const DOWN: u8 = 3;

/// Watches the services of a Docker-composed stack, and answers for them by REST and to Prometheus.
#[derive(Debug, Parser)]
#[command(
    name = "health-monitor",
    version,
    after_help = manual::after_help()
)]
struct Cli {
    /// Configuration file, TOML or YAML; it must exist
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the monitor (what happens without a command)
    Run,
    /// Show the services of a running monitor; ends with 3 where a critical one is down
    Status(look::StatusArguments),
    /// Show where the services of a running monitor come from, and what is wrong with their labels
    Services(look::Look),
    /// Show the containers that a running monitor knows
    Containers(look::Look),
    /// Write a configuration for the containers that run now
    Init(init::Arguments),
    /// Say what is wrong with a configuration, without starting
    Validate {
        /// The file; the one that `run` would read if left out
        file: Option<PathBuf>,
    },
    /// Ask the monitor that runs on this machine whether it lives, for Docker's HEALTHCHECK: exit code 0 or 1, never 2
    Healthcheck {
        /// Time for the answer
        #[arg(long, value_name = "TIME", default_value = "3s", value_parser = parse_time)]
        timeout: Duration,
    },
    /// Show how a service was; or export and import all that was kept
    History(history::Arguments),
    /// List what broke, for how long, and why; or show one incident with what was found around it
    Incidents(incidents::Arguments),
    /// Make keys of the API
    #[command(subcommand)]
    Key(key::Command),
    /// Run one service's check once, now, and print what it found
    Check {
        /// The service's name
        service: String,
    },
    /// Print the JSON Schema of the configuration, for editors
    Schema,
    /// Print completions for a shell
    Completions {
        /// Which one
        shell: clap_complete::Shell,
    },
    /// Print the man page
    Man,
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    // Clients that find no provider of their own look for the process's; only a second call here could fail.
    let _ignored = rustls::crypto::ring::default_provider().install_default().is_err();
    let cli = Cli::parse();
    let sources = Sources::of_process(cli.config);
    let code = match cli.command.unwrap_or(Command::Run) {
        Command::Run => run::run(&sources),
        Command::Init(arguments) => init::run(&arguments, &sources),
        Command::Validate { file } => validate::run(file, sources),
        Command::Healthcheck { timeout } => healthcheck::run(&sources, timeout),
        Command::History(arguments) => history::run(&arguments, &sources),
        Command::Incidents(arguments) => incidents::run(&arguments, &sources),
        Command::Key(command) => key::run(&command),
        Command::Check { service } => check::run(&service, &sources),
        Command::Status(arguments) => look::status(&arguments, &sources),
        Command::Services(look) => look::services(&look, &sources),
        Command::Containers(look) => look::containers(&look, &sources),
        Command::Schema => generate::schema(),
        Command::Completions { shell } => generate::completions(shell),
        Command::Man => generate::man(),
    };
    ExitCode::from(code)
}

/// Runs a future to its end on this thread, as actors and their clients expect it.
fn block_on<F: Future>(future: F) -> F::Output {
    actix::System::new().block_on(future)
}

/// Says what is wrong with the configuration.
fn refuse(error: &SettingsError) -> u8 {
    eprintln!("error: {error}");
    MISCONFIGURED
}

fn parse_time(text: &str) -> Result<Duration, String> {
    duration::parse(text)
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "it must be a time with its unit, such as 500ms or 3s".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
