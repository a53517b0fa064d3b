//! What labels say of a service: the keys of the file, held against the same schemas.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use config::{Map, Value};
use health_monitor_actors::model::{Container, ServiceName};

use super::Effective;
use super::key::{Key, KeyKind};
use super::layers::Layers;
use super::place::{KeyPath, Place, Places};
use super::problem::Problem;
use super::schema::{DEFAULTS, FILE_SUFFIX, SERVICE, SERVICES};
use super::sections::Discovery;
use super::services::{self, ServiceDefinition};
use super::suggest::{did_you_mean, fold};
use super::values::Values;
use super::walk::Walk;
use crate::checks::{self, CheckKind};

/// What the names of the monitor's labels begin with.
pub const PREFIX: &str = "health-monitor.";

/// Words of labels that are no keys of a service in the file: what they say is turned into such keys.
pub const OWN_WORDS: [&str; 5] = ["enable", "name", "port", "path", "scheme"];

/// Keys that labels cannot have: the container is the one that bears the label.
const NOT_FOR_LABELS: [&str; 1] = ["container"];

/// What is kept in the place of a secret that stands in a label.
const HIDDEN: &str = "***";

/// What services of labels are held against beside the schemas.
#[derive(Debug)]
pub(crate) struct Base {
    defaults: Values,
    /// Where the defaults were said.
    places: Places,
    files: PathBuf,
}

/// What the labels of a container say of one service. Addresses are made of ports already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// The service's name.
    pub name: ServiceName,
    /// The containers that bear it.
    pub container: Container,
    /// The container whose labels these are.
    pub bearer: String,
    /// Kind of its check.
    pub check: String,
    /// The label that says so; `None` where it follows from the others.
    pub check_label: Option<String>,
    /// Values by key, in the file's spelling.
    pub said: BTreeMap<String, Said>,
}

/// A value and the label that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The whole name of the label.
    pub label: String,
    /// Its value.
    pub value: String,
}

/// A service that labels define.
#[derive(Debug, Clone)]
pub struct Defined {
    /// The service. Where there are problems, it is watched by its container's state alone.
    pub definition: ServiceDefinition,
    /// What holds for its keys, as it may be shown.
    pub effective: Vec<Effective>,
    /// What is wrong with the labels.
    pub problems: Vec<String>,
    /// The files whose content it is made from, or would be if they could be read.
    pub files: Vec<PathBuf>,
}

// === impl Base ===

impl Base {
    pub(super) fn new(defaults: Values, places: &Places, discovery: &Discovery) -> Self {
        Self {
            defaults,
            places: places.within(&KeyPath::of(&["defaults"])),
            files: discovery.files.clone(),
        }
    }

    /// Holds labels against the schemas. `None` where even the container's state alone cannot be watched, which is a
    /// contradiction among the defaults that loading them has ruled out.
    pub(crate) fn define(&self, labelled: &Labelled, mut problems: Vec<String>) -> Option<Defined> {
        let kind = checks::find(&labelled.check);
        problems.extend(self.unusable(labelled, kind));
        let mut files = Vec::new();
        if problems.is_empty() {
            match self.read(labelled, &mut files) {
                Ok(defined) => return Some(Defined { files, ..defined }),
                Err(found) => problems = found,
            }
        }
        let by_state_alone = Labelled {
            check: "container".to_owned(),
            check_label: None,
            said: BTreeMap::new(),
            ..labelled.clone()
        };
        let defined = self.read(&by_state_alone, &mut Vec::new()).ok()?;
        Some(Defined {
            problems,
            files,
            ..defined
        })
    }

    /// Beside what is defined it tells which files were looked at.
    fn read(&self, labelled: &Labelled, files: &mut Vec<PathBuf>) -> Result<Defined, Vec<String>> {
        let section = KeyPath::of(&[SERVICES, labelled.name.as_str()]);
        let mut places = self.places.clone();
        let bearer: Arc<str> = Arc::from(labelled.bearer.as_str());
        let place = |label: &str| Place::Label {
            container: bearer.clone(),
            label: Arc::from(label),
        };
        // For whatever no label says: that the container bears any.
        places.note(section.clone(), place(PREFIX.trim_end_matches('.')));
        let mut table: Map<String, Value> = Map::new();
        table.insert("check".to_owned(), Value::new(None, labelled.check.as_str()));
        if let Some(label) = &labelled.check_label {
            places.note(section.join("check"), place(label));
        }
        for (key, said) in &labelled.said {
            table.insert(key.clone(), Value::new(None, said.value.as_str()));
            places.note(section.join(key), place(&said.label));
            places.note_untyped(section.join(key));
        }
        let layers = Layers {
            // Paths start from the folder that labels may name files of.
            file: Some(self.files.join("labels")),
            root: Map::new(),
            places,
            problems: Vec::new(),
            built_in_services: false,
        };
        let mut walk = Walk::new(&layers);
        let definition = services::read_service(labelled.name.as_str(), &table, &section, &self.defaults, &mut walk);
        let (effective, looked_at) = walk.take_effective();
        files.extend(looked_at);
        let problems = walk.into_problems();
        match definition {
            Some(mut definition) if problems.is_empty() => {
                Arc::make_mut(&mut definition.spec).container = labelled.container.clone();
                Ok(Defined {
                    definition,
                    effective,
                    problems: Vec::new(),
                    files: Vec::new(),
                })
            }
            _ => Err(problems.iter().map(Problem::to_string).collect()),
        }
    }

