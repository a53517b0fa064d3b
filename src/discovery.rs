//! Services that are made for containers: by their labels, by Compose project, or because they run.
//!
//! # Layout
//!
//! - `groups`: which containers are one service; one-off containers are none.
//! - `words`: what the labels of a container say, one table for each of its checks.
//! - `address`: where a check goes, from the container's name and its ports.
//! - `needs`: what Compose says that a container waits for.
//! - [`Remembered`]: what was learned of containers before, and shows no longer.
//! - [`discover`]: the whole of it, a pure function of the containers. Keys and values are held against the schemas that
//!   hold for the file ([`crate::settings::labels`]).

mod address;
#[cfg(test)]
pub(crate) mod fuzz;
mod groups;
mod needs;
mod remembered;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use health_monitor_actors::model::{
    Container, ContainerKey, ContainerState, ContainerStatus, ServiceName, compose_labels,
};

use crate::settings::labels::{Defined, Labelled, Said};
use crate::settings::{Discovered, Settings};
use groups::Group;
use needs::ENDS_WELL;
pub use remembered::Remembered;
use words::Words;

/// What discovery looks at.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// What the configuration says.
    pub settings: &'a Settings,
    /// Every container there is.
    pub containers: &'a BTreeMap<ContainerKey, Arc<ContainerState>>,
    /// What was learned of them, up to now.
    pub remembered: &'a Remembered,
    /// The monitor's own container, which is watched only where a label says so.
    pub own_id: Option<&'a str>,
    /// The Compose project that the monitor belongs to, or is told to look in.
    pub project: Option<&'a str>,
}

/// A service that was made for containers.
#[derive(Debug, Clone)]
pub struct Found {
    /// The service and what is wrong with its labels.
    pub defined: Defined,
    /// Its containers.
    pub containers: BTreeSet<ContainerKey>,
    /// The container that says what holds.
    pub bearer: String,
    /// It has labels of the monitor's; else it is watched because of its project or because it runs.
    pub is_labelled: bool,
    /// Its dependencies come from Compose and not from a label, so that unknown ones are nobody's mistake.
    pub dependencies_by_compose: bool,
}

/// Every service that the containers ask for or that the settings want made for them, by name.
///
/// Names are the Compose service's, the container's where there is none, or what a label says. Of two that would bear the
/// same name the one with the oldest container does; the other is called after its project or container too.
pub fn discover(scene: &Scene<'_>) -> Vec<Found> {
    let wanted = scene.settings.discovery.containers;
    if wanted == Discovered::None {
        return Vec::new();
    }
    let groups = groups::of(scene.containers.values());
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for group in groups.iter().filter(|group| is_watched(group, scene)) {
        all.extend(of_group(group, scene, &mut names));
    }
    all
}

/// The group is to be watched.
fn is_watched(group: &Group, scene: &Scene<'_>) -> bool {
    let labels = &group.bearer().labels;
    match words::enabled(labels) {
        Some(is_enabled) => return is_enabled,
        None if words::has_any(labels) => return true,
        None => {}
    }
    let is_own = group
        .members
        .iter()
        .any(|member| scene.own_id == Some(member.key.id.as_ref()));
    if is_own {
        return false;
    }
    let is_job = |service| scene.remembered.is_job(service);
    let is_job = group.compose.as_ref().is_some_and(is_job);
    if is_job && !group.members.iter().any(has_failed) {
        return false;
    }
    // Of replicas that Compose makes anew there may be none for a moment but those that are not started yet.
    let was_seen = |member: &Arc<ContainerState>| {
        member.status.has_processes()
            || scene.remembered.ran(&member.key)
            || (member.status == ContainerStatus::Created && member.label(compose_labels::REPLACE).is_some())
    };
    match scene.settings.discovery.containers {
        Discovered::None | Discovered::Labelled => false,
        Discovered::Running => group.members.iter().any(was_seen),
        Discovered::Project => {
            let project = scene.settings.discovery.project.as_deref().or(scene.project);
            // What has done its work and ended well before the monitor came, such as a migration, is no service.
            let counts = |member: &Arc<ContainerState>| was_seen(member) || has_failed(member);
            project.is_some() && group.project() == project && group.members.iter().any(counts)
        }
    }
}

