//! `GET /history?services=`: several services in steps, by columns.

use std::collections::BTreeSet;

use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::future::join;
use health_monitor_actors::model::ServiceName;
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::range;
use super::series::{millis, share};
use crate::api::error::shown;
use crate::api::query::Parameters;
use crate::api::wire::Millis;
use crate::api::{ApiError, ApiState};
use crate::history::model::{Bucket, Durations};
use crate::history::range::Range;
use crate::history::series::many;
use crate::history::store::Store;

/// Services that one request may name.
const MOST_SERVICES: usize = 200;

/// Steps of all services together: a hundred services' year by the hour fits.
const MOST_STEPS: usize = 1_000_000;

/// Steps that are read at once; those before them are in memory too. Few services at once would have the hour under way
/// read many times.
const AT_ONCE: usize = 90_000;

/// What may be asked for, with the usual first.
const FIELDS: [(&str, Field); 11] = [
    ("uptime", Field::Uptime),
    ("checks", Field::Checks),
    ("failures", Field::Failures),
    ("unmeasured", Field::Unmeasured),
    ("p50_ms", Field::P50),
    ("p95_ms", Field::P95),
    ("p99_ms", Field::P99),
    ("min_ms", Field::Min),
    ("mean_ms", Field::Mean),
    ("max_ms", Field::Max),
    ("gap", Field::Gap),
];

/// Where nobody says which.
const USUAL: &str = "uptime,p95_ms";

const REMEDY: &str = "names with commas between them, of uptime, checks, failures, unmeasured, p50_ms, p95_ms, p99_ms, \
                      min_ms, mean_ms, max_ms and gap";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Uptime,
    Checks,
    Failures,
    Unmeasured,
    P50,
    P95,
    P99,
    Min,
    Mean,
    Max,
    Gap,
}

/// The document, for its description; it is written a few services at a time.
#[derive(Debug, Serialize, JsonSchema)]
struct Histories {
    /// The first step begins here: what was asked for, made whole.
    from: Millis,
    /// The last step ends here.
    to: Millis,
    step_seconds: i64,
    /// How many steps each column has.
    steps: usize,
    /// In the order in which they were asked for.
    services: Vec<Columns>,
}

/// One column for each field that was asked for, with one value for each step; null where nothing is known.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "HistoryColumns")]
struct Columns {
    service: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime: Option<Vec<Option<f64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<Vec<Option<u64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<Vec<Option<u64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unmeasured: Option<Vec<Option<u64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_ms: Option<Vec<Option<f64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p95_ms: Option<Vec<Option<f64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_ms: Option<Vec<Option<f64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_ms: Option<Vec<Option<f64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mean_ms: Option<Vec<Option<f64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_ms: Option<Vec<Option<f64>>>,
    /// Share of the step in which nothing was measured, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<Vec<Option<f64>>>,
}

pub(in crate::api) async fn get(request: HttpRequest, state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let now = Timestamp::now();
    let range = range(&request, state.history()?, now)?;
    let parameters = Parameters::of(&request)?;
    let fields = parameters.read("fields", REMEDY, fields)?;
    let fields = fields.or_else(|| self::fields(USUAL)).unwrap_or_default();
    let Some(asked) = parameters.one("services")?.filter(|names| !names.is_empty()) else {
        return Err(ApiError::BadQuery {
            sentence: format!("'services' is needed: 1 to {MOST_SERVICES} names with commas between them"),
        });
    };
    let asked: Vec<&str> = asked.split(',').collect();
    check(&asked, &range)?;
    let store = state.store()?;
    let services = known(&state, store.as_ref(), &asked).await?;
    let head = Histories {
        from: Millis(range.span.from),
        to: Millis(range.span.to),
        step_seconds: range.step / 1_000,
        steps: range.points(),
        services: Vec::new(),
    };
    let mut body = serde_json::to_vec(&head).map_err(ApiError::unwritable)?;
    // Up to the bracket that opens the list.
    body.truncate(body.len().saturating_sub(2));
    let at_once = (AT_ONCE / range.points().max(1)).max(1);
    let mut chunks = services.chunks(at_once);
    let read = async |chunk: Option<&[ServiceName]>| match chunk {
        Some(chunk) => many(store.as_ref(), chunk, &range)
            .await
            .map(|found| Some((chunk.to_vec(), found))),
        None => Ok(None),
    };
    let mut to_write = read(chunks.next()).await?;
    while let Some((chunk, found)) = to_write.take() {
        let fields = fields.clone();
        // Much at once takes its time, for which no other request is to wait. The next services are read meanwhile.
        let writing = web::block(move || written(&chunk, found, &range, &fields, now));
        let (text, next) = join(writing, read(chunks.next())).await;
        let text = text
            .map_err(|error| ApiError::Unwritable {
                problem: error.to_string(),
            })?
            .map_err(ApiError::unwritable)?;
        body.extend_from_slice(&text);
        to_write = next?;
        if to_write.is_some() {
            body.push(b',');
        }
    }
    body.extend_from_slice(b"]}");
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(body))
}

