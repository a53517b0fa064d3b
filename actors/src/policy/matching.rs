//! Which containers bear a service.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::model::{Container, ContainerState, compose_labels};

/// The containers that were found for a service.
#[derive(Debug, Clone, PartialEq)]
pub enum Matching {
    /// These, at least one, the oldest first.
    Found(Arc<[Arc<ContainerState>]>),
    /// Several that cannot all be meant, by name.
    Ambiguous(Vec<String>),
    /// None, or none is wanted.
    None,
}

/// All containers, ordered for look-ups. Built once for each change of the inventory; a look-up costs a few hashes.
#[derive(Debug, Clone, Default)]
pub struct ContainerIndex {
    by_name: HashMap<String, Arc<ContainerState>>,
    by_id: HashMap<String, Arc<ContainerState>>,
    by_service: HashMap<String, Vec<Arc<ContainerState>>>,
    /// By Compose project and service, whatever project services are looked for in.
    by_project: HashMap<(String, String), Vec<Arc<ContainerState>>>,
    by_alias: HashMap<String, Vec<Arc<ContainerState>>>,
    /// Containers that Compose made to take another's place and has not started, by that one's name or id.
    replacements: HashMap<String, Arc<ContainerState>>,
}

// === impl Matching ===

impl Matching {
    /// Both name the same containers in the same state; samples of resources do not count.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Matching::Found(these), Matching::Found(those)) => {
                let is_like = |(one, other): (&Arc<ContainerState>, &Arc<ContainerState>)| {
                    Arc::ptr_eq(one, other) || one.is_like(other)
                };
                these.len() == those.len() && these.iter().zip(those.iter()).all(is_like)
            }
            (Matching::Ambiguous(_) | Matching::None, _) | (_, Matching::Ambiguous(_) | Matching::None) => {
                self == other
            }
        }
    }

    /// The containers; none where they are ambiguous.
    pub fn containers(&self) -> Arc<[Arc<ContainerState>]> {
        match self {
            Matching::Found(containers) => Arc::clone(containers),
            Matching::Ambiguous(_) | Matching::None => Arc::default(),
        }
    }
}

// === impl ContainerIndex ===

