//! Keeps secrets out of what is shown of a container: environment, labels, command and health output.
//!
//! Two rules, as people give secrets away: by name (`POSTGRES_PASSWORD=…`, `--requirepass …`, `"token": "…"`) and by
//! form (credentials in a URL, a bearer token, a private key). Where a rule is in doubt it hides too much.

use std::collections::BTreeMap;

use health_monitor_actors::model::compose_labels;

use crate::excerpt::excerpt;
use crate::settings::EnvironmentShown;
use crate::settings::labels::is_public;

mod scan;

/// What stands in a secret's place.
const HIDDEN: &str = "***";

/// Longest health output that is shown, in characters.
const OUTPUT_LENGTH: usize = 300;

/// Longest line of a log that is kept, in characters.
const LOG_LINE_LENGTH: usize = 400;

/// A name with one of these in it names a secret.
const SECRET_WORDS: [&str; 12] = [
    "pass",
    "pwd",
    "secret",
    "token",
    "key",
    "credential",
    "auth",
    "jaas",
    "dsn",
    "private",
    "opts",
    "cookie",
];

/// Labels by whose values containers are told apart. A project may well be called like a secret, and what is hidden
/// matches nothing.
const SHOWN_LABELS: [&str; 6] = [
    compose_labels::PROJECT,
    compose_labels::SERVICE,
    compose_labels::CONTAINER_NUMBER,
    compose_labels::ONE_OFF,
    compose_labels::DEPENDS_ON,
    compose_labels::REPLACE,
];

/// Names that only look like it.
const HARMLESS_NAMES: [&str; 2] = ["pwd", "oldpwd"];

/// The environment as the policy shows it.
pub(super) fn environment(variables: &[String], policy: EnvironmentShown) -> Vec<String> {
    let shown = variables.iter().map(|variable| match policy {
        EnvironmentShown::All => variable.clone(),
        EnvironmentShown::Names => name_of(variable).to_owned(),
        EnvironmentShown::Redacted => match variable.split_once('=') {
            // What is before the first `=` is no name where somebody put a whole command line.
            Some((name, value)) => format!("{}={}", text(name), named(name, value)),
            None => text(variable),
        },
    });
    shown.collect()
}

/// Labels with the secret ones hidden.
pub(super) fn labels<'a>(labels: impl IntoIterator<Item = (&'a String, &'a String)>) -> BTreeMap<String, String> {
    let shown = labels.into_iter().map(|(name, value)| {
        let value = match is_public(name) {
            _ if SHOWN_LABELS.contains(&name.as_str()) => value.clone(),
            // Its name may only sound like a secret's: `health-monitor.auth-failure`.
            Some(true) => text(value),
            Some(false) => HIDDEN.to_owned(),
            None => named(name, value),
        };
        (name.clone(), value)
    });
    shown.collect()
}

/// A command line, its words joined by blanks.
pub(super) fn command<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut shown: Vec<String> = Vec::new();
    let mut is_secret = false;
    for word in words {
        // The words are told apart here and no longer once they are joined: a secret may hold blanks.
        shown.push(match word.split_once('=') {
            _ if is_secret => HIDDEN.to_owned(),
            Some((name, _)) if is_secret_name(name) && scan::is_name(name) => format!("{name}={HIDDEN}"),
            _ => text(word),
        });
        is_secret = word.starts_with('-') && !word.contains('=') && is_secret_name(word) && scan::is_name(word);
    }
    text(&shown.join(" "))
}

/// The output of a HEALTHCHECK: on one line, without control characters, hidden first and shortened then.
pub(super) fn health_output(output: &str) -> String {
    excerpt(&text(output), OUTPUT_LENGTH)
}

/// The last lines of a log, each without control characters, hidden first and shortened then. A secret may go on over
/// several lines, such as a private key's, so they are looked at together.
pub(super) fn log_lines(log: &str, lines: usize) -> Vec<String> {
    let hidden = text(log);
    let mut last: Vec<String> = hidden
        .lines()
        .rev()
        .take(lines)
        .map(|line| excerpt(line, LOG_LINE_LENGTH))
        .collect();
    last.reverse();
    last
}

/// Any text.
fn text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for secret in scan::secrets(text) {
        shown.push_str(text.get(from..secret.start).unwrap_or_default());
        shown.push_str(HIDDEN);
        from = secret.end;
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    shown
}

fn named(name: &str, value: &str) -> String {
    if is_secret_name(name) {
        HIDDEN.to_owned()
    } else {
        text(value)
    }
}

fn name_of(variable: &str) -> &str {
    variable.split_once('=').map_or(variable, |(name, _)| name)
}

/// Whether what bears this name is to be hidden.
fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    if HARMLESS_NAMES.contains(&name.as_str()) {
        return false;
    }
    // `org.opencontainers.image.authors` is no secret, `authorization` is.
    let name = name.replace("authors", "").replace("author=", "");
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests;
