//! What each endpoint takes and answers.

use actix_web::http::Method;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::anything;
use crate::api::routes::Endpoint;
use crate::api::{actions, config, containers, error, health, history, index, internals, livez, readyz, services};
use crate::history::model::IncidentKind;
use crate::metrics;

/// What one endpoint takes and answers.
pub(super) struct Operation {
    method: Method,
    path: &'static str,
    pub(super) parameters: &'static [Parameter],
    /// The body that it takes.
    pub(super) request: Option<Body>,
    pub(super) answers: &'static [Answer],
}

/// A part of the path or of the query.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) in_path: bool,
    pub(super) description: &'static str,
    pub(super) schema: fn() -> Value,
    pub(super) example: &'static str,
}

/// One answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) when: &'static str,
    pub(super) body: Body,
}

/// What a body is.
pub(super) enum Body {
    /// A document of this schema.
    Json {
        schema: fn(&mut SchemaGenerator) -> Schema,
        example: Option<&'static str>,
    },
    /// Text of this kind.
    Text { kind: &'static str, example: &'static str },
}

const STRICT: Parameter = Parameter {
    name: "strict",
    in_path: false,
    description: "Answer 503 while the status is unhealthy or not_found.",
    schema: || json!({ "type": "string", "enum": ["true", "false"], "default": "false" }),
    example: "false",
};

const SERVICE: Parameter = Parameter {
    name: "service_name",
    in_path: true,
    description: "The service's name; its case does not matter.",
    schema: text,
    example: "mosquitto",
};

const CONTAINER: Parameter = Parameter {
    name: "container_name",
    in_path: true,
    description: "The container's name or id.",
    schema: text,
    example: "kafka",
};

const FROM: Parameter = Parameter {
    name: "from",
    in_path: false,
    description: "Since when: RFC 3339, seconds since 1970, or how long ago, such as 24h.",
    schema: text,
    example: "24h",
};

const TO: Parameter = Parameter {
    name: "to",
    in_path: false,
    description: "Until when, in the same forms; now if left out.",
    schema: text,
    example: "now",
};

const STEP: Parameter = Parameter {
    name: "step",
    in_path: false,
    description: "Length of a step: whole minutes below an hour, whole hours from there on. As fine as makes sense if left out.",
    schema: text,
    example: "1h",
};

const WINDOWS: Parameter = Parameter {
    name: "window",
    in_path: false,
    description: "Lengths of time until now, with commas between them; at most 10.",
    schema: text,
    example: "24h,7d,30d,1y",
};

const WINDOW: Parameter = Parameter {
    name: "window",
    in_path: false,
    description: "The time until now that the uptime is of.",
    schema: text,
    example: "30d",
};

const BADGE: Parameter = Parameter {
    name: "type",
    in_path: false,
    description: "What it shows.",
    schema: || json!({ "type": "string", "enum": ["status", "uptime"], "default": "status" }),
    example: "status",
};

const SERVICES: Parameter = Parameter {
    name: "services",
    in_path: false,
    description: "Names of 1 to 200 services, with commas between them. Needed.",
    schema: text,
    example: "mosquitto,kafka",
};

const FIELDS: Parameter = Parameter {
    name: "fields",
    in_path: false,
    description: "Which columns, with commas between them: uptime, checks, failures, unmeasured, p50_ms, p95_ms, p99_ms, \
                  min_ms, mean_ms, max_ms, gap. uptime and p95_ms if left out.",
    schema: text,
    example: "uptime,p95_ms",
};

const OF_SERVICE: Parameter = Parameter {
    name: "service",
    in_path: false,
    description: "Of this service only.",
    schema: text,
    example: "mosquitto",
};

const OPEN: Parameter = Parameter {
    name: "open",
    in_path: false,
    description: "Only those that go on, or only those that have ended.",
    schema: || json!({ "type": "string", "enum": ["true", "false"] }),
    example: "true",
};

const KIND: Parameter = Parameter {
    name: "kind",
    in_path: false,
    description: "Of this kind only.",
    schema: || json!({ "type": "string", "enum": IncidentKind::ALL.map(IncidentKind::as_str) }),
    example: "crash",
};

const LIMIT: Parameter = Parameter {
    name: "limit",
    in_path: false,
    description: "How many on one page.",
    schema: || json!({ "type": "integer", "minimum": 1, "maximum": 500, "default": 50 }),
    example: "50",
};

const CURSOR: Parameter = Parameter {
    name: "cursor",
    in_path: false,
    description: "The next page of the same question: what the page before has as next_cursor.",
    schema: text,
    example: "0193a5c1f2a4b01c811c9dc5",
};

const INCIDENT: Parameter = Parameter {
    name: "incident_id",
    in_path: true,
    description: "The incident's id.",
    schema: || json!({ "type": "string", "pattern": "^[0-7][0-9a-f]{15}$" }),
    example: "0193a5c1f2a4b01c",
};

