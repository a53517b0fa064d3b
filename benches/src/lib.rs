//! What the monitor costs and how fast it answers, measured on its real binary in a process of its own, beside references
//! that are measured in the same run. Ratios count; absolute times are those of one machine on one day.
//!
//! # Layout
//!
//! - [`parts`]: what is measured, one file a part: the cost of a check, answering, noticing, Docker's share, start and size.
//! - [`table`] and [`row`]: what comes out, as a table and as JSON; [`curve`] draws how the cost grows.
//! - [`monitor`], [`floor`], [`listeners`], [`peers`]: the processes that are measured, and those they ask. Floor and
//!   listeners are this program again, in another role.
//! - [`process`], [`client`], [`load`], [`engine`], [`exposition`]: how they are looked at, asked and pressed.

mod client;
mod curve;
mod engine;
mod exposition;
mod figures;
mod floor;
mod listeners;
mod load;
mod monitor;
mod options;
mod parts;
mod peers;
mod process;
mod row;
mod table;

use std::process::ExitCode;

use anyhow::{Context, Result};

use options::{Options, Role};

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let role = Role::read(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match role {
        Role::Listeners { kind, count } => runtime.block_on(listeners::serve(kind, count)),
        Role::Floor(drive) => runtime.block_on(floor::drive(drive)),
        Role::Measure(options) => runtime.block_on(measure(options)),
    }
}

async fn measure(options: Options) -> Result<()> {
    let mut table = table::Table::new(&options).await;
    for part in &options.parts {
        let rows = part.run(&options).await;
        table.add(rows.with_context(|| format!("part {}", part.name()))?);
    }
    table.print();
    table.write(&options.output)?;
    curve::write(&table, &options.output)?;
    if !options.is_judged {
        table.check_complete()?;
    }
    Ok(())
}
