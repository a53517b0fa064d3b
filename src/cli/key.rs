//! `health-monitor key`: keys of the API.

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};

use super::{FAILED, WORKED};
use crate::access::key::{self, KeyHash, KeyName, Scope};
use crate::settings::KeyPath;
use crate::settings::schema::API_KEYS;

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a key: prints it to standard output, only this once, and to standard error what the configuration needs of it
    New(New),
}

/// How the new key shall be.
#[derive(Debug, Args)]
pub(super) struct New {
    /// By which the log and the configuration name it
    #[arg(value_parser = KeyName::new)]
    name: KeyName,
    /// What it opens; may be given several times
    #[arg(long = "scope", value_name = "SCOPE", default_value = "read")]
    scopes: Vec<ScopeName>,
}

/// A scope as an argument.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScopeName {
    /// All that only reads, except /metrics
    Read,
    /// Only /metrics
    Metrics,
    /// Everything, what changes the monitor's state included
    Admin,
}

/// Runs one of the commands.
pub(super) fn run(command: &Command) -> u8 {
    let Command::New(new) = command;
    match make(new) {
        Ok(()) => WORKED,
        Err(error) => {
            eprintln!("error: {error:#}");
            FAILED
        }
    }
}

fn make(new: &New) -> anyhow::Result<()> {
    let key = key::new_key().context("no key was made")?;
    let scopes: Vec<String> = new
        .scopes
        .iter()
        .map(|scope| format!("\"{}\"", scope.scope()))
        .collect();
    println!("{}", key.expose());
    eprintln!(
        "# The key stands above and nowhere else. This is for the configuration:\n\
         [{}]\n\
         hash = \"{}\"\n\
         scopes = [{}]",
        KeyPath::of(&[API_KEYS, new.name.as_str()]),
        KeyHash::of(key.expose().as_bytes()).written(),
        scopes.join(", ")
    );
    Ok(())
}

// === impl ScopeName ===

impl ScopeName {
    fn scope(self) -> Scope {
        match self {
            ScopeName::Read => Scope::Read,
            ScopeName::Metrics => Scope::Metrics,
            ScopeName::Admin => Scope::Admin,
        }
    }
}
