//! `health-monitor incidents`: what broke, for how long, and why.

use clap::Args;
use jiff::Timestamp;

use super::history::text;
use super::{FAILED, MISCONFIGURED, WORKED, block_on, refuse};
use crate::app;
use crate::history::model::{Incident, Span};
use crate::history::range::{RangeError, time};
use crate::history::store::{IncidentQuery, StoreError};
use crate::settings::{Settings, Sources};

/// Characters of a cause that are shown.
const CAUSE: usize = 100;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Of this service only
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only those that go on
    #[arg(long)]
    open: bool,
    /// Since when: how long ago, such as 24h, 30d or 1y, or a time in RFC 3339
    #[arg(long, value_name = "TIME", default_value = "30d")]
    since: String,
    /// How many, the latest first
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
}

#[derive(Debug, thiserror::Error)]
enum ListError {
    #[error(transparent)]
    Range(#[from] RangeError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("nothing is kept of a service '{name}'; health-monitor history {name} says what there is")]
    NoSuchService { name: String },
}

/// Lists the incidents that the configured store keeps, whether or not a monitor writes to it.
pub(super) fn run(arguments: &Arguments, sources: &Sources) -> u8 {
    let settings = match Settings::history_of(sources) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error),
    };
    let place = app::history::place(&settings);
    let now = Timestamp::now();
    let found = block_on(async {
        let from = time("since", &arguments.since, now)?;
        let store = place.open_to_read().await?;
        let service = match &arguments.service {
            None => None,
            Some(name) => {
                let kept = store.services().await?;
                let found = kept.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(name));
                Some(found.ok_or_else(|| ListError::NoSuchService {
                    name: text::line(name, 128),
                })?)
            }
        };
        let query = IncidentQuery {
            service,
            open: arguments.open.then_some(true),
            span: Span::new(from, now),
            ..IncidentQuery::latest(arguments.limit.into())
        };
        let found = store.incidents(&query).await?;
        store.close().await;
        Ok(found)
    });
    match found {
        Ok(found) if found.is_empty() => {
            println!("no incidents");
            WORKED
        }
        Ok(found) => {
            print!("{}", table(&found, now));
            WORKED
        }
        Err(error) => {
            eprintln!("error: {error}");
            if matches!(error, ListError::Range(_)) {
                MISCONFIGURED
            } else {
                FAILED
            }
        }
    }
}

fn table(incidents: &[Incident], now: Timestamp) -> String {
    let mut rows = vec![
        ["STARTED (UTC)", "LASTED", "SERVICE", "KIND", "CAUSE"]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.extend(incidents.iter().map(|incident| {
        let until = incident.ended.unwrap_or(now).as_millisecond();
        let lasted = text::length(u64::try_from(until - incident.started.as_millisecond()).unwrap_or(0));
        vec![
            text::time(incident.started),
            if incident.ended.is_none() {
                format!("{lasted}, goes on")
            } else {
                lasted
            },
            incident.service.to_string(),
            incident.kind.to_string(),
            text::line(&incident.cause, CAUSE),
        ]
    }));
    text::columns(&rows)
}
