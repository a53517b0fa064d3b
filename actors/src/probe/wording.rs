//! Keeps what a server says within bounds, before it is stored, logged and shown.

use serde_json::{Map, Value};

/// Longest reason, in characters.
const SENTENCE: usize = 500;

/// Longest text among the facts, in characters.
const FACT: usize = 200;

/// The reason in one line of bounded length.
pub(super) fn sentence(reason: String) -> String {
    bounded(reason, SENTENCE)
}

/// The facts, with every text in one line of bounded length. Checks choose their names and how many there are.
pub(super) fn facts(mut facts: Map<String, Value>) -> Map<String, Value> {
    facts.values_mut().for_each(bound);
    facts
}

fn bound(value: &mut Value) {
    match value {
        Value::String(text) => *text = bounded(std::mem::take(text), FACT),
        Value::Array(values) => values.iter_mut().for_each(bound),
        Value::Object(values) => values.values_mut().for_each(bound),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn bounded(text: String, most: usize) -> String {
    let is_clean = !text.contains(char::is_control);
    if is_clean && text.len() <= most {
        return text;
    }
    let shown = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut bounded: String = shown.take(most).collect();
    if text.chars().nth(most).is_some() {
        bounded.push('…');
    }
    bounded
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_short_and_clean_stays_as_it_is() {
        assert_eq!(sentence("refused".to_owned()), "refused");
        assert_eq!(sentence("ä".repeat(SENTENCE)), "ä".repeat(SENTENCE));
    }

    #[test]
    fn a_server_cannot_fill_the_log_or_break_its_lines() {
        let said = sentence(format!("it says \"{}\"", "\r\n\u{1b}[31m".repeat(100_000)));
        assert_eq!(said.chars().count(), SENTENCE + 1);
        assert!(said.ends_with('…') && !said.contains(char::is_control));
        let Value::Object(told) = json!({"mode": "x".repeat(9_000), "count": 3, "names": ["a\nb"]}) else {
            unreachable!("it is an object")
        };
        let facts = facts(told);
        assert_eq!(facts["mode"].as_str().unwrap().chars().count(), FACT + 1);
        assert_eq!((&facts["count"], &facts["names"]), (&json!(3), &json!(["a b"])));
    }
}
