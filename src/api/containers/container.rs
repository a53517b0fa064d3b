//! `GET /containers/{container_name}`: one container.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use health_monitor_actors::model::{
    ContainerState, EngineState, HealthVerdict, Mount, Network, PortBinding, ResourceUsage, Snapshot,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::{Away, Stale, away};
use crate::api::error::shown;
use crate::api::wire::{self, Micros, Millis};
use crate::api::{ApiError, ApiState};
use crate::units;

/// The specified fields in the specified order, then ours.
#[derive(Debug, Serialize, JsonSchema)]
struct ContainerDetails<'a> {
    name: &'a str,
    id: &'a str,
    #[schemars(schema_with = "crate::api::openapi::schemas::container_status")]
    status: &'static str,
    #[schemars(schema_with = "crate::api::openapi::schemas::health_verdict_or_null")]
    health: Option<HealthVerdict>,
    image: &'a str,
    command: &'a str,
    created: Option<Millis>,
    started_at: Option<Millis>,
    /// Null while it runs, though Docker keeps the end of the run before.
    finished_at: Option<Millis>,
    /// Null while it runs.
    exit_code: Option<i64>,
    #[schemars(schema_with = "crate::api::openapi::schemas::ports")]
    ports: &'a BTreeMap<String, Vec<PortBinding>>,
    mounts: Vec<MountDetails<'a>>,
    #[schemars(schema_with = "crate::api::openapi::schemas::networks")]
    networks: &'a BTreeMap<String, Network>,
    environment: &'a [String],
    resource_usage: Usage,
    full_id: &'a str,
    services: Vec<&'a str>,
    labels: &'a BTreeMap<String, String>,
    restart_count: u64,
    oom_killed: bool,
    health_failing_streak: Option<u64>,
    health_output: Option<&'a str>,
}

/// A mount, under Docker's own names as ports and networks are.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct MountDetails<'a> {
    r#type: &'a str,
    source: &'a str,
    destination: &'a str,
    #[serde(rename = "RW")]
    writable: bool,
}

/// Every key is always there, null without a sample.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "ResourceUsage")]
struct Usage {
    cpu_percent: Option<f64>,
    memory_usage_mb: Option<f64>,
    memory_limit_mb: Option<f64>,
    memory_percent: Option<f64>,
    cpu_cores: Option<f64>,
    memory_working_set_mb: Option<f64>,
    sampled_at: Option<Micros>,
}

/// The last known data while Docker is away. Nested, because the container has a `status` of its own.
#[derive(Debug, Serialize, JsonSchema)]
struct LastKnown<'a> {
    #[serde(flatten)]
    away: Away,
    container: Option<ContainerDetails<'a>>,
    #[serde(flatten)]
    stale: Stale<'a>,
}

pub(in crate::api) async fn get(name: web::Path<String>, state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let snapshot = state.snapshot().await?;
    let container = snapshot.container(&name);
    let container = container.map(|container| ContainerDetails::of(container, &snapshot));
    if let Some((away, stale)) = away(&snapshot.engine) {
        let last_known = LastKnown { away, container, stale };
        return Ok(wire::json(StatusCode::SERVICE_UNAVAILABLE, &last_known));
    }
    match container {
        Some(container) => Ok(wire::json(StatusCode::OK, &container)),
        None if snapshot.engine == EngineState::Disabled => Err(ApiError::DockerDisabled { name: shown(&name) }),
        None => Err(ApiError::NoSuchContainer { name: shown(&name) }),
    }
}

/// The schema of the document.
pub(in crate::api) fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<ContainerDetails<'static>>()
}

/// The schema of what is answered while Docker is away.
pub(in crate::api) fn last_known_schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<LastKnown<'static>>()
}

// === impl ContainerDetails ===

impl<'a> ContainerDetails<'a> {
    fn of(container: &'a ContainerState, snapshot: &'a Snapshot) -> Self {
        let has_ended = !container.status.has_processes();
        let health = container.health.as_ref();
        let bears = snapshot
            .services
            .iter()
            .filter(|(_, service)| service.containers.contains(&container.key));
        Self {
            name: &container.name,
            id: container.key.short_id(),
            status: container.status.as_str(),
            health: health.map(|health| health.verdict),
            image: &container.image,
            command: &container.command,
            created: container.created.map(Millis),
            started_at: container.started_at.map(Millis),
            finished_at: container.finished_at.filter(|_| has_ended).map(Millis),
            exit_code: container.exit_code.filter(|_| has_ended),
            ports: &container.ports,
            mounts: container.mounts.iter().map(MountDetails::of).collect(),
            networks: &container.networks,
            environment: &container.environment,
            resource_usage: units::present_usage(container).map(Usage::of).unwrap_or_default(),
            full_id: &container.key.id,
            services: bears.map(|(name, _)| name.as_str()).collect(),
            labels: &container.labels,
            restart_count: container.restart_count,
            oom_killed: container.oom_killed,
            health_failing_streak: health.map(|health| health.failing_streak),
            health_output: health.map(|health| health.output.as_str()),
        }
    }
}

// === impl MountDetails ===

impl<'a> MountDetails<'a> {
    fn of(mount: &'a Mount) -> Self {
        Self {
            r#type: &mount.kind,
            source: &mount.source,
            destination: &mount.destination,
            writable: mount.writable,
        }
    }
}

// === impl Usage ===

impl Usage {
    fn of(usage: &ResourceUsage) -> Self {
        let limit = Some(usage.memory_limit).filter(|limit| *limit > 0);
        Self {
            cpu_percent: usage.cpu_percent.map(units::round2),
            memory_usage_mb: Some(units::mebibytes(usage.memory_usage)),
            memory_limit_mb: limit.map(units::mebibytes),
            memory_percent: usage.memory_percent().map(units::round2),
            cpu_cores: usage.cpu_cores.map(units::round2),
            memory_working_set_mb: Some(units::mebibytes(usage.memory_working_set)),
            sampled_at: Some(Micros(usage.at)),
        }
    }
}
