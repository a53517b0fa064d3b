//! What a person may do to one service: have it checked now, and put it into maintenance. Every action is logged with the
//! name of the key that allowed it.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use health_monitor_actors::model::{Maintenance, MaintenanceOrigin, ServiceName, ServiceSpec};
use health_monitor_actors::registry::{CheckNow, OrderMaintenance, Refusal};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use tokio::time::timeout;

use super::error::shown;
use super::health::{ServiceHealth, find_service};
use super::{ApiError, ApiState, wire};
use crate::access::Caller;
use crate::settings::duration;

/// The longest that an answer waits for a check, whatever its settings allow it.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// What a check's answer may take beside the check.
const SLACK: Duration = Duration::from_secs(2);

/// The longest maintenance that is taken: a year. Whoever wants it for longer takes the service out.
const LONGEST_MAINTENANCE: Duration = Duration::from_secs(365 * 86_400);

/// Longest reason, in characters.
const LONGEST_REASON: usize = 500;

/// What the client wants.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MaintenanceOrder")]
struct Wanted {
    /// How long: `"2h"`.
    #[serde(rename = "for")]
    length: String,
    #[serde(default)]
    reason: String,
}

/// The schema of what a client sends to begin a maintenance.
pub(super) fn maintenance_schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Wanted>()
}

/// `POST /services/{service_name}/check`: runs a cycle now, and answers as `/health/{service_name}` does after it.
pub(super) async fn check(
    name: web::Path<String>,
    caller: Caller,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let (name, spec) = service(&name, &state).await?;
    tracing::info!(key = caller.name(), service = %name, "check ordered");
    let answer = state.check_now(CheckNow(name.clone())).await?;
    let limit = longest_wait(&spec);
    match timeout(limit, answer).await {
        Ok(Ok(_checked)) => show(&name, &state).await,
        Ok(Err(_dropped)) => Err(ApiError::Conflict {
            problem: format!("service '{name}' was defined anew or removed meanwhile; try again"),
        }),
        Err(_elapsed) => Err(ApiError::CheckUnfinished {
            service: name.to_string(),
            limit,
        }),
    }
}

/// `POST /services/{service_name}/maintenance`: not checked until an end that the client has to name.
pub(super) async fn begin_maintenance(
    name: web::Path<String>,
    caller: Caller,
    body: Result<web::Bytes, actix_web::Error>,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let (name, _) = service(&name, &state).await?;
    let Wanted { length, reason } = read(body)?;
    let length = read_length(&length)?;
    if reason.chars().count() > LONGEST_REASON || reason.contains(char::is_control) {
        return Err(ApiError::BadBody {
            problem: format!("'reason' must be one line of at most {LONGEST_REASON} characters"),
        });
    }
    let since = Timestamp::now();
    let until = since.checked_add(length).map_err(|error| ApiError::BadBody {
        problem: format!("'for' is too long: {error}"),
    })?;
    tracing::info!(key = caller.name(), service = %name, %until, reason, "maintenance ordered");
    let maintenance = Maintenance {
        since,
        until,
        reason,
        origin: MaintenanceOrigin::Key(caller.name().to_owned()),
    };
    order(&name, Some(maintenance), &state).await
}

/// `DELETE /services/{service_name}/maintenance`: ends what a person ordered.
pub(super) async fn end_maintenance(
    name: web::Path<String>,
    caller: Caller,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let (name, _) = service(&name, &state).await?;
    tracing::info!(key = caller.name(), service = %name, "end of maintenance ordered");
    order(&name, None, &state).await
}

async fn order(
    name: &ServiceName,
    maintenance: Option<Maintenance>,
    state: &ApiState,
) -> Result<HttpResponse, ApiError> {
    let order = OrderMaintenance {
        service: name.clone(),
        maintenance,
    };
    state.order_maintenance(order).await?;
    show(name, state).await
}

/// The service's exact name and its settings.
async fn service(name: &str, state: &ApiState) -> Result<(ServiceName, std::sync::Arc<ServiceSpec>), ApiError> {
    let snapshot = state.snapshot().await?;
    let found = find_service(&snapshot, name);
    let service = found.ok_or_else(|| ApiError::NoSuchService { name: shown(name) })?;
    Ok((service.spec.name.clone(), service.spec.clone()))
}

/// The service's health, as it is now.
async fn show(name: &ServiceName, state: &ApiState) -> Result<HttpResponse, ApiError> {
    let snapshot = state.snapshot().await?;
    let found = find_service(&snapshot, name.as_str());
    let service = found.ok_or_else(|| ApiError::NoSuchService {
        name: shown(name.as_str()),
    })?;
    let document = ServiceHealth::of(service, &snapshot, Timestamp::now());
    Ok(wire::json(StatusCode::OK, &document))
}

/// A cycle may be under way already, so two of them.
fn longest_wait(spec: &ServiceSpec) -> Duration {
    let retry = spec.retry_backoff.max.saturating_add(spec.timeout);
    let cycle = spec.timeout.saturating_add(retry.saturating_mul(spec.retries));
    let cycle = cycle.min(spec.interval.max(spec.timeout));
    cycle.saturating_mul(2).saturating_add(SLACK).min(LONGEST_WAIT)
}

fn read(body: Result<web::Bytes, actix_web::Error>) -> Result<Wanted, ApiError> {
    let bad = |problem: String| ApiError::BadBody { problem };
    let body = body.map_err(|error| bad(format!("it cannot be read: {error}")))?;
    serde_json::from_slice(&body)
        .map_err(|error| bad(format!("it must be {{\"for\": \"2h\", \"reason\": \"…\"}}: {error}")))
}

fn read_length(text: &str) -> Result<Duration, ApiError> {
    let length = duration::parse(text).filter(|length| !length.is_zero() && *length <= LONGEST_MAINTENANCE);
    length.ok_or_else(|| ApiError::BadBody {
        problem: format!(
            "'for' must be a time from 1s to 365d, such as \"30m\" or \"2h\", not \"{}\"",
            shown(text)
        ),
    })
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoSuchService(name) => ApiError::NoSuchService {
                name: shown(name.as_str()),
            },
            refused @ (Refusal::NotProbed { .. } | Refusal::NotInMaintenance(_)) => ApiError::Conflict {
                problem: refused.to_string(),
            },
        }
    }
}
