//! Where settings come from: built-in defaults, then a file, then variables; the later wins.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use config::{Config, ConfigError, Map, Source, Value, ValueKind};

use super::builtin;
use super::document::Document;
use super::environment;
use super::expand;
use super::place::{KeyPath, Places};
use super::problem::{Problem, SettingsError};
use super::schema::{DEFAULTS, NAMED_SECTIONS, SECTIONS, SERVICE, SERVICES};
use super::suggest::did_you_mean;

/// Files that are looked for where none is named; the first that exists is read.
const SEARCHED: [&str; 2] = ["health-monitor.toml", "/etc/health-monitor/config.toml"];

/// The variable that names the file where the command line does not.
const FILE_VARIABLE: &str = "HEALTH_MONITOR_CONFIG";

/// Where to look for settings.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A file that must exist.
    pub file: Option<PathBuf>,
    /// Files of which the first that exists is read, where `file` names none.
    pub searched: Vec<PathBuf>,
    /// The environment variables.
    pub environment: BTreeMap<String, String>,
}

/// All layers, put together and not yet checked.
pub(super) struct Layers {
    pub(super) file: Option<PathBuf>,
    pub(super) root: Map<String, Value>,
    pub(super) places: Places,
    /// What was found wrong on the way.
    pub(super) problems: Vec<Problem>,
    pub(super) built_in_services: bool,
}

/// One layer, as the `config` crate takes it.
#[derive(Debug, Clone)]
struct Layer(Map<String, Value>);

// === impl Sources ===

impl Sources {
    /// Those of this process: the file that the command line names, if any, else the ones that are looked for.
    pub fn of_process(file: Option<PathBuf>) -> Self {
        // A variable that is not Unicode cannot be one of ours.
        let environment: BTreeMap<String, String> = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let named = environment.get(FILE_VARIABLE).filter(|file| !file.is_empty());
        let searched = named
            .map(String::as_str)
            .into_iter()
            .chain(SEARCHED)
            .map(PathBuf::from)
            .collect();
        Self {
            file,
            searched,
            environment,
        }
    }

    /// The file that is read now.
    pub fn find(&self) -> Option<PathBuf> {
        let exists = |file: &&PathBuf| file.try_exists().unwrap_or(true);
        self.file.clone().or_else(|| self.searched.iter().find(exists).cloned())
    }
}

// === impl Layers ===

impl Layers {
    /// Reads all layers and puts them together.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read or understood at all.
    pub(super) fn read(sources: &Sources) -> Result<Self, SettingsError> {
        let file = sources.find();
        let mut problems = Vec::new();
        let (mut root, mut places) = builtin::layer();
        let mut from_file = Map::new();
        if let Some(file) = &file {
            let mut document = Document::read(file)?;
            problems.extend(unknown_sections(&mut document));
            problems.extend(expand::expand_all(
                &mut document.root,
                &sources.environment,
                &mut document.places,
            ));
            from_file = document.root;
            places.overlay(document.places);
        }
        // Whoever says what is to be discovered wants that in the place of somebody else's nine services.
        let discovers = |places: &Places| places.sets(&KeyPath::of(&["discovery", "containers"]));
        let by_variables = environment::read(&sources.environment, &Map::new());
        let built_in_services =
            !from_file.contains_key(SERVICES) && !discovers(&places) && !discovers(&by_variables.places);
        if !built_in_services {
            root.remove(SERVICES);
        }
        let below = if built_in_services { &root } else { &from_file };
        let variables = environment::read(&sources.environment, below);
        problems.extend(variables.problems);
        places.overlay(variables.places);

        let merged = Config::builder()
            .add_source(Layer(root))
            .add_source(Layer(from_file))
            .add_source(Layer(variables.root))
            .build()?;
        Ok(Self {
            root: merged.cache.into_table()?,
            file,
            places,
            problems,
            built_in_services,
        })
    }

    /// The folder that relative paths of the file start from.
    pub(super) fn directory(&self) -> &Path {
        self.file
            .as_deref()
            .and_then(Path::parent)
            .unwrap_or_else(|| Path::new(""))
    }

    /// A section's table; `None` where nothing is said of it, or where it is no table.
    pub(super) fn section(&self, name: &str) -> Option<&Map<String, Value>> {
        match self.root.get(name).map(|section| &section.kind) {
            Some(ValueKind::Table(table)) => Some(table),
            _ => None,
        }
    }
}

/// Takes out what stands at the root of a file and is no section, so that it cannot be taken for a path, and sections
/// that are no tables, which would replace the defaults of all their keys.
fn unknown_sections(document: &mut Document) -> Vec<Problem> {
    let mut problems = Vec::new();
    let places = &document.places;
    document.root.retain(|name, value| {
        let path = KeyPath::of(&[name]);
        let is_section = section_names().any(|section| section == name);
        if !is_section {
            problems.push(Problem::new(places.of(&path), &path, unknown_section(name)));
            return false;
        }
        match value.kind {
            ValueKind::Table(_) => true,
            // `docker:` with nothing below it, in YAML.
            ValueKind::Nil => false,
            _ => {
                problems.push(Problem::new(
                    places.of(&path),
                    &path,
                    "must be a section with keys of its own",
                ));
                false
            }
        }
    });
    problems
}

/// Every section that there may be.
pub(super) fn section_names() -> impl Iterator<Item = &'static str> {
    let sections = SECTIONS.iter().chain(NAMED_SECTIONS);
    sections.map(|section| section.name).chain([SERVICES])
}

fn unknown_section(name: &str) -> String {
    let home = SECTIONS
        .iter()
        .find(|section| section.keys.iter().any(|key| key.name == name));
    if let Some(home) = home {
        return format!("is not a section; it is a key of [{}]", home.name);
    }
    if SERVICE.iter().chain(DEFAULTS).any(|key| key.name == name) {
        return format!("is not a section; it is a key of a service: [{SERVICES}.NAME]");
    }
    let hint = did_you_mean(name, section_names());
    let all: Vec<&str> = section_names().collect();
    if hint.is_empty() {
        format!("is not a section; there are {}", all.join(", "))
    } else {
        format!("is not a section{hint}")
    }
}

// === impl Layer ===

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}
