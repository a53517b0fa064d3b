//! What is read, by readers and by the writer itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use health_monitor_actors::model::{ServiceName, Status};
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Transaction};

use super::buckets::{table_of, usage_table_of};
use super::{Fault, findings, limit_of, read_saved, read_time, service_name, status_of, time};
use crate::history::codec::Reader;
use crate::history::model::{
    Bucket, ContainerEvent, Durations, Evidence, HOUR, Incident, IncidentId, IncidentKind, Percentiles, RawResult,
    ResultKind, Run, SavedService, Span, StatusChange, Tier, UsageBucket, UsageSample, from_millis,
};
use crate::history::rollup::{merge_usage, roll_up, roll_up_usage};
use crate::history::sketch::Sketch;
use crate::history::store::{Detail, IncidentQuery, Memory, Order, StoreError};
use crate::history::timeline::{Mark, Timeline};

/// A connection, or a transaction on one.
#[async_trait]
pub(super) trait Asking: Sync {
    async fn ask(&self, question: &str, with: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Fault>;
}

#[async_trait]
impl Asking for Client {
    async fn ask(&self, question: &str, with: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Fault> {
        Ok(self.query(question, with).await?)
    }
}

#[async_trait]
impl Asking for Transaction<'_> {
    async fn ask(&self, question: &str, with: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Fault> {
        Ok(self.query(question, with).await?)
    }
}

async fn service_number(asking: &dyn Asking, service: &ServiceName) -> Result<Option<i32>, Fault> {
    let rows = asking
        .ask("SELECT id FROM service WHERE name = $1", &[&service.as_str()])
        .await?;
    Ok(rows.first().map(|row| row.get(0)))
}

pub(super) async fn saved(asking: &dyn Asking) -> Result<Vec<SavedService>, Fault> {
    let select = "SELECT name, at, state FROM saved JOIN service ON id = service";
    asking.ask(select, &[]).await?.iter().map(read_saved).collect()
}

pub(super) async fn memory(asking: &dyn Asking) -> Result<Memory, Fault> {
    let statuses = "SELECT DISTINCT ON (name) name, new, at FROM change JOIN service ON id = service
                    ORDER BY name, at DESC";
    let mut last = Vec::new();
    for row in asking.ask(statuses, &[]).await? {
        last.push((service_name(row.get(0))?, status_of(row.get(1))?, read_time(&row, 2)?));
    }
    last.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    let open = asking
        .ask("SELECT body FROM incident WHERE ended IS NULL ORDER BY id", &[])
        .await?;
    let open = open
        .iter()
        .map(|row| serde_json::from_str(row.get(0)))
        .collect::<Result<_, _>>()?;
    Ok(Memory {
        saved: saved(asking).await?,
        statuses: last,
        open_incidents: open,
        last_run: runs(asking, Span::ALL).await?.pop(),
    })
}

pub(super) async fn results(
    asking: &dyn Asking,
    service: &ServiceName,
    span: Span,
    order: Order,
    limit: usize,
) -> Result<Vec<RawResult>, Fault> {
    let Some(service) = service_number(asking, service).await? else {
        return Ok(Vec::new());
    };
    let direction = direction(order);
    let select = format!(
        "SELECT at, finding, duration_us FROM result
         WHERE service = $1 AND at >= $2 AND at < $3 ORDER BY at {direction} LIMIT $4"
    );
    let rows = asking
        .ask(&select, &[&service, &time(span.from), &time(span.to), &limit_of(limit)])
        .await?;
    let mut numbers: BTreeMap<i64, Vec<i32>> = BTreeMap::new();
    for row in &rows {
        let of_hour = numbers.entry(hour_of(row, 0)?).or_default();
        of_hour.push(row.get(1));
    }
    let mut found = HashMap::new();
    for (hour, mut numbers) in numbers {
        numbers.sort_unstable();
        numbers.dedup();
        found.insert(hour, findings::of_hour(asking, hour, &numbers).await?);
    }
    let result = |row: &Row| {
        let finding = found
            .get(&hour_of(row, 0)?)
            .and_then(|of_hour| of_hour.get(&row.get(1)));
        let timed = timed(row.get(0), finding.map(|finding| finding.kind), row.get(2))?;
        Ok(match finding {
            Some(finding) => RawResult {
                status: finding.status,
                attempts: finding.attempts,
                reason: finding.reason.clone(),
                ..timed
            },
            None => timed,
        })
    };
    rows.iter().map(result).collect()
}

fn hour_of(row: &Row, column: usize) -> Result<i64, Fault> {
    Ok(read_time(row, column)?.as_millisecond().div_euclid(HOUR))
}

/// What rolling up needs of a result: when, of which kind, and how many microseconds.
pub(super) fn timed(at: SystemTime, kind: Option<ResultKind>, micros: Option<i64>) -> Result<RawResult, Fault> {
    let without_finding = || StoreError::Failed("a result whose finding is not there".to_owned());
    Ok(RawResult {
        at: Timestamp::try_from(at).map_err(|error| StoreError::Failed(error.to_string()))?,
        kind: kind.ok_or_else(without_finding)?,
        status: Status::Unknown,
        duration: micros.map(|micros| Duration::from_micros(micros.unsigned_abs())),
        attempts: 0,
        reason: NOTHING.clone(),
    })
}

/// A reason that nobody asked for.
static NOTHING: LazyLock<Arc<str>> = LazyLock::new(|| "".into());

/// What rolling up needs of the results of these services in an hour, by time.
async fn results_of_hour(
    asking: &dyn Asking,
    services: &[i32],
    hour: i64,
) -> Result<HashMap<i32, Vec<RawResult>>, Fault> {
    let select = "SELECT service, at, finding, duration_us FROM result
                  WHERE service = ANY($1::int[]) AND at >= $2 AND at < $3 ORDER BY service, at";
    let (from, to) = (time(from_millis(hour * HOUR)), time(from_millis((hour + 1) * HOUR)));
    let rows = asking.ask(select, &[&services, &from, &to]).await?;
    let kinds = findings::kinds_of_hour(asking, hour).await?;
    let mut results: HashMap<i32, Vec<RawResult>> = HashMap::new();
    for row in rows {
        let kind = kinds.get(&row.get(2)).copied();
        let of_service = results.entry(row.get(0)).or_default();
        of_service.push(timed(row.get(1), kind, row.get(3))?);
    }
    Ok(results)
}

/// When these services were up, down or not measured.
pub(super) async fn timelines(
    asking: &dyn Asking,
    services: &[i32],
    from: i64,
    to: i64,
) -> Result<HashMap<i32, Timeline>, Fault> {
    let span = Span::new(from_millis(from), from_millis(to));
    let runs: Vec<(i64, i64)> = runs(asking, span).await?.iter().map(Run::millis).collect();
    // The last change before, those within, and the first after: it tells since when nothing was known.
    let select = "SELECT id, at, new, unknown_since FROM unnest($1::int[]) AS id, LATERAL (
                      (SELECT at, new, unknown_since FROM change WHERE service = id AND at < $2 ORDER BY at DESC LIMIT 1)
                      UNION ALL (SELECT at, new, unknown_since FROM change WHERE service = id AND at >= $2 AND at < $3)
                      UNION ALL (SELECT at, new, unknown_since FROM change WHERE service = id AND at >= $3 ORDER BY at LIMIT 1)
                  ) AS known ORDER BY id, at";
    let mut marks: HashMap<i32, Vec<Mark>> = HashMap::new();
    for row in asking
        .ask(select, &[&services, &time(span.from), &time(span.to)])
        .await?
    {
        let since = row
            .get::<_, Option<SystemTime>>(3)
            .and_then(|since| Timestamp::try_from(since).ok());
        marks.entry(row.get(0)).or_default().push(Mark {
            at: read_time(&row, 1)?.as_millisecond(),
            to: status_of(row.get(2))?,
            unknown_since: since.map(Timestamp::as_millisecond),
        });
    }
    let timelines = marks
        .into_iter()
        .map(|(service, marks)| (service, Timeline::new(&marks, &runs, from, to)));
    Ok(timelines.collect())
}

pub(super) async fn buckets(
    asking: &dyn Asking,
    services: &[ServiceName],
    tier: Tier,
    span: Span,
    detail: Detail,
) -> Result<Vec<Vec<Bucket>>, Fault> {
    let names: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
    let known = asking
        .ask("SELECT name, id FROM service WHERE name = ANY($1::text[])", &[&names])
        .await?;
    let numbers: HashMap<String, i32> = known.iter().map(|row| (row.get(0), row.get(1))).collect();
    let asked: Vec<i32> = numbers.values().copied().collect();
    let open = open_hours(asking, span).await?;
    let sketch = if detail == Detail::Sketches {
        "sketch"
    } else {
        "NULL::bytea"
    };
    let table = table_of(tier);
    let select = format!(
        "SELECT service, at, checks, failures, unmeasured, up_ms, down_ms, timed, min_us, max_us, sum_us, p50_us, p95_us,
                p99_us, {sketch} FROM {table} WHERE service = ANY($1::int[]) AND at >= $2 AND at < $3"
    );
    // In order below: the server would sort them on its disk.
    let mut found: HashMap<i32, Vec<Bucket>> = HashMap::new();
    for row in asking.ask(&select, &[&asked, &time(span.from), &time(span.to)]).await? {
        let bucket = bucket(&row)?;
        if !open.contains(&bucket.at.as_millisecond().div_euclid(HOUR)) {
            found.entry(row.get(0)).or_default().push(bucket);
        }
    }
    for hour in open {
        let (from, to) = (hour * HOUR, (hour + 1) * HOUR);
        let mut results = results_of_hour(asking, &asked, hour).await?;
        let timelines = timelines(asking, &asked, from, to).await?;
        for number in &asked {
            let results = results.remove(number).unwrap_or_default();
            let timeline = timelines.get(number).cloned().unwrap_or_default();
            let rolled = roll_up(from, &results, &timeline);
            let mut made = match tier {
                Tier::Minute => rolled.minutes,
                Tier::Hour => rolled.hour.into_iter().collect(),
            };
            if detail == Detail::Percentiles {
                let durations = made.iter_mut().filter_map(|bucket| bucket.durations.as_mut());
                durations.for_each(|durations| durations.sketch = None);
            }
            made.retain(|bucket| span.contains(bucket.at));
            found.entry(*number).or_default().extend(made);
        }
    }
    let of = |service: &ServiceName| {
        let number = numbers.get(service.as_str())?;
        let mut buckets = found.get(number)?.clone();
        buckets.sort_by_key(|bucket| bucket.at);
        Some(buckets)
    };
    Ok(services.iter().map(|service| of(service).unwrap_or_default()).collect())
}

/// Hours within the span that are not rolled up, or to be rolled up once more, and in which the monitor ran.
async fn open_hours(asking: &dyn Asking, span: Span) -> Result<Vec<i64>, Fault> {
    let rolled = asking
        .ask("SELECT slot FROM progress WHERE job = 'rolled'", &[])
        .await?;
    let Some(until) = rolled.first().map(|row| row.get::<_, i64>(0)) else {
        return Ok(Vec::new());
    };
    let late = asking.ask("SELECT hour FROM late", &[]).await?;
    let mut hours: Vec<i64> = late.iter().map(|row| row.get(0)).collect();
    let newest = asking.ask("SELECT max(until) FROM run", &[]).await?;
    let newest = newest.first().and_then(|row| row.get::<_, Option<SystemTime>>(0));
    let newest = newest.and_then(|newest| Timestamp::try_from(newest).ok());
    if let Some(newest) = newest {
        hours.extend(until..=newest.as_millisecond().div_euclid(HOUR));
    }
    let first = span.from.as_millisecond().div_euclid(HOUR);
    let last = span.to.as_millisecond().saturating_sub(1).div_euclid(HOUR);
    hours.retain(|hour| (first..=last).contains(hour));
    Ok(hours)
}

fn bucket(row: &Row) -> Result<Bucket, Fault> {
    let number = |column: usize| row.get::<_, i64>(column).unsigned_abs();
    let percentile = |column: usize| row.get::<_, Option<f64>>(column);
    let percentiles = match (percentile(11), percentile(12), percentile(13)) {
        (Some(p50), Some(p95), Some(p99)) => Some(Percentiles { p50, p95, p99 }),
        _ => None,
    };
    let sketch = row
        .get::<_, Option<&[u8]>>(14)
        .map(|bytes| Sketch::read(&mut Reader::new(bytes)))
        .transpose()?;
    let durations = Durations {
        count: number(7),
        min: number(8),
        max: number(9),
        sum: number(10),
        percentiles,
        sketch,
    };
    Ok(Bucket {
        at: read_time(row, 1)?,
        checks: number(2),
        failures: number(3),
        unmeasured: number(4),
        up: number(5),
        down: number(6),
        durations: (durations.count > 0).then_some(durations),
    })
}

pub(super) async fn changes(
    asking: &dyn Asking,
    service: Option<&ServiceName>,
    span: Span,
    order: Order,
    limit: usize,
) -> Result<Vec<StatusChange>, Fault> {
    let direction = direction(order);
    let select = format!(
        "SELECT name, at, old, new, reason, unknown_since FROM change JOIN service ON id = service
         WHERE at >= $1 AND at < $2 AND ($4::text IS NULL OR name = $4)
         ORDER BY at {direction}, name COLLATE \"C\" {direction} LIMIT $3"
    );
    let name = service.map(ServiceName::as_str);
    let rows = asking
        .ask(&select, &[&time(span.from), &time(span.to), &limit_of(limit), &name])
        .await?;
    let mut changes = Vec::with_capacity(rows.len());
    for row in &rows {
        let since = row
            .get::<_, Option<SystemTime>>(5)
            .and_then(|since| Timestamp::try_from(since).ok());
        changes.push(StatusChange {
            service: service_name(row.get(0))?,
            at: read_time(row, 1)?,
            from: status_of(row.get(2))?,
            to: status_of(row.get(3))?,
            reason: row.get(4),
            reconstructed_since: since,
        });
    }
    Ok(changes)
}

pub(super) async fn runs(asking: &dyn Asking, span: Span) -> Result<Vec<Run>, Fault> {
    let select = "SELECT started, until FROM run WHERE started < $2 AND until > $1 ORDER BY started";
    let rows = asking.ask(select, &[&time(span.from), &time(span.to)]).await?;
    let run = |row: &Row| {
        Ok(Run {
            started: read_time(row, 0)?,
            until: read_time(row, 1)?,
        })
    };
    rows.iter().map(run).collect()
}

pub(super) async fn incidents(asking: &dyn Asking, wanted: &IncidentQuery) -> Result<Vec<Incident>, Fault> {
    let select = "SELECT body FROM incident JOIN service ON service.id = service
                  WHERE ($1::text IS NULL OR name = $1) AND ($2::bool IS NULL OR (ended IS NULL) = $2)
                    AND ($3::text IS NULL OR kind = $3) AND started < $4 AND (ended IS NULL OR ended >= $5)
                    AND ($6::bigint IS NULL OR incident.id < $6) ORDER BY incident.id DESC LIMIT $7";
    let rows = asking
        .ask(
            select,
            &[
                &wanted.service.as_ref().map(ServiceName::as_str),
                &wanted.open,
                &wanted.kind.map(IncidentKind::as_str),
                &time(wanted.span.to),
                &time(wanted.span.from),
                &wanted.before.map(IncidentId::number),
                &limit_of(wanted.limit),
            ],
        )
        .await?;
    rows.iter().map(|row| Ok(serde_json::from_str(row.get(0))?)).collect()
}

pub(super) async fn incident(asking: &dyn Asking, id: IncidentId) -> Result<Option<Incident>, Fault> {
    let rows = asking
        .ask("SELECT body FROM incident WHERE id = $1", &[&id.number()])
        .await?;
    Ok(rows.first().map(|row| serde_json::from_str(row.get(0))).transpose()?)
}

pub(super) async fn evidence(asking: &dyn Asking, id: IncidentId) -> Result<Vec<Evidence>, Fault> {
    let select = "SELECT body FROM evidence WHERE incident = $1 ORDER BY at, what COLLATE \"C\"";
    let rows = asking.ask(select, &[&id.number()]).await?;
    rows.iter().map(|row| Ok(serde_json::from_str(row.get(0))?)).collect()
}

pub(super) async fn container_events(
    asking: &dyn Asking,
    containers: &[String],
    span: Span,
    limit: usize,
) -> Result<Vec<ContainerEvent>, Fault> {
    let select = "SELECT body FROM event WHERE container = ANY($1::text[]) AND at >= $2 AND at < $3
                  ORDER BY at, what COLLATE \"C\" LIMIT $4";
    let rows = asking
        .ask(
            select,
            &[&containers, &time(span.from), &time(span.to), &limit_of(limit)],
        )
        .await?;
    rows.iter().map(|row| Ok(serde_json::from_str(row.get(0))?)).collect()
}

pub(super) async fn usage(
    asking: &dyn Asking,
    container: &str,
    tier: Tier,
    span: Span,
) -> Result<Vec<UsageBucket>, Fault> {
    let rows = asking
        .ask("SELECT id FROM container WHERE name = $1", &[&container])
        .await?;
    let Some(number) = rows.first().map(|row| row.get::<_, i32>(0)) else {
        return Ok(Vec::new());
    };
    let mut buckets = usage_rows(
        asking,
        number,
        tier,
        super::FIRST.max(span.from.as_millisecond()),
        span.to.as_millisecond(),
    )
    .await?;
    // Samples that are not rolled up yet.
    let samples = samples_of(asking, Some(number), span)
        .await?
        .remove(&number)
        .unwrap_or_default();
    buckets = merge_usage(buckets, roll_up_usage(&samples, tier.millis()));
    buckets.retain(|bucket| span.contains(bucket.at));
    Ok(buckets)
}

pub(super) async fn usage_rows(
    asking: &dyn Asking,
    container: i32,
    tier: Tier,
    from: i64,
    to: i64,
) -> Result<Vec<UsageBucket>, Fault> {
    let table = usage_table_of(tier);
    let select = format!(
        "SELECT at, samples, cpu_samples, cpu_millicores_sum, cpu_millicores_max, memory_sum, memory_max, memory_limit,
                network_received, network_sent, block_read, block_written FROM {table}
         WHERE container = $1 AND at >= $2 AND at < $3 ORDER BY at"
    );
    let rows = asking
        .ask(&select, &[&container, &time(from_millis(from)), &time(from_millis(to))])
        .await?;
    let bucket = |row: &Row| {
        let number = |column: usize| row.get::<_, i64>(column).unsigned_abs();
        Ok(UsageBucket {
            at: read_time(row, 0)?,
            samples: number(1),
            cpu_samples: number(2),
            cpu_millicores_sum: number(3),
            cpu_millicores_max: number(4),
            memory_sum: number(5),
            memory_max: number(6),
            memory_limit: number(7),
            network_received: number(8),
            network_sent: number(9),
            block_read: number(10),
            block_written: number(11),
        })
    };
    rows.iter().map(bucket).collect()
}

/// The samples of an hour, by container.
pub(super) async fn samples_of_hour(
    asking: &dyn Asking,
    container: Option<i32>,
    hour: i64,
) -> Result<BTreeMap<i32, Vec<UsageSample>>, Fault> {
    let span = Span::new(from_millis(hour * HOUR), from_millis((hour + 1) * HOUR));
    samples_of(asking, container, span).await
}

async fn samples_of(
    asking: &dyn Asking,
    container: Option<i32>,
    span: Span,
) -> Result<BTreeMap<i32, Vec<UsageSample>>, Fault> {
    let select = "SELECT container, body FROM usage_sample
                  WHERE at >= $1 AND at < $2 AND ($3::int IS NULL OR container = $3) ORDER BY at";
    let mut samples: BTreeMap<i32, Vec<UsageSample>> = BTreeMap::new();
    for row in asking
        .ask(select, &[&time(span.from), &time(span.to), &container])
        .await?
    {
        samples
            .entry(row.get(0))
            .or_default()
            .push(serde_json::from_slice(row.get(1))?);
    }
    Ok(samples)
}

fn direction(order: Order) -> &'static str {
    match order {
        Order::OldestFirst => "ASC",
        Order::NewestFirst => "DESC",
    }
}
