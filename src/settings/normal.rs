//! Turns a value into the normal form of its key's kind, or says why it is not of that kind.

use std::net::Ipv6Addr;
use std::time::Duration;

use config::{Value, ValueKind};
use serde_json::{Map, Value as Json};

use super::duration;
use super::key::{Key, KeyKind};
use super::suggest;
use crate::secret::shown_url;

/// How a value may be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// It is text from a variable: numbers, booleans and lists are to be found in it.
    pub(super) untyped: bool,
    /// The port of an address that names none.
    pub(super) default_port: Option<u16>,
}

/// The normal form of a key's own default.
pub(super) fn default_of(key: &Key, default_port: Option<u16>) -> Option<Json> {
    let reading = Reading {
        untyped: true,
        default_port,
    };
    normalise(key.kind, &Value::new(None, key.default?), reading).ok()
}

/// The normal form of a value.
///
/// # Errors
///
/// What is wrong with it and what would be right, to be read after the key's path. A secret is never shown.
pub(super) fn normalise(kind: KeyKind, value: &Value, reading: Reading) -> Result<Json, String> {
    match kind {
        KeyKind::Text => text(value).map(Json::from),
        KeyKind::Secret => match &value.kind {
            ValueKind::String(text) => Ok(Json::from(text.as_str())),
            _ => Err("must be text, in quotes".to_owned()),
        },
        KeyKind::Number { min, max } => number(value, reading, min, max),
        KeyKind::Duration { min, max } => time(value, min, max),
        KeyKind::Bool => boolean(value, reading),
        KeyKind::Choice(words) => choice(value, words),
        KeyKind::TextList => list(value, reading).map(Json::from),
        KeyKind::TextMap => texts_by_name(value, false),
        KeyKind::SecretMap => texts_by_name(value, true),
        KeyKind::Path => match text(value)? {
            "" => Err("must be the path of a file, not empty".to_owned()),
            path => Ok(Json::from(path)),
        },
        KeyKind::HostPort => host_port(text(value)?, reading.default_port).map(Json::from),
        KeyKind::HostPortList => {
            let entries = match &value.kind {
                ValueKind::String(text) => split(text),
                _ => list(value, reading)?,
            };
            if entries.is_empty() {
                return Err("must name at least one host:port".to_owned());
            }
            let entries = entries.iter().map(|entry| host_port(entry, reading.default_port));
            entries.collect::<Result<Vec<_>, _>>().map(Json::from)
        }
        KeyKind::Url(schemes) => url(text(value)?, schemes).map(Json::from),
    }
}

/// A value as a message shows it.
pub(super) fn show(value: &Value) -> String {
    const LONGEST: usize = 60;
    match &value.kind {
        ValueKind::String(text) if text.chars().count() > LONGEST => {
            let start: String = text.chars().take(LONGEST).collect();
            format!("\"{start}…\"")
        }
        ValueKind::String(text) => format!("\"{text}\""),
        ValueKind::Boolean(value) => value.to_string(),
        ValueKind::I64(value) => value.to_string(),
        ValueKind::I128(value) => value.to_string(),
        ValueKind::U64(value) => value.to_string(),
        ValueKind::U128(value) => value.to_string(),
        ValueKind::Float(value) => value.to_string(),
        ValueKind::Nil => "nothing".to_owned(),
        ValueKind::Table(_) => "a table".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
    }
}

fn text(value: &Value) -> Result<&str, String> {
    match &value.kind {
        ValueKind::String(text) => Ok(text),
        ValueKind::Table(_) | ValueKind::Array(_) | ValueKind::Nil => Err(format!("must be text, not {}", show(value))),
        _ => Err(format!("must be text: write \"{0}\" in quotes, not {0}", show(value))),
    }
}

fn number(value: &Value, reading: Reading, min: u64, max: u64) -> Result<Json, String> {
    let found = match &value.kind {
        ValueKind::I64(number) => Some(i128::from(*number)),
        ValueKind::U64(number) => Some(i128::from(*number)),
        ValueKind::String(text) if reading.untyped => text.trim().parse().ok(),
        _ => None,
    };
    match found.and_then(|number| u64::try_from(number).ok()) {
        Some(number) if (min..=max).contains(&number) => Ok(Json::from(number)),
        _ => {
            let is_quoted = matches!(&value.kind, ValueKind::String(text) if text.parse::<u64>().is_ok());
            let hint = if is_quoted && !reading.untyped {
                "; take the quotes away"
            } else {
                ""
            };
            let found = show(value);
            Err(format!("must be a whole number from {min} to {max}, not {found}{hint}"))
        }
    }
}

fn time(value: &Value, min: Duration, max: Duration) -> Result<Json, String> {
    let found = match &value.kind {
        ValueKind::String(text) => duration::parse(text),
        _ => None,
    };
    let Some(found) = found else {
        return Err(format!(
            "must be a time with its unit, such as \"500ms\", \"10s\" or \"2m\", not {}",
            show(value)
        ));
    };
    if found < min || found > max {
        let (min, max) = (duration::format(min), duration::format(max));
        return Err(format!("must be from {min} to {max}, not {}", duration::format(found)));
    }
    // Written anew, so that "60s" and "1m" are equal.
    Ok(Json::from(duration::format(found)))
}

