//! What the labels of a container say: `health-monitor.KEY`, or `health-monitor.N.KEY` for several checks.

use std::collections::BTreeMap;

use health_monitor_actors::model::{InvalidName, ServiceName};

use crate::settings::labels::{PREFIX, Said, key_of};

/// Longest piece of a label that a message repeats, in characters.
const SHOWN: usize = 60;

/// What all labels of a container say.
#[derive(Debug)]
pub(super) struct Words {
    /// One for each check, at least one.
    pub(super) tables: Vec<Table>,
    /// What is wrong with labels that belong to no check.
    pub(super) stray: Vec<Wrong>,
}

/// What the labels say of one check.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Its number; `None` for the labels without one.
    pub(super) number: Option<u16>,
    /// Values by key, in the file's spelling; `check`, `name` and `enable` are not among them.
    pub(super) said: BTreeMap<String, Said>,
    pub(super) problems: Vec<Wrong>,
    /// With an empty label where it follows from the others.
    check: Option<Said>,
    name: Option<Said>,
    /// Another numbered check of the container is of the same kind.
    is_ambiguous: bool,
}

/// A label and what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    label: String,
    problem: String,
}

/// The container has a label of the monitor's.
pub(super) fn has_any(labels: &BTreeMap<String, String>) -> bool {
    ours(labels).next().is_some()
}

/// What `health-monitor.enable` says; `None` where nobody says it in a way that can be understood.
pub(super) fn enabled(labels: &BTreeMap<String, String>) -> Option<bool> {
    let value = labels.get(&format!("{PREFIX}enable"))?;
    read_bool(value)
}

/// Sorts a container's labels by the check that they are for.
pub(super) fn read(labels: &BTreeMap<String, String>) -> Words {
    let mut common: Vec<(&str, Said)> = Vec::new();
    let mut numbered: BTreeMap<u16, Vec<(&str, Said)>> = BTreeMap::new();
    let mut stray = Vec::new();
    for (label, word, value) in ours(labels) {
        let said = Said {
            label: label.to_owned(),
            value: value.to_owned(),
        };
        let (first, rest) = word
            .split_once('.')
            .map_or((word, None), |(first, rest)| (first, Some(rest)));
        match (first.parse::<u16>(), rest) {
            (Ok(number), Some(rest)) => numbered.entry(number).or_default().push((rest, said)),
            (Ok(_), None) => stray.push(Wrong::new(label, "has a number and no key: write health-monitor.N.KEY")),
            (Err(_), _) => common.push((word, said)),
        }
    }
    if let Some((_, enable)) = common.iter().find(|(word, _)| *word == "enable")
        && read_bool(&enable.value).is_none()
    {
        stray.push(Wrong::new(&enable.label, "must be true or false"));
    }
    common.retain(|(word, _)| *word != "enable");
    let mut tables = Vec::new();
    // Labels without a number are what all numbered checks have in common; without numbers they are the one check's.
    if numbered.is_empty() {
        tables.push(Table::read(None, common));
    } else {
        for (number, own) in numbered {
            let inherited = common
                .iter()
                .filter(|(word, _)| *word != "name" && !own.iter().any(|(other, _)| other == word));
            let all = inherited.cloned().chain(own.clone()).collect();
            tables.push(Table::read(Some(number), all));
        }
        mark_ambiguous(&mut tables);
    }
    Words { tables, stray }
}

fn mark_ambiguous(tables: &mut [Table]) {
    let checks: Vec<String> = tables.iter().map(|table| table.check().to_owned()).collect();
    for table in tables {
        let alike = checks.iter().filter(|check| check.as_str() == table.check()).count();
        table.is_ambiguous = alike > 1;
    }
}

/// The monitor's own labels: the whole name, what follows the prefix, and the value.
fn ours(labels: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str, &str)> {
    let from_prefix = labels.range(PREFIX.to_owned()..);
    from_prefix.map_while(|(label, value)| Some((label.as_str(), label.strip_prefix(PREFIX)?, value.as_str())))
}

