//! `health-monitor incidents`: a table of them.

use clap::Args;
use jiff::Timestamp;

use super::{IncidentsError, Table, lasted, text};
use crate::history::model::{Incident, Span};
use crate::history::place::Place;
use crate::history::range::time;
use crate::history::store::IncidentQuery;

/// Which ones.
#[derive(Debug, Args)]
pub(super) struct Filter {
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

/// Those that the filter leaves, the latest first.
pub(super) async fn show(place: &Place, filter: &Filter, now: Timestamp) -> Result<String, IncidentsError> {
    let from = time("since", &filter.since, now)?;
    let store = place.open_to_read().await?;
    let service = match &filter.service {
        None => None,
        Some(name) => {
            let kept = store.services().await?;
            let found = kept.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(name));
            Some(found.ok_or_else(|| IncidentsError::NoSuchService { name: text::name(name) })?)
        }
    };
    let query = IncidentQuery {
        service,
        open: filter.open.then_some(true),
        span: Span::new(from, now),
        ..IncidentQuery::latest(filter.limit.into())
    };
    let found = store.incidents(&query).await?;
    store.close().await;
    if found.is_empty() {
        return Ok("no incidents\n".to_owned());
    }
    Ok(table(&found, now).plain())
}

fn table(incidents: &[Incident], now: Timestamp) -> Table {
    let mut table = Table::new(&["ID", "STARTED (UTC)", "LASTED", "SERVICE", "KIND", "CAUSE"]);
    for incident in incidents {
        let lasted = lasted(incident, now);
        table.texts([
            incident.id.to_string(),
            text::time(incident.started),
            match incident.ended {
                Some(_) => lasted,
                None => format!("{lasted}, goes on"),
            },
            incident.service.to_string(),
            incident.kind.to_string(),
            incident.cause.clone(),
        ]);
    }
    table
}