fn boolean(value: &Value, reading: Reading) -> Result<Json, String> {
    match &value.kind {
        ValueKind::Boolean(value) => Ok(Json::from(*value)),
        ValueKind::String(text) if reading.untyped && text.trim().eq_ignore_ascii_case("true") => Ok(Json::from(true)),
        ValueKind::String(text) if reading.untyped && text.trim().eq_ignore_ascii_case("false") => {
            Ok(Json::from(false))
        }
        _ => Err(format!("must be true or false, not {}", show(value))),
    }
}

fn choice(value: &Value, words: &[&str]) -> Result<Json, String> {
    if let ValueKind::String(text) = &value.kind {
        if words.contains(&text.as_str()) {
            return Ok(Json::from(text.as_str()));
        }
        let hint = suggest::did_you_mean(text, words.iter().copied());
        return Err(format!("must be {}, not {}{hint}", one_of(words), show(value)));
    }
    Err(format!("must be {}, not {}", one_of(words), show(value)))
}

fn list(value: &Value, reading: Reading) -> Result<Vec<String>, String> {
    match &value.kind {
        ValueKind::String(text) if reading.untyped => Ok(split(text)),
        ValueKind::Array(items) => items.iter().map(|item| text(item).map(str::to_owned)).collect(),
        ValueKind::String(text) => Err(format!("must be a list: write [\"{text}\"], not \"{text}\"")),
        _ => Err(format!("must be a list of texts, not {}", show(value))),
    }
}

fn split(text: &str) -> Vec<String> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries.map(str::to_owned).collect()
}

fn texts_by_name(value: &Value, secret: bool) -> Result<Json, String> {
    let ValueKind::Table(table) = &value.kind else {
        let found = if secret {
            String::new()
        } else {
            format!(", not {}", show(value))
        };
        return Err(format!("must be a table of names and texts{found}"));
    };
    let mut texts = Map::new();
    for (name, value) in table {
        let ValueKind::String(text) = &value.kind else {
            let found = if secret {
                String::new()
            } else {
                format!(", not {}", show(value))
            };
            return Err(format!(
                "must hold texts alone: '{name}' must be text, in quotes{found}"
            ));
        };
        texts.insert(name.clone(), Json::from(text.as_str()));
    }
    Ok(Json::Object(texts))
}

/// `host:port`, with the default port where it names none.
fn host_port(text: &str, default_port: Option<u16>) -> Result<String, String> {
    if text.contains("://") {
        return Err(format!("must be host:port without a scheme, not \"{text}\""));
    }
    let (host, port) = if let Some(inside) = text.strip_prefix('[') {
        let (host, after) = inside
            .split_once(']')
            .ok_or_else(|| format!("has a [ without its ]: \"{text}\""))?;
        if host.parse::<Ipv6Addr>().is_err() {
            return Err(format!("must have an IPv6 address between [ and ], not \"{host}\""));
        }
        match after.strip_prefix(':') {
            Some(port) => (format!("[{host}]"), Some(port)),
            None if after.is_empty() => (format!("[{host}]"), None),
            None => return Err(format!("must be [address]:port, not \"{text}\"")),
        }
    } else if text.matches(':').count() > 1 {
        return Err(format!(
            "must have an IPv6 address in brackets: \"[{text}]:port\" or \"[{text}]\""
        ));
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (text.to_owned(), None),
        }
    };
    let is_good = |letter: char| letter.is_alphanumeric() || "-_.[]:%".contains(letter);
    if host.is_empty() || !host.chars().all(is_good) {
        return Err(format!("must be host:port, not \"{text}\""));
    }
    let port = match (port, default_port) {
        (Some(port), _) => match port.parse::<u16>() {
            Ok(port) if port > 0 => port,
            _ => return Err(format!("must have a port from 1 to 65535, not \"{port}\"")),
        },
        (None, Some(port)) => port,
        (None, None) => return Err(format!("must name a port: \"{text}:PORT\"")),
    };
    Ok(format!("{host}:{port}"))
}

fn url(text: &str, schemes: &[&str]) -> Result<String, String> {
    let wanted = || {
        let forms: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://…")).collect();
        one_of(&forms)
    };
    let shown = shown_url(text);
    let authority = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(
            "must not hold user and password; give them as keys of their own, where the check has them".to_owned(),
        );
    }
    let (scheme, rest) = text
        .split_once("://")
        .ok_or_else(|| format!("must be {}, not \"{shown}\"", wanted()))?;
    if !schemes.contains(&scheme) {
        return Err(format!("must be {}, not \"{shown}\"", wanted()));
    }
    if rest.is_empty() || (scheme != "unix" && authority.is_empty()) || text.contains(char::is_whitespace) {
        return Err(format!(
            "must be {} with a host and without spaces, not \"{shown}\"",
            wanted()
        ));
    }
    Ok(text.to_owned())
}

/// `"a"`, `"a" or "b"`, `"a", "b" or "c"`.
fn one_of(words: &[impl AsRef<str>]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{}\"", word.as_ref())).collect();
    match quoted.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        _ => quoted.concat(),
    }
}