fn read_bool(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

// === impl Table ===

impl Table {
    fn read(number: Option<u16>, words: Vec<(&str, Said)>) -> Self {
        let mut table = Self {
            number,
            ..Self::default()
        };
        let check = words.iter().find(|(word, _)| *word == "check");
        table.check = check.map(|(_, said)| said.clone());
        let names_a_port = words.iter().any(|(word, _)| *word == "port");
        let names_a_path = words.iter().any(|(word, _)| matches!(*word, "path" | "scheme" | "url"));
        if table.check.is_none() && (names_a_port || names_a_path) {
            let check = if names_a_path { "http" } else { "tcp" };
            table.check = Some(Said {
                label: String::new(),
                value: check.to_owned(),
            });
        }
        let check = table.check().to_owned();
        for (word, said) in words {
            match key_of(word, Some(&check)) {
                Ok(key) if key == "check" => {}
                Ok(key) if key == "name" => table.name = Some(said),
                Ok(key) if key == "enable" => {
                    let problem = "is for the container as a whole: health-monitor.enable";
                    table.problems.push(Wrong::new(&said.label, problem));
                }
                Ok(key) => {
                    table.said.insert(key, said);
                }
                Err(problem) => table.problems.push(Wrong::new(&said.label, &problem)),
            }
        }
        if crate::checks::find(&check).is_none() {
            let kinds: Vec<&str> = crate::checks::KINDS.iter().map(|kind| kind.name).collect();
            let label = table.check.as_ref().map(|said| said.label.clone()).unwrap_or_default();
            let shown: String = check.chars().take(SHOWN).collect();
            table.problems = vec![Wrong::new(
                &label,
                &format!("must be one of {}, not \"{shown}\"", kinds.join(", ")),
            )];
        }
        table
    }

    /// Kind of the check; the container's state alone where no label says anything else.
    pub(super) fn check(&self) -> &str {
        self.check.as_ref().map_or("container", |said| said.value.trim())
    }

    /// The label that says which check; `None` where it follows from the others.
    pub(super) fn check_label(&self) -> Option<&str> {
        let said = self.check.as_ref()?;
        (!said.label.is_empty()).then_some(said.label.as_str())
    }

    /// The name that a label gives, or what is wrong with it.
    pub(super) fn name(&self) -> Option<Result<ServiceName, (String, InvalidName)>> {
        let said = self.name.as_ref()?;
        Some(ServiceName::new(said.value.trim()).map_err(|error| (said.label.clone(), error)))
    }

    /// The container's name; for a numbered check with its kind, or where that is not enough with its number too.
    pub(super) fn suffixed(&self, name: Option<ServiceName>) -> Option<ServiceName> {
        let name = name?;
        match self.number {
            None => Some(name),
            Some(number) if self.is_ambiguous => ServiceName::new(&format!("{name}-{}-{number}", self.check())).ok(),
            Some(_) => ServiceName::new(&format!("{name}-{}", self.check())).ok(),
        }
    }
}

// === impl Wrong ===

impl Wrong {
    fn new(label: &str, problem: &str) -> Self {
        Self {
            label: label.chars().take(PREFIX.len() + SHOWN).collect(),
            problem: problem.to_owned(),
        }
    }

    pub(super) fn sentence(&self, container: &str) -> String {
        format!("label {} of container {container} {}", self.label, self.problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn shown(words: &Words) -> Vec<String> {
        let show = |table: &Table| {
            let said = table.said.iter().map(|(key, said)| format!("{key}={}", said.value));
            let name = table.suffixed(ServiceName::new("web").ok()).unwrap();
            format!("{name} {} {}", table.check(), said.collect::<Vec<_>>().join(" "))
        };
        words.tables.iter().map(show).collect()
    }

    #[test]
    fn without_a_number_there_is_one_check() {
        let words = read(&labels(&[
            ("health-monitor.enable", "true"),
            ("health-monitor.check", "http"),
            ("health-monitor.path", "/health"),
            ("health-monitor.depends-on", "db,cache"),
            ("traefik.enable", "true"),
        ]));
        assert_eq!(shown(&words), ["web http depends_on=db,cache path=/health"]);
        assert!(words.stray.is_empty() && words.tables[0].problems.is_empty());
    }

    #[test]
    fn numbered_checks_share_what_has_no_number() {
        let words = read(&labels(&[
            ("health-monitor.interval", "30s"),
            ("health-monitor.1.check", "http"),
            ("health-monitor.1.interval", "5s"),
            ("health-monitor.2.check", "mqtt"),
            ("health-monitor.3.check", "mqtt"),
            ("health-monitor.3.port", "8883"),
        ]));
        assert_eq!(
            shown(&words),
            [
                "web-http http interval=5s",
                "web-mqtt-2 mqtt interval=30s",
                "web-mqtt-3 mqtt interval=30s port=8883"
            ]
        );
    }

    #[test]
    fn the_check_may_follow_from_the_rest() {
        for (label, value, check) in [
            ("health-monitor.enable", "true", "container"),
            ("health-monitor.port", "80", "tcp"),
            ("health-monitor.path", "/", "http"),
        ] {
            assert_eq!(read(&labels(&[(label, value)])).tables[0].check(), check, "{label}");
        }
    }

    #[test]
    fn typos_are_found() {
        for (label, value, expected) in [
            (
                "health-monitor.intervall",
                "5s",
                "is not known; did you mean 'interval'?",
            ),
            ("health-monitor.enabled", "true", "is not known; did you mean 'enable'?"),
            (
                "health-monitor.container",
                "x",
                "is not for labels: the container is the one that bears the label",
            ),
        ] {
            let words = read(&labels(&[(label, value)]));
            let sentences: Vec<_> = words.tables[0]
                .problems
                .iter()
                .map(|wrong| wrong.sentence("web"))
                .collect();
            assert_eq!(sentences.len(), 1, "{label}");
            let sentence = &sentences[0];
            assert!(sentence.contains(expected), "{label}: {sentence}");
        }
        let words = read(&labels(&[("health-monitor.enable", "yes please")]));
        assert_eq!(
            words.stray,
            [Wrong::new("health-monitor.enable", "must be true or false")]
        );
        let words = read(&labels(&[("health-monitor.1", "http")]));
        assert_eq!(words.stray.len(), 1);
        let words = read(&labels(&[("health-monitor.check", "htpp")]));
        assert!(words.tables[0].problems[0].sentence("web").contains("not \"htpp\""));
    }
}
