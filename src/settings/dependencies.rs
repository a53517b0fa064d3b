//! Whether what services say of each other in `depends_on` makes sense.

use std::collections::{BTreeMap, BTreeSet};

use config::{Value, ValueKind};

use super::place::KeyPath;
use super::schema::SERVICES;
use super::suggest::did_you_mean;
use super::walk::Walk;

/// Who depends on whom, among services that exist.
type Graph<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// Finds dependencies on services that do not exist, on the service itself, twice on the same, and cycles.
pub(super) fn check(tables: &BTreeMap<String, Value>, walk: &mut Walk<'_>) {
    let stated: BTreeMap<&str, Vec<String>> = tables
        .iter()
        .map(|(name, table)| (name.as_str(), stated_by(table)))
        .collect();
    let mut graph = Graph::new();
    for (name, dependencies) in &stated {
        let path = KeyPath::of(&[SERVICES, name, "depends_on"]);
        let mut known = Vec::new();
        for dependency in dependencies {
            match stated.get_key_value(dependency.as_str()) {
                None => {
                    let hint = did_you_mean(dependency, stated.keys().copied());
                    walk.problem(
                        &path,
                        format!("names '{dependency}', which is not a service here{hint}"),
                    );
                }
                Some((dependency, _)) if dependency == name => {
                    walk.problem(&path, "names the service itself; take it out");
                }
                Some((dependency, _)) if known.contains(dependency) => {
                    walk.problem(&path, format!("names '{dependency}' twice; take one out"));
                }
                Some((dependency, _)) => known.push(*dependency),
            }
        }
        graph.insert(name, known);
    }
    for cycle in cycles(&graph) {
        if let Some(first) = cycle.first() {
            let round = [cycle.as_slice(), &[*first]].concat().join(" → ");
            let path = KeyPath::of(&[SERVICES, first, "depends_on"]);
            walk.problem(
                &path,
                format!("closes a cycle: {round}; one of them must not depend on the next"),
            );
        }
    }
}

/// The names in a service's `depends_on`. A value of another form is reported by the walk.
fn stated_by(table: &Value) -> Vec<String> {
    let ValueKind::Table(table) = &table.kind else {
        return Vec::new();
    };
    match table.get("depends_on").map(|value| &value.kind) {
        Some(ValueKind::Array(items)) => items
            .iter()
            .filter_map(|item| item.clone().into_string().ok())
            .collect(),
        // Only a variable may give a list as one text; one in a file is reported by the walk.
        Some(ValueKind::String(text)) => {
            let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
            names.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// Cycles, each once and beginning with its first name, so that every service that is part of any is part of one.
fn cycles<'a>(graph: &Graph<'a>) -> BTreeSet<Vec<&'a str>> {
    let mut found = BTreeSet::new();
    let mut done = BTreeSet::new();
    for start in graph.keys() {
        // Depth first, without recursion: ten thousand services may stand in one row.
        let mut way: Vec<(&str, usize)> = vec![(start, 0)];
        while let Some((name, next)) = way.last_mut() {
            let dependency = graph
                .get(name)
                .and_then(|dependencies| dependencies.get(*next))
                .copied();
            let Some(dependency) = dependency else {
                done.insert(*name);
                way.pop();
                continue;
            };
            *next += 1;
            if let Some(begins) = way.iter().position(|(name, _)| *name == dependency) {
                let mut cycle: Vec<&str> = way.iter().skip(begins).map(|(name, _)| *name).collect();
                let smallest = cycle.iter().enumerate().min_by_key(|(_, name)| **name);
                let smallest = smallest.map_or(0, |(position, _)| position);
                cycle.rotate_left(smallest);
                found.insert(cycle);
            } else if !done.contains(dependency) {
                way.push((dependency, 0));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cycle_is_found_once() {
        let graph = Graph::from([
            ("a", vec!["b", "d"]),
            ("b", vec!["c"]),
            ("c", vec!["a", "b"]),
            ("d", vec![]),
            ("e", vec!["a"]),
        ]);
        let expected = BTreeSet::from([vec!["a", "b", "c"], vec!["b", "c"]]);
        assert_eq!(cycles(&graph), expected);
    }

    #[test]
    fn a_diamond_is_no_cycle() {
        let graph = Graph::from([("a", vec!["b", "c"]), ("b", vec!["d"]), ("c", vec!["d"]), ("d", vec![])]);
        assert!(cycles(&graph).is_empty());
    }
}
