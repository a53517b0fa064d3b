//! `GET /`: what there is.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use super::routes::{ENDPOINTS, Endpoint};
use super::wire;
use crate::build;

#[derive(Debug, Serialize, JsonSchema)]
struct Index {
    name: &'static str,
    version: &'static str,
    #[serde(serialize_with = "as_map")]
    #[schemars(with = "BTreeMap<String, String>")]
    endpoints: &'static [Endpoint],
}

pub(super) async fn get() -> HttpResponse {
    let index = Index {
        name: env!("CARGO_PKG_NAME"),
        version: build::VERSION,
        endpoints: ENDPOINTS,
    };
    wire::json(StatusCode::OK, &index)
}

/// The schema of the document.
pub(super) fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Index>()
}

/// By path; where a path has other methods than GET, with these before it.
fn as_map<S: Serializer>(endpoints: &&'static [Endpoint], serializer: S) -> Result<S::Ok, S::Error> {
    let others = endpoints.iter().filter(|endpoint| endpoint.path != "/");
    serializer.collect_map(others.map(|endpoint| {
        let name = match &endpoint.method {
            &Method::GET => endpoint.path.to_owned(),
            method => format!("{method} {}", endpoint.path),
        };
        (name, endpoint.summary)
    }))
}