/// The schema of the document.
pub(in crate::api) fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Histories>()
}

fn fields(text: &str) -> Option<Vec<Field>> {
    let named = text.split(',').map(|name| {
        let mut known = FIELDS.iter();
        known.find(|(known, _)| *known == name).map(|(_, field)| *field)
    });
    named.collect()
}

fn check(asked: &[&str], range: &Range) -> Result<(), ApiError> {
    let bad = |sentence| Err(ApiError::BadQuery { sentence });
    let (count, distinct) = (asked.len(), asked.iter().collect::<BTreeSet<_>>().len());
    if count > MOST_SERVICES {
        return bad(format!(
            "'services' has {count} names; at most {MOST_SERVICES} are allowed"
        ));
    }
    if distinct != count {
        return bad("'services' names one twice; name each once".to_owned());
    }
    let steps = count * range.points();
    if steps > MOST_STEPS {
        return bad(format!(
            "{count} services have {steps} steps in this range, an answer at most {MOST_STEPS}; \
             use longer steps, a shorter range or fewer services"
        ));
    }
    Ok(())
}

async fn known(state: &ApiState, store: &dyn Store, asked: &[&str]) -> Result<Vec<ServiceName>, ApiError> {
    let snapshot = state.snapshot().await?;
    let mut services = Vec::with_capacity(asked.len());
    for name in asked {
        let found = match snapshot.services.get_key_value(*name) {
            Some((exact, _)) => exact.clone(),
            None => state.known_service(store, name).await.map_err(|error| match error {
                ApiError::NoSuchService { .. } => ApiError::NoSuchService { name: shown(name) },
                other => other,
            })?,
        };
        services.push(found);
    }
    Ok(services)
}

/// These services' columns as they are sent, with commas between them.
fn written(
    services: &[ServiceName],
    found: Vec<Vec<Bucket>>,
    range: &Range,
    fields: &[Field],
    now: Timestamp,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = Vec::new();
    for (service, buckets) in services.iter().zip(found) {
        if !text.is_empty() {
            text.push(b',');
        }
        let columns = Columns::of(service, &buckets, range, fields, now);
        serde_json::to_writer(&mut text, &columns)?;
    }
    Ok(text)
}

// === impl Columns ===

impl Columns {
    fn of(service: &ServiceName, buckets: &[Bucket], range: &Range, fields: &[Field], now: Timestamp) -> Self {
        // Which step each bucket is.
        let from = range.span.from.as_millisecond();
        let place = |bucket: &Bucket| usize::try_from((bucket.at.as_millisecond() - from) / range.step).ok();
        let places: Vec<Option<usize>> = buckets.iter().map(place).collect();
        fn column<T: Copy>(
            (places, steps): (&[Option<usize>], usize),
            buckets: &[Bucket],
            value: impl Fn(&Bucket) -> Option<T>,
        ) -> Vec<Option<T>> {
            let mut column = vec![None; steps];
            for (place, bucket) in places.iter().zip(buckets) {
                if let Some(cell) = place.and_then(|place| column.get_mut(place)) {
                    *cell = value(bucket);
                }
            }
            column
        }
        let at = (places.as_slice(), range.points());
        let wants = |field| fields.contains(&field);
        let counts = |field, count: fn(&Bucket) -> u64| wants(field).then(|| column(at, buckets, |b| Some(count(b))));
        let times = |field, time: fn(&Durations) -> Option<f64>| {
            wants(field).then(|| column(at, buckets, |b| b.durations.as_ref().and_then(time).map(millis)))
        };
        let gap = |bucket: &Bucket| {
            let length = range.step.min(now.as_millisecond() - bucket.at.as_millisecond()).max(1) as f64;
            Some(share((1.0 - (bucket.up + bucket.down) as f64 / length).clamp(0.0, 1.0)))
        };
        Self {
            service: service.to_string(),
            uptime: wants(Field::Uptime).then(|| column(at, buckets, |bucket| bucket.uptime().map(share))),
            checks: counts(Field::Checks, |bucket| bucket.checks),
            failures: counts(Field::Failures, |bucket| bucket.failures),
            unmeasured: counts(Field::Unmeasured, |bucket| bucket.unmeasured),
            p50_ms: times(Field::P50, |durations| durations.percentiles().map(|found| found.p50)),
            p95_ms: times(Field::P95, |durations| durations.percentiles().map(|found| found.p95)),
            p99_ms: times(Field::P99, |durations| durations.percentiles().map(|found| found.p99)),
            min_ms: times(Field::Min, |durations| Some(durations.min as f64)),
            mean_ms: times(Field::Mean, |durations| Some(durations.mean())),
            max_ms: times(Field::Max, |durations| Some(durations.max as f64)),
            gap: wants(Field::Gap).then(|| column(at, buckets, gap)),
        }
    }
}
