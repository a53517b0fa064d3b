//! Holds the merged values against the schemas, and gathers everything that is wrong.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use config::{Map, Value, ValueKind};
use serde_json::Value as Json;

use super::effective::Effective;
use super::key::{Key, KeyKind};
use super::layers::Layers;
use super::normal::{self, Reading};
use super::place::KeyPath;
use super::problem::Problem;
use super::schema::FILE_SUFFIX;
use super::suggest::did_you_mean;
use super::values::Values;
use crate::checks::{self, CheckKind};

/// Longest secret that is read from a file, in bytes: somebody who names a device or a log is told so.
const LONGEST_SECRET: u64 = 64 * 1024;

/// The keys that a table may have.
pub(super) struct Schema<'a> {
    pub(super) keys: Vec<&'a Key>,
    /// Whose table it is, and which of the keys are its own, for whoever wrote another.
    pub(super) owner: Owner,
    /// The port of addresses that name none.
    pub(super) default_port: Option<u16>,
}

/// Whose table it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Owner {
    /// A section, complete with its defaults: a key that is left out or wrong gets its own.
    Section,
    /// A service, whose keys are absent where they are left out; with its check where that is known.
    Service(Option<CheckKind>),
}

/// One walk over all values.
pub(super) struct Walk<'a> {
    pub(super) layers: &'a Layers,
    problems: Vec<Problem>,
    effective: Vec<Effective>,
    files: Vec<PathBuf>,
}

// === impl Walk ===

impl<'a> Walk<'a> {
    /// Begins with what was found wrong while the layers were read.
    pub(super) fn new(layers: &'a Layers) -> Self {
        Self {
            layers,
            problems: layers.problems.clone(),
            effective: Vec::new(),
            files: Vec::new(),
        }
    }

    /// What holds, as it may be shown, and the files whose content it is made from.
    pub(super) fn take_effective(&mut self) -> (Vec<Effective>, Vec<PathBuf>) {
        (std::mem::take(&mut self.effective), std::mem::take(&mut self.files))
    }

    /// Notes a file whose content something is made from.
    pub(super) fn note_file(&mut self, file: PathBuf) {
        self.files.push(file);
    }

