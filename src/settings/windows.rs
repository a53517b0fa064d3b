//! What is said of recurring windows of maintenance.

use std::collections::BTreeMap;

use config::{Value, ValueKind};
use health_monitor_actors::model::{MaintenanceWindow, ServiceName};
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use serde_json::Value as Json;

use super::duration;
use super::place::KeyPath;
use super::schema::{MAINTENANCE, WINDOW};
use super::suggest::did_you_mean;
use super::values::Values;
use super::walk::{Owner, Schema, Walk};

/// The days as they are written, Monday first.
const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// A window and whom it is for.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// The services that are not checked meanwhile; `None` for all.
    pub services: Option<Vec<ServiceName>>,
    /// When that is.
    pub window: MaintenanceWindow,
}

/// Reads all windows. Services that are not in the file may be discovered later, where `may_be_discovered`.
pub(super) fn read(walk: &mut Walk<'_>, services: &[&str], may_be_discovered: bool) -> Vec<Window> {
    let tables: BTreeMap<String, Value> = match walk.layers.section(MAINTENANCE) {
        Some(windows) => windows.clone().into_iter().collect(),
        None => return Vec::new(),
    };
    let mut windows = Vec::new();
    for (name, table) in &tables {
        let path = KeyPath::of(&[MAINTENANCE, name]);
        let ValueKind::Table(table) = &table.kind else {
            walk.problem(&path, "must be a section with keys of its own: start and for, at least");
            continue;
        };
        let schema = Schema {
            keys: WINDOW.iter().collect(),
            owner: Owner::Section,
            default_port: None,
        };
        let values = walk.table(&path, table, &schema);
        windows.extend(read_window(name, &values, &path, walk));
        if !may_be_discovered {
            check_services(&values, services, &path, walk);
        }
    }
    windows
}

fn read_window(name: &str, values: &Values, path: &KeyPath, walk: &mut Walk<'_>) -> Option<Window> {
    let text = |key: &str| values.get(key).and_then(Json::as_str);
    let mut days = Vec::new();
    for day in texts(values, "days") {
        match day_of(day) {
            Some(day) => days.push(day),
            None => {
                let known = DAYS.map(|(day, _)| day);
                let hint = did_you_mean(day, known);
                let message = format!("must be days such as {}, not \"{day}\"{hint}", known.join(", "));
                walk.problem(&path.join("days"), message);
            }
        }
    }
    let start = text("start").and_then(|start| {
        let time = start.parse::<Time>().ok().filter(|_| start.contains(':'));
        if time.is_none() {
            walk.problem(
                &path.join("start"),
                format!("must be a time of day such as \"02:30\", not \"{start}\""),
            );
        }
        time
    });
    let time_zone = text("time_zone").and_then(|zone| {
        let found = TimeZone::get(zone).ok();
        if found.is_none() {
            let message = format!("must be a time zone such as \"Europe/Berlin\" or \"UTC\", not \"{zone}\"");
            walk.problem(&path.join("time_zone"), message);
        }
        found
    });
    let mut services = Vec::new();
    for service in texts(values, "services") {
        match ServiceName::new(service) {
            Ok(service) => services.push(service),
            Err(error) => walk.problem(&path.join("services"), error),
        }
    }
    let length = text("for").and_then(duration::parse)?;
    Some(Window {
        services: values.get("services").is_some().then_some(services),
        window: MaintenanceWindow {
            name: name.to_owned(),
            days,
            start: start?,
            length,
            time_zone: time_zone?,
            reason: text("reason").unwrap_or_default().to_owned(),
        },
    })
}

fn check_services(values: &Values, services: &[&str], path: &KeyPath, walk: &mut Walk<'_>) {
    for service in texts(values, "services").filter(|service| !services.contains(service)) {
        let hint = did_you_mean(service, services.iter().copied());
        walk.problem(
            &path.join("services"),
            format!("names '{service}', which is not a service here{hint}"),
        );
    }
}

fn texts<'a>(values: &'a Values, key: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let list = values.get(key).and_then(Json::as_array);
    list.into_iter().flatten().filter_map(Json::as_str)
}

/// `mon`, `Monday`, …
fn day_of(text: &str) -> Option<Weekday> {
    let text = text.to_ascii_lowercase();
    let is_meant = |(name, _): &&(&str, Weekday)| text == *name || text == format!("{}day", long(name));
    DAYS.iter().find(is_meant).map(|(_, day)| *day)
}

/// The whole name without its `day`.
fn long(name: &str) -> &str {
    match name {
        "tue" => "tues",
        "wed" => "wednes",
        "thu" => "thurs",
        "sat" => "satur",
        name => name,
    }
}

// === impl Window ===

impl Window {
    /// It is for this service.
    pub fn is_for(&self, service: &ServiceName) -> bool {
        match &self.services {
            None => true,
            Some(services) => services.iter().any(|named| named.folded() == service.folded()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_two_names() {
        for (text, day) in [
            ("mon", Weekday::Monday),
            ("Tuesday", Weekday::Tuesday),
            ("wednesday", Weekday::Wednesday),
            ("THURSDAY", Weekday::Thursday),
            ("friday", Weekday::Friday),
            ("saturday", Weekday::Saturday),
            ("sunday", Weekday::Sunday),
        ] {
            assert_eq!(day_of(text), Some(day), "{text}");
        }
        assert_eq!(day_of("mo"), None);
    }
}
