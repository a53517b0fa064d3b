//! The layer of environment variables: `HEALTH_MONITOR__SECTION__KEY`, and Docker's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::{Map, Value, ValueKind};

use super::key::{Key, KeyKind};
use super::layers::section_names;
use super::place::{KeyPath, Place, Places};
use super::problem::Problem;
use super::schema::{self, DEFAULTS, NAMED_SECTIONS, SECTIONS, SERVICE, SERVICES, Section};
use super::suggest::{did_you_mean, fold};
use crate::checks;

/// What every variable of this layer begins with. `HEALTH_MONITOR_CONFIG`, with one `_`, is none of them.
const PREFIX: &str = "HEALTH_MONITOR__";

/// Variables that people set for every program that talks to Docker.
const DOCKERS_OWN: [(&str, &str); 3] = [
    ("DOCKER_HOST", "host"),
    ("DOCKER_API_VERSION", "api_version"),
    ("DOCKER_CERT_PATH", "cert_path"),
];

/// What the variables set, all of it text whose type is still to be found.
#[derive(Default)]
pub(super) struct Variables {
    pub(super) root: Map<String, Value>,
    pub(super) places: Places,
    pub(super) problems: Vec<Problem>,
}

/// Finds the keys that variables mean, among the services of the layers below.
pub(super) fn read(environment: &BTreeMap<String, String>, below: &Map<String, Value>) -> Variables {
    let mut variables = Variables::default();
    // As for the docker command, the folder alone does not turn TLS on.
    let with_tls = environment
        .get("DOCKER_TLS_VERIFY")
        .is_some_and(|value| !value.is_empty());
    for (variable, key) in DOCKERS_OWN {
        if key == "cert_path" && !with_tls {
            continue;
        }
        if let Some(value) = environment.get(variable).filter(|value| !value.is_empty()) {
            variables.set(&KeyPath::of(&["docker", key]), variable, value);
        }
    }
    let mut meant: BTreeMap<KeyPath, &str> = BTreeMap::new();
    for (variable, value) in environment {
        let Some(names) = strip_prefix(variable) else {
            continue;
        };
        match find_path(names, below) {
            Ok(path) => match meant.get(&path) {
                Some(other) => {
                    variables.problem(variable, format!("sets {path}, and so does {other}; keep one of them"));
                }
                None => {
                    variables.set(&path, variable, value);
                    meant.insert(path, variable);
                }
            },
            Err(problem) => variables.problem(variable, problem),
        }
    }
    variables
}

fn strip_prefix(variable: &str) -> Option<&str> {
    let (prefix, names) = variable.split_at_checked(PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PREFIX).then_some(names)
}

/// The path that a variable's names mean, or what is wrong with them.
fn find_path(names: &str, below: &Map<String, Value>) -> Result<KeyPath, String> {
    let names: Vec<&str> = names.split("__").collect();
    let [section, rest @ ..] = names.as_slice() else {
        return Err("names no key".to_owned());
    };
    if fold(section) == SERVICES {
        return find_service_path(rest, below);
    }
    if let Some(named) = NAMED_SECTIONS.iter().find(|known| known.name == fold(section)) {
        return find_named_path(named, rest, below);
    }
    let Some(found) = SECTIONS.iter().find(|known| known.name == fold(section)) else {
        let known = section_names();
        let section = section.to_lowercase();
        return Err(format!(
            "names the section '{section}', which does not exist{}",
            did_you_mean(&section, known)
        ));
    };
    let [key] = rest else {
        return Err(format!("must be {PREFIX}{}__KEY", found.name.to_uppercase()));
    };
    let key = find_key(key, &|| found.keys.iter())?;
    Ok(KeyPath::of(&[found.name, &key]))
}

/// The path of a key in a table that a person named; the table of a new name is made, in lower case.
fn find_named_path(section: &Section, names: &[&str], below: &Map<String, Value>) -> Result<KeyPath, String> {
    let [name, key] = names else {
        return Err(format!("must be {PREFIX}{}__NAME__KEY", section.name.to_uppercase()));
    };
    let tables = below.get(section.name).and_then(table);
    let known = tables.into_iter().flat_map(Map::keys);
    let mut known: Vec<&str> = known
        .map(String::as_str)
        .filter(|known| fold(known) == fold(name))
        .collect();
    known.sort_unstable();
    let name = match known.as_slice() {
        [] => name.to_lowercase(),
        [known] => (*known).to_owned(),
        several => {
            let several = several.join(", ");
            return Err(format!(
                "may mean any of {several} of [{}]; change it in the file",
                section.name
            ));
        }
    };
    let key = find_key(key, &|| section.keys.iter())?;
    Ok(KeyPath::of(&[section.name, &name, &key]))
}

