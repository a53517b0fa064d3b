//! `GET /incidents/{incident_id}`: an outage, and what was found around it.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use health_monitor_actors::model::Status;
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::incidents::Entry;
use crate::api::error::shown;
use crate::api::wire::{self, Millis};
use crate::api::{ApiError, ApiState};
use crate::history::model::{ContainerEvent, Evidence, IncidentId, LogExcerpt, RawResult, StatusChange};
use crate::history::surroundings::{Finding, Surrounded, find};

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

pub(in crate::api) async fn get(id: web::Path<String>, state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    state.history()?;
    let wanted: IncidentId = id.parse().map_err(|error| ApiError::BadQuery {
        sentence: format!("'{}' is no incident: {error}", shown(&id)),
    })?;
    let now = Timestamp::now();
    let found = find(state.store()?.as_ref(), wanted, now).await?;
    let found = found.ok_or_else(|| ApiError::NoSuchIncident { id: shown(&id) })?;
    Ok(wire::json(StatusCode::OK, &IncidentDetails::of(&found, now)))
}

/// The document for those who do not ask by HTTP.
pub(crate) fn document(found: &Surrounded, now: Timestamp) -> serde_json::Result<String> {
    serde_json::to_string(&IncidentDetails::of(found, now))
}

/// The schema of the document.
pub(in crate::api) fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<IncidentDetails<'static>>()
}

/// A word of the history's own, as it is stored.
fn word(value: &impl Serialize) -> String {
    let word = serde_json::to_value(value).ok();
    word.as_ref()
        .and_then(|word| word.as_str())
        .unwrap_or_default()
        .to_owned()
}

// === impl IncidentDetails ===

impl<'a> IncidentDetails<'a> {
    fn of(found: &'a Surrounded, now: Timestamp) -> Self {
        Self {
            incident: Entry::of(&found.incident, now),
            timeline: found.timeline.iter().map(Found::of).collect(),
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

    fn of(finding: &'a Finding) -> Self {
        match finding {
            Finding::Change(change) => Self::of_change(change),
            Finding::Evidence(Evidence::Result(result)) => Self::of_result(result),
            Finding::Evidence(Evidence::Container(event)) => Self::of_event(event),
            Finding::Evidence(Evidence::Logs(logs)) => Self::of_logs(logs),
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
}
