//! `GET /health`: the status of the whole and of every service.

mod notices;
mod service;

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use health_monitor_actors::model::{ServiceName, ServiceState, Snapshot, Status};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::wire::Micros;
use super::{ApiError, ApiState, query, wire};

pub(super) use service::get as get_service;

/// The specified fields in the specified order, then ours.
#[derive(Debug, Serialize)]
struct Health<'a> {
    status: Status,
    timestamp: Micros,
    #[serde(serialize_with = "statuses")]
    services: &'a BTreeMap<ServiceName, Arc<ServiceState>>,
    total_services: usize,
    healthy_services: usize,
    unhealthy_services: usize,
    status_counts: StatusCounts,
    snapshot_version: u64,
    notices: Vec<String>,
}

/// How many services have each status.
#[derive(Debug)]
pub(super) struct StatusCounts([(Status, usize); 8]);

pub(super) async fn get(request: HttpRequest, state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let strict = query::strict(&request)?;
    let snapshot = state.snapshot().await?;
    let healthy_services = snapshot
        .services
        .values()
        .filter(|service| service.status.is_up())
        .count();
    let status = snapshot.overall();
    let health = Health {
        status,
        timestamp: Micros(Timestamp::now()),
        services: &snapshot.services,
        total_services: snapshot.services.len(),
        healthy_services,
        unhealthy_services: snapshot.services.len() - healthy_services,
        status_counts: StatusCounts::of(&snapshot),
        snapshot_version: snapshot.version,
        notices: notices::of(&snapshot, state.settings.built_in_services),
    };
    Ok(wire::json(http_status(status, strict), &health))
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
