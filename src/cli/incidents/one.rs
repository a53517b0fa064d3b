//! `health-monitor incidents ID`: an incident, and what was found around it.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{IncidentsError, Table, lasted, text};
use crate::api;
use crate::history::model::{
    ContainerEvent, ContainerEventKind, Evidence, Incident, IncidentId, RawResult, StatusChange,
};
use crate::history::place::Place;
use crate::history::surroundings::{Finding, Surrounded, find};

/// The incident for people, or as JSON.
pub(super) async fn show(place: &Place, id: &str, as_json: bool, now: Timestamp) -> Result<String, IncidentsError> {
    let wanted: IncidentId = id.parse().map_err(|source| IncidentsError::NoId {
        id: text::name(id),
        source,
    })?;
    let store = place.open_to_read().await?;
    let found = find(store.as_ref(), wanted, now).await?;
    store.close().await;
    let found = found.ok_or(IncidentsError::NoSuchIncident { id: wanted })?;
    if as_json {
        return Ok(api::incident_document(&found, now)? + "\n");
    }
    Ok(format!("{}\n{}", head(&found.incident, now), timeline(&found).plain()))
}

/// The incident itself, a line for each thing that is known of it.
fn head(incident: &Incident, now: Timestamp) -> String {
    let lasted = lasted(incident, now);
    let mut lines = vec![
        ("started", format!("{} UTC", text::moment(incident.started))),
        match incident.ended {
            Some(ended) => ("ended", format!("{} UTC, after {lasted}", text::moment(ended))),
            None => ("ended", format!("not yet, for {lasted}")),
        },
        ("kind", incident.kind.to_string()),
        ("status", incident.status.to_string()),
        ("cause", text::clean(&incident.cause)),
    ];
    if let Some(since) = incident.reconstructed_since {
        lines.insert(1, ("", unseen(since)));
    }
    if incident.dependency_down {
        lines.push(("", "a service that it depends on was down when it began".to_owned()));
    }
    if !incident.containers.is_empty() {
        lines.push(("containers", text::clean(&incident.containers.join(", "))));
    }
    let mut shown = format!("incident {} of {}\n\n", incident.id, incident.service);
    for (name, value) in lines {
        // A String takes everything.
        let _always_written = writeln!(shown, "  {name:10}  {value}");
    }
    shown
}

fn timeline(found: &Surrounded) -> Table {
    let mut table = Table::new(&["  TIME (UTC)", "WHAT", "FOUND"]);
    for finding in &found.timeline {
        let at = format!("  {}", text::moment(finding.at()));
        match finding {
            Finding::Change(change) => table.texts([at, "status".to_owned(), of_change(change)]),
            Finding::Evidence(Evidence::Result(result)) => {
                table.texts([at, format!("check {}", result.kind.as_str()), of_result(result)]);
            }
            Finding::Evidence(Evidence::Container(event)) => {
                table.texts([at, "container".to_owned(), of_event(event)]);
            }
            Finding::Evidence(Evidence::Logs(logs)) => {
                let said = match &logs.missing {
                    None => format!("{} logged last:", logs.container),
                    Some(why) => format!("{}: {why}", logs.container),
                };
                table.texts([at, "log".to_owned(), said]);
                for line in &logs.lines {
                    table.texts([String::new(), String::new(), format!("  {line}")]);
                }
            }
        }
    }
    table
}

fn unseen(since: Timestamp) -> String {
    format!(
        "not seen when it happened, but made again after a restart: at some time since {} UTC",
        text::moment(since)
    )
}

fn of_change(change: &StatusChange) -> String {
    let mut said = format!("{} -> {}: {}", change.from, change.to, change.reason);
    if let Some(since) = change.reconstructed_since {
        said.push_str(&format!(" ({})", unseen(since)));
    }
    said
}

fn of_result(result: &RawResult) -> String {
    let mut said = result.reason.to_string();
    if let Some(duration) = result.measured() {
        said.push_str(&format!(", {}", text::millis(Some(duration.as_secs_f64() * 1e6))));
    }
    if result.attempts > 1 {
        said.push_str(&format!(", {} attempts", result.attempts));
    }
    said
}

fn of_event(event: &ContainerEvent) -> String {
    let what = match event.kind {
        ContainerEventKind::Created => "created",
        ContainerEventKind::Started => "started",
        ContainerEventKind::Exited => "exited",
        ContainerEventKind::Paused => "paused",
        ContainerEventKind::Unpaused => "unpaused",
        ContainerEventKind::HealthFailed => "healthcheck fails",
        ContainerEventKind::HealthPassed => "healthcheck passes",
        ContainerEventKind::Removed => "removed",
    };
    let mut said = format!("{} ({}) {what}", event.container, event.id);
    if let Some(code) = event.exit_code {
        said.push_str(&format!(" with code {code}"));
    }
    if event.oom_killed {
        said.push_str(", out of memory");
    }
    if event.unplanned {
        said.push_str(", nobody had asked it to");
    }
    said
}
