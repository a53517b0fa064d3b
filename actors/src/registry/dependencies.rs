//! Who cannot work without whom.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ServiceName;

type Graph = BTreeMap<ServiceName, BTreeSet<ServiceName>>;

/// The services' dependencies, readable from both ends. A cycle is harmless: every walk visits a service once.
#[derive(Debug, Default)]
pub(super) struct Dependencies {
    needs: Graph,
    needed_by: Graph,
}

impl Dependencies {
    /// `service` needs these from now on.
    pub(super) fn set(&mut self, service: &ServiceName, needs: &[ServiceName]) {
        self.remove(service);
        for needed in needs {
            self.needed_by
                .entry(needed.clone())
                .or_default()
                .insert(service.clone());
        }
        self.needs.insert(service.clone(), needs.iter().cloned().collect());
    }

    /// `service` is gone; those who need it still do.
    pub(super) fn remove(&mut self, service: &ServiceName) {
        for needed in self.needs.remove(service).unwrap_or_default() {
            if let Some(dependents) = self.needed_by.get_mut(&needed) {
                dependents.remove(service);
            }
        }
    }

    /// Those who name `service` among their needs.
    pub(super) fn direct_dependents(&self, service: &ServiceName) -> impl Iterator<Item = &ServiceName> {
        self.needed_by.get(service).into_iter().flatten()
    }

    /// Everybody who needs `service`, directly or through others.
    pub(super) fn dependents(&self, service: &ServiceName) -> BTreeSet<ServiceName> {
        reach(&self.needed_by, service)
    }

    /// Everybody whom `service` needs, directly or through others.
    pub(super) fn needs(&self, service: &ServiceName) -> BTreeSet<ServiceName> {
        reach(&self.needs, service)
    }
}

/// Everything that can be reached from `start`, without `start` itself.
fn reach(graph: &Graph, start: &ServiceName) -> BTreeSet<ServiceName> {
    let mut reached = BTreeSet::new();
    let mut open = vec![start];
    while let Some(at) = open.pop() {
        for name in graph.get(at).into_iter().flatten() {
            if name != start && reached.insert(name.clone()) {
                open.push(name);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> ServiceName {
        ServiceName::new(name).unwrap()
    }

    fn names(names: &[&str]) -> BTreeSet<ServiceName> {
        names.iter().map(|text| name(text)).collect()
    }

    #[test]
    fn walks_both_ways() {
        let mut graph = Dependencies::default();
        graph.set(&name("sink"), &[name("kafka"), name("timescaledb")]);
        graph.set(&name("kafka"), &[name("zookeeper")]);
        assert_eq!(graph.dependents(&name("zookeeper")), names(&["kafka", "sink"]));
        assert_eq!(
            graph.needs(&name("sink")),
            names(&["kafka", "timescaledb", "zookeeper"])
        );
        graph.remove(&name("kafka"));
        assert_eq!(graph.dependents(&name("zookeeper")), names(&[]));
        assert_eq!(graph.dependents(&name("kafka")), names(&["sink"]));
    }

    #[test]
    fn a_cycle_ends() {
        let mut graph = Dependencies::default();
        graph.set(&name("a"), &[name("b")]);
        graph.set(&name("b"), &[name("a")]);
        assert_eq!(graph.needs(&name("a")), names(&["b"]));
    }
}
