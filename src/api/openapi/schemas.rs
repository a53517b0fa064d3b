//! Schemas of words and times, for the fields of answers that are written from types of the actors.

use health_monitor_actors::model::{ContainerStatus, Status};
use schemars::{Schema, SchemaGenerator, json_schema};

/// A service's status.
pub(in crate::api) fn status(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": Status::ALL.map(Status::as_str) })
}

/// A service's status; null where the registry does not know the service yet.
pub(in crate::api) fn status_or_null(_: &mut SchemaGenerator) -> Schema {
    let words = Status::ALL.iter().map(|status| Some(status.as_str()));
    json_schema!({ "type": ["string", "null"], "enum": words.chain([None]).collect::<Vec<_>>() })
}

/// A container's status, in Docker's words.
pub(in crate::api) fn container_status(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ContainerStatus::ALL.map(ContainerStatus::as_str) })
}

/// The status of the oldest container of a service; null without one.
pub(in crate::api) fn container_status_or_null(_: &mut SchemaGenerator) -> Schema {
    let mut words: Vec<Option<&str>> = ContainerStatus::ALL
        .iter()
        .map(|status| Some(status.as_str()))
        .collect();
    words.push(None);
    json_schema!({ "type": ["string", "null"], "enum": words })
}

/// What a container's own HEALTHCHECK says; null without one.
pub(in crate::api) fn health_verdict_or_null(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "enum": ["starting", "healthy", "unhealthy", null] })
}

/// The state of a breaker.
pub(in crate::api) fn breaker_state(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["closed", "open", "half_open"] })
}

/// How many services have each status.
pub(in crate::api) fn status_counts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "enum": Status::ALL.map(Status::as_str) },
        "additionalProperties": { "type": "integer", "minimum": 0 },
        "required": Status::ALL.map(Status::as_str),
    })
}

/// Each service's status, by its name.
pub(in crate::api) fn statuses(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "additionalProperties": status(generator) })
}

/// The bindings of each port on the host, under Docker's own names.
pub(in crate::api) fn ports(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": { "HostIp": { "type": "string" }, "HostPort": { "type": "string" } },
                "required": ["HostIp", "HostPort"],
            },
        },
    })
}

/// The container's place in each network, under Docker's own names.
pub(in crate::api) fn networks(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "properties": { "IPAddress": { "type": "string" }, "Gateway": { "type": "string" } },
            "required": ["IPAddress", "Gateway"],
        },
    })
}