impl ContainerIndex {
    /// Orders `containers`. With a `project`, Compose's service names mean services of that project only.
    pub fn new<'a>(containers: impl IntoIterator<Item = &'a Arc<ContainerState>>, project: Option<&str>) -> Self {
        let mut index = Self::default();
        for container in containers {
            index.add(container, project);
        }
        index
    }

    /// The containers that bear a service: by name or id, else by Compose service, else by network alias. Left out are
    /// containers of `docker compose run`, and of a container and its replacement the one that does not count.
    pub fn find(&self, wanted: &Container) -> Matching {
        let name = match wanted {
            Container::None => return Matching::None,
            Container::Discovered {
                project: Some(project),
                name,
            } => {
                let group = self.by_project.get(&(project.clone(), name.clone()));
                return group.map_or(Matching::None, |group| self.find_in(group));
            }
            Container::Discovered { project: None, name } => {
                let exact = self.by_name.get(name);
                return exact.map_or(Matching::None, |exact| found_of(self.successor(exact)));
            }
            Container::Named(name) => name,
        };
        if let Some(exact) = self.by_name.get(name).or_else(|| self.by_id.get(name)) {
            return found_of(self.successor(exact));
        }
        // Between the old one's removal and the new one's renaming nobody bears the name.
        if let Some(replacement) = self.replacements.get(name) {
            return found_of(Arc::clone(replacement));
        }
        let group = self.by_service.get(name).or_else(|| self.by_alias.get(name));
        group.map_or(Matching::None, |group| self.find_in(group))
    }

    fn add(&mut self, container: &Arc<ContainerState>, project: Option<&str>) {
        self.by_name.insert(container.name.clone(), Arc::clone(container));
        self.by_id.insert(container.key.id.to_string(), Arc::clone(container));
        self.by_id
            .insert(container.key.short_id().to_owned(), Arc::clone(container));
        if let Some(replaced) = container.label(compose_labels::REPLACE)
            && container.started_at.is_none()
        {
            self.replacements.insert(replaced.to_owned(), Arc::clone(container));
        }
        let is_one_off = container
            .label(compose_labels::ONE_OFF)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if is_one_off {
            return;
        }
        if let Some(project) = container.label(compose_labels::PROJECT)
            && let Some(service) = container.label(compose_labels::SERVICE)
        {
            let key = (project.to_owned(), service.to_owned());
            self.by_project.entry(key).or_default().push(Arc::clone(container));
        }
        let is_in_project = project.is_none() || project == container.label(compose_labels::PROJECT);
        if let Some(service) = container.label(compose_labels::SERVICE)
            && is_in_project
        {
            let group = self.by_service.entry(service.to_owned()).or_default();
            group.push(Arc::clone(container));
        }
        for alias in container.networks.values().flat_map(|network| &network.aliases) {
            let group = self.by_alias.entry(alias.clone()).or_default();
            // The same alias in several networks is one.
            if group.last().is_none_or(|last| last.key != container.key) {
                group.push(Arc::clone(container));
            }
        }
    }

    /// All of a group where they are one Compose service, or the only one.
    fn find_in(&self, group: &[Arc<ContainerState>]) -> Matching {
        let mut unlike = BTreeSet::new();
        let mut members = BTreeMap::new();
        for container in group {
            unlike.insert(match container.label(compose_labels::SERVICE) {
                Some(service) => (container.label(compose_labels::PROJECT), service),
                None => (None, container.key.id.as_ref()),
            });
            let counted = self.successor(container);
            members.insert(counted.key.clone(), counted);
        }
        if unlike.len() > 1 {
            let mut candidates: Vec<String> = group.iter().map(|container| container.name.clone()).collect();
            candidates.sort_unstable();
            return Matching::Ambiguous(candidates);
        }
        // Where the replaced one still counts, its replacement does not yet.
        let replaced_runs = |container: &Arc<ContainerState>| {
            container.started_at.is_none()
                && container.label(compose_labels::REPLACE).is_some_and(|replaced| {
                    let old = self.by_name.get(replaced).or_else(|| self.by_id.get(replaced));
                    old.is_some_and(|old| old.key != container.key && old.is_running())
                })
        };
        members.retain(|_, container| !replaced_runs(container));
        found(members.into_values().collect())
    }

    /// The container itself, or, once it no longer runs, the one that Compose made to take its place.
    fn successor(&self, container: &Arc<ContainerState>) -> Arc<ContainerState> {
        let replacement = self
            .replacements
            .get(&container.name)
            .or_else(|| self.replacements.get(container.key.id.as_ref()));
        match replacement {
            Some(replacement) if !container.is_running() => Arc::clone(replacement),
            _ => Arc::clone(container),
        }
    }
}

fn found_of(container: Arc<ContainerState>) -> Matching {
    Matching::Found(Arc::new([container]))
}

