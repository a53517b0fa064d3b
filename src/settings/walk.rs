//! Holds the merged values against the schemas, and gathers everything that is wrong.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use config::{Map, Value, ValueKind};
use serde_json::Value as Json;

use super::key::{Key, KeyKind};
use super::layers::Layers;
use super::normal::{self, Reading};
use super::place::KeyPath;
use super::problem::Problem;
use super::schema::FILE_SUFFIX;
use super::suggest::did_you_mean;
use super::values::Values;
use crate::checks;

/// Longest secret that is read from a file, in bytes: somebody who names a device or a log is told so.
const LONGEST_SECRET: u64 = 64 * 1024;

/// One walk over all values.
pub(super) struct Walk<'a> {
    pub(super) layers: &'a Layers,
    problems: Vec<Problem>,
}

// === impl Walk ===

impl<'a> Walk<'a> {
    /// Begins with what was found wrong while the layers were read.
    pub(super) fn new(layers: &'a Layers) -> Self {
        Self {
            layers,
            problems: layers.problems.clone(),
        }
    }

    /// Everything that is wrong.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Something is wrong with the value at this path.
    pub(super) fn problem(&mut self, path: &KeyPath, message: impl std::fmt::Display) {
        self.problems
            .push(Problem::new(self.layers.places.of(path), path, message));
    }

    /// The values of a table in their normal forms. A key that is wrong gets its default, if it has one, so that one
    /// mistake is reported once.
    pub(super) fn table(
        &mut self,
        path: &KeyPath,
        table: &Map<String, Value>,
        keys: &[&Key],
        default_port: Option<u16>,
    ) -> Values {
        let mut values: Vec<(String, Json)> = Vec::new();
        for name in table.keys() {
            if keys.iter().any(|key| key.name == name || is_file_of(name, key)) {
                continue;
            }
            // A null that was put where a value is to be set: whoever means a key would have named it.
            self.problem(&path.join(name), unknown_key(name, keys));
        }
        for key in keys {
            if let Some(value) = self.key(path, table, key, default_port) {
                values.push((key.name.to_owned(), value));
            }
        }
        values.into_iter().collect()
    }

    /// The normal form of one key's value, wherever it comes from.
    fn key(
        &mut self,
        section: &KeyPath,
        table: &Map<String, Value>,
        key: &Key,
        default_port: Option<u16>,
    ) -> Option<Json> {
        let path = section.join(key.name);
        let reading = Reading {
            untyped: self.layers.places.is_untyped(&path),
            default_port,
        };
        let mut value = table.get(key.name);
        if key.kind == KeyKind::Secret {
            let file_key = format!("{}{FILE_SUFFIX}", key.name);
            let file_path = section.join(&file_key);
            let by_variable = |path| self.layers.places.sets_by_variable(path);
            match (value, table.get(&file_key)) {
                (Some(_), Some(_)) if by_variable(&path) && !by_variable(&file_path) => {}
                (Some(_), Some(_)) if by_variable(&path) || !by_variable(&file_path) => {
                    self.problem(&path, format!("and {file_key} are both given; keep one of them"));
                    return None;
                }
                (_, Some(file)) => return self.secret_of_file(&file_path, file),
                (_, None) => {}
            }
        }
        if matches!(value.map(|value| &value.kind), Some(ValueKind::Nil)) {
            self.problem(&path, "has no value; give one, or leave the key out");
            value = None;
        } else if value.is_none() && key.required {
            self.problem(section, format!("needs the key '{}': {}", key.name, key.help));
        }
        let found = value.map(|value| normal::normalise(key.kind, value, reading));
        match found {
            Some(Ok(value)) => return Some(value),
            Some(Err(message)) => self.problem(&path, message),
            None => {}
        }
        let default = Value::new(None, key.default?);
        let reading = Reading {
            untyped: true,
            ..reading
        };
        normal::normalise(key.kind, &default, reading).ok()
    }

    /// The secret that a file holds, without the line end at its end.
    fn secret_of_file(&mut self, path: &KeyPath, file: &Value) -> Option<Json> {
        let ValueKind::String(file) = &file.kind else {
            self.problem(path, format!("must be the path of a file, not {}", normal::show(file)));
            return None;
        };
        match read_secret(&self.layers.directory().join(file)) {
            Ok(secret) => Some(Json::from(secret)),
            Err(problem) => {
                self.problem(path, format!("({file}) {problem}"));
                None
            }
        }
    }
}

fn is_file_of(name: &str, key: &Key) -> bool {
    key.kind == KeyKind::Secret && name.strip_suffix(FILE_SUFFIX) == Some(key.name)
}

fn unknown_key(name: &str, keys: &[&Key]) -> String {
    let hint = did_you_mean(name, keys.iter().map(|key| key.name));
    if !hint.is_empty() {
        return format!("is not a known key{hint}");
    }
    let base = name.strip_suffix(FILE_SUFFIX).unwrap_or(name);
    let owners = checks::KINDS
        .iter()
        .filter(|kind| kind.schema.iter().any(|key| key.name == base));
    let owners: Vec<String> = owners.map(|kind| format!("\"{}\"", kind.name)).collect();
    if !owners.is_empty() && keys.iter().any(|key| key.name == "check") {
        return format!("is not a known key here; check = {} has it", owners.join(" or "));
    }
    let known: Vec<&str> = keys.iter().map(|key| key.name).collect();
    format!("is not a known key; there are {}", known.join(", "))
}

fn read_secret(file: &Path) -> Result<String, String> {
    let mut content = Vec::new();
    let opened = File::open(file).map_err(|error| format!("cannot be read: {error}"))?;
    opened
        .take(LONGEST_SECRET + 1)
        .read_to_end(&mut content)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if content.len() as u64 > LONGEST_SECRET {
        return Err(format!("holds more than {LONGEST_SECRET} bytes, too much for a secret"));
    }
    let secret = String::from_utf8(content).map_err(|error| format!("must hold UTF-8 text: {error}"))?;
    let secret = secret.strip_suffix('\n').unwrap_or(&secret);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() {
        return Err("is empty; it must hold the secret".to_owned());
    }
    Ok(secret.to_owned())
}
