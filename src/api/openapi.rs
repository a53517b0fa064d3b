//! `GET /openapi.json`: the API's description, OpenAPI 3.1.
//!
//! Paths, methods and keys come from the table that the routes are made from, schemas from the types that the answers are
//! written from. What stands here by hand is which answers an endpoint gives, and examples: tests hold both against real
//! answers.

mod operations;
pub(super) mod schemas;

use std::sync::OnceLock;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use schemars::generate::{Contract, SchemaSettings};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::routes::{ENDPOINTS, Endpoint};
use super::{error, wire};
use crate::access::key::Scope;
use crate::build;
use operations::{Body, Operation, Parameter};

pub(super) async fn get() -> HttpResponse {
    wire::json(StatusCode::OK, document())
}

/// The description; it is the same as long as the process runs.
fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(make)
}

fn make() -> Value {
    // What is written, not what is read: every field is there. OpenAPI 3.1 speaks this very dialect.
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.contract = Contract::Serialize;
        settings.meta_schema = None;
        settings.definitions_path = "/components/schemas".into();
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for endpoints in ENDPOINTS.chunk_by(|one, next| one.path == next.path) {
        let mut operations = Map::new();
        for endpoint in endpoints {
            let method = endpoint.method.as_str().to_lowercase();
            operations.insert(method, describe(endpoint, &mut generator));
        }
        if let Some(endpoint) = endpoints.first() {
            paths.insert(endpoint.path.to_owned(), Value::Object(operations));
        }
    }
    let refusals = refusals(&mut generator);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": env!("CARGO_PKG_NAME"),
            "version": build::VERSION,
            "description": env!("CARGO_PKG_DESCRIPTION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "responses": refusals,
            "securitySchemes": {
                "key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-API-Key",
                    "description": "Needed where API keys are configured, and always for what changes the monitor's state.",
                },
                "bearer": { "type": "http", "scheme": "bearer", "description": "The same key." },
            },
        },
    })
}

fn describe(endpoint: &Endpoint, generator: &mut SchemaGenerator) -> Value {
    let operation = operations::of(endpoint);
    let mut described = Map::new();
    described.insert("operationId".to_owned(), json!(operation_id(endpoint)));
    described.insert("summary".to_owned(), json!(endpoint.summary));
    if !operation.parameters.is_empty() {
        let parameters: Vec<Value> = operation.parameters.iter().map(Parameter::describe).collect();
        described.insert("parameters".to_owned(), json!(parameters));
    }
    if let Some(body) = &operation.request {
        let content = content_of(body, generator);
        described.insert(
            "requestBody".to_owned(),
            json!({ "required": true, "content": content }),
        );
    }
    described.insert("responses".to_owned(), responses(endpoint, operation, generator));
    described.insert("security".to_owned(), security(endpoint.needs));
    if let Some(scope) = endpoint.needs {
        described.insert("x-scope".to_owned(), json!(scope.as_str()));
    }
    Value::Object(described)
}

/// A name that a program can have: `get_health_service_name`.
fn operation_id(endpoint: &Endpoint) -> String {
    let words = endpoint.path.split(['/', '{', '}', '.', '-', '_']);
    let words = words.filter(|word| !word.is_empty());
    let method = endpoint.method.as_str().to_lowercase();
    std::iter::once(method.as_str())
        .chain(words)
        .collect::<Vec<_>>()
        .join("_")
}

fn security(needs: Option<Scope>) -> Value {
    match needs {
        None => json!([]),
        Some(_) => json!([{ "key": [] }, { "bearer": [] }]),
    }
}

fn responses(endpoint: &Endpoint, operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    for answer in operation.answers {
        let mut content = content_of(&answer.body, generator);
        if answer.status == UNAVAILABLE {
            // The registry's silence has this status too, and the document of an error.
            let error = generator.subschema_for::<error::Body>();
            let document = content["application/json"]["schema"].take();
            content["application/json"]["schema"] = json!({ "anyOf": [document, error] });
        }
        responses.insert(
            answer.status.to_string(),
            json!({ "description": answer.when, "content": content }),
        );
    }
    for (status, name) in REFUSALS {
        let is_possible = status != 403 || endpoint.needs.is_some();
        if is_possible && !responses.contains_key(&status.to_string()) {
            responses.insert(
                status.to_string(),
                json!({ "$ref": format!("#/components/responses/{name}") }),
            );
        }
    }
    Value::Object(responses)
}

fn content_of(body: &Body, generator: &mut SchemaGenerator) -> Value {
    match body {
        Body::Text { kind, example } => json!({ *kind: { "schema": { "type": "string" }, "example": example } }),
        Body::Json { schema, example } => {
            let mut media = Map::new();
            media.insert("schema".to_owned(), schema(generator).to_value());
            if let Some(example) = example {
                // An example that is no document would be found by its test.
                media.insert("example".to_owned(), serde_json::from_str(example).unwrap_or_default());
            }
            json!({ "application/json": media })
        }
    }
}

/// Said where something that the answer needs is away.
const UNAVAILABLE: u16 = 503;

/// What any request may be answered.
const REFUSALS: [(u16, &str); 9] = [
    (400, "BadRequest"),
    (401, "InvalidKey"),
    (403, "Forbidden"),
    (406, "NotAcceptable"),
    (408, "BodyTooSlow"),
    (413, "BodyTooLong"),
    (414, "UriTooLong"),
    (431, "HeadersTooLong"),
    (UNAVAILABLE, "RegistrySilent"),
];

fn refusals(generator: &mut SchemaGenerator) -> Value {
    let error = generator.subschema_for::<error::Body>();
    let invalid_key = generator.subschema_for::<error::InvalidKeyBody>();
    let mut refusals = Map::new();
    for (status, name) in REFUSALS {
        let when = match status {
            400 => "A part of the path, a parameter or the body cannot be read.",
            401 => {
                "There are API keys, and the request has none or a wrong one; or it needs an admin key, and none is configured."
            }
            403 => "The key does not have the scope that this needs.",
            406 => "The client takes neither the plain answer nor gzip.",
            408 => "The body did not come in time.",
            413 => "The body is too long.",
            414 => "Path and query are too long.",
            431 => "The headers are too long.",
            _ => "The registry does not answer; the monitor is stopping or about to be restarted.",
        };
        let schema = if status == 401 { &invalid_key } else { &error };
        refusals.insert(
            name.to_owned(),
            json!({ "description": when, "content": { "application/json": { "schema": schema } } }),
        );
    }
    Value::Object(refusals)
}

// === impl Parameter ===

impl Parameter {
    fn describe(&self) -> Value {
        json!({
            "name": self.name,
            "in": if self.in_path { "path" } else { "query" },
            "required": self.in_path,
            "description": self.description,
            "schema": (self.schema)(),
            "example": self.example,
        })
    }
}

/// The schema of a document that somebody else describes.
fn anything(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "additionalProperties": true })
}
