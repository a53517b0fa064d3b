//! `GET /incidents` and `GET /incidents/{incident_id}`: outages, and what was found around one.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use health_monitor_actors::model::Status;
use jiff::{SignedDuration, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::cursor;
use crate::api::error::shown;
use crate::api::query::Parameters;
use crate::api::wire::{self, Millis};
use crate::api::{ApiError, ApiState};
use crate::history::model::{
    ContainerEvent, Evidence, Incident, IncidentId, IncidentKind, LogExcerpt, RawResult, Span, StatusChange,
};
use crate::history::range::ends;
use crate::history::store::{IncidentQuery, Order, Store, StoreError};

/// Incidents of one page where nobody says how many, and at most.
const USUAL_PAGE: usize = 50;
const MOST: usize = 500;

/// How far around an incident changes and results are shown.
const BEFORE: SignedDuration = SignedDuration::from_mins(2);
const AFTER: SignedDuration = SignedDuration::from_mins(1);

/// Changes, and results that nobody has kept with the incident yet, that are shown at most.
const SHOWN: usize = 60;

#[derive(Debug, Serialize, JsonSchema)]
struct Incidents<'a> {
    /// The latest start first.
    incidents: Vec<Entry<'a>>,
    /// The parameter `cursor` of the next page; null on the last one.
    next_cursor: Option<String>,
}

/// One outage of a service, from its first down status to its first up one.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Incident")]
struct Entry<'a> {
    id: String,
    service: &'a str,
    /// `crash`: a container ended and nobody had asked it to. `protocol`: it runs, and the check fails. `deploy`: it was
    /// replaced shortly before. `operator`: somebody stopped, paused or removed it.
    #[schemars(schema_with = "kinds")]
    kind: &'static str,
    started: Millis,
    /// Null while it goes on.
    ended: Option<Millis>,
    open: bool,
    /// Until now while it goes on.
    duration_seconds: u64,
    /// The service's status at the start.
    #[schemars(schema_with = "crate::api::openapi::schemas::status")]
    status: Status,
    /// The evidence at the start, in one sentence.
    cause: &'a str,
    /// A service that it depends on was down when it began.
    dependency_down: bool,
    containers: &'a [String],
    /// Its start was not seen: it lies between this time and `started`. Null where it was seen.
    reconstructed_since: Option<Millis>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct IncidentDetails<'a> {
    #[serde(flatten)]
    incident: Entry<'a>,
    /// What was found around it, by time.
    timeline: Vec<Found<'a>>,
}

/// What was found at one time.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "IncidentEvidence")]
#[serde(tag = "type", rename_all = "snake_case")]
enum Found<'a> {
    /// The service's status changed.
    Status {
        at: Millis,
        #[schemars(schema_with = "crate::api::openapi::schemas::status")]
        from: Status,
        #[schemars(schema_with = "crate::api::openapi::schemas::status")]
        to: Status,
        reason: &'a str,
        reconstructed_since: Option<Millis>,
    },
    /// A cycle of its check ended.
    Result {
        at: Millis,
        /// `pass`, `warn`, `fail` or `unmeasured`.
        kind: String,
        #[schemars(schema_with = "crate::api::openapi::schemas::status")]
        status: Status,
        duration_ms: Option<f64>,
        attempts: u32,
        reason: &'a str,
    },
    /// Something happened to one of its containers.
    Container {
        at: Millis,
        container: &'a str,
        id: &'a str,
        /// `created`, `started`, `exited`, `paused`, `unpaused`, `health_failed`, `health_passed` or `removed`.
        event: String,
        exit_code: Option<i64>,
        oom_killed: bool,
        /// Nobody asked for the exit.
        unplanned: bool,
    },
    /// The last lines that a container logged, secrets hidden.
    Logs {
        /// When they were asked for.
        at: Millis,
        container: &'a str,
        lines: &'a [String],
        /// Why there are none.
        missing: Option<&'a str>,
    },
}

pub(in crate::api) async fn get(request: HttpRequest, state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    state.history()?;
    let parameters = Parameters::of(&request)?;
    let now = Timestamp::now();
    let kinds = "crash, protocol, deploy or operator";
    let open = parameters.read("open", "true or false", |text| text.parse::<bool>().ok())?;
    let kind = parameters.read("kind", kinds, |text| text.parse::<IncidentKind>().ok())?;
    let limit = parameters.read("limit", "a whole number from 1 to 500", |text| {
        text.parse::<usize>().ok().filter(|limit| (1..=MOST).contains(limit))
    })?;
    let limit = limit.unwrap_or(USUAL_PAGE);
    let (from, to) = (parameters.one("from")?, parameters.one("to")?);
    let span = match (from, to) {
        (None, None) => Span::ALL,
        (from, to) => {
            let (from, to) = ends(from.or(Some("1970-01-01T00:00:00Z")), to, now)?;
            Span::new(from, to)
        }
    };
    let named = parameters.one("service")?;
    let question = format!(
        "{}|{open:?}|{kind:?}|{}|{}",
        named.unwrap_or_default().to_ascii_lowercase(),
        from.unwrap_or_default(),
        to.unwrap_or_default()
    );
    let remedy = "what an answer to the same question has as next_cursor";
    let before = parameters.read("cursor", remedy, |text| cursor::read(text, &question))?;
    let store = state.store()?;
    let service = match named {
        Some(name) => Some(state.known_service(store.as_ref(), name).await?),
        None => None,
    };
    let mut found = store
        .incidents(&IncidentQuery {
            service,
            open,
            kind,
            span,
            before,
            limit: limit + 1,
        })
        .await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found
        .last()
        .filter(|_| has_more)
        .map(|last| cursor::after(last.id, &question));
    let document = Incidents {
        incidents: found.iter().map(|incident| Entry::of(incident, now)).collect(),
        next_cursor,
    };
    Ok(wire::json(StatusCode::OK, &document))
}