fn find_service_path(names: &[&str], below: &Map<String, Value>) -> Result<KeyPath, String> {
    let ([service, key] | [service, key, _]) = names else {
        return Err(format!("must be {PREFIX}SERVICES__NAME__KEY"));
    };
    let services = below.get(SERVICES).and_then(table);
    let known = || services.into_iter().flat_map(Map::keys).map(String::as_str);
    let mut named: Vec<&str> = known().filter(|name| fold(name) == fold(service)).collect();
    named.sort_unstable();
    let service = match named.as_slice() {
        [service] => *service,
        [] => {
            let service = service.to_lowercase();
            return Err(format!(
                "names the service '{service}', which does not exist{}; variables change services, a file names them",
                did_you_mean(&service, known())
            ));
        }
        several => {
            return Err(format!(
                "may mean any of the services {}; change it in the file",
                several.join(", ")
            ));
        }
    };
    let key = find_key(key, &|| {
        let of_checks = checks::KINDS.iter().flat_map(|kind| kind.schema);
        SERVICE.iter().chain(DEFAULTS).chain(of_checks)
    })?;
    let path = KeyPath::of(&[SERVICES, service, &key]);
    let Some(entry) = names.get(2) else {
        return Ok(path);
    };
    // Names inside a table, such as HTTP headers, are anybody's: only ones that are there already can be matched.
    let entries = services.and_then(|services| services.get(service)).and_then(table);
    let entries = entries.and_then(|service| service.get(&key)).and_then(table);
    let entry_found = entries
        .into_iter()
        .flat_map(Map::keys)
        .find(|name| fold(name) == fold(entry));
    match entry_found {
        Some(entry) => Ok(path.join(entry)),
        None => Err(format!(
            "names an entry of {path} that does not exist; write it in the file, with a ${{VARIABLE}} as its value"
        )),
    }
}

/// The key that a name means, which may be the `_file` form of a secret.
fn find_key<I: Iterator<Item = &'static Key>>(name: &str, keys: &dyn Fn() -> I) -> Result<String, String> {
    let meant = fold(name);
    if let Some(key) = keys().find(|key| key.name == meant) {
        return Ok(key.name.to_owned());
    }
    let secret = meant.strip_suffix(schema::FILE_SUFFIX);
    if keys().any(|key| Some(key.name) == secret && key.kind == KeyKind::Secret) {
        return Ok(meant);
    }
    let hint = did_you_mean(&meant, keys().map(|key| key.name));
    Err(format!("names the key '{meant}', which does not exist{hint}"))
}

fn table(value: &Value) -> Option<&Map<String, Value>> {
    match &value.kind {
        ValueKind::Table(table) => Some(table),
        _ => None,
    }
}

// === impl Variables ===

impl Variables {
    fn set(&mut self, path: &KeyPath, variable: &str, value: &str) {
        insert(&mut self.root, path.names(), Value::new(None, value));
        self.places.note(path.clone(), Place::Variable(Arc::from(variable)));
        self.places.note_untyped(path.clone());
    }

    fn problem(&mut self, variable: &str, message: String) {
        self.problems.push(Problem {
            place: Place::Variable(Arc::from(variable)),
            path: KeyPath::default(),
            message,
        });
    }
}

/// Puts a value at a path, with the tables on the way to it.
fn insert(table: &mut Map<String, Value>, path: &[String], value: Value) {
    match path {
        [] => {}
        [name] => {
            table.insert(name.clone(), value);
        }
        [name, rest @ ..] => {
            let below = table
                .entry(name.clone())
                .or_insert_with(|| Value::new(None, Map::<String, Value>::new()));
            if let ValueKind::Table(below) = &mut below.kind {
                insert(below, rest, value);
            }
        }
    }
}
