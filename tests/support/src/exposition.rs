//! A strict reader of Prometheus' text format 0.0.4. What it does not understand is a failed test.

use std::collections::{BTreeMap, BTreeSet};

/// A whole exposition.
#[derive(Debug)]
pub struct Exposition {
    /// In the order in which they came.
    pub families: Vec<Family>,
}

#[derive(Debug)]
pub struct Family {
    pub name: String,
    pub kind: String,
    pub help: String,
    pub samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Exposition {
    /// Reads it.
    ///
    /// # Panics
    ///
    /// Where a line cannot be read, a family appears twice or is not announced, a sample stands outside of its family, or
    /// a series appears twice.
    pub fn parse(text: &str) -> Self {
        assert!(text.is_empty() || text.ends_with('\n'), "the last line is not ended");
        let mut families: Vec<Family> = Vec::new();
        let mut names = BTreeSet::new();
        let mut series = BTreeSet::new();
        for line in text.split_terminator('\n') {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap_or_else(|| panic!("no help text: {line}"));
                assert!(is_name(name), "bad name: {line}");
                assert!(names.insert(name.to_owned()), "family appears twice: {name}");
                families.push(Family {
                    name: name.to_owned(),
                    kind: String::new(),
                    help: help.to_owned(),
                    samples: Vec::new(),
                });
                continue;
            }
            let family = families
                .last_mut()
                .unwrap_or_else(|| panic!("before any family: {line}"));
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                let kind = kind.strip_prefix(&format!("{} ", family.name));
                let kind = kind.unwrap_or_else(|| panic!("type of another family: {line}"));
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(
                    family.kind.is_empty() && family.samples.is_empty(),
                    "type out of place: {line}"
                );
                family.kind = kind.to_owned();
                continue;
            }
            let sample = Sample::parse(line);
            assert!(family.owns(&sample.name), "outside of its family: {line}");
            let identity = format!("{} {:?}", sample.name, sample.labels);
            assert!(series.insert(identity), "series appears twice: {line}");
            family.samples.push(sample);
        }
        for family in &families {
            assert!(!family.kind.is_empty(), "no type: {}", family.name);
            assert!(!family.samples.is_empty(), "no sample: {}", family.name);
        }
        Self { families }
    }

    pub fn family(&self, name: &str) -> Option<&Family> {
        self.families.iter().find(|family| family.name == name)
    }

    /// The value of the one series of this name that has all of these labels, if it is there.
    ///
    /// # Panics
    ///
    /// Where there are several.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |sample: &Sample, (label, value): &(&str, &str)| {
            sample.labels.get(*label).is_some_and(|present| present == value)
        };
        let samples = self.families.iter().flat_map(|family| &family.samples);
        let found: Vec<&Sample> = samples
            .filter(|sample| sample.name == name && labels.iter().all(|label| has(sample, label)))
            .collect();
        assert!(found.len() <= 1, "{name} {labels:?} is ambiguous: {found:?}");
        found.first().map(|sample| sample.value)
    }
}

impl Family {
    fn owns(&self, sample: &str) -> bool {
        match sample.strip_prefix(&self.name) {
            Some("") => true,
            Some("_bucket" | "_sum" | "_count") => self.kind == "histogram",
            _ => false,
        }
    }
}

impl Sample {
    fn parse(line: &str) -> Self {
        let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no value: {line}"));
        let (name, rest) = line.split_at(end);
        assert!(is_name(name), "bad name: {line}");
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => parse_labels(rest, line),
            None => (BTreeMap::new(), rest),
        };
        let value = value
            .strip_prefix(' ')
            .unwrap_or_else(|| panic!("no blank before the value: {line}"));
        let value = match value {
            "+Inf" => f64::INFINITY,
            "-Inf" => f64::NEG_INFINITY,
            "NaN" => f64::NAN,
            number => {
                let digits_only = number
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || b"+-.e".contains(&byte));
                assert!(digits_only, "bad value: {line}");
                number.parse().unwrap_or_else(|_| panic!("bad value: {line}"))
            }
        };
        Self {
            name: name.to_owned(),
            labels,
            value,
        }
    }
}

/// Reads labels up to their closing brace; gives what comes after it.
fn parse_labels<'a>(mut rest: &'a str, line: &str) -> (BTreeMap<String, String>, &'a str) {
    let mut labels = BTreeMap::new();
    loop {
        let (name, quoted) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
        assert!(is_name(name) && !name.contains(':'), "bad label: {line}");
        let mut value = String::new();
        let mut characters = quoted.char_indices();
        let end = loop {
            match characters
                .next()
                .unwrap_or_else(|| panic!("label does not end: {line}"))
            {
                (at, '"') => break at + 1,
                (_, '\\') => match characters.next() {
                    Some((_, '\\')) => value.push('\\'),
                    Some((_, '"')) => value.push('"'),
                    Some((_, 'n')) => value.push('\n'),
                    other => panic!("bad escape {other:?}: {line}"),
                },
                (_, character) => value.push(character),
            }
        };
        assert!(labels.insert(name.to_owned(), value).is_none(), "label twice: {line}");
        let after = &quoted[end..];
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => {
                let after = after
                    .strip_prefix('}')
                    .unwrap_or_else(|| panic!("labels do not end: {line}"));
                return (labels, after);
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b':';
    let mut bytes = name.bytes();
    bytes.next().is_some_and(is_first) && bytes.all(|byte| is_first(byte) || byte.is_ascii_digit())
}
