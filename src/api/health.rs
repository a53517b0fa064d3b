//! `GET /health`: the status of the whole and of every service.

mod notices;
mod service;

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use health_monitor_actors::model::{ServiceName, ServiceState, Snapshot, Status};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::pieces::Pieces;
use super::wire::Micros;
use super::{ApiError, ApiState, query};

pub(super) use service::{ServiceHealth, find as find_service, get as get_service, schema as service_schema};

/// The document begins with what each request computes anew.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "HealthHead")]
struct Head {
    #[schemars(schema_with = "crate::api::openapi::schemas::status")]
    status: Status,
    timestamp: Micros,
}

/// It goes on with what stays the same until the registry knows something new: the specified fields in the specified
/// order, then ours.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "HealthRest")]
struct Rest<'a> {
    #[serde(serialize_with = "statuses")]
    #[schemars(schema_with = "crate::api::openapi::schemas::statuses")]
    services: &'a BTreeMap<ServiceName, Arc<ServiceState>>,
    total_services: usize,
    healthy_services: usize,
    unhealthy_services: usize,
    #[schemars(schema_with = "crate::api::openapi::schemas::status_counts")]
    status_counts: StatusCounts,
    snapshot_version: u64,
    notices: Vec<String>,
}

/// [`Rest`] as it is sent, and the status that it amounts to.
#[derive(Debug)]
pub(super) struct HealthTail {
    status: Status,
    json: Bytes,
}

/// How many services have each status.
#[derive(Debug)]
pub(super) struct StatusCounts([(Status, usize); 8]);

pub(super) async fn get(request: HttpRequest, state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let strict = query::strict(&request)?;
    let snapshot = state.snapshot().await?;
    let make = || HealthTail::of(&snapshot, state.has_built_in_services());
    let tail = state.health.of(snapshot.version, make).map_err(ApiError::unwritable)?;
    let head = Head {
        status: tail.status,
        timestamp: Micros(Timestamp::now()),
    };
    let body = joined(
        serde_json::to_vec(&head).map_err(ApiError::unwritable)?,
        tail.json.clone(),
    );
    Ok(HttpResponse::build(http_status(tail.status, strict))
        .content_type(ContentType::json())
        .body(body))
}

/// The schema of the document, whose two parts are written apart.
pub(super) fn schema(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "allOf": [
        generator.subschema_for::<Head>(),
        generator.subschema_for::<Rest<'static>>(),
    ] })
}

/// Two objects as one: the first one's fields, then the second one's. Neither may be empty.
fn joined(mut first: Vec<u8>, mut second: Bytes) -> Pieces {
    first.pop();
    first.push(b',');
    Pieces::of([first.into(), second.split_off(1)])
}

/// The specification answers 200 and says the status in the document; a strict client is told by the HTTP status too.
fn http_status(status: Status, strict: bool) -> StatusCode {
    if strict && status.is_down() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    }
}

fn statuses<S: Serializer>(
    services: &BTreeMap<ServiceName, Arc<ServiceState>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(services.iter().map(|(name, service)| (name.as_str(), service.status)))
}

// === impl HealthTail ===

impl HealthTail {
    fn of(snapshot: &Snapshot, built_in_services: bool) -> Result<Self, serde_json::Error> {
        let services = snapshot.services.values();
        let healthy_services = services.filter(|service| service.status.is_up()).count();
        let rest = Rest {
            services: &snapshot.services,
            total_services: snapshot.services.len(),
            healthy_services,
            unhealthy_services: snapshot.services.len() - healthy_services,
            status_counts: StatusCounts::of(snapshot),
            snapshot_version: snapshot.version,
            notices: notices::of(snapshot, built_in_services),
        };
        Ok(Self {
            status: snapshot.overall(),
            json: serde_json::to_vec(&rest)?.into(),
        })
    }
}

// === impl StatusCounts ===

impl StatusCounts {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        Self(snapshot.status_counts())
    }
}

impl Serialize for StatusCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0)
    }
}