    /// What labels must not say although a file may.
    fn unusable(&self, labelled: &Labelled, kind: Option<&CheckKind>) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, said) in &labelled.said {
            let label = &said.label;
            let base = name.strip_suffix(FILE_SUFFIX).unwrap_or(name);
            let key = keys_of(kind).find(|key| key.name == name || key.name == base);
            let problem = match key.map(|key| key.kind) {
                Some(KeyKind::Secret) if base == name => Some(format!(
                    "must not hold a secret, which everybody reads who may inspect the container; put it into a file \
                     below {} and name that by {PREFIX}{}{}",
                    self.files.display(),
                    name.replace('_', "-"),
                    FILE_SUFFIX.replace('_', "-"),
                )),
                Some(KeyKind::SecretMap) => {
                    Some("may hold secrets, which do not belong into labels; define the service in the file".to_owned())
                }
                Some(KeyKind::TextMap) => {
                    Some("is a table, which labels cannot hold; define the service in the file".to_owned())
                }
                Some(KeyKind::Secret | KeyKind::Path) if !self.may_name(&said.value) => Some(format!(
                    "must be a file below {} (discovery.files), the only folder of which labels may name files",
                    self.files.display()
                )),
                _ if said.value.contains(HIDDEN) => Some(
                    "holds what looks like a secret, which everybody reads who may inspect the container; define the \
                     service in the file"
                        .to_owned(),
                ),
                _ => None,
            };
            problems.extend(problem.map(|problem| format!("label {label} of container {} {problem}", labelled.bearer)));
        }
        problems
    }

    fn may_name(&self, file: &str) -> bool {
        let path = Path::new(file);
        let climbs = path.components().any(|part| part == Component::ParentDir);
        !climbs && self.files.join(path).starts_with(&self.files)
    }
}

/// The file's spelling of the key that a label means, such as `depends_on` for `depends-on`.
///
/// # Errors
///
/// Where there is no such key: what to say of it, to be read after the label's name.
pub fn key_of(word: &str, check: Option<&str>) -> Result<String, String> {
    let meant = fold(word);
    let kind = check.and_then(checks::find);
    if NOT_FOR_LABELS.contains(&meant.as_str()) {
        return Err("is not for labels: the container is the one that bears the label".to_owned());
    }
    let is_own = OWN_WORDS.contains(&meant.as_str());
    let secret = meant.strip_suffix(FILE_SUFFIX);
    let is_key = |key: &Key| key.name == meant || (key.kind == KeyKind::Secret && Some(key.name) == secret);
    if is_own || keys_of(kind).any(is_key) {
        return Ok(meant);
    }
    let of_others: Vec<String> = checks::KINDS
        .iter()
        .filter(|kind| kind.schema.iter().any(is_key))
        .map(|kind| format!("\"{}\"", kind.name))
        .collect();
    if let Some(kind) = kind
        && !of_others.is_empty()
    {
        let others = of_others.join(", ");
        return Err(format!("is not for check \"{}\"; {others} has it", kind.name));
    }
    let known = OWN_WORDS.into_iter().chain(keys_of(kind).map(|key| key.name));
    let known: Vec<String> = known.map(|name| name.replace('_', "-")).collect();
    let hint = did_you_mean(word, known.iter().map(String::as_str));
    if hint.is_empty() {
        Err(format!("is not known; known are {}", known.join(", ")))
    } else {
        Err(format!("is not known{hint}"))
    }
}

/// Whether everybody may read what the label of this name says, by the key that it means: `false` for a secret. `None` where
/// it means no key of the monitor's.
pub(crate) fn is_public(label: &str) -> Option<bool> {
    let words = label.strip_prefix(PREFIX)?.split('.');
    let word = words.into_iter().find(|word| word.parse::<u16>().is_err())?;
    let meant = fold(word);
    if OWN_WORDS.contains(&meant.as_str()) {
        return Some(true);
    }
    let of_checks = checks::KINDS.iter().flat_map(|kind| kind.schema);
    let mut known = SERVICE.iter().chain(DEFAULTS).chain(of_checks);
    known.find_map(|key| match key.kind {
        KeyKind::Secret if meant.strip_suffix(FILE_SUFFIX) == Some(key.name) => Some(true),
        KeyKind::Secret | KeyKind::SecretMap => (key.name == meant).then_some(false),
        _ => (key.name == meant).then_some(true),
    })
}

fn keys_of(kind: Option<&CheckKind>) -> impl Iterator<Item = &'static Key> + use<> {
    let own = kind.map_or(&[][..], |kind| kind.schema);
    let common = SERVICE.iter().chain(DEFAULTS);
    common.filter(|key| !NOT_FOR_LABELS.contains(&key.name)).chain(own)
}
