//! `GET /config`: what holds, key by key, and where each value was said. `POST /config/reload`: reads it again.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::wire::Micros;
use super::{ApiError, ApiState, wire};
use crate::access::Caller;
use crate::roster::reload::{Changes, ReloadStatus, Trigger};
use crate::settings::Effective;
use crate::settings::schema::SERVICES;

/// What holds for one key.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Setting<'a> {
    /// Secrets are `***`.
    value: &'a Value,
    /// File and line, variable, label, or `built-in defaults`.
    origin: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Config {
    /// The file that was read; null without one.
    file: Option<String>,
    reload: Reload,
    /// By section, then by key; a service or window has a table of its own.
    settings: Value,
}

/// What became of the configurations that were read.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Reload {
    /// `accepted` or `rejected`, of the last that was read.
    status: &'static str,
    /// What is wrong with the last one; null where it holds.
    problem: Option<String>,
    last_attempt: Option<Micros>,
    holds_since: Option<Micros>,
    /// Keys whose new values take effect only when the monitor is started again.
    needs_restart: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Reloaded {
    status: &'static str,
    #[serde(flatten)]
    changes: Changes,
}

pub(super) async fn get(state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let listing = state.desk()?.listing();
    let of_file = listing.settings.effective.iter();
    // The services are those that are watched now, discovered ones among them.
    let of_file = of_file.filter(|effective| effective.path.names().first().map(String::as_str) != Some(SERVICES));
    let watched = listing
        .watching
        .services
        .values()
        .flat_map(|watched| &watched.effective);
    let mut settings = Map::new();
    for effective in of_file.chain(watched) {
        put(&mut settings, effective.path.names(), effective);
    }
    let document = Config {
        file: listing.settings.file.as_ref().map(|file| file.display().to_string()),
        reload: Reload::of(listing.reload.clone()),
        settings: Value::Object(settings),
    };
    Ok(wire::json(StatusCode::OK, &document))
}

pub(super) async fn reload(caller: Caller, state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let trigger = Trigger::Key(caller.name().to_owned());
    match state.desk()?.reload(trigger).await {
        Ok(changes) => Ok(wire::json(
            StatusCode::OK,
            &Reloaded {
                status: "reloaded",
                changes,
            },
        )),
        Err(rejected) => Err(ApiError::ConfigRejected {
            problem: rejected.problem,
        }),
    }
}

/// The schema of what holds.
pub(super) fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Config>()
}

/// The schema of what a reload changed.
pub(super) fn reloaded_schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Reloaded>()
}

/// Puts a value at its path, with the tables on the way to it.
fn put(table: &mut Map<String, Value>, path: &[String], effective: &Effective) {
    match path {
        [] => {}
        [key] => {
            let setting = json!({ "value": effective.value, "origin": effective.origin.to_string() });
            table.insert(key.clone(), setting);
        }
        [section, rest @ ..] => {
            let below = table
                .entry(section.clone())
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(below) = below {
                put(below, rest, effective);
            }
        }
    }
}

// === impl Setting ===

impl<'a> Setting<'a> {
    pub(super) fn of(effective: &'a Effective) -> Self {
        Self {
            value: &effective.value,
            origin: effective.origin.to_string(),
        }
    }
}

// === impl Reload ===

impl Reload {
    pub(super) fn of(status: ReloadStatus) -> Self {
        Self {
            status: if status.is_rejected() { "rejected" } else { "accepted" },
            last_attempt: status.last_attempt.map(Micros),
            holds_since: status.holds_since.map(Micros),
            problem: status.problem,
            needs_restart: status.needs_restart,
        }
    }
}
