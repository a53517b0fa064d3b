//! Keeps secrets out of what is shown of a container: environment, labels, command and health output.
//!
//! Two rules, as people give secrets away: by name (`POSTGRES_PASSWORD=…`, `--requirepass …`, `"token": "…"`) and by
//! form (credentials in a URL, a bearer token, a private key). Where a rule is in doubt it hides too much.

use std::collections::BTreeMap;

use crate::settings::EnvironmentShown;

mod scan;

/// What stands in a secret's place.
const HIDDEN: &str = "***";

/// Longest health output that is shown, in characters.
const OUTPUT_LENGTH: usize = 300;

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

/// Names that only look like it.
const HARMLESS_NAMES: [&str; 2] = ["pwd", "oldpwd"];

/// The environment as the policy shows it.
pub(super) fn environment(variables: &[String], policy: EnvironmentShown) -> Vec<String> {
    let shown = variables.iter().map(|variable| match policy {
        EnvironmentShown::All => variable.clone(),
        EnvironmentShown::Names => name_of(variable).to_owned(),
        EnvironmentShown::Redacted => match variable.split_once('=') {
            Some((name, value)) => format!("{name}={}", named(name, value)),
            None => text(variable),
        },
    });
    shown.collect()
}

/// Labels with the secret ones hidden.
pub(super) fn labels<'a>(labels: impl IntoIterator<Item = (&'a String, &'a String)>) -> BTreeMap<String, String> {
    let shown = labels
        .into_iter()
        .map(|(name, value)| (name.clone(), named(name, value)));
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
    let shown = text(output);
    let plain: Vec<&str> = shown
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    let plain = plain.join(" ");
    match plain.char_indices().nth(OUTPUT_LENGTH) {
        Some((end, _)) => format!("{}…", plain.get(..end).unwrap_or_default()),
        None => plain,
    }
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
