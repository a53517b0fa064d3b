//! `health-monitor completions`, `man` and `schema`: texts that follow from the program itself.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, FAILED, WORKED, manual};
use crate::settings::json_schema;

/// Completions for a shell.
pub(super) fn completions(shell: Shell) -> u8 {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "health-monitor", &mut text);
    deliver(&text)
}

/// The man page: the command, each of its subcommands, and what holds for all.
pub(super) fn man() -> u8 {
    match manual::page(Cli::command()) {
        Ok(text) => deliver(&text),
        Err(error) => failed(&error),
    }
}

/// The JSON Schema of the configuration.
pub(super) fn schema() -> u8 {
    match serde_json::to_vec_pretty(&json_schema()) {
        Ok(mut text) => {
            text.push(b'\n');
            deliver(&text)
        }
        Err(error) => failed(&error.into()),
    }
}

fn deliver(text: &[u8]) -> u8 {
    match io::stdout().lock().write_all(text) {
        Ok(()) => WORKED,
        // As in `health-monitor man | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => WORKED,
        Err(error) => failed(&error),
    }
}

fn failed(error: &io::Error) -> u8 {
    eprintln!("error: {error}");
    FAILED
}
