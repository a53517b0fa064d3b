//! What an HTTP answer must be, read and checked once, when the configuration is loaded.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use health_monitor_actors::check::{CheckFailure, Finding};
use health_monitor_actors::model::FailureKind;
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::super::failure;
use crate::settings::values::InvalidValue;

/// Statuses that are good.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub(super) struct Statuses(Vec<RangeInclusive<u16>>);

/// What an answer must be.
#[derive(Debug)]
pub(super) struct Expectations {
    statuses: Statuses,
    text: Option<String>,
    /// JSON pointers and the values they must lead to.
    values: BTreeMap<String, String>,
}

// === impl Statuses ===

impl Statuses {
    fn contain(&self, status: StatusCode) -> bool {
        self.0.iter().any(|range| range.contains(&status.as_u16()))
    }
}

impl Default for Statuses {
    fn default() -> Self {
        Self(vec![200..=399])
    }
}

impl TryFrom<Vec<String>> for Statuses {
    type Error = String;

    fn try_from(texts: Vec<String>) -> Result<Self, Self::Error> {
        let range = |text: &String| {
            let (from, to) = text.split_once('-').unwrap_or((text, text));
            let range = from.trim().parse().ok()?..=to.trim().parse().ok()?;
            (*range.start() >= 100 && range.start() <= range.end() && *range.end() <= 999).then_some(range)
        };
        let ranges: Result<Vec<_>, _> = texts
            .iter()
            .map(|text| {
                range(text)
                    .ok_or_else(|| format!("`{text}` is neither a status such as 200 nor a range such as 200-399"))
            })
            .collect();
        match ranges {
            Ok(ranges) if ranges.is_empty() => Err("no status is expected: leave the key out".to_owned()),
            ranges => ranges.map(Self),
        }
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            match (range.start(), range.end()) {
                (from, to) if from == to => write!(f, "{comma}{from}")?,
                (from, to) => write!(f, "{comma}{from}-{to}")?,
            }
        }
        Ok(())
    }
}

// === impl Expectations ===

impl Expectations {
    /// Checks that the expectations can be met at all.
    pub(super) fn new(
        statuses: Statuses,
        text: Option<String>,
        values: BTreeMap<String, String>,
    ) -> Result<Self, InvalidValue> {
        if let Some(pointer) = values
            .keys()
            .find(|pointer| !pointer.is_empty() && !pointer.starts_with('/'))
        {
            return Err(InvalidValue::new(
                format!("expect_json.{pointer}"),
                format!("is no JSON pointer: write \"/{}\"", pointer.replace('.', "/")),
            ));
        }
        Ok(Self { statuses, text, values })
    }

    /// Holds an answer against them.
    pub(super) fn judge(&self, asked: &str, status: StatusCode, body: &[u8]) -> Result<Finding, CheckFailure> {
        let fail = |reason: String| {
            let failure = CheckFailure::new(FailureKind::Assertion, reason);
            Err(failure.with("status", status.as_u16()))
        };
        if !self.statuses.contain(status) {
            let said = match body {
                [] => String::new(),
                body => format!(": {}", failure::quote(body)),
            };
            return fail(format!("{asked} answers {status}, expected {}{said}", self.statuses));
        }
        if let Some(text) = &self.text
            && !contains(body, text.as_bytes())
        {
            let said = failure::quote(body);
            return fail(format!(
                "{asked} answers {status}, expected {text:?} in its body: {said}"
            ));
        }
        if self.values.is_empty() {
            return Ok(Finding::pass(format!("{asked} answers {status}")));
        }
        let Ok(json) = serde_json::from_slice::<Value>(body) else {
            let said = failure::quote(body);
            return fail(format!(
                "{asked} answers {status}, expected JSON of at most 64 KiB: {said}"
            ));
        };
        for (pointer, expected) in &self.values {
            match json.pointer(pointer) {
                None => {
                    return fail(format!(
                        "{asked} answers {status}, expected {expected:?} at {pointer}, which is not there"
                    ));
                }
                Some(value) if !equals(value, expected) => {
                    let found = failure::quote(value.to_string().as_bytes());
                    return fail(format!(
                        "{asked} answers {status}, expected {expected:?} at {pointer}, found {found}"
                    ));
                }
                Some(_) => {}
            }
        }
        Ok(Finding::pass(format!(
            "{asked} answers {status} with the expected values"
        )))
    }
}

/// A string equals its text; any other value the JSON that it is written as.
fn equals(value: &Value, expected: &str) -> bool {
    match value {
        Value::String(text) => text == expected,
        value => serde_json::from_str::<Value>(expected).is_ok_and(|expected| expected == *value),
    }
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(texts: &[&str]) -> Result<Statuses, String> {
        Statuses::try_from(texts.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn statuses_are_numbers_and_ranges() {
        let some = statuses(&["200", "300-399"]).unwrap();
        assert_eq!(some.to_string(), "200, 300-399");
        let good = |code| some.contain(StatusCode::from_u16(code).unwrap());
        assert!(good(200) && good(300) && good(399));
        assert!(!good(201) && !good(299) && !good(400));
        for wrong in ["", "2xx", "399-200", "99", "1000", "-200", "200-"] {
            assert!(statuses(&[wrong]).is_err(), "{wrong}");
        }
        assert!(statuses(&[]).is_err());
    }

    #[test]
    fn json_values_are_compared_by_what_they_are() {
        let judge = |pointer: &str, expected: &str| {
            let values = BTreeMap::from([(pointer.to_owned(), expected.to_owned())]);
            let expectations = Expectations::new(Statuses::default(), None, values).unwrap();
            let body = br#"{"status": "ok", "checks": [{"up": true, "lag": 5}], "none": null}"#;
            expectations
                .judge("GET /", StatusCode::OK, body)
                .map_err(|failure| failure.reason)
        };
        for (pointer, expected) in [
            ("/status", "ok"),
            ("/checks/0/up", "true"),
            ("/checks/0/lag", "5"),
            ("/none", "null"),
            ("/checks", r#"[ {"lag":5, "up":true} ]"#),
        ] {
            judge(pointer, expected).unwrap();
        }
        let wrong = judge("/status", "green").unwrap_err();
        assert!(
            wrong.ends_with(r#"expected "green" at /status, found "\"ok\"""#),
            "{wrong}"
        );
        let absent = judge("/state", "ok").unwrap_err();
        assert!(
            absent.ends_with(r#"expected "ok" at /state, which is not there"#),
            "{absent}"
        );
        judge("/checks/0/up", "TRUE").unwrap_err();
    }

    #[test]
    fn what_is_no_pointer_is_told_with_what_would_be_one() {
        let values = BTreeMap::from([("checks.db".to_owned(), "ok".to_owned())]);
        let error = Expectations::new(Statuses::default(), None, values).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expect_json.checks.db is no JSON pointer: write \"/checks/db\""
        );
    }
}
