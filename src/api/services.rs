//! `GET /services`: what is watched, where each service comes from, and what holds for it.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use health_monitor_actors::model::{ServiceName, ServiceState, Status};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::config::Setting;
use super::wire::Micros;
use super::{ApiError, ApiState, wire};
use crate::roster::plan::Watched;

#[derive(Debug, Serialize, JsonSchema)]
struct Services<'a> {
    /// Of the whole.
    #[schemars(schema_with = "crate::api::openapi::schemas::status")]
    status: Status,
    total_services: usize,
    services: Vec<Service<'a>>,
    /// Windows of maintenance for services that there are not.
    problems: Vec<String>,
}

/// A service as it is set up. Its health is at `/health/{service_name}`.
#[derive(Debug, Serialize, JsonSchema)]
struct Service<'a> {
    #[schemars(with = "String")]
    service: &'a ServiceName,
    /// Null for the moment until the registry knows it.
    #[schemars(schema_with = "crate::api::openapi::schemas::status_or_null")]
    status: Option<Status>,
    since: Option<Micros>,
    reason: Option<&'a str>,
    /// `built_in`, `file`, `label` or `container`.
    origin: &'static str,
    /// The file's line, or the container; null for a built-in service.
    defined_at: Option<&'a str>,
    check: &'a str,
    address: Option<&'a str>,
    /// What holds for each key, secrets hidden, and where that was said.
    settings: BTreeMap<String, Setting<'a>>,
    /// What is wrong with its labels. Where they cannot be followed, its container's state alone is watched.
    problems: &'a [String],
    notes: &'a [String],
}

pub(super) async fn get(state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let listing = state.desk()?.listing();
    let snapshot = state.snapshot().await?;
    let services = listing
        .watching
        .services
        .iter()
        .map(|(name, watched)| Service::of(name, watched, snapshot.services.get(name).map(AsRef::as_ref)));
    let services: Vec<Service<'_>> = services.collect();
    let document = Services {
        status: snapshot.overall(),
        total_services: services.len(),
        services,
        problems: listing.watching.idle_windows.clone(),
    };
    Ok(wire::json(StatusCode::OK, &document))
}

/// The schema of the document.
pub(super) fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Services<'static>>()
}

// === impl Service ===

impl<'a> Service<'a> {
    fn of(service: &'a ServiceName, watched: &'a Watched, known: Option<&'a ServiceState>) -> Self {
        let spec = &watched.definition.spec;
        let settings = watched.effective.iter().filter_map(|effective| {
            // Without `services.NAME`.
            let key = effective.path.names().get(2..)?.join(".");
            Some((key, Setting::of(effective)))
        });
        Self {
            service,
            status: known.map(|known| known.status),
            since: known.map(|known| Micros(known.since)),
            reason: known.map(|known| known.reason.as_str()),
            origin: watched.origin.as_str(),
            defined_at: watched.origin.place(),
            check: &spec.check,
            address: spec.address.as_deref(),
            settings: settings.collect(),
            problems: &watched.problems,
            notes: &watched.notes,
        }
    }
}
