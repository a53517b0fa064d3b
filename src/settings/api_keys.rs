//! What is said of the keys of the API.

use std::sync::Arc;

use config::ValueKind;
use serde_json::Value as Json;

use super::place::KeyPath;
use super::schema::{API_KEY, API_KEYS};
use super::suggest::did_you_mean;
use super::values::Values;
use super::walk::{Owner, Schema, Walk};
use crate::access::key::{ApiKey, KeyHash, KeyName, Scope, Scopes};

/// Reads all keys, by name.
pub(super) fn read(walk: &mut Walk<'_>) -> Vec<Arc<ApiKey>> {
    let Some(tables) = walk.layers.section(API_KEYS) else {
        return Vec::new();
    };
    let mut tables: Vec<_> = tables.iter().collect();
    tables.sort_by_key(|(name, _)| *name);
    let mut keys: Vec<Arc<ApiKey>> = Vec::new();
    for (name, value) in tables {
        let path = KeyPath::of(&[API_KEYS, name]);
        let ValueKind::Table(table) = &value.kind else {
            walk.problem(&path, "must be a section with keys of its own, hash among them");
            continue;
        };
        let schema = Schema {
            keys: API_KEY.iter().collect(),
            owner: Owner::Section,
            default_port: None,
        };
        let values = walk.table(&path, table, &schema);
        let Some(key) = read_key(name, &values, &path, walk) else {
            continue;
        };
        match keys.iter().find(|other| other.hash == key.hash) {
            Some(other) => walk.problem(
                &path.join("hash"),
                format!(
                    "is that of {} too; give each its own",
                    KeyPath::of(&[API_KEYS, other.name.as_str()])
                ),
            ),
            None => keys.push(Arc::new(key)),
        }
    }
    keys
}

fn read_key(name: &str, values: &Values, path: &KeyPath, walk: &mut Walk<'_>) -> Option<ApiKey> {
    let name = KeyName::new(name).map_err(|error| walk.problem(path, format!("has a bad name: {error}")));
    let hash = values.get("hash").and_then(Json::as_str).map(KeyHash::parse);
    let hash = hash.and_then(|hash| hash.map_err(|error| walk.problem(&path.join("hash"), error)).ok());
    let scopes = read_scopes(values, &path.join("scopes"), walk);
    Some(ApiKey {
        name: name.ok()?,
        hash: hash?,
        scopes: scopes?,
    })
}

fn read_scopes(values: &Values, path: &KeyPath, walk: &mut Walk<'_>) -> Option<Scopes> {
    let words: Vec<&str> = values
        .get("scopes")?
        .as_array()?
        .iter()
        .filter_map(Json::as_str)
        .collect();
    let known = || Scope::ALL.into_iter().map(Scope::as_str);
    let all = known().collect::<Vec<_>>().join(", ");
    if words.is_empty() {
        walk.problem(path, format!("must name one or more of {all}"));
        return None;
    }
    match words.iter().find(|word| Scope::parse(word).is_none()) {
        Some(unknown) => {
            let hint = did_you_mean(unknown, known());
            walk.problem(path, format!("must be of {all}, not \"{unknown}\"{hint}"));
            None
        }
        None => Some(words.into_iter().filter_map(Scope::parse).collect()),
    }
}
