//! Where in the configuration a value stands, and what it is called there.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

/// The names on the way to a value: `services.kafka.timeout`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyPath(Vec<String>);

/// Where a person finds a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a file.
    File {
        /// The file as it was named.
        file: Arc<str>,
        /// Counted from 1; `None` where it concerns the whole file.
        line: Option<usize>,
    },
    /// In an environment variable.
    Variable(Arc<str>),
    /// In a container's label.
    Label {
        /// The container's name.
        container: Arc<str>,
        /// The whole name of the label.
        label: Arc<str>,
    },
    /// In the built-in defaults.
    BuiltIn,
}

/// The places of all values of one or more layers.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    known: HashMap<KeyPath, Place>,
    /// Values that came as text from a variable, so that their type is still to be found.
    untyped: HashSet<KeyPath>,
}

// === impl KeyPath ===

impl KeyPath {
    /// The path of a section of the root.
    pub fn of(names: &[&str]) -> Self {
        Self(names.iter().map(|name| (*name).to_owned()).collect())
    }

    /// The path of a key below this one.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        let mut names = self.0.clone();
        names.push(name.to_owned());
        Self(names)
    }

    /// The names on the way.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// This is the path of a value at, or part of the value at, that other path.
    pub fn is_within(&self, other: &KeyPath) -> bool {
        self.0.starts_with(&other.0)
    }

    fn parent(&self) -> Option<Self> {
        let (_, before) = self.0.split_last()?;
        Some(Self(before.to_vec()))
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, name) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(".")?;
            }
            let is_bare = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
            if !name.is_empty() && name.chars().all(is_bare) {
                f.write_str(name)?;
            } else {
                write!(f, "{name:?}")?;
            }
        }
        Ok(())
    }
}

// === impl Place ===

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { file, line: Some(line) } => write!(f, "{file}:{line}"),
            Place::File { file, line: None } => f.write_str(file),
            Place::Variable(name) => f.write_str(name),
            Place::Label { container, label } => write!(f, "label {label} of container {container}"),
            Place::BuiltIn => f.write_str("built-in defaults"),
        }
    }
}

// === impl Places ===

impl Places {
    /// Notes a value's place.
    pub(super) fn note(&mut self, path: KeyPath, place: Place) {
        self.known.insert(path, place);
    }

    /// Notes that a value is text whose type is still to be found.
    pub(super) fn note_untyped(&mut self, path: KeyPath) {
        self.untyped.insert(path);
    }

    /// Takes the places of a later layer, whose values win.
    pub(super) fn overlay(&mut self, later: Places) {
        for path in later.known.keys() {
            self.untyped.remove(path);
        }
        self.known.extend(later.known);
        self.untyped.extend(later.untyped);
    }

    /// A file or a variable sets this very value.
    pub(super) fn sets(&self, path: &KeyPath) -> bool {
        self.known.contains_key(path)
    }

    /// A variable sets this very value.
    pub(super) fn sets_by_variable(&self, path: &KeyPath) -> bool {
        matches!(self.known.get(path), Some(Place::Variable(_)))
    }

    /// The places of one section alone.
    pub(super) fn within(&self, section: &KeyPath) -> Places {
        let is_within = |path: &&KeyPath| path.is_within(section);
        Places {
            known: self
                .known
                .iter()
                .filter(|(path, _)| is_within(path))
                .map(|(path, place)| (path.clone(), place.clone()))
                .collect(),
            untyped: self.untyped.iter().filter(is_within).cloned().collect(),
        }
    }

    /// The value is text whose type is still to be found.
    pub(super) fn is_untyped(&self, path: &KeyPath) -> bool {
        self.untyped.contains(path)
    }

    /// Where this very value was said; in the built-in defaults where nobody said it.
    pub(super) fn said(&self, path: &KeyPath) -> Place {
        self.known.get(path).cloned().unwrap_or(Place::BuiltIn)
    }

    /// Where a value stands: its own place, else that of what it is part of.
    pub(super) fn of(&self, path: &KeyPath) -> Place {
        let mut path = path.clone();
        loop {
            if let Some(place) = self.known.get(&path) {
                return place.clone();
            }
            match path.parent() {
                Some(parent) => path = parent,
                None => return Place::BuiltIn,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_toml_spells_it() {
        let path = KeyPath::of(&["services", "my.db", "time out"]);
        assert_eq!(path.to_string(), r#"services."my.db"."time out""#);
    }

    #[test]
    fn a_value_without_a_place_is_where_its_section_is() {
        let mut places = Places::default();
        let place = Place::File {
            file: Arc::from("a.toml"),
            line: Some(3),
        };
        places.note(KeyPath::of(&["services", "kafka"]), place);
        let found = places.of(&KeyPath::of(&["services", "kafka", "timeout"]));
        assert_eq!(found.to_string(), "a.toml:3");
        assert_eq!(places.of(&KeyPath::of(&["docker"])), Place::BuiltIn);
    }
}
