//! `GET /`: what there is.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::{Serialize, Serializer};

use super::wire;
use crate::build;

/// Every endpoint and what it tells.
const ENDPOINTS: [(&str, &str); 8] = [
    (
        "/health",
        "status of the whole and of every service; ?strict=true answers 503 when it is down",
    ),
    (
        "/health/{service_name}",
        "one service: its check, its container, the reason for its status",
    ),
    ("/containers", "every container"),
    ("/containers/{container_name}", "one container with its resource usage"),
    ("/metrics", "all of it for Prometheus"),
    ("/livez", "200 while the monitor's process answers"),
    ("/readyz", "200 once every service has a first result"),
    ("/internals", "the monitor's own actors"),
];

#[derive(Debug, Serialize)]
struct Index {
    name: &'static str,
    version: &'static str,
    #[serde(serialize_with = "as_map")]
    endpoints: [(&'static str, &'static str); 8],
}

pub(super) async fn get() -> HttpResponse {
    let index = Index {
        name: env!("CARGO_PKG_NAME"),
        version: build::VERSION,
        endpoints: ENDPOINTS,
    };
    wire::json(StatusCode::OK, &index)
}

fn as_map<S: Serializer>(endpoints: &[(&str, &str)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(endpoints.iter().copied())
}
