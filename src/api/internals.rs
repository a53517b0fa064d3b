//! `GET /internals`: what the monitor's own actors show of themselves.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use futures_util::future::{join, join_all};
use health_monitor_actors::model::{EngineState, Snapshot};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::health::StatusCounts;
use super::wire::Micros;
use super::{ApiState, wire};
use crate::build;

#[derive(Debug, Serialize, JsonSchema)]
struct Internals {
    version: &'static str,
    revision: &'static str,
    uptime_seconds: u64,
    snapshot: Known,
    /// One key for each part that the other actors show.
    #[serde(flatten)]
    sections: Map<String, Value>,
}

/// What is known, or in place of it the reason why that cannot be shown.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum Known {
    Snapshot(SnapshotFigures),
    Silent { problem: String },
}

#[derive(Debug, Serialize, JsonSchema)]
struct SnapshotFigures {
    version: u64,
    made_at: Micros,
    services: usize,
    containers: usize,
    #[schemars(schema_with = "crate::api::openapi::schemas::status_counts")]
    status_counts: StatusCounts,
    #[schemars(with = "Map<String, Value>")]
    engine: EngineState,
}

pub(super) async fn get(state: web::Data<ApiState>) -> HttpResponse {
    let limit = state.settings.section_timeout;
    let sections = state.sections.iter().map(|section| async move {
        let shown = section.show(limit).await;
        let shown = shown.unwrap_or_else(|problem| json!({ "problem": problem }));
        (section.name.to_owned(), shown)
    });
    let (snapshot, sections) = join(state.snapshot(), join_all(sections)).await;
    let snapshot = match snapshot {
        Ok(snapshot) => Known::Snapshot(SnapshotFigures::of(&snapshot)),
        Err(error) => Known::Silent {
            problem: error.to_string(),
        },
    };
    let internals = Internals {
        version: build::VERSION,
        revision: build::REVISION,
        uptime_seconds: state.started.elapsed().as_secs(),
        snapshot,
        sections: sections.into_iter().collect(),
    };
    wire::json(StatusCode::OK, &internals)
}

/// The schema of the document.
pub(super) fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Internals>()
}

// === impl SnapshotFigures ===

impl SnapshotFigures {
    fn of(snapshot: &Snapshot) -> Self {
        Self {
            version: snapshot.version,
            made_at: Micros(snapshot.at),
            services: snapshot.services.len(),
            containers: snapshot.containers.len(),
            status_counts: StatusCounts::of(snapshot),
            engine: snapshot.engine.clone(),
        }
    }
}