/// It has ended, and not well.
fn has_failed(container: &Arc<ContainerState>) -> bool {
    !container.status.has_processes() && container.exit_code.is_some_and(|code| code != 0)
}

/// The services of one group: one, or one for each of its numbered checks.
fn of_group(group: &Group, scene: &Scene<'_>, names: &mut BTreeSet<String>) -> Vec<Found> {
    let bearer = group.bearer();
    let Words { tables, stray } = words::read(&bearer.labels);
    let is_labelled = words::has_any(&bearer.labels);
    let mut found = Vec::new();
    for (position, table) in tables.iter().enumerate() {
        let mut problems: Vec<String> = Vec::new();
        if position == 0 {
            problems.extend(stray.iter().map(|stray| stray.sentence(&bearer.name)));
        }
        problems.extend(table.problems.iter().map(|problem| problem.sentence(&bearer.name)));
        let name = match table.name() {
            Some(Ok(name)) => taken(name, group, names),
            Some(Err((label, error))) => {
                problems.push(format!("label {label} of container {}: {error}", bearer.name));
                group.name().and_then(|name| taken(name, group, names))
            }
            None => table.suffixed(group.name()).and_then(|name| taken(name, group, names)),
        };
        let Some(name) = name else {
            tracing::warn!(
                container = bearer.name,
                "no service can be named after this container; label it with health-monitor.name"
            );
            continue;
        };
        let mut said = table.said.clone();
        let check = table.check().to_owned();
        if let Err(problem) = address::complete(&check, &mut said, group) {
            problems.push(format!("container {}: {problem}", bearer.name));
        }
        let by_compose = !said.contains_key("depends_on");
        if by_compose && let Some(dependencies) = group.compose_dependencies() {
            said.insert("depends_on".to_owned(), dependencies);
        }
        let labelled = Labelled {
            name,
            container: group.container(),
            bearer: bearer.name.clone(),
            check_label: table.check_label().map(str::to_owned),
            check,
            said,
        };
        let defined = scene.settings.base.define(&labelled, problems);
        found.extend(defined.map(|defined| Found {
            defined,
            containers: group.members.iter().map(|member| member.key.clone()).collect(),
            bearer: bearer.name.clone(),
            is_labelled,
            dependencies_by_compose: by_compose,
        }));
    }
    found
}

/// The name, or where it is taken the longer one after project or container.
fn taken(name: ServiceName, group: &Group, names: &mut BTreeSet<String>) -> Option<ServiceName> {
    let longer = || {
        let long = match group.project() {
            Some(project) => format!("{project}.{name}"),
            None => format!("{name}.{}", group.first().key.short_id()),
        };
        ServiceName::new(&long).ok()
    };
    if names.insert(name.folded()) {
        return Some(name);
    }
    longer().filter(|name| names.insert(name.folded()))
}

// === impl Group ===

impl Group {
    /// What the service's settings say of its containers.
    fn container(&self) -> Container {
        match &self.compose {
            Some((project, service)) => Container::Discovered {
                project: Some(project.clone()),
                name: service.clone(),
            },
            None => Container::Discovered {
                project: None,
                name: self.first().name.clone(),
            },
        }
    }

    /// What Compose says that the service needs, without what only has to have ended.
    fn compose_dependencies(&self) -> Option<Said> {
        let lasting = needs::of(self.bearer()).filter(|(_, condition)| *condition != ENDS_WELL);
        let value = lasting.map(|(service, _)| service).collect::<Vec<_>>().join(",");
        (!value.is_empty()).then(|| Said {
            label: compose_labels::DEPENDS_ON.to_owned(),
            value,
        })
    }
}

#[cfg(test)]
mod tests;
