//! `GET /containers/{container_name}/history`: what one container used, and what happened to it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::range;
use crate::api::error::shown;
use crate::api::wire::{self, Millis};
use crate::api::{ApiError, ApiState};
use crate::history::model::{ContainerEvent, UsageBucket};
use crate::history::series::usage;
use crate::history::store::Store;

/// Events that one answer has at most.
const MOST_EVENTS: usize = 500;

#[derive(Debug, Serialize, JsonSchema)]
struct ContainerHistory<'a> {
    /// Its name, which outlives its replacements.
    container: &'a str,
    from: Millis,
    to: Millis,
    step_seconds: i64,
    /// By time; steps of which nothing is known are left out.
    points: Vec<Point>,
    /// What happened to it, by time; the first 500.
    events: Vec<Event<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UsagePoint")]
struct Point {
    at: Millis,
    samples: u64,
    /// Cores kept busy; null where no sample tells.
    cpu_cores_mean: Option<f64>,
    cpu_cores_max: Option<f64>,
    /// Bytes, without inactive file cache.
    memory_mean_bytes: Option<u64>,
    memory_max_bytes: u64,
    memory_limit_bytes: u64,
    network_received_bytes: u64,
    network_sent_bytes: u64,
    block_read_bytes: u64,
    block_written_bytes: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ContainerHistoryEvent")]
struct Event<'a> {
    at: Millis,
    id: &'a str,
    /// `created`, `started`, `exited`, `paused`, `unpaused`, `health_failed`, `health_passed` or `removed`.
    event: String,
    exit_code: Option<i64>,
    oom_killed: bool,
    /// Nobody asked for the exit.
    unplanned: bool,
}

pub(in crate::api) async fn get(
    name: web::Path<String>,
    request: HttpRequest,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let now = Timestamp::now();
    let range = range(&request, state.history()?, now)?;
    let store = state.store()?;
    let container = known(&state, store.as_ref(), &name).await?;
    let steps = usage(store.as_ref(), &container, &range).await?;
    let events = store
        .container_events(std::slice::from_ref(&container), range.span, MOST_EVENTS)
        .await?;
    let document = ContainerHistory {
        container: &container,
        from: Millis(range.span.from),
        to: Millis(range.span.to),
        step_seconds: range.step / 1_000,
        points: steps.iter().map(Point::of).collect(),
        events: events.iter().map(Event::of).collect(),
    };
    Ok(wire::json(StatusCode::OK, &document))
}

/// The schema of the document.
pub(in crate::api) fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<ContainerHistory<'static>>()
}

/// The name of the container with this name or id: one that exists, or one that anything was kept of.
async fn known(state: &ApiState, store: &dyn Store, name: &str) -> Result<String, ApiError> {
    let snapshot = state.snapshot().await?;
    let mut containers = snapshot.containers.values();
    let present = containers.find(|container| {
        let id: &str = &container.key.id;
        container.name == name || id == name || (name.len() >= 12 && id.starts_with(name))
    });
    if let Some(present) = present {
        return Ok(present.name.clone());
    }
    let kept = store.containers().await?;
    let found = kept.into_iter().find(|kept| kept == name);
    found.ok_or_else(|| ApiError::NoSuchContainer { name: shown(name) })
}

// === impl Point ===

impl Point {
    fn of(bucket: &UsageBucket) -> Self {
        let cores = |cores: f64| (cores * 1e3).round() / 1e3;
        Self {
            at: Millis(bucket.at),
            samples: bucket.samples,
            cpu_cores_mean: bucket.cpu_cores_mean().map(cores),
            cpu_cores_max: (bucket.cpu_samples > 0).then(|| bucket.cpu_millicores_max as f64 / 1e3),
            memory_mean_bytes: bucket.memory_mean(),
            memory_max_bytes: bucket.memory_max,
            memory_limit_bytes: bucket.memory_limit,
            network_received_bytes: bucket.network_received,
            network_sent_bytes: bucket.network_sent,
            block_read_bytes: bucket.block_read,
            block_written_bytes: bucket.block_written,
        }
    }
}

// === impl Event ===

impl<'a> Event<'a> {
    fn of(event: &'a ContainerEvent) -> Self {
        let kind = serde_json::to_value(event.kind).ok();
        Self {
            at: Millis(event.at),
            id: &event.id,
            event: kind
                .as_ref()
                .and_then(|kind| kind.as_str())
                .unwrap_or_default()
                .to_owned(),
            exit_code: event.exit_code,
            oom_killed: event.oom_killed,
            unplanned: event.unplanned,
        }
    }
}
