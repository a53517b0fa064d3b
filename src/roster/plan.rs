//! What should be watched: a pure function of the configuration and the containers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use health_monitor_actors::model::ServiceName;
use health_monitor_actors::policy::ContainerIndex;

use super::Services;
pub use crate::discovery::Scene;
use crate::discovery::{self, Found};
use crate::settings::schema::SERVICES;
use crate::settings::{Effective, KeyPath, ServiceDefinition, Settings};

/// What should be watched.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// By name.
    pub services: Services,
    /// Windows of maintenance for services that there are not, one sentence each.
    pub idle_windows: Vec<String>,
}

/// A service that is watched.
#[derive(Debug, Clone)]
pub struct Watched {
    /// What is watched and how.
    pub definition: ServiceDefinition,
    /// Where it comes from.
    pub origin: Origin,
    /// What holds for its keys, as it may be shown.
    pub effective: Vec<Effective>,
    /// What is wrong with the labels that it comes from.
    pub problems: Vec<String>,
    /// What a person may wonder about.
    pub notes: Vec<String>,
    /// Files that its labels name. Those of the configuration are in [`Settings::files_read`].
    pub files: Vec<PathBuf>,
}

/// The services' names, found without regard to case.
struct Names(HashMap<String, ServiceName>);

/// Where a service comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// One of the nine that are watched where nothing else is said.
    BuiltIn,
    /// A file, at this place.
    File(String),
    /// The labels of this container.
    Label(String),
    /// This container belongs to the project that is watched, or runs where all that run are watched.
    Container(String),
}

/// What the configuration alone names.
pub fn configured(settings: &Settings) -> Services {
    // In one pass: there may be ten thousand services.
    let mut effective: HashMap<&str, Vec<Effective>> = HashMap::new();
    for one in &settings.effective {
        if let [section, service, ..] = one.path.names()
            && section == SERVICES
        {
            effective.entry(service).or_default().push(one.clone());
        }
    }
    let watched = settings.services.iter().map(|definition| {
        let name = &definition.spec.name;
        let origin = if settings.built_in_services {
            Origin::BuiltIn
        } else {
            Origin::File(settings.place_of(&KeyPath::of(&[SERVICES, name.as_str()])))
        };
        let watched = Watched {
            definition: definition.clone(),
            origin,
            effective: effective.remove(name.as_str()).unwrap_or_default(),
            problems: Vec::new(),
            notes: Vec::new(),
            files: Vec::new(),
        };
        (name.clone(), Arc::new(watched))
    });
    watched.collect()
}

/// Puts together what the configuration names and what is discovered: the file wins over labels, and labels over the
/// built-in services.
pub fn plan(scene: &Scene<'_>, configured: &Services) -> Plan {
    let settings = scene.settings;
    let mut services = configured.clone();
    let mut names = Names::of(&services);
    let index = ContainerIndex::new(scene.containers.values(), scene.project);
    let mut bearers: BTreeMap<_, ServiceName> = BTreeMap::new();
    for (name, watched) in &services {
        for container in index.find(&watched.definition.spec.container).containers().iter() {
            bearers.insert(container.key.clone(), name.clone());
        }
    }
    let mut by_compose = BTreeSet::new();
    for found in discovery::discover(scene) {
        let name = found.defined.definition.spec.name.clone();
        let mut rivals: BTreeSet<ServiceName> = names.find(&name).cloned().into_iter().collect();
        rivals.extend(found.containers.iter().filter_map(|key| bearers.get(key).cloned()));
        if !settings.built_in_services && !rivals.is_empty() {
            for rival in rivals.iter().filter(|_| found.is_labelled) {
                if let Some(watched) = services.get_mut(rival) {
                    let note = format!(
                        "the labels of container {} are not used: the file defines this service",
                        found.bearer
                    );
                    if !watched.notes.contains(&note) {
                        Arc::make_mut(watched).notes.push(note);
                    }
                }
            }
            continue;
        }
        for rival in rivals {
            if services
                .get(&rival)
                .is_some_and(|watched| watched.origin == Origin::BuiltIn)
            {
                services.remove(&rival);
                names.remove(&rival);
            }
        }
        if found.dependencies_by_compose {
            by_compose.insert(name.clone());
        }
        names.insert(&name);
        services.insert(name, Arc::new(discovered(found, settings)));
    }
    resolve_dependencies(&mut services, &names, &by_compose);
    Plan {
        idle_windows: idle_windows(settings, &names),
        services,
    }
}

