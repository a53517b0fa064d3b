//! `GET /containers`: every container, as the registry knows it. The daemon is never asked while a client waits.

mod container;

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use health_monitor_actors::model::{ContainerKey, ContainerState, EngineState, HealthVerdict, Snapshot};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::wire::{Micros, Millis};
use super::{ApiError, ApiState, wire};

pub(super) use container::{get as get_container, last_known_schema, schema as container_schema};

/// The specified fields in the specified order, between what is said while Docker is away.
#[derive(Debug, Serialize, JsonSchema)]
struct ContainerList<'a> {
    #[serde(flatten)]
    away: Option<Away>,
    total_containers: usize,
    running_containers: usize,
    stopped_containers: usize,
    containers: Vec<Entry<'a>>,
    #[serde(flatten)]
    stale: Option<Stale<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ContainerEntry")]
struct Entry<'a> {
    name: &'a str,
    id: &'a str,
    #[schemars(schema_with = "crate::api::openapi::schemas::container_status")]
    status: &'static str,
    image: &'a str,
    created: Option<Millis>,
    started_at: Option<Millis>,
    ports: Vec<&'a str>,
    networks: Vec<&'a str>,
    #[schemars(schema_with = "crate::api::openapi::schemas::health_verdict_or_null")]
    health: Option<HealthVerdict>,
    services: &'a [&'a str],
}

/// Says that what follows is not what is.
#[derive(Debug, Serialize, JsonSchema)]
struct Away {
    status: &'static str,
    reason: &'static str,
}

/// Since when what is shown is old, and why.
#[derive(Debug, Serialize, JsonSchema)]
struct Stale<'a> {
    /// Null where nothing was ever known.
    stale_since: Option<Micros>,
    cause: &'a str,
}

pub(super) async fn get(state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let snapshot = state.snapshot().await?;
    let services = services_by_container(&snapshot);
    let mut containers: Vec<Entry<'_>> = snapshot
        .containers
        .values()
        .map(|container| Entry::of(container, services.get(&container.key).map_or(&[], Vec::as_slice)))
        .collect();
    containers.sort_by_key(|entry| entry.name);

    let running_containers = snapshot
        .containers
        .values()
        .filter(|container| container.is_running())
        .count();
    let (away, stale) = away(&snapshot.engine).unzip();
    let status = match away {
        Some(_) => StatusCode::SERVICE_UNAVAILABLE,
        None => StatusCode::OK,
    };
    let list = ContainerList {
        away,
        total_containers: containers.len(),
        running_containers,
        stopped_containers: containers.len() - running_containers,
        containers,
        stale,
    };
    Ok(wire::json(status, &list))
}

/// The schema of the document.
pub(super) fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<ContainerList<'static>>()
}

/// What is said while the engine does not answer; nothing while it does, nor where the configuration does without one.
fn away(engine: &EngineState) -> Option<(Away, Stale<'_>)> {
    let away = Away {
        status: "error",
        reason: "Docker daemon unavailable",
    };
    let stale = match engine {
        EngineState::Disabled | EngineState::Up => return None,
        EngineState::Connecting => Stale {
            stale_since: None,
            cause: "it has not answered yet",
        },
        EngineState::Down { since, reason } => Stale {
            stale_since: Some(Micros(*since)),
            cause: reason,
        },
    };
    Some((away, stale))
}

/// Which services each container bears.
fn services_by_container(snapshot: &Snapshot) -> BTreeMap<&ContainerKey, Vec<&str>> {
    let mut services: BTreeMap<&ContainerKey, Vec<&str>> = BTreeMap::new();
    for (name, service) in &snapshot.services {
        for container in &service.containers {
            services.entry(container).or_default().push(name.as_str());
        }
    }
    services
}

// === impl Entry ===

impl<'a> Entry<'a> {
    fn of(container: &'a ContainerState, services: &'a [&'a str]) -> Self {
        Self {
            name: &container.name,
            id: container.key.short_id(),
            status: container.status.as_str(),
            image: &container.image,
            created: container.created.map(Millis),
            started_at: container.started_at.map(Millis),
            ports: container.ports.keys().map(String::as_str).collect(),
            networks: container.networks.keys().map(String::as_str).collect(),
            health: container.health.as_ref().map(|health| health.verdict),
            services,
        }
    }
}