    /// Notes what holds for a key and where that was said.
    pub(super) fn note_effective(&mut self, path: KeyPath, kind: KeyKind, value: &Json, said_at: &KeyPath) {
        let origin = self.layers.places.said(said_at);
        self.effective.push(Effective::new(path, kind, value, origin));
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

    /// Something is already known to be wrong with this value, or with a part of it.
    pub(super) fn has_problem(&self, path: &KeyPath) -> bool {
        self.problems.iter().any(|problem| problem.path.is_within(path))
    }

    /// The values of a table in their normal forms.
    pub(super) fn table(&mut self, path: &KeyPath, table: &Map<String, Value>, schema: &Schema<'_>) -> Values {
        let mut values: Vec<(String, Json)> = Vec::new();
        for name in table.keys() {
            if !schema.keys.iter().any(|key| key.name == name || is_file_of(name, key)) {
                self.problem(&path.join(name), schema.describe_unknown(name));
            }
        }
        for key in &schema.keys {
            let value = self.key(path, table, key, schema.default_port);
            if let Some(value) = value.or_else(|| schema.default_of(key)) {
                let key_path = path.join(key.name);
                let file_path = path.join(&format!("{}{FILE_SUFFIX}", key.name));
                let is_of_file =
                    key.kind == KeyKind::Secret && table.contains_key(&format!("{}{FILE_SUFFIX}", key.name));
                let said_at = if is_of_file { &file_path } else { &key_path };
                self.note_effective(key_path.clone(), key.kind, &value, said_at);
                values.push((key.name.to_owned(), value));
            }
        }
        values.into_iter().collect()
    }

    /// The normal form of one key's value, wherever it comes from; `None` where it has none, or a wrong one.
    fn key(
        &mut self,
        section: &KeyPath,
        table: &Map<String, Value>,
        key: &Key,
        default_port: Option<u16>,
    ) -> Option<Json> {
        let path = section.join(key.name);
        if key.kind == KeyKind::Secret {
            let file_key = format!("{}{FILE_SUFFIX}", key.name);
            let file_path = section.join(&file_key);
            match (table.get(key.name), table.get(&file_key)) {
                (Some(_), Some(file)) => match self.later_of(&path, &file_path) {
                    Some(later) if *later == path => {}
                    Some(_) => return self.secret_of_file(&file_path, file),
                    None => {
                        self.problem(&path, format!("and {file_key} are both given; keep one of them"));
                        return None;
                    }
                },
                (None, Some(file)) => return self.secret_of_file(&file_path, file),
                (_, None) => {}
            }
        }
        if self.has_problem(&path) {
            return None;
        }
        let Some(value) = table.get(key.name) else {
            if key.required {
                self.problem(section, format!("needs the key '{}': {}", key.name, key.help));
            }
            return None;
        };
        if matches!(value.kind, ValueKind::Nil) {
            self.problem(&path, "has no value; give one, or leave the key out");
            return None;
        }
        let reading = Reading {
            untyped: self.layers.places.is_untyped(&path),
            default_port,
        };
        match normal::normalise(key.kind, value, reading) {
            Ok(Json::String(file)) if key.kind == KeyKind::Path => Some(Json::from(self.resolve(&path, &file))),
            Ok(value) => Some(value),
            Err(message) => {
                self.problem(&path, message);
                None
            }
        }
    }

    /// Of two values that exclude each other, the one of the later layer, which wins.
    fn later_of<'p>(&self, one: &'p KeyPath, other: &'p KeyPath) -> Option<&'p KeyPath> {
        let by_variable = |path| self.layers.places.sets_by_variable(path);
        match (by_variable(one), by_variable(other)) {
            (true, false) => Some(one),
            (false, true) => Some(other),
            _ => None,
        }
    }

    /// A file's path: one that stands in the configuration file starts from that file's folder.
    fn resolve(&self, path: &KeyPath, file: &str) -> String {
        if self.layers.places.sets_by_variable(path) {
            return file.to_owned();
        }
        self.layers.directory().join(file).to_string_lossy().into_owned()
    }

    /// The secret that a file holds, without the line end at its end.
    fn secret_of_file(&mut self, path: &KeyPath, file: &Value) -> Option<Json> {
        let ValueKind::String(file) = &file.kind else {
            self.problem(path, format!("must be the path of a file, not {}", normal::show(file)));
            return None;
        };
        let resolved = self.resolve(path, file);
        self.note_file(PathBuf::from(&resolved));
        match read_secret(Path::new(&resolved)) {
            Ok(secret) => Some(Json::from(secret)),
            Err(problem) => {
                self.problem(path, format!("({file}) {problem}"));
                None
            }
        }
    }
}

// === impl Schema ===

impl Schema<'_> {
    /// What holds where a key of a section is left out or wrong, so that one mistake is reported once.
    fn default_of(&self, key: &Key) -> Option<Json> {
        match self.owner {
            Owner::Section => normal::default_of(key, self.default_port),
            Owner::Service(_) => None,
        }
    }

    /// What is wrong with a key that is not in the schema.
    fn describe_unknown(&self, name: &str) -> String {
        let hint = did_you_mean(name, self.keys.iter().map(|key| key.name));
        if !hint.is_empty() {
            return format!("is not a known key{hint}");
        }
        let names = |keys: &[&Key]| keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ");
        let Owner::Service(kind) = self.owner else {
            return format!("is not a known key; known keys: {}", names(&self.keys));
        };
        let base = name.strip_suffix(FILE_SUFFIX).unwrap_or(name);
        let has_it = |kind: &&CheckKind| kind.schema.iter().any(|key| key.name == base);
        let others: Vec<String> = checks::KINDS
            .iter()
            .filter(has_it)
            .map(|kind| format!("\"{}\"", kind.name))
            .collect();
        match kind {
            Some(kind) if !others.is_empty() => {
                format!(
                    "is not a key of check = \"{}\"; {} has it",
                    kind.name,
                    others.join(", ")
                )
            }
            Some(kind) if !kind.schema.is_empty() => {
                let own = names(&kind.schema.iter().collect::<Vec<_>>());
                format!(
                    "is not a known key; check = \"{}\" has {own}, beside those of every service",
                    kind.name
                )
            }
            _ => format!("is not a known key; known keys: {}", names(&self.keys)),
        }
    }
}

fn is_file_of(name: &str, key: &Key) -> bool {
    key.kind == KeyKind::Secret && name.strip_suffix(FILE_SUFFIX) == Some(key.name)
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
