//! The table of checks. Adding one is a file in `checks/` and a line in [`KINDS`].

mod blocking;
mod bounded;
mod container;
mod deadline;
mod dial;
mod drive;
mod failure;
#[cfg(test)]
pub(crate) mod fuzz;
mod http;
mod kafka;
mod mqtt;
mod postgres;
mod tcp;
mod tls;
mod zookeeper;

use std::sync::Arc;

use health_monitor_actors::check::Check;

use crate::settings::key::Key;
use crate::settings::values::{InvalidValue, Values};

/// One kind of check: what may be set for it, and how it is made from that.
#[derive(Debug, Clone, Copy)]
pub struct CheckKind {
    /// Its name in the configuration: `check = "kafka"`.
    pub name: &'static str,
    /// The port that holds where an address names none; `None` where the port must be given.
    pub default_port: Option<u16>,
    /// The key that says where the check goes; `None` where it goes nowhere.
    pub target: Option<&'static str>,
    /// Its own keys, next to those that every service has.
    pub schema: &'static [Key],
    /// Makes the check from values that fit the schema.
    pub build: fn(&Values) -> Result<Arc<dyn Check>, InvalidValue>,
}

/// Every kind of check.
#[rustfmt::skip]
pub static KINDS: &[CheckKind] = &[
    CheckKind { name: "container", default_port: None, target: None, schema: container::SCHEMA, build: container::build },
    CheckKind { name: "http", default_port: None, target: Some("url"), schema: http::SCHEMA, build: http::build },
    CheckKind { name: "kafka", default_port: Some(9092), target: Some("address"), schema: kafka::SCHEMA, build: kafka::build },
    CheckKind { name: "mqtt", default_port: Some(1883), target: Some("address"), schema: mqtt::SCHEMA, build: mqtt::build },
    CheckKind { name: "postgres", default_port: Some(5432), target: Some("address"), schema: postgres::SCHEMA, build: postgres::build },
    CheckKind { name: "tcp", default_port: None, target: Some("address"), schema: tcp::SCHEMA, build: tcp::build },
    CheckKind { name: "zookeeper", default_port: Some(2181), target: Some("address"), schema: zookeeper::SCHEMA, build: zookeeper::build },
];

/// The kind of this name.
pub fn find(name: &str) -> Option<&'static CheckKind> {
    KINDS.iter().find(|kind| kind.name == name)
}

#[cfg(test)]
mod tests;
