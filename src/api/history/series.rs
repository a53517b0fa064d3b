//! `GET /services/{service_name}/history`: one service in steps.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::range;
use crate::api::wire::{self, Millis};
use crate::api::{ApiError, ApiState};
use crate::history::model::{Bucket, Durations};
use crate::history::series::series;

#[derive(Debug, Serialize, JsonSchema)]
struct ServiceHistory<'a> {
    service: &'a str,
    /// The first step begins here: what was asked for, made whole.
    from: Millis,
    /// The last step ends here.
    to: Millis,
    step_seconds: i64,
    /// All steps together.
    total: Figures,
    /// By time; steps of which nothing is known are left out.
    points: Vec<Point>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "HistoryPoint")]
struct Point {
    /// When the step begins.
    at: Millis,
    #[serde(flatten)]
    figures: Figures,
}

/// What is known of a stretch of time.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "HistoryFigures")]
pub(super) struct Figures {
    /// Cycles, those that could not measure included.
    checks: u64,
    /// Cycles in which the service failed.
    failures: u64,
    /// Cycles in which the monitor could not check.
    unmeasured: u64,
    /// Share of the measured time in which the service was up, 0 to 1; null where nothing was measured.
    uptime: Option<f64>,
    up_seconds: f64,
    down_seconds: f64,
    /// Neither: nobody looked, could look, or was to look.
    gap_seconds: f64,
    /// Null where nothing was timed, as all that follows.
    min_ms: Option<f64>,
    mean_ms: Option<f64>,
    max_ms: Option<f64>,
    /// Null also below an hour once results are not kept any more.
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
}

pub(in crate::api) async fn get(
    name: web::Path<String>,
    request: HttpRequest,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let now = Timestamp::now();
    let range = range(&request, state.history()?, now)?;
    let store = state.store()?;
    let service = state.known_service(store.as_ref(), &name).await?;
    let found = series(store.as_ref(), &service, &range).await?;
    // What has not been yet is no gap.
    let until = range.span.to.min(now);
    let length = |from: Timestamp, to: Timestamp| to.min(until).as_millisecond() - from.as_millisecond();
    let step_end = |at: Timestamp| Timestamp::from_millisecond(at.as_millisecond() + range.step).unwrap_or(until);
    let document = ServiceHistory {
        service: service.as_str(),
        from: Millis(range.span.from),
        to: Millis(range.span.to),
        step_seconds: range.step / 1_000,
        total: Figures::of(&found.total, length(range.span.from, range.span.to)),
        points: found
            .points
            .iter()
            .map(|point| Point {
                at: Millis(point.at),
                figures: Figures::of(point, length(point.at, step_end(point.at))),
            })
            .collect(),
    };
    Ok(wire::json(StatusCode::OK, &document))
}

/// The schema of the document.
pub(in crate::api) fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<ServiceHistory<'static>>()
}

// === impl Figures ===

impl Figures {
    /// Of a bucket that is `length` milliseconds long by now.
    fn of(bucket: &Bucket, length: i64) -> Self {
        let durations = bucket.durations.as_ref();
        let percentiles = durations.and_then(Durations::percentiles);
        let gap = u64::try_from(length)
            .unwrap_or(0)
            .saturating_sub(bucket.up + bucket.down);
        Self {
            checks: bucket.checks,
            failures: bucket.failures,
            unmeasured: bucket.unmeasured,
            uptime: bucket.uptime().map(share),
            up_seconds: seconds(bucket.up),
            down_seconds: seconds(bucket.down),
            gap_seconds: seconds(gap),
            min_ms: durations.map(|durations| millis(durations.min as f64)),
            mean_ms: durations.map(|durations| millis(durations.mean())),
            max_ms: durations.map(|durations| millis(durations.max as f64)),
            p50_ms: percentiles.map(|percentiles| millis(percentiles.p50)),
            p95_ms: percentiles.map(|percentiles| millis(percentiles.p95)),
            p99_ms: percentiles.map(|percentiles| millis(percentiles.p99)),
        }
    }
}

/// A share with six digits, rounded down: what was not all of the time is never shown as 1.
pub(super) fn share(share: f64) -> f64 {
    (share * 1e6).floor() / 1e6
}

/// Milliseconds as seconds.
pub(super) fn seconds(millis: u64) -> f64 {
    millis as f64 / 1_000.0
}

/// Microseconds as milliseconds with three digits.
pub(super) fn millis(micros: f64) -> f64 {
    micros.round() / 1_000.0
}
