//! `GET /incidents`: outages.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use health_monitor_actors::model::Status;
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::cursor;
use crate::api::query::Parameters;
use crate::api::wire::{self, Millis};
use crate::api::{ApiError, ApiState};
use crate::history::model::{Incident, IncidentKind, Span};
use crate::history::range::ends;
use crate::history::store::IncidentQuery;

/// Incidents of one page where nobody says how many, and at most.
const USUAL_PAGE: usize = 50;
const MOST: usize = 500;

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
pub(super) struct Entry<'a> {
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

/// The schema of a page.
pub(in crate::api) fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Incidents<'static>>()
}

fn kinds(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "string", "enum": IncidentKind::ALL.map(IncidentKind::as_str) })
}

// === impl Entry ===

impl<'a> Entry<'a> {
    pub(super) fn of(incident: &'a Incident, now: Timestamp) -> Self {
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