const NO_SERVICE: &str = "Nothing is known of a service of this name, or no history is kept.";

/// A part of a path, which is never empty.
fn text() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

const fn document(schema: fn(&mut SchemaGenerator) -> Schema) -> Body {
    Body::Json { schema, example: None }
}

const fn example(schema: fn(&mut SchemaGenerator) -> Schema, example: &'static str) -> Body {
    Body::Json {
        schema,
        example: Some(example),
    }
}

const fn answer(status: u16, when: &'static str, body: Body) -> Answer {
    Answer { status, when, body }
}

fn error(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<error::Body>()
}

const HEALTH: &str = include_str!("examples/health.json");
const SERVICE_HEALTH: &str = include_str!("examples/service.json");
const CONTAINERS: &str = include_str!("examples/containers.json");
const CONTAINER_DETAILS: &str = include_str!("examples/container.json");
const SERVICE_HISTORY: &str = include_str!("examples/history.json");
const INCIDENT_DETAILS: &str = include_str!("examples/incident.json");
const MAINTENANCE: &str = r#"{"for":"2h","reason":"broker upgrade"}"#;
const METRICS: &str = include_str!("examples/metrics.txt");

/// What each endpoint takes and answers, besides what any request may be answered.
static OPERATIONS: &[Operation] = &[
    Operation {
        method: Method::GET,
        path: "/",
        parameters: &[],
        request: None,
        answers: &[answer(200, "What there is.", document(index::schema))],
    },
    Operation {
        method: Method::GET,
        path: "/health",
        parameters: &[STRICT],
        request: None,
        answers: &[
            answer(200, "The status is in the document.", example(health::schema, HEALTH)),
            answer(
                503,
                "A strict client is told by the HTTP status too.",
                document(health::schema),
            ),
        ],
    },
    Operation {
        method: Method::GET,
        path: "/health/{service_name}",
        parameters: &[SERVICE, STRICT],
        request: None,
        answers: &[
            answer(
                200,
                "The status is in the document.",
                example(health::service_schema, SERVICE_HEALTH),
            ),
            answer(404, "No service has this name.", document(error)),
            answer(
                503,
                "A strict client is told by the HTTP status too.",
                document(health::service_schema),
            ),
        ],
    },
    Operation {
        method: Method::GET,
        path: "/containers",
        parameters: &[],
        request: None,
        answers: &[
            answer(
                200,
                "As the registry knows them.",
                example(containers::schema, CONTAINERS),
            ),
            answer(
                503,
                "Docker is away: what was last known.",
                document(containers::schema),
            ),
        ],
    },
    Operation {
        method: Method::GET,
        path: "/containers/{container_name}",
        parameters: &[CONTAINER],
        request: None,
        answers: &[
            answer(
                200,
                "As the registry knows it.",
                example(containers::container_schema, CONTAINER_DETAILS),
            ),
            answer(404, "No container has this name or id.", document(error)),
            answer(
                503,
                "Docker is away: what was last known.",
                document(containers::last_known_schema),
            ),
        ],
    },
    Operation {
        method: Method::GET,
        path: "/containers/{container_name}/history",
        parameters: &[CONTAINER, FROM, TO, STEP],
        request: None,
        answers: &[
            answer(200, "In steps.", document(history::container_schema)),
            answer(
                404,
                "Nothing is known of a container of this name, or no history is kept.",
                document(error),
            ),
        ],
    },
    Operation {
        method: Method::GET,
        path: "/services",
        parameters: &[],
        request: None,
        answers: &[answer(200, "What is watched now.", document(services::schema))],
    },
    Operation {
        method: Method::POST,
        path: "/services/{service_name}/check",
        parameters: &[SERVICE],
        request: None,
        answers: &[
            answer(
                200,
                "It was checked; what is known after that.",
                document(health::service_schema),
            ),
            answer(404, "No service has this name.", document(error)),
            answer(409, "It cannot be checked as things are.", document(error)),
            answer(504, "The check has not ended in time.", document(error)),
        ],
    },
    Operation {
        method: Method::POST,
        path: "/services/{service_name}/maintenance",
        parameters: &[SERVICE],
        request: Some(example(actions::maintenance_schema, MAINTENANCE)),
        answers: &[
            answer(200, "It is in maintenance.", document(health::service_schema)),
            answer(404, "No service has this name.", document(error)),
            answer(409, "It cannot be ordered as things are.", document(error)),
        ],
    },
    Operation {
        method: Method::DELETE,
        path: "/services/{service_name}/maintenance",
        parameters: &[SERVICE],
        request: None,
        answers: &[
            answer(200, "It is watched again.", document(health::service_schema)),
            answer(404, "No service has this name.", document(error)),
            answer(409, "Nobody ordered a maintenance.", document(error)),
        ],
    },
    Operation {
        method: Method::GET,
        path: "/config",
        parameters: &[],
        request: None,
        answers: &[answer(200, "What holds, secrets hidden.", document(config::schema))],
    },
    Operation {
        method: Method::POST,
        path: "/config/reload",
        parameters: &[],
        request: None,
        answers: &[
            answer(200, "It was taken over.", document(config::reloaded_schema)),
            answer(422, "It is bad, and nothing has changed.", document(error)),
        ],
    },
    Operation {
        method: Method::GET,
        path: "/services/{service_name}/history",
        parameters: &[SERVICE, FROM, TO, STEP],
        request: None,
        answers: &[
            answer(200, "In steps.", example(history::series_schema, SERVICE_HISTORY)),
            answer(404, NO_SERVICE, document(error)),
        ],
    },
    Operation {
        method: Method::GET,
        path: "/services/{service_name}/uptime",
        parameters: &[SERVICE, WINDOWS],
        request: None,
        answers: &[
            answer(200, "One entry for each window.", document(history::uptime_schema)),
            answer(404, NO_SERVICE, document(error)),
        ],
    },
    Operation {
        method: Method::GET,
        path: "/history",
        parameters: &[SERVICES, FIELDS, FROM, TO, STEP],
        request: None,
        answers: &[
            answer(200, "By columns.", document(history::many_schema)),
            answer(404, NO_SERVICE, document(error)),
        ],
    },
    Operation {
        method: Method::GET,
        path: "/incidents",
        parameters: &[OF_SERVICE, OPEN, KIND, FROM, TO, LIMIT, CURSOR],
        request: None,
        answers: &[
            answer(200, "The latest first.", document(history::incidents_schema)),
            answer(404, NO_SERVICE, document(error)),
        ],
    },
    Operation {
        method: Method::GET,
        path: "/incidents/{incident_id}",
        parameters: &[INCIDENT],
        request: None,
        answers: &[
            answer(
                200,
                "With its timeline.",
                example(history::incident_schema, INCIDENT_DETAILS),
            ),
            answer(
                404,
                "There is no such incident, or no history is kept.",
                document(error),
            ),
        ],
    },
    Operation {
        method: Method::GET,
        path: "/badge/{service_name}.svg",
        parameters: &[SERVICE, BADGE, WINDOW],
        request: None,
        answers: &[
            answer(200, "A picture.", page("image/svg+xml; charset=utf-8")),
            answer(404, NO_SERVICE, document(error)),
        ],
    },
    Operation {
        method: Method::GET,
        path: "/metrics",
        parameters: &[],
        request: None,
        answers: &[answer(
            200,
            "Prometheus' text format.",
            Body::Text {
                kind: metrics::CONTENT_TYPE,
                example: METRICS,
            },
        )],
    },
    Operation {
        method: Method::GET,
        path: "/livez",
        parameters: &[],
        request: None,
        answers: &[answer(200, "The process answers.", document(livez::schema))],
    },
    Operation {
        method: Method::GET,
        path: "/readyz",
        parameters: &[],
        request: None,
        answers: &[
            answer(200, "Every service has a first result.", document(readyz::schema)),
            answer(
                503,
                "Not yet; only who may read is told more.",
                document(readyz::schema),
            ),
        ],
    },
    Operation {
        method: Method::GET,
        path: "/internals",
        parameters: &[],
        request: None,
        answers: &[answer(
            200,
            "What the monitor's own parts show; its fields may change from one version to the next.",
            document(internals::schema),
        )],
    },
    Operation {
        method: Method::GET,
        path: "/openapi.json",
        parameters: &[],
        request: None,
        answers: &[answer(200, "This document.", document(anything))],
    },
    Operation {
        method: Method::GET,
        path: "/docs",
        parameters: &[],
        request: None,
        answers: &[answer(200, "A page.", page("text/html; charset=utf-8"))],
    },
    Operation {
        method: Method::GET,
        path: "/docs/page.js",
        parameters: &[],
        request: None,
        answers: &[answer(200, "Its program.", page("text/javascript; charset=utf-8"))],
    },
    Operation {
        method: Method::GET,
        path: "/docs/page.css",
        parameters: &[],
        request: None,
        answers: &[answer(200, "Its looks.", page("text/css; charset=utf-8"))],
    },
];

/// Of endpoints that nobody described: a test finds them by their words.
static UNDESCRIBED: Operation = Operation {
    method: Method::GET,
    path: "",
    parameters: &[],
    request: None,
    answers: &[answer(200, "not described", document(anything))],
};

/// What this endpoint takes and answers.
pub(super) fn of(endpoint: &Endpoint) -> &'static Operation {
    let mut described = OPERATIONS.iter();
    let found = described.find(|operation| operation.path == endpoint.path && operation.method == endpoint.method);
    found.unwrap_or(&UNDESCRIBED)
}

const fn page(kind: &'static str) -> Body {
    Body::Text { kind, example: "" }
}