fn discovered(found: Found, settings: &Settings) -> Watched {
    let mut definition = found.defined.definition;
    definition.set_windows(&settings.windows);
    Watched {
        definition,
        origin: if found.is_labelled {
            Origin::Label(found.bearer)
        } else {
            Origin::Container(found.bearer)
        },
        effective: found.defined.effective,
        problems: found.defined.problems,
        notes: Vec::new(),
        files: found.defined.files,
    }
}

/// Leaves out what discovered services cannot depend on: others that there are not (which is a problem where a label
/// names them), themselves, and whatever would close a circle.
fn resolve_dependencies(services: &mut Services, names: &Names, by_compose: &BTreeSet<ServiceName>) {
    let mut discovered = Vec::new();
    for (name, watched) in services
        .iter_mut()
        .filter(|(_, watched)| watched.origin.is_discovered())
    {
        discovered.push(name.clone());
        let mut known = Vec::new();
        let mut problems = Vec::new();
        for wanted in &watched.definition.spec.depends_on {
            match names.find(wanted) {
                Some(found) if found == name => problems.push(format!("{name} cannot depend on itself")),
                Some(found) if known.contains(found) => {}
                Some(found) => known.push(found.clone()),
                None => problems.push(format!("{name} depends on '{wanted}', which is not watched")),
            }
        }
        let watched = Arc::make_mut(watched);
        if !by_compose.contains(name) {
            watched.problems.extend(problems);
        }
        watched.set_dependencies(known);
    }
    for name in &discovered {
        if reaches_itself(name, services)
            && let Some(watched) = services.get_mut(name)
        {
            let watched = Arc::make_mut(watched);
            let problem = format!("the dependencies of {name} lead back to it; they are left out");
            watched.problems.push(problem);
            watched.set_dependencies(Vec::new());
        }
    }
}

fn reaches_itself(start: &ServiceName, services: &Services) -> bool {
    let mut reached = BTreeSet::new();
    let mut open = vec![start];
    while let Some(watched) = open.pop().and_then(|name| services.get(name)) {
        for next in &watched.definition.spec.depends_on {
            if next == start {
                return true;
            }
            if reached.insert(next) {
                open.push(next);
            }
        }
    }
    false
}

fn idle_windows(settings: &Settings, names: &Names) -> Vec<String> {
    let mut sentences = Vec::new();
    for window in &settings.windows {
        let named = window.services.iter().flatten();
        for service in named.filter(|named| names.find(named).is_none()) {
            let window = &window.window.name;
            sentences.push(format!("maintenance.{window} names '{service}', which is not watched"));
        }
    }
    sentences
}

// === impl Names ===

impl Names {
    fn of(services: &Services) -> Self {
        Self(services.keys().map(|name| (name.folded(), name.clone())).collect())
    }

    /// The service that is called so, whatever the case.
    fn find(&self, name: &ServiceName) -> Option<&ServiceName> {
        self.0.get(&name.folded())
    }

    fn insert(&mut self, name: &ServiceName) {
        self.0.insert(name.folded(), name.clone());
    }

    fn remove(&mut self, name: &ServiceName) {
        self.0.remove(&name.folded());
    }
}

// === impl Plan ===

impl Plan {
    /// Everything that a person should know of, one sentence each.
    pub(super) fn problems(&self) -> impl Iterator<Item = String> {
        let of_services = self.services.values().flat_map(|watched| watched.problems.clone());
        of_services.chain(self.idle_windows.clone())
    }
}

// === impl Watched ===

impl Watched {
    fn set_dependencies(&mut self, dependencies: Vec<ServiceName>) {
        if self.definition.spec.depends_on != dependencies {
            Arc::make_mut(&mut self.definition.spec).depends_on = dependencies;
        }
    }
}

// === impl Origin ===

impl Origin {
    /// It comes from a container and not from the configuration.
    pub fn is_discovered(&self) -> bool {
        matches!(self, Origin::Label(_) | Origin::Container(_))
    }

    /// One word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Origin::BuiltIn => "built_in",
            Origin::File(_) => "file",
            Origin::Label(_) => "label",
            Origin::Container(_) => "container",
        }
    }

    /// The file's line, or the container.
    pub fn place(&self) -> Option<&str> {
        match self {
            Origin::BuiltIn => None,
            Origin::File(place) | Origin::Label(place) | Origin::Container(place) => Some(place),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place() {
            None => f.write_str("built in"),
            Some(place) => write!(f, "{} {place}", self.as_str()),
        }
    }
}

#[cfg(test)]
mod tests;
