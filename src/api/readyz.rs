//! `GET /readyz`: every service has a first result, or cannot have one.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use health_monitor_actors::model::{EngineState, Snapshot, Status};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::config::Reload;
use super::{ApiError, ApiState, wire};
use crate::access::Caller;
use crate::access::key::Scope;

/// Services that a reason names before it only counts.
const NAMED: usize = 5;

#[derive(Debug, Serialize, JsonSchema)]
struct Ready<'a> {
    status: &'static str,
    /// What only who may read is told.
    #[serde(flatten)]
    details: Option<Details<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ReadyDetails")]
struct Details<'a> {
    reason: String,
    waiting_for: Vec<&'a str>,
    /// What became of the configuration that was read last; a bad one leaves the monitor ready, with the one before.
    configuration: Option<Reload>,
}

pub(super) async fn get(caller: Caller, state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let snapshot = state.snapshot().await?;
    let waiting_for = unmeasured(&snapshot);
    let waits_for_docker = snapshot.engine == EngineState::Connecting;
    let is_ready = waiting_for.is_empty() && !waits_for_docker;
    let (http_status, status) = if is_ready {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    };
    let details = caller.may(Scope::Read).then(|| Details {
        reason: reason(&waiting_for, waits_for_docker),
        waiting_for,
        configuration: state.reload_status().map(Reload::of),
    });
    Ok(wire::json(http_status, &Ready { status, details }))
}

/// The schema of the document.
pub(super) fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Ready<'static>>()
}

/// Services of which nothing was found out yet. A service whose container tells enough is never checked, and has a
/// status all the same; one that only the process before this one looked at has not.
fn unmeasured(snapshot: &Snapshot) -> Vec<&str> {
    let services = snapshot.services.iter();
    services
        .filter(|(_, service)| service.last.is_none() && (service.status == Status::Unknown || service.is_remembered))
        .map(|(name, _)| name.as_str())
        .collect()
}

fn reason(waiting_for: &[&str], waits_for_docker: bool) -> String {
    if waiting_for.is_empty() && !waits_for_docker {
        return "every service has a first result".to_owned();
    }
    let mut parts = Vec::new();
    if waits_for_docker {
        parts.push("waiting for the Docker daemon's first answer".to_owned());
    }
    if !waiting_for.is_empty() {
        let named = waiting_for.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        let more = match waiting_for.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        parts.push(format!("waiting for the first result of {named}{more}"));
    }
    parts.join("; ")
}
