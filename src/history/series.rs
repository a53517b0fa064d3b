//! A service's history in steps.

use std::collections::BTreeMap;
use std::time::Duration;

use health_monitor_actors::model::ServiceName;
use jiff::{SignedDuration, Timestamp};

use super::model::{Bucket, HOUR, RawResult, Tier, UsageBucket};
use super::range::Range;
use super::sketch::Sketch;
use super::store::{Detail, Order, Store, StoreError};

/// Results of one service that are read at most to tell percentiles of minutes.
const RESULTS: usize = 100_000;

/// The longest range whose percentiles of minutes are read from results.
const BY_RESULTS: SignedDuration = SignedDuration::from_hours(24);

/// A service's history in steps, and all of it as one.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Steps of which something is known, by time.
    pub points: Vec<Bucket>,
    /// All of them together.
    pub total: Bucket,
}

/// One service's series, with percentiles wherever they can be told: from the sketches of hours, below an hour from the
/// results themselves while they are kept.
///
/// # Errors
///
/// Where the store cannot be read.
pub async fn series(store: &dyn Store, service: &ServiceName, range: &Range) -> Result<Series, StoreError> {
    let asked = std::slice::from_ref(service);
    let found = store.buckets(asked, range.tier(), range.span, Detail::Sketches).await?;
    let mut points = in_steps(found.into_iter().next().unwrap_or_default(), range);
    if range.tier() == Tier::Minute && range.span.length() <= Duration::try_from(BY_RESULTS).unwrap_or_default() {
        let results = store
            .results(service, range.span, Order::OldestFirst, RESULTS + 1)
            .await?;
        if results.len() <= RESULTS {
            add_percentiles(&mut points, &results, range);
        }
    }
    let mut total = Bucket::empty(range.span.from);
    for point in &points {
        total.merge(point);
    }
    Ok(Series { points, total })
}

/// Several services' steps, in the order in which they were asked for; percentiles only of whole hours.
///
/// # Errors
///
/// Where the store cannot be read.
pub async fn many(store: &dyn Store, services: &[ServiceName], range: &Range) -> Result<Vec<Vec<Bucket>>, StoreError> {
    // Hours have their percentiles ready; longer steps are made of sketches.
    let detail = if range.step > HOUR {
        Detail::Sketches
    } else {
        Detail::Percentiles
    };
    let found = store.buckets(services, range.tier(), range.span, detail).await?;
    Ok(found.into_iter().map(|buckets| in_steps(buckets, range)).collect())
}

/// A container's resources in steps.
///
/// # Errors
///
/// Where the store cannot be read.
pub async fn usage(store: &dyn Store, container: &str, range: &Range) -> Result<Vec<UsageBucket>, StoreError> {
    let mut steps: Vec<UsageBucket> = Vec::new();
    for bucket in store.usage(container, range.tier(), range.span).await? {
        let at = range.step_of(bucket.at);
        match steps.last_mut().filter(|last| last.at == at) {
            Some(last) => last.merge(&bucket),
            None => steps.push(UsageBucket { at, ..bucket }),
        }
    }
    Ok(steps)
}

/// Minutes or hours put together to steps.
fn in_steps(buckets: Vec<Bucket>, range: &Range) -> Vec<Bucket> {
    if range.step == range.tier().millis() {
        return buckets;
    }
    let mut steps: Vec<Bucket> = Vec::new();
    for bucket in buckets {
        let at = range.step_of(bucket.at);
        match steps.last_mut().filter(|last| last.at == at) {
            Some(last) => last.merge(&bucket),
            None => steps.push(Bucket { at, ..bucket }),
        }
    }
    steps
}

/// Gives steps sketches of the results in them, where all of their results are still there.
fn add_percentiles(points: &mut [Bucket], results: &[RawResult], range: &Range) {
    let mut sketches: BTreeMap<Timestamp, Sketch> = BTreeMap::new();
    for result in results {
        if let Some(duration) = result.measured() {
            sketches.entry(range.step_of(result.at)).or_default().add(duration);
        }
    }
    for point in points {
        if let (Some(durations), Some(sketch)) = (&mut point.durations, sketches.remove(&point.at))
            && sketch.count() == durations.count
        {
            durations.percentiles = sketch.percentiles();
            durations.sketch = Some(sketch);
        }
    }
}
