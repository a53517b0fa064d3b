//! `GET /livez`: the process runs and answers. It asks no actor, so that nobody restarts the monitor because a service,
//! Docker or one of its own actors is slow: the supervisor sees to the last.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::wire;

#[derive(Debug, Serialize, JsonSchema)]
struct Alive {
    status: &'static str,
}

pub(super) async fn get() -> HttpResponse {
    wire::json(StatusCode::OK, &Alive { status: "ok" })
}

/// The schema of the document.
pub(super) fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Alive>()
}
