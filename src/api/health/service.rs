//! `GET /health/{service_name}`: one service.

use actix_web::{HttpRequest, HttpResponse, web};
use health_monitor_actors::model::{
    self, BreakerView, ContainerHealth, ContainerState, HealthVerdict, MaintenanceOrigin, Outcome, ServiceName,
    ServiceState, Snapshot, Status,
};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value};

use super::http_status;
use crate::api::error::shown;
use crate::api::wire::{self, Micros, Millis};
use crate::api::{ApiError, ApiState, query};

/// The specified fields in the specified order, then ours. The container fields are null without a container and while
/// Docker is away; with several containers the oldest is shown.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::api) struct ServiceHealth<'a> {
    service: &'a str,
    #[schemars(schema_with = "crate::api::openapi::schemas::status")]
    status: Status,
    container_id: Option<&'a str>,
    #[schemars(schema_with = "crate::api::openapi::schemas::container_status_or_null")]
    container_status: Option<&'static str>,
    started_at: Option<Millis>,
    uptime_seconds: Option<u64>,
    health_check: HealthCheck<'a>,
    reason: &'a str,
    since: Micros,
    pending: Option<Pending<'a>>,
    flapping: bool,
    breaker: Breaker,
    next_check: Option<Micros>,
    check: &'a str,
    address: Option<&'a str>,
    critical: bool,
    #[schemars(with = "Vec<String>")]
    depends_on: &'a [ServiceName],
    dependency_unhealthy: bool,
    containers: Vec<ServiceContainer<'a>>,
    maintenance: Option<Maintenance<'a>>,
}

/// What the last cycle found; the first three are null before it.
#[derive(Debug, Serialize, JsonSchema)]
struct HealthCheck<'a> {
    last_check: Option<Micros>,
    check_duration_ms: Option<u64>,
    /// The reason for the service's status.
    details: &'a str,
    info: Option<&'a Map<String, Value>>,
    /// What the check itself said. Differs from `details` where the container or a threshold decides.
    result: Option<&'a str>,
    attempts: Option<u32>,
    interval_seconds: f64,
    timeout_seconds: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Pending<'a> {
    #[schemars(schema_with = "crate::api::openapi::schemas::status")]
    status: Status,
    reason: &'a str,
    seen: u32,
    needed: u32,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Breaker {
    #[schemars(schema_with = "crate::api::openapi::schemas::breaker_state")]
    state: &'static str,
    next_trial: Option<Micros>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Maintenance<'a> {
    since: Micros,
    until: Micros,
    reason: &'a str,
    /// `key NAME` or `window NAME`.
    origin: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ServiceContainer<'a> {
    name: &'a str,
    id: &'a str,
    #[schemars(schema_with = "crate::api::openapi::schemas::container_status")]
    status: &'static str,
    #[schemars(schema_with = "crate::api::openapi::schemas::health_verdict_or_null")]
    health: Option<HealthVerdict>,
    started_at: Option<Millis>,
    uptime_seconds: Option<u64>,
    exit_code: Option<i64>,
    restart_count: u64,
}

pub(in crate::api) async fn get(
    name: web::Path<String>,
    request: HttpRequest,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let strict = query::strict(&request)?;
    let snapshot = state.snapshot().await?;
    let Some(service) = find(&snapshot, &name) else {
        return Err(ApiError::NoSuchService { name: shown(&name) });
    };
    let document = ServiceHealth::of(service, &snapshot, Timestamp::now());
    Ok(wire::json(http_status(service.status, strict), &document))
}

/// The schema of the document.
pub(in crate::api) fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<ServiceHealth<'static>>()
}

/// By its exact name, else without regard to case: no two names differ only in case.
pub(in crate::api) fn find<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a ServiceState> {
    let exact = snapshot.services.get(name);
    let found = exact.or_else(|| {
        let mut services = snapshot.services.iter();
        let alike = services.find(|(known, _)| known.as_str().eq_ignore_ascii_case(name));
        alike.map(|(_, service)| service)
    });
    found.map(AsRef::as_ref)
}

