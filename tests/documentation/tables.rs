//! Tables of documents that repeat what the code says. Those of the keys are generated:
//! `UPDATE_DOCS=1 cargo test --test documentation` writes them.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use health_monitor::checks::KINDS;
use health_monitor::settings::duration;
use health_monitor::settings::key::{Key, KeyKind};
use health_monitor::settings::schema::{NAMED_SECTIONS, SECTIONS, SERVICE};
use health_monitor_actors::model::Status;

use crate::{read, root};

const CONFIGURATION: &str = "docs/configuration.md";

/// What a person writes as the value.
fn values(kind: KeyKind) -> String {
    let quoted = |words: &[&str]| {
        words
            .iter()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match kind {
        KeyKind::Text => "text".to_owned(),
        KeyKind::Secret => "text, secret".to_owned(),
        KeyKind::Number { min, max } => format!("{min} to {max}"),
        KeyKind::Duration { min, max } => {
            let min = if min.is_zero() {
                "0s".to_owned()
            } else {
                duration::format(min)
            };
            format!("time, {min} to {}", duration::format(max))
        }
        KeyKind::Bool => "`true`, `false`".to_owned(),
        KeyKind::Choice(words) => quoted(words),
        KeyKind::TextList => "list of texts".to_owned(),
        KeyKind::TextMap => "table of texts".to_owned(),
        KeyKind::SecretMap => "table of texts, secret".to_owned(),
        KeyKind::Path => "file".to_owned(),
        KeyKind::HostPort => "host:port".to_owned(),
        KeyKind::HostPortList => "list of host:port".to_owned(),
        KeyKind::Url(schemes) => format!("URL: {}", quoted(schemes)),
    }
}

fn table(keys: &[Key]) -> String {
    if keys.is_empty() {
        return "No keys of its own.\n".to_owned();
    }
    let mut text = "| key | value | default | what it does |\n|---|---|---|---|\n".to_owned();
    for key in keys {
        let default = match key.default {
            Some(default) => format!("`{default}`"),
            None if key.required => "must be given".to_owned(),
            None => String::new(),
        };
        let help = key.help.replace('|', "\\|");
        writeln!(text, "| `{}` | {} | {default} | {help} |", key.name, values(key.kind)).unwrap();
    }
    text
}

/// Every table by its name, and what it must be.
fn tables() -> Vec<(String, String)> {
    let sections = SECTIONS
        .iter()
        .map(|section| (format!("[{}]", section.name), table(section.keys)));
    let named = NAMED_SECTIONS
        .iter()
        .map(|section| (format!("[{}.NAME]", section.name), table(section.keys)));
    let service = [("[services.NAME]".to_owned(), table(SERVICE))];
    let checks = KINDS
        .iter()
        .map(|kind| (format!("check = \"{}\"", kind.name), table(kind.schema)));
    sections.chain(named).chain(service).chain(checks).collect()
}

#[test]
fn every_key_is_documented_as_its_schema_says() {
    let mut text = read(Path::new(CONFIGURATION));
    let written = text.clone();
    for (name, table) in tables() {
        let (begin, end) = (format!("<!-- keys of {name} -->\n"), "<!-- end -->");
        let at = text
            .find(&begin)
            .unwrap_or_else(|| panic!("{CONFIGURATION} has no '{}'", begin.trim()))
            + begin.len();
        let length = text[at..]
            .find(end)
            .unwrap_or_else(|| panic!("'{}' has no '{end}'", begin.trim()));
        text.replace_range(at..at + length, &format!("\n{table}\n"));
    }
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(root().join(CONFIGURATION), text).unwrap();
    } else {
        let remedy = "run UPDATE_DOCS=1 cargo test --test documentation";
        assert!(text == written, "{CONFIGURATION} is behind the schemas: {remedy}");
    }
}

/// First cells of every table's rows, without their marks.
fn rows(document: &str) -> Vec<String> {
    let text = read(Path::new(document));
    let first = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    first.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_check_stands_in_the_readme() {
    let rows = rows("README.md");
    for kind in KINDS {
        assert!(
            rows.iter().any(|row| row == kind.name),
            "{} is missing in README.md",
            kind.name
        );
    }
}

#[test]
fn every_status_is_explained() {
    let rows = rows("docs/statuses.md");
    for status in Status::ALL {
        assert!(
            rows.iter().any(|row| row == status.as_str()),
            "{} is missing",
            status.as_str()
        );
    }
}

#[test]
fn every_alert_is_listed_and_no_other() {
    let folder = root().join("config/prometheus/rules");
    let mut alerts = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let rules = fs::read_to_string(file.unwrap().path()).unwrap();
        let named = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
        alerts.extend(named.map(str::to_owned));
    }
    alerts.sort();
    let text = read(Path::new("docs/alerting.md"));
    let listed = text
        .lines()
        .filter_map(|line| line.strip_prefix("| [")?.split_once(']'));
    let mut listed: Vec<String> = listed.map(|(name, _)| name.to_owned()).collect();
    listed.sort();
    assert_eq!(listed, alerts);
}
