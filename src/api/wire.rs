//! How small things are written in JSON.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// A time of the monitor: RFC 3339 in UTC with microseconds, as the specification shows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Micros(pub(super) Timestamp);

/// A time of a container: RFC 3339 in UTC with milliseconds, as the specification shows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Millis(pub(super) Timestamp);

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.6}", self.0))
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}

impl JsonSchema for Micros {
    fn schema_name() -> Cow<'static, str> {
        "Micros".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "date-time",
            "description": "RFC 3339 in UTC, with microseconds.",
        })
    }
}

impl JsonSchema for Millis {
    fn schema_name() -> Cow<'static, str> {
        "Millis".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "date-time",
            "description": "RFC 3339 in UTC, with milliseconds.",
        })
    }
}

/// Answers with this document.
pub(super) fn json(status: StatusCode, document: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status).json(document)
}

/// Whole seconds from `then` to `now`; 0 where the clock was set back.
pub(super) fn seconds_between(then: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.duration_since(then).as_secs()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_in_the_specification() {
        let check: Timestamp = "2023-05-26T18:34:04.928538999Z".parse().unwrap();
        let start: Timestamp = "2023-05-26T12:00:00Z".parse().unwrap();
        assert_eq!(
            serde_json::to_string(&Micros(check)).unwrap(),
            "\"2023-05-26T18:34:04.928538Z\""
        );
        assert_eq!(
            serde_json::to_string(&Millis(start)).unwrap(),
            "\"2023-05-26T12:00:00.000Z\""
        );
    }

    #[test]
    fn a_start_in_the_future_is_no_uptime() {
        let now: Timestamp = "2023-05-26T12:00:00Z".parse().unwrap();
        let later: Timestamp = "2023-05-26T12:00:09.9Z".parse().unwrap();
        assert_eq!(seconds_between(now, later), 9);
        assert_eq!(seconds_between(later, now), 0);
    }
}
