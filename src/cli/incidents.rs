//! `health-monitor incidents`: what broke, for how long, and why; and what was found around one incident.

mod list;
mod one;

use clap::Args;
use jiff::Timestamp;

use super::table::Table;
use super::{FAILED, MISCONFIGURED, WORKED, block_on, refuse, text};
use crate::app;
use crate::history::model::{Incident, IncidentId, InvalidIncidentId};
use crate::history::range::RangeError;
use crate::history::store::StoreError;
use crate::settings::{Settings, Sources};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The id of the one to show with its timeline; all are listed if left out
    #[arg(value_name = "ID", conflicts_with_all = ["service", "open", "since", "limit"])]
    id: Option<String>,
    /// Print the one incident as the document that the API has of it
    #[arg(long, requires = "id")]
    json: bool,
    #[command(flatten)]
    filter: list::Filter,
}

#[derive(Debug, thiserror::Error)]
enum IncidentsError {
    #[error(transparent)]
    Range(#[from] RangeError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("'{id}' is no incident: {source}")]
    NoId { id: String, source: InvalidIncidentId },
    #[error("no incident '{id}' is kept; health-monitor incidents --since 5y lists those that are")]
    NoSuchIncident { id: IncidentId },
    #[error("nothing is kept of a service '{name}'; health-monitor history {name} says what there is")]
    NoSuchService { name: String },
    #[error("the incident cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// Shows what the configured store keeps, whether or not a monitor writes to it.
pub(super) fn run(arguments: &Arguments, sources: &Sources) -> u8 {
    let settings = match Settings::history_of(sources) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error),
    };
    let place = app::history::place(&settings);
    let now = Timestamp::now();
    let shown = block_on(async {
        match &arguments.id {
            None => list::show(&place, &arguments.filter, now).await,
            Some(id) => one::show(&place, id, arguments.json, now).await,
        }
    });
    match shown {
        Ok(shown) => {
            print!("{shown}");
            WORKED
        }
        Err(error) => {
            eprintln!("error: {error}");
            match error {
                IncidentsError::Range(_) | IncidentsError::NoId { .. } => MISCONFIGURED,
                _ => FAILED,
            }
        }
    }
}

/// How long an incident lasted, or has lasted until now.
fn lasted(incident: &Incident, now: Timestamp) -> String {
    let until = incident.ended.unwrap_or(now).as_millisecond();
    text::length(u64::try_from(until - incident.started.as_millisecond()).unwrap_or(0))
}
