//! `health-monitor history`: shows what a service was, and moves what was kept from one store to another.

mod show;
mod transfer;

use clap::Args;

use super::table::Table;
use super::{FAILED, MISCONFIGURED, WORKED, block_on, refuse, text};
use crate::settings::Sources;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<transfer::Command>,
    /// The service's name
    #[arg(required = true)]
    service: Option<String>,
    /// Since when: how long ago, such as 90m, 24h, 7d or 1y, or a time in RFC 3339
    #[arg(long, value_name = "TIME", default_value = "24h")]
    since: String,
}

/// Reads the configured store, whether or not a monitor writes to it; or moves it.
pub(super) fn run(arguments: &Arguments, sources: &Sources) -> u8 {
    match (&arguments.command, &arguments.service) {
        (Some(command), _) => transfer::run(command, sources),
        (None, Some(service)) => show::run(service, &arguments.since, sources),
        // clap asks for the one or the other.
        (None, None) => MISCONFIGURED,
    }
}