fn found(mut containers: Vec<Arc<ContainerState>>) -> Matching {
    containers.sort_by(|a, b| a.created.cmp(&b.created).then_with(|| a.key.cmp(&b.key)));
    if containers.is_empty() {
        Matching::None
    } else {
        Matching::Found(containers.into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::*;
    use super::*;
    use crate::model::Moment;

    fn index(containers: &[ContainerState], project: Option<&str>) -> ContainerIndex {
        let containers: Vec<_> = containers.iter().cloned().map(Arc::new).collect();
        ContainerIndex::new(&containers, project)
    }

    /// The names that are found, or the candidates after a question mark.
    fn names(index: &ContainerIndex, wanted: &str) -> Vec<String> {
        match index.find(&Container::Named(wanted.to_owned())) {
            Matching::Found(found) => found.iter().map(|container| container.name.clone()).collect(),
            Matching::Ambiguous(candidates) => candidates.iter().map(|name| format!("{name}?")).collect(),
            Matching::None => Vec::new(),
        }
    }

    fn compose(name: &str, project: &str, service: &str, age: u64, now: Moment) -> ContainerState {
        let container = with_label(running(name, seconds(age), now), compose_labels::PROJECT, project);
        with_label(container, compose_labels::SERVICE, service)
    }

    #[test]
    fn the_name_or_the_id_counts_before_everything_else() {
        let now = start();
        let kafka = running("kafka", seconds(9), now);
        let short = kafka.key.short_id().to_owned();
        let full = kafka.key.id.to_string();
        let index = index(&[kafka, compose("other", "iot", "kafka", 9, now)], None);
        for wanted in ["kafka", &short, &full] {
            assert_eq!(names(&index, wanted), ["kafka"]);
        }
        assert_eq!(index.find(&Container::None), Matching::None);
        assert_eq!(names(&index, "nothing"), [""; 0]);
    }

    #[test]
    fn a_compose_service_is_all_of_its_containers_the_oldest_first() {
        let now = start();
        let containers = [
            compose("iot-app-2", "iot", "app", 5, now),
            compose("iot-app-1", "iot", "app", 9, now),
            with_label(
                compose("iot-app-run-1", "iot", "app", 3, now),
                compose_labels::ONE_OFF,
                "True",
            ),
        ];
        assert_eq!(
            names(&index(&containers, Some("iot")), "app"),
            ["iot-app-1", "iot-app-2"]
        );
        assert_eq!(names(&index(&containers, None), "app"), ["iot-app-1", "iot-app-2"]);
        assert_eq!(names(&index(&containers, Some("web")), "app"), [""; 0]);
    }

    #[test]
    fn what_was_discovered_is_found_in_its_own_project_whatever_the_monitors_is() {
        let now = start();
        let containers = [
            compose("a-db-1", "a", "db", 5, now),
            compose("b-db-1", "b", "db", 9, now),
            running("db", seconds(9), now),
        ];
        let index = index(&containers, Some("b"));
        for (project, expected) in [(Some("a"), "a-db-1"), (Some("b"), "b-db-1"), (None, "db")] {
            let wanted = Container::Discovered {
                project: project.map(str::to_owned),
                name: "db".to_owned(),
            };
            let found = index.find(&wanted).containers();
            let found: Vec<_> = found.iter().map(|container| container.name.as_str()).collect();
            assert_eq!(found, [expected]);
        }
    }

    #[test]
    fn the_same_service_of_two_projects_is_ambiguous_without_a_project() {
        let now = start();
        let containers = [
            compose("a-db-1", "a", "db", 5, now),
            compose("b-db-1", "b", "db", 9, now),
        ];
        assert_eq!(names(&index(&containers, None), "db"), ["a-db-1?", "b-db-1?"]);
        assert_eq!(names(&index(&containers, Some("b")), "db"), ["b-db-1"]);
    }

    #[test]
    fn a_network_alias_is_the_last_resort() {
        let now = start();
        let broker = in_network(running("x1", seconds(5), now), "iot", &["broker", "x1"]);
        let broker = in_network(broker, "backend", &["broker"]);
        let containers = [
            broker,
            in_network(running("x2", seconds(5), now), "iot", &["cache"]),
            in_network(running("x3", seconds(5), now), "iot", &["cache"]),
        ];
        let index = index(&containers, Some("iot"));
        assert_eq!(names(&index, "broker"), ["x1"]);
        assert_eq!(names(&index, "cache"), ["x2?", "x3?"]);
    }

    #[test]
    fn of_a_container_and_its_replacement_one_counts_at_every_step() {
        let now = start();
        for names_old_by_id in [false, true] {
            let old = compose("kafka", "iot", "broker", 900, now);
            let replaced = if names_old_by_id { old.key.id.as_ref() } else { "kafka" };
            let label = |container| with_label(container, compose_labels::REPLACE, replaced);
            let mut unborn = label(with_label(created("f00_kafka", now), compose_labels::SERVICE, "broker"));
            unborn
                .labels
                .insert(compose_labels::PROJECT.to_owned(), "iot".to_owned());
            let stopped = exited(&old, 143, now.wall);
            let renamed = ContainerState {
                name: "kafka".to_owned(),
                ..unborn.clone()
            };
            let steps = [
                (vec![old.clone()], "kafka"),
                (vec![old, unborn.clone()], "kafka"),
                (vec![stopped, unborn.clone()], "f00_kafka"),
                (vec![renamed.clone()], "kafka"),
                (vec![restarted(&renamed, now.wall, false)], "kafka"),
            ];
            for (step, (containers, name)) in steps.iter().enumerate() {
                let index = index(containers, Some("iot"));
                assert_eq!(names(&index, "kafka"), [*name], "step {step} by name");
                assert_eq!(names(&index, "broker"), [*name], "step {step} by service");
            }
            // The old one is gone, and the new one has not got its name yet.
            let index = index(&[unborn], Some("iot"));
            assert_eq!(names(&index, "broker"), ["f00_kafka"]);
            assert_eq!(names(&index, "kafka").is_empty(), names_old_by_id);
        }
    }

    #[test]
    fn a_container_that_once_replaced_another_stands_in_for_nobody() {
        let now = start();
        let old_label = with_label(
            running("kafka-old", seconds(900), now),
            compose_labels::REPLACE,
            "kafka",
        );
        let kafka = exited(&running("kafka", seconds(9), now), 1, now.wall);
        assert_eq!(names(&index(&[old_label, kafka], None), "kafka"), ["kafka"]);
    }
}
