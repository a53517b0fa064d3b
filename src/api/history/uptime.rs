//! `GET /services/{service_name}/uptime`: how much of the time one service was up.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use health_monitor_actors::model::ServiceName;
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::series::{seconds, share};
use crate::api::error::shown;
use crate::api::query::Parameters;
use crate::api::wire::{self, Millis};
use crate::api::{ApiError, ApiState};
use crate::history::model::Span;
use crate::history::range::length;
use crate::history::store::{IncidentQuery, Store, StoreError};

/// Where nobody says which.
const USUAL: &str = "24h,7d,30d,1y";

/// Windows of one answer.
const MOST_WINDOWS: usize = 10;

/// Incidents that are counted; of more it is said that there are so many at least.
const COUNTED: usize = 10_000;

#[derive(Debug, Serialize, JsonSchema)]
struct Uptime<'a> {
    service: &'a str,
    windows: Vec<Window>,
}

/// The time until now.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UptimeWindow")]
pub(in crate::api) struct Window {
    /// As asked for.
    window: String,
    from: Millis,
    to: Millis,
    /// Share of the measured time in which the service was up, 0 to 1, rounded down; null where nothing was measured.
    pub(in crate::api) uptime: Option<f64>,
    up_seconds: f64,
    down_seconds: f64,
    /// Neither: nobody looked, could look, or was to look.
    gap_seconds: f64,
    /// Outages that touch it.
    incidents: usize,
}

pub(in crate::api) async fn get(
    name: web::Path<String>,
    request: HttpRequest,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let history = state.history()?;
    let parameters = Parameters::of(&request)?;
    let asked: Vec<&str> = parameters.one("window")?.unwrap_or(USUAL).split(',').collect();
    if asked.len() > MOST_WINDOWS {
        return Err(ApiError::BadQuery {
            sentence: format!(
                "'window' has {} lengths; at most {MOST_WINDOWS} are allowed",
                asked.len()
            ),
        });
    }
    let now = Timestamp::now();
    let mut spans = Vec::with_capacity(asked.len());
    for window in asked {
        spans.push((window, span(window, now, history.retention().events)?));
    }
    let store = state.store()?;
    let service = state.known_service(store.as_ref(), &name).await?;
    let mut windows = Vec::with_capacity(spans.len());
    for (window, span) in spans {
        windows.push(of_window(store.as_ref(), &service, window, span).await?);
    }
    let document = Uptime {
        service: service.as_str(),
        windows,
    };
    Ok(wire::json(StatusCode::OK, &document))
}

/// The schema of the document.
pub(in crate::api) fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Uptime<'static>>()
}

/// What a window covers.
pub(in crate::api) fn span(window: &str, now: Timestamp, kept: std::time::Duration) -> Result<Span, ApiError> {
    let bad = || ApiError::BadQuery {
        sentence: format!(
            "window cannot be '{}'; use lengths such as 24h,7d,30d,1y, none longer than {} days (history.event_retention)",
            shown(window),
            kept.as_secs() / 86_400
        ),
    };
    let length = length(window)
        .filter(|length| length.unsigned_abs() <= kept)
        .ok_or_else(bad)?;
    let from = now.checked_sub(length).map_err(|_too_long| bad())?;
    Ok(Span::new(from, now))
}

/// One window: exact, from changes of status and the times in which the monitor looked.
pub(in crate::api) async fn of_window(
    store: &dyn Store,
    service: &ServiceName,
    window: &str,
    span: Span,
) -> Result<Window, StoreError> {
    let timeline = store.timeline(service, span).await?;
    let measured = timeline.measured(span.from.as_millisecond(), span.to.as_millisecond());
    let known = measured.up + measured.down;
    let length = u64::try_from(span.length().as_millis()).unwrap_or(u64::MAX);
    let incidents = IncidentQuery {
        service: Some(service.clone()),
        span,
        ..IncidentQuery::latest(COUNTED)
    };
    Ok(Window {
        window: window.to_owned(),
        from: Millis(span.from),
        to: Millis(span.to),
        uptime: (known > 0).then(|| share(measured.up as f64 / known as f64)),
        up_seconds: seconds(measured.up),
        down_seconds: seconds(measured.down),
        gap_seconds: seconds(length.saturating_sub(known)),
        incidents: store.incidents(&incidents).await?.len(),
    })
}