pub(in crate::api) async fn get_one(
    id: web::Path<String>,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    state.history()?;
    let wanted: IncidentId = id.parse().map_err(|error| ApiError::BadQuery {
        sentence: format!("'{}' is no incident: {error}", shown(&id)),
    })?;
    let store = state.store()?;
    let Some(incident) = store.incident(wanted).await? else {
        return Err(ApiError::NoSuchIncident { id: shown(&id) });
    };
    let now = Timestamp::now();
    let evidence = evidence(store.as_ref(), &incident).await?;
    let around = Span::new(incident.started - BEFORE, incident.ended.unwrap_or(now) + AFTER);
    let changes = store
        .changes(Some(&incident.service), around, Order::OldestFirst, SHOWN)
        .await?;
    let mut timeline: Vec<Found<'_>> = changes.iter().map(Found::of_change).collect();
    timeline.extend(evidence.iter().map(Found::of));
    timeline.sort_by_key(Found::at);
    let document = IncidentDetails {
        incident: Entry::of(&incident, now),
        timeline,
    };
    Ok(wire::json(StatusCode::OK, &document))
}

/// What is kept with the incident; in its first minute, while nothing is yet, what can be found now.
async fn evidence(store: &dyn Store, incident: &Incident) -> Result<Vec<Evidence>, StoreError> {
    let mut kept = store.evidence(incident.id).await?;
    if !kept.iter().any(|found| matches!(found, Evidence::Result(_))) {
        let around = Span::new(incident.started - BEFORE, incident.started + AFTER);
        let results = store
            .results(&incident.service, around, Order::OldestFirst, SHOWN)
            .await?;
        kept.extend(results.into_iter().map(Evidence::Result));
    }
    if !kept.iter().any(|found| matches!(found, Evidence::Container(_))) {
        let around = Span::new(incident.started - BEFORE, incident.started + AFTER);
        let events = store.container_events(&incident.containers, around, SHOWN).await?;
        kept.extend(events.into_iter().map(Evidence::Container));
    }
    Ok(kept)
}

/// The schema of a page.
pub(in crate::api) fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Incidents<'static>>()
}

/// The schema of one incident.
pub(in crate::api) fn one_schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<IncidentDetails<'static>>()
}

fn kinds(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "string", "enum": IncidentKind::ALL.map(IncidentKind::as_str) })
}

/// A word of the history's own, as it is stored.
fn word(value: &impl Serialize) -> String {
    let word = serde_json::to_value(value).ok();
    word.as_ref()
        .and_then(|word| word.as_str())
        .unwrap_or_default()
        .to_owned()
}

// === impl Entry ===

impl<'a> Entry<'a> {
    fn of(incident: &'a Incident, now: Timestamp) -> Self {
        Self {
            id: incident.id.to_string(),
            service: incident.service.as_str(),
            kind: incident.kind.as_str(),
            started: Millis(incident.started),
            ended: incident.ended.map(Millis),
            open: incident.ended.is_none(),
            duration_seconds: wire::seconds_between(incident.started, incident.ended.unwrap_or(now)),
            status: incident.status,
            cause: &incident.cause,
            dependency_down: incident.dependency_down,
            containers: &incident.containers,
            reconstructed_since: incident.reconstructed_since.map(Millis),
        }
    }
}

// === impl Found ===

impl<'a> Found<'a> {
    fn of_change(change: &'a StatusChange) -> Self {
        Found::Status {
            at: Millis(change.at),
            from: change.from,
            to: change.to,
            reason: &change.reason,
            reconstructed_since: change.reconstructed_since.map(Millis),
        }
    }

    fn of(evidence: &'a Evidence) -> Self {
        match evidence {
            Evidence::Result(result) => Self::of_result(result),
            Evidence::Container(event) => Self::of_event(event),
            Evidence::Logs(logs) => Self::of_logs(logs),
        }
    }

    fn of_result(result: &'a RawResult) -> Self {
        Found::Result {
            at: Millis(result.at),
            kind: word(&result.kind),
            status: result.status,
            duration_ms: result
                .measured()
                .map(|duration| super::series::millis(duration.as_secs_f64() * 1e6)),
            attempts: result.attempts,
            reason: &result.reason,
        }
    }

    fn of_event(event: &'a ContainerEvent) -> Self {
        Found::Container {
            at: Millis(event.at),
            container: &event.container,
            id: &event.id,
            event: word(&event.kind),
            exit_code: event.exit_code,
            oom_killed: event.oom_killed,
            unplanned: event.unplanned,
        }
    }

    fn of_logs(logs: &'a LogExcerpt) -> Self {
        Found::Logs {
            at: Millis(logs.at),
            container: &logs.container,
            lines: &logs.lines,
            missing: logs.missing.as_deref(),
        }
    }

    fn at(&self) -> Timestamp {
        match self {
            Found::Status { at, .. }
            | Found::Result { at, .. }
            | Found::Container { at, .. }
            | Found::Logs { at, .. } => at.0,
        }
    }
}