// === impl ServiceHealth ===

impl<'a> ServiceHealth<'a> {
    pub(in crate::api) fn of(service: &'a ServiceState, snapshot: &'a Snapshot, now: Timestamp) -> Self {
        let containers: Vec<ServiceContainer<'a>> = if snapshot.engine.is_up() {
            let containers = snapshot.containers_of(service);
            containers
                .map(|container| ServiceContainer::of(container, now))
                .collect()
        } else {
            Vec::new()
        };
        let oldest = containers.first();
        Self {
            service: service.spec.name.as_str(),
            status: service.status,
            container_id: oldest.map(|container| container.id),
            container_status: oldest.map(|container| container.status),
            started_at: oldest.and_then(|container| container.started_at),
            uptime_seconds: oldest.and_then(|container| container.uptime_seconds),
            health_check: HealthCheck::of(service),
            reason: &service.reason,
            since: Micros(service.since),
            pending: service.pending.as_ref().map(|pending| Pending {
                status: pending.status,
                reason: &pending.reason,
                seen: pending.seen,
                needed: pending.needed,
            }),
            flapping: service.flapping,
            breaker: Breaker::of(service.breaker),
            next_check: service.next_due.map(Micros),
            check: &service.spec.check,
            address: service.spec.address.as_deref(),
            critical: service.spec.critical,
            depends_on: &service.spec.depends_on,
            dependency_unhealthy: service.dependency_unhealthy,
            containers,
            maintenance: service.maintenance.as_ref().map(Maintenance::of),
        }
    }
}

// === impl HealthCheck ===

impl<'a> HealthCheck<'a> {
    fn of(service: &'a ServiceState) -> Self {
        let last = service.last.as_deref();
        let whole_millis = |seconds: f64| (seconds * 1000.0).round() as u64;
        Self {
            last_check: last.map(|outcome| Micros(outcome.ended)),
            check_duration_ms: last
                .and_then(Outcome::measured)
                .map(|duration| whole_millis(duration.as_secs_f64())),
            details: &service.reason,
            info: last.map(|outcome| &outcome.info),
            result: last.map(|outcome| outcome.reason.as_str()),
            attempts: last.map(|outcome| outcome.attempts),
            interval_seconds: service.spec.interval.as_secs_f64(),
            timeout_seconds: service.spec.timeout.as_secs_f64(),
        }
    }
}

// === impl Breaker ===

impl Breaker {
    fn of(view: BreakerView) -> Self {
        let next_trial = match view {
            BreakerView::Open { next_trial } => Some(Micros(next_trial)),
            BreakerView::Closed | BreakerView::HalfOpen => None,
        };
        Self {
            state: view.as_str(),
            next_trial,
        }
    }
}

// === impl Maintenance ===

impl<'a> Maintenance<'a> {
    fn of(maintenance: &'a model::Maintenance) -> Self {
        Self {
            since: Micros(maintenance.since),
            until: Micros(maintenance.until),
            reason: &maintenance.reason,
            origin: match &maintenance.origin {
                MaintenanceOrigin::Key(name) => format!("key {name}"),
                MaintenanceOrigin::Window(name) => format!("window {name}"),
            },
        }
    }
}

// === impl ServiceContainer ===

impl<'a> ServiceContainer<'a> {
    fn of(container: &'a ContainerState, now: Timestamp) -> Self {
        let is_up = container.status.has_processes();
        let began = container.started_at.filter(|_| is_up);
        Self {
            name: &container.name,
            id: container.key.short_id(),
            status: container.status.as_str(),
            health: container
                .health
                .as_ref()
                .map(|ContainerHealth { verdict, .. }| *verdict),
            started_at: container.started_at.map(Millis),
            uptime_seconds: began.map(|began| wire::seconds_between(began, now)),
            exit_code: container.exit_code.filter(|_| !is_up),
            restart_count: container.restart_count,
        }
    }
}
