//! The layer of built-in defaults: what the schemas say, and the nine services of the IoT stack.

use config::{Map, Value};

use super::place::{KeyPath, Places};
use super::schema::{SECTIONS, SERVICES};

/// A service that is watched where no file names any. Each has the container that bears its name.
struct BuiltIn {
    name: &'static str,
    check: &'static str,
    /// Keys of its check, all of them texts.
    settings: &'static [(&'static str, &'static str)],
    depends_on: &'static [&'static str],
}

/// Both databases of the stack, which differ in their address alone.
const fn database(name: &'static str, settings: &'static [(&'static str, &'static str)]) -> BuiltIn {
    BuiltIn {
        name,
        check: "postgres",
        settings,
        depends_on: &[],
    }
}

/// A program of the stack, of which only its container is known.
const fn application(name: &'static str, depends_on: &'static [&'static str]) -> BuiltIn {
    BuiltIn {
        name,
        check: "container",
        settings: &[],
        depends_on,
    }
}

const BUILT_IN: [BuiltIn; 9] = [
    BuiltIn {
        name: "mosquitto",
        check: "mqtt",
        settings: &[("address", "mosquitto:1883")],
        depends_on: &[],
    },
    BuiltIn {
        name: "kafka",
        check: "kafka",
        settings: &[("address", "kafka:29092")],
        depends_on: &["zookeeper"],
    },
    database(
        "postgres",
        &[
            ("address", "postgres:5432"),
            ("user", "postgres"),
            ("password", "password"),
            ("database", "postgres"),
        ],
    ),
    database(
        "timescaledb",
        &[
            ("address", "timescaledb:5432"),
            ("user", "postgres"),
            ("password", "password"),
            ("database", "postgres"),
        ],
    ),
    BuiltIn {
        name: "zookeeper",
        check: "zookeeper",
        settings: &[("address", "zookeeper:2181")],
        depends_on: &[],
    },
    application("mqtt-kafka-connector", &["mosquitto", "kafka"]),
    application("data-processor", &["kafka"]),
    application("kafka-timescale-sink", &["kafka", "timescaledb"]),
    application("f2-simulator", &["mosquitto"]),
];

/// The values, and which of them are text whose type is still to be found.
pub(super) fn layer() -> (Map<String, Value>, Places) {
    let mut root = Map::new();
    let mut places = Places::default();
    for section in SECTIONS {
        let mut table: Map<String, Value> = Map::new();
        for key in section.keys {
            if let Some(default) = key.default {
                table.insert(key.name.to_owned(), Value::new(None, default));
                places.note_untyped(KeyPath::of(&[section.name, key.name]));
            }
        }
        root.insert(section.name.to_owned(), Value::new(None, table));
    }
    let services: Map<String, Value> = BUILT_IN
        .iter()
        .map(|service| (service.name.to_owned(), service.value()))
        .collect();
    root.insert(SERVICES.to_owned(), Value::new(None, services));
    (root, places)
}

// === impl BuiltIn ===

impl BuiltIn {
    fn value(&self) -> Value {
        let mut table: Map<String, Value> = Map::new();
        table.insert("check".to_owned(), Value::new(None, self.check));
        for (key, value) in self.settings {
            table.insert((*key).to_owned(), Value::new(None, *value));
        }
        if !self.depends_on.is_empty() {
            let names: Vec<Value> = self.depends_on.iter().map(|name| Value::new(None, *name)).collect();
            table.insert("depends_on".to_owned(), Value::new(None, names));
        }
        Value::new(None, table)
    }
}
