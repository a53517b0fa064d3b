//! Holds an answer against the one that a document shows.

use serde_json::Value;

/// What stands for anything.
const ANYTHING: char = '…';

/// Keys below which the names are those of one machine, or depend on what a check found.
const FREE: [&str; 6] = ["services", "ports", "networks", "info", "children", "lanes"];

/// Whether this is that answer.
///
/// # Errors
///
/// Where they differ, and in what.
pub(crate) fn compare(expected: &str, actual: &str) -> Result<(), String> {
    match (document(expected), serde_json::from_str(actual.trim())) {
        (Some(expected), Ok(actual)) => shape(&expected, &actual, ""),
        (Some(_), Err(error)) => Err(format!("is no JSON document: {error}\n{actual}")),
        (None, _) => lines(expected, actual),
    }
}

/// The JSON document that is shown: without what stands for the rest, and the comma before that.
fn document(expected: &str) -> Option<Value> {
    if !expected.starts_with(['{', '[']) {
        return None;
    }
    let kept: String = expected.chars().filter(|letter| *letter != ANYTHING).collect();
    let mut dense = String::new();
    for letter in kept.chars() {
        if matches!(letter, '}' | ']') {
            let end = dense.trim_end().trim_end_matches(',').len();
            dense.truncate(end);
        }
        dense.push(letter);
    }
    serde_json::from_str(&dense).ok()
}

/// Every key that is shown is there, with a value of the shown type; null may stand for any, and any for null.
fn shape(expected: &Value, actual: &Value, path: &str) -> Result<(), String> {
    match (expected, actual) {
        (Value::Null, _) | (_, Value::Null) => Ok(()),
        (Value::Object(expected), Value::Object(actual)) => {
            if FREE.iter().any(|key| path.ends_with(&format!("/{key}"))) {
                return Ok(());
            }
            expected.iter().try_for_each(|(key, value)| {
                let path = format!("{path}/{key}");
                let found = actual.get(key).ok_or_else(|| format!("{path} is not in the answer"))?;
                shape(value, found, &path)
            })
        }
        (Value::Array(expected), Value::Array(actual)) => match (expected.first(), actual.first()) {
            (Some(expected), Some(actual)) => shape(expected, actual, &format!("{path}/0")),
            _ => Ok(()),
        },
        (Value::String(_), Value::String(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::Bool(_), Value::Bool(_)) => Ok(()),
        _ => Err(format!("{path} is shown as {expected} and is {actual}")),
    }
}

/// The same lines; a line that is only `…` stands for any number of them.
fn lines(expected: &str, actual: &str) -> Result<(), String> {
    let expected: Vec<&str> = expected.trim_end().lines().collect();
    let actual: Vec<&str> = actual.trim_end().lines().collect();
    if match_lines(&expected, &actual) {
        Ok(())
    } else {
        Err(format!(
            "is shown as\n{}\nand is\n{}",
            expected.join("\n"),
            actual.join("\n")
        ))
    }
}

fn match_lines(expected: &[&str], actual: &[&str]) -> bool {
    match (expected, actual) {
        ([], []) => true,
        ([first, rest @ ..], _) if first.trim() == "…" => {
            (0..=actual.len()).any(|skipped| match_lines(rest, &actual[skipped..]))
        }
        ([first, rest @ ..], [line, others @ ..]) => match_line(first, line) && match_lines(rest, others),
        _ => false,
    }
}

/// The same text, but for what `…` stands for. Of a sample of the exposition the value may differ.
fn match_line(expected: &str, actual: &str) -> bool {
    let mut parts = expected.trim_end().split(ANYTHING);
    let Some(mut rest) = parts.next().and_then(|first| actual.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else {
        return rest.trim_end().is_empty();
    };
    for part in between {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.trim_end().ends_with(last)
}

#[test]
fn what_differs_is_found() {
    assert!(compare("a\n…\nd\n", "a\nb\nc\nd\n").is_ok());
    assert!(compare("a\n…\nd\n", "a\nb\nc\n").is_err());
    assert!(compare("took … ms in all\n", "took 15 ms in all\n").is_ok());
    assert!(compare("took … ms in all\n", "took 15 ms\n").is_err());
    assert!(compare("{\"a\": 1, … }", "{\"a\": 2, \"b\": 3}").is_ok());
    assert!(compare("{\"a\": 1}", "{\"a\": \"2\"}").is_err());
    assert!(compare("{\"c\": 1}", "{\"a\": 2}").is_err());
    assert!(compare("{\"a\": [{\"b\": 1}]}", "{\"a\": [{\"c\": 1}]}").is_err());
}
