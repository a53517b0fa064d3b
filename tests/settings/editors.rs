//! The JSON Schema for editors.

use std::fs;
use std::path::Path;

use health_monitor::settings::json_schema;
use health_monitor_actors::model::ServiceName;

use crate::{files, project};

/// The file that editors are given.
const SCHEMA: &str = "config/health-monitor.schema.json";

/// A configuration as JSON, whichever of the two it is written in.
fn as_json(file: &Path) -> serde_json::Value {
    let text = fs::read_to_string(file).unwrap();
    let format = match file.extension().unwrap().to_str().unwrap() {
        "toml" => config::FileFormat::Toml,
        _ => config::FileFormat::Yaml,
    };
    let read = config::Config::builder()
        .add_source(config::File::from_str(&text, format))
        .build();
    read.unwrap().try_deserialize().unwrap()
}

/// Why a value does not fit a schema, by the keywords of JSON Schema that ours uses; an unknown one fails the test, so that
/// none is passed over.
fn refusal(schema: &serde_json::Value, value: &serde_json::Value, at: &str) -> Option<String> {
    let refused = |why: &str| Some(format!("{at}: {why}: {value}"));
    for (keyword, wanted) in schema.as_object().unwrap() {
        let found = match keyword.as_str() {
            "$schema" | "title" | "description" | "default" | "examples" | "then" => None,
            "type" => {
                let all: Vec<&str> = match wanted {
                    serde_json::Value::String(one) => vec![one],
                    several => several
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|one| one.as_str().unwrap())
                        .collect(),
                };
                let fits = |name: &&str| match *name {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "integer" => value.is_u64() || value.is_i64(),
                    "boolean" => value.is_boolean(),
                    "null" => value.is_null(),
                    other => unreachable!("unknown type {other}"),
                };
                if all.iter().any(fits) {
                    None
                } else {
                    refused("wrong type")
                }
            }
            "const" => {
                if value == wanted {
                    None
                } else {
                    refused("another value")
                }
            }
            "enum" => {
                if wanted.as_array().unwrap().contains(value) {
                    None
                } else {
                    refused("none of the words")
                }
            }
            "minimum" => value
                .as_u64()
                .filter(|number| *number < wanted.as_u64().unwrap())
                .and_then(|_| refused("too small")),
            "maximum" => value
                .as_u64()
                .filter(|number| *number > wanted.as_u64().unwrap())
                .and_then(|_| refused("too large")),
            "minLength" => {
                let is_short = value
                    .as_str()
                    .is_some_and(|text| (text.len() as u64) < wanted.as_u64().unwrap());
                if is_short { refused("too short") } else { None }
            }
            "pattern" => {
                let fits = value
                    .as_str()
                    .is_none_or(|text| fits_pattern(wanted.as_str().unwrap(), text));
                if fits {
                    None
                } else {
                    refused("does not fit the pattern")
                }
            }
            "required" => {
                let missing =
                    |key: &&serde_json::Value| value.is_object() && value.get(key.as_str().unwrap()).is_none();
                if wanted.as_array().unwrap().iter().any(|key| missing(&key)) {
                    refused("a key is missing")
                } else {
                    None
                }
            }
            "items" => value
                .as_array()
                .into_iter()
                .flatten()
                .find_map(|item| refusal(wanted, item, at)),
            "anyOf" => {
                let refusals: Vec<_> = wanted
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|one| refusal(one, value, at))
                    .collect();
                if refusals.iter().any(Option::is_none) {
                    None
                } else {
                    refused("fits none of several")
                }
            }
            "allOf" => wanted
                .as_array()
                .unwrap()
                .iter()
                .find_map(|one| refusal(one, value, at)),
            "if" if refusal(wanted, value, at).is_none() => refusal(&schema["then"], value, at),
            "if" => None,
            "properties" => {
                let mut known = wanted.as_object().unwrap().iter();
                known.find_map(|(key, schema)| refusal(schema, value.get(key)?, &format!("{at}.{key}")))
            }
            "additionalProperties" => {
                let known = schema["properties"].as_object();
                let others = value.as_object().into_iter().flatten();
                let mut others = others.filter(|(key, _)| known.is_none_or(|known| !known.contains_key(*key)));
                others.find_map(|(key, value)| match wanted {
                    serde_json::Value::Bool(false) => refused(&format!("unknown key {key}")),
                    schema => refusal(schema, value, &format!("{at}.{key}")),
                })
            }
            "propertyNames" => {
                let mut names = value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, _)| serde_json::Value::from(name.as_str()));
                names.find_map(|name| refusal(wanted, &name, at))
            }
            other => unreachable!("unknown keyword {other}"),
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// The few patterns of the schema, by what they mean.
fn fits_pattern(pattern: &str, text: &str) -> bool {
    if let Some(schemes) = pattern.strip_prefix("^(").and_then(|rest| rest.strip_suffix(")://")) {
        return text
            .split_once("://")
            .is_some_and(|(scheme, _)| schemes.split('|').any(|known| known == scheme));
    }
    match pattern {
        r"\$\{" => text.contains("${"),
        "^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$" => ServiceName::new(text).is_ok(),
        times if times.starts_with("^([0-9]+d)?") => health_monitor::settings::duration::parse(text).is_some(),
        other => unreachable!("unknown pattern {other}"),
    }
}

#[test]
fn the_schema_for_editors_is_the_programs_own() {
    let mut text = serde_json::to_string_pretty(&json_schema()).unwrap();
    text.push('\n');
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(project(SCHEMA), &text).unwrap();
    }
    let written = fs::read_to_string(project(SCHEMA)).unwrap();
    assert!(
        written == text,
        "{SCHEMA} is behind: run UPDATE_DOCS=1 cargo test --test settings"
    );
}

#[test]
fn the_schema_takes_every_good_configuration_and_refuses_what_it_can_tell() {
    let schema = json_schema();
    let mut good = files("config/examples", &["toml", "yaml"]);
    good.push(project("config/default.toml"));
    for file in good {
        let found = refusal(&schema, &as_json(&file), "");
        assert_eq!(found, None, "{}", file.display());
    }
    for name in [
        "unknown-section",
        "unknown-key",
        "unknown-key-of-a-service",
        "unknown-check",
        "check-missing",
        "check-is-a-number",
        "key-of-another-check",
        "number-out-of-range",
        "number-in-quotes",
        "boolean-in-words",
        "choice-misspelled",
        "duration-misspelled",
        "duration-without-a-unit",
        "list-is-a-text",
        "section-is-a-value",
        "service-is-a-value",
        "bad-service-name",
        "discovery-misspelled",
        "window-without-a-start",
        "window-key-misspelled",
    ] {
        let file = project(&format!("tests/fixtures/config/bad/{name}.toml"));
        assert!(refusal(&schema, &as_json(&file), "").is_some(), "{name} is taken");
    }
}
