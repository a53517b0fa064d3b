//! `health-monitor history export` and `import`: move what was kept from one store to another.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::PathBuf;

use clap::Subcommand;

use super::{FAILED, WORKED, block_on, refuse};
use crate::app;
use crate::history::transfer::{TransferError, export, import};
use crate::settings::{Settings, Sources};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write everything that the configured store keeps, as lines of JSON; the monitor may run meanwhile
    Export {
        /// Where to; standard output if left out
        file: Option<PathBuf>,
    },
    /// Take in what another store exported; the monitor must not run meanwhile where the store is a file
    Import {
        /// Where from; standard input if left out
        file: Option<PathBuf>,
    },
}

/// Moves a history out of the configured store, or into it.
pub(super) fn run(command: &Command, sources: &Sources) -> u8 {
    let settings = match Settings::history_of(sources) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error),
    };
    let place = app::history::place(&settings);
    let moved = block_on(async {
        match command {
            Command::Export { file } => {
                let store = place.open_to_read().await?;
                match file {
                    Some(file) => export(store.as_ref(), &mut BufWriter::new(File::create(file)?)).await,
                    None => export(store.as_ref(), &mut BufWriter::new(std::io::stdout())).await,
                }
            }
            Command::Import { file } => {
                let store = place.open().await?;
                let count = match file {
                    Some(file) => import(store.as_ref(), &mut BufReader::new(File::open(file)?)).await,
                    None => import(store.as_ref(), &mut BufReader::new(std::io::stdin())).await,
                };
                store.close().await;
                count
            }
        }
    });
    match (command, moved) {
        (Command::Export { .. }, Ok(count)) => {
            eprintln!("{count} records exported");
            WORKED
        }
        (Command::Import { .. }, Ok(count)) => {
            println!("{count} records imported");
            WORKED
        }
        // Whoever reads may have seen enough, as `head` has.
        (_, Err(TransferError::Lines(error))) if error.kind() == std::io::ErrorKind::BrokenPipe => WORKED,
        (_, Err(error)) => {
            eprintln!("error: {error}");
            FAILED
        }
    }
}
