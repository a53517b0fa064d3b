//! `${VAR}` and `${VAR:-default}` in the values of a file.

use std::collections::BTreeMap;

use config::{Map, Value, ValueKind};

use super::place::{KeyPath, Places};
use super::problem::Problem;

/// Replaces every variable in every text below a table, and notes which texts had any: their type is still to be found.
pub(super) fn expand_all(
    root: &mut Map<String, Value>,
    environment: &BTreeMap<String, String>,
    places: &mut Places,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, value) in root {
        expand_value(value, &KeyPath::of(&[name]), environment, places, &mut problems);
    }
    problems
}

fn expand_value(
    value: &mut Value,
    path: &KeyPath,
    environment: &BTreeMap<String, String>,
    places: &mut Places,
    problems: &mut Vec<Problem>,
) {
    match &mut value.kind {
        ValueKind::String(text) => match expand(text, environment) {
            Ok(Some(expanded)) => {
                *text = expanded;
                places.note_untyped(path.clone());
            }
            Ok(None) => {}
            Err(problem) => problems.push(Problem::new(places.of(path), path, problem)),
        },
        ValueKind::Table(table) => {
            for (name, value) in table {
                expand_value(value, &path.join(name), environment, places, problems);
            }
        }
        ValueKind::Array(items) => {
            for (position, value) in items.iter_mut().enumerate() {
                expand_value(value, &path.join(&position.to_string()), environment, places, problems);
            }
        }
        _ => {}
    }
}

/// The text with its variables replaced; `None` where it has none. `$${` stands for a plain `${`, as in Compose files.
pub(super) fn expand(text: &str, environment: &BTreeMap<String, String>) -> Result<Option<String>, String> {
    let Some(first) = text.find("${") else {
        return Ok(None);
    };
    let mut expanded = String::new();
    let mut rest = text;
    let mut next = Some(first);
    while let Some(start) = next {
        let (before, from) = rest.split_at(start);
        let inside = &from[2..];
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = inside;
        } else {
            let Some((reference, after)) = inside.split_once('}') else {
                return Err("has a ${ without its }; write $${ for a plain ${".to_owned());
            };
            expanded.push_str(before);
            expanded.push_str(&resolve(reference, environment)?);
            rest = after;
        }
        next = rest.find("${");
    }
    expanded.push_str(rest);
    Ok(Some(expanded))
}

/// The value of what stands between the braces: `NAME` or `NAME:-default`.
fn resolve(reference: &str, environment: &BTreeMap<String, String>) -> Result<String, String> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    let mut letters = name.chars();
    let first_is_good = letters
        .next()
        .is_some_and(|letter| letter.is_ascii_alphabetic() || letter == '_');
    if !first_is_good || !letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        return Err(format!(
            "refers to a variable '{name}', which cannot be one; write ${{NAME}} or ${{NAME:-default}}, and $${{ for a \
             plain ${{"
        ));
    }
    match (environment.get(name), default) {
        // As in a shell, `:-` also replaces a variable that is set and empty.
        (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Some(value), _) => Ok(value.clone()),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!(
            "refers to the variable {name}, which is not set; set it, or give a default: ${{{name}:-default}}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> BTreeMap<String, String> {
        let pairs = [("HOST", "kafka"), ("PORT", "9092"), ("EMPTY", "")];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    #[test]
    fn variables_are_replaced() {
        for (text, expected) in [
            ("${HOST}", "kafka"),
            ("${HOST}:${PORT}", "kafka:9092"),
            ("${NONE:-x}", "x"),
            ("${EMPTY:-x}", "x"),
            ("${EMPTY}", ""),
            ("${NONE:-}", ""),
            ("a $${HOST} b ${HOST}", "a ${HOST} b kafka"),
            ("$$${HOST}", "$${HOST}"),
        ] {
            assert_eq!(
                expand(text, &environment()).unwrap().as_deref(),
                Some(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn other_text_is_left_alone() {
        for text in ["", "pa$$word", "$HOST", "{HOST}", "5 $"] {
            assert_eq!(expand(text, &environment()), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_replaced_is_said() {
        for (text, part) in [
            ("${NONE}", "NONE, which is not set"),
            ("${HOST", "without its }"),
            ("${}", "cannot be one"),
            ("${a b}", "cannot be one"),
            ("${HOST:?x}", "cannot be one"),
        ] {
            let problem = expand(text, &environment()).unwrap_err();
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }
}
