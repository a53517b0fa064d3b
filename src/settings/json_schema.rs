//! The schemas as one JSON Schema (draft 7), so that editors complete and check a configuration while it is written.
//!
//! It knows what each key may be, and not what values say together, such as a timeout that is longer than its interval:
//! `health-monitor validate` does.

use serde_json::{Map, Value, json};

use super::duration;
use super::key::{Key, KeyKind};
use super::schema::{DEFAULTS, FILE_SUFFIX, NAMED_SECTIONS, SECTIONS, SERVICE, SERVICES, Section};
use crate::checks::{self, CheckKind};

/// What any value may be beside what its kind says: a text with a variable in it.
const VARIABLE: &str = r"\$\{";

/// A time as the configuration has it.
const TIME: &str = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$";

/// The schema of a whole file.
pub fn json_schema() -> Value {
    let mut properties = Map::new();
    for section in SECTIONS {
        properties.insert(section.name.to_owned(), table_of(section.keys.iter()));
    }
    for section in NAMED_SECTIONS {
        properties.insert(section.name.to_owned(), named(section));
    }
    properties.insert(SERVICES.to_owned(), services());
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Configuration of health-monitor",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

fn named(section: &Section) -> Value {
    json!({
        "description": format!("one table for each name: [{}.NAME]", section.name),
        "type": ["object", "null"],
        "additionalProperties": table_of(section.keys.iter()),
    })
}

fn services() -> Value {
    let kinds: Vec<&str> = checks::KINDS.iter().map(|kind| kind.name).collect();
    let by_kind: Vec<Value> = checks::KINDS.iter().map(of_kind).collect();
    json!({
        "description": "the services to watch, one table for each: [services.NAME]",
        "type": ["object", "null"],
        "propertyNames": { "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$" },
        "additionalProperties": {
            "type": "object",
            "required": ["check"],
            "properties": { "check": { "description": "kind of its check", "enum": kinds } },
            "allOf": by_kind,
        },
    })
}

/// What a service may say whose check is of this kind.
fn of_kind(kind: &CheckKind) -> Value {
    let keys = SERVICE.iter().chain(DEFAULTS).chain(kind.schema);
    let mut table = table_of(keys);
    if let Some(check) = table.pointer_mut("/properties/check") {
        *check = json!({ "const": kind.name });
    }
    json!({
        "if": { "required": ["check"], "properties": { "check": { "const": kind.name } } },
        "then": table,
    })
}

fn table_of<'a>(keys: impl Iterator<Item = &'a Key>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in keys {
        properties.insert(key.name.to_owned(), value_of(key));
        if key.kind == KeyKind::Secret {
            let file = json!({
                "description": format!("file that holds {}: {}", key.name, key.help),
                "type": "string",
            });
            properties.insert(format!("{}{FILE_SUFFIX}", key.name), file);
        } else if key.required {
            required.push(key.name);
        }
    }
    let mut table = json!({
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": properties,
    });
    if !required.is_empty()
        && let Some(table) = table.as_object_mut()
    {
        table.insert("required".to_owned(), json!(required));
    }
    table
}

fn value_of(key: &Key) -> Value {
    let mut value = kind_of(key.kind);
    if let Some(value) = value.as_object_mut() {
        value.insert("description".to_owned(), json!(key.help));
        if let Some(default) = key.default {
            value.insert("default".to_owned(), default_of(key.kind, default));
        }
    }
    value
}

/// The default, as a file would have it.
fn default_of(kind: KeyKind, default: &str) -> Value {
    match kind {
        KeyKind::Number { .. } => default
            .parse::<u64>()
            .map_or_else(|_text| json!(default), |number| json!(number)),
        KeyKind::Bool => json!(default == "true"),
        KeyKind::TextList | KeyKind::HostPortList => {
            let items = default.split(',').map(str::trim).filter(|item| !item.is_empty());
            json!(items.collect::<Vec<_>>())
        }
        _ => json!(default),
    }
}

fn kind_of(kind: KeyKind) -> Value {
    let or_variable = |value: Value| json!({ "anyOf": [value, { "type": "string", "pattern": VARIABLE }] });
    let texts = json!({ "type": "array", "items": { "type": "string" } });
    match kind {
        KeyKind::Text | KeyKind::Secret | KeyKind::HostPort => json!({ "type": "string" }),
        KeyKind::Path => json!({ "type": "string", "minLength": 1 }),
        KeyKind::Number { min, max } => or_variable(json!({ "type": "integer", "minimum": min, "maximum": max })),
        KeyKind::Duration { min, max } => {
            let mut time = or_variable(json!({ "type": "string", "minLength": 2, "pattern": TIME }));
            if let Some(time) = time.as_object_mut() {
                let (min, max) = (duration::format(min), duration::format(max));
                time.insert("examples".to_owned(), json!([min, max]));
            }
            time
        }
        KeyKind::Bool => or_variable(json!({ "type": "boolean" })),
        KeyKind::Choice(words) => or_variable(json!({ "enum": words })),
        KeyKind::TextList => or_variable(texts),
        KeyKind::HostPortList => json!({ "anyOf": [{ "type": "string" }, texts] }),
        KeyKind::TextMap | KeyKind::SecretMap => {
            json!({ "type": "object", "additionalProperties": { "type": "string" } })
        }
        KeyKind::Url(schemes) => {
            let schemes = schemes.join("|");
            or_variable(json!({ "type": "string", "pattern": format!("^({schemes})://") }))
        }
    }
}
