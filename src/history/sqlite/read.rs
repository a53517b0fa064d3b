//! The reading connection: every question is answered from one consistent state of the file.

use std::collections::HashMap;
use std::ops::Range;

use health_monitor_actors::model::ServiceName;
use rusqlite::{Connection, OptionalExtension};

use super::names::{Kind, find};
use super::pack::read_buckets;
use super::{Fault, append, merge, roll, rows, schema, usage};
use crate::history::model::{
    Bucket, ContainerEvent, DAY, Evidence, HOUR, Incident, IncidentId, IncidentKind, RawResult, Run, SavedService,
    Span, StatusChange, Tier, UsageBucket, from_millis,
};
use crate::history::rollup::roll_up;
use crate::history::store::{Detail, IncidentQuery, Order, StoreFigures};

/// One question's view of the file.
pub(super) struct Reading<'a> {
    connection: &'a Connection,
}

/// How far hours are rolled up.
#[derive(Debug, Clone, Copy)]
struct Rolled {
    /// The first hour that is not.
    until: i64,
    /// The hour that is being rolled up, and the first service that is not done in it.
    under_way: Option<(i64, i64)>,
}

impl Rolled {
    /// What is made of the hour tells all of this service.
    fn is_closed(&self, hour: i64, service: i64, has_frames: bool) -> bool {
        match self.under_way {
            Some((of, next)) if of == hour => service < next,
            _ => hour < self.until && !has_frames,
        }
    }
}

impl Reading<'_> {
    pub(super) fn with<T>(
        connection: &mut Connection,
        question: impl FnOnce(&Reading<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let transaction = connection.transaction()?;
        let answer = question(&Reading {
            connection: &transaction,
        })?;
        transaction.commit()?;
        // The kernel has the pages too, and nobody may ask again for long.
        connection.release_memory()?;
        Ok(answer)
    }

    pub(super) fn services(&self) -> Result<Vec<ServiceName>, Fault> {
        let mut select = self
            .connection
            .prepare_cached("SELECT name FROM service ORDER BY name")?;
        let mut found = select.query([])?;
        let mut services = Vec::new();
        while let Some(row) = found.next()? {
            services.push(rows::service_name(&row.get::<_, String>(0)?)?);
        }
        Ok(services)
    }

    pub(super) fn containers(&self) -> Result<Vec<String>, Fault> {
        let mut select = self
            .connection
            .prepare_cached("SELECT name FROM container UNION SELECT container FROM event ORDER BY name")?;
        let names = select.query_map([], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    pub(super) fn results(
        &self,
        service: &ServiceName,
        span: Span,
        order: Order,
        limit: usize,
    ) -> Result<Vec<RawResult>, Fault> {
        let Some(service) = find(self.connection, Kind::Service, service.as_str())? else {
            return Ok(Vec::new());
        };
        let Some((first, last)) = self.hours_with_results()? else {
            return Ok(Vec::new());
        };
        let first = first.max(rows::hour_of(span.from.as_millisecond()));
        let last = last.min(rows::hour_of(span.to.as_millisecond()));
        let mut results = Vec::new();
        for step in 0..=(last - first) {
            let hour = match order {
                Order::OldestFirst => first + step,
                Order::NewestFirst => last - step,
            };
            let from = span.from.as_millisecond();
            let mut of_hour = self
                .results_of_hour(&[service], hour, from)?
                .remove(&service)
                .unwrap_or_default();
            of_hour.retain(|result| span.contains(result.at));
            if order == Order::NewestFirst {
                of_hour.reverse();
            }
            results.extend(of_hour);
            if results.len() >= limit {
                results.truncate(limit);
                break;
            }
        }
        Ok(results)
    }

    pub(super) fn buckets(
        &self,
        services: &[ServiceName],
        tier: Tier,
        span: Span,
        detail: Detail,
    ) -> Result<Vec<Vec<Bucket>>, Fault> {
        let numbers = services
            .iter()
            .map(|service| find(self.connection, Kind::Service, service.as_str()));
        let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
        let rolled = self.rolled()?;
        let with_frames = self.hours_with_frames()?;
        let length = tier.millis();
        // Buckets that begin within the span.
        let (from, to) = (span.from.as_millisecond(), span.to.as_millisecond());
        let (first, last) = (rows::hour_of(from), rows::hour_of(to.saturating_sub(1)));
        let known: Vec<i64> = numbers.iter().flatten().copied().collect();
        let open = self.open_buckets(&known, rolled, &with_frames, (first, last), tier, detail)?;
        let mut series = Vec::with_capacity(numbers.len());
        for number in numbers {
            let Some(number) = number else {
                series.push(Vec::new());
                continue;
            };
            let is_closed = |hour: i64| rolled.is_closed(hour, number, with_frames.contains(&hour));
            let mut buckets = match tier {
                Tier::Hour => self.closed_hours(number, first, last, detail)?,
                Tier::Minute => self.closed_minutes(number, first, last)?,
            };
            buckets.retain(|bucket| is_closed(rows::hour_of(bucket.at.as_millisecond())));
            buckets.extend(open.get(&number).into_iter().flatten().cloned());
            buckets.sort_by_key(|bucket| bucket.at);
            buckets.retain(|bucket| {
                let at = bucket.at.as_millisecond();
                from <= at && at < to && at.rem_euclid(length) == 0
            });
            series.push(buckets);
        }
        Ok(series)
    }

    /// What follows for the hours that are not rolled up, from results and changes as they are now.
    fn open_buckets(
        &self,
        services: &[i64],
        rolled: Rolled,
        with_frames: &[i64],
        (first, last): (i64, i64),
        tier: Tier,
        detail: Detail,
    ) -> Result<HashMap<i64, Vec<Bucket>>, Fault> {
        let runs = rows::runs(self.connection, rolled.until * HOUR, i64::MAX)?;
        let newest = runs.last().map(|run| rows::hour_of(run.until.as_millisecond()));
        let mut open: Vec<i64> = with_frames.to_vec();
        open.extend(newest.into_iter().flat_map(|newest| rolled.until..=newest));
        open.extend(rolled.under_way.map(|(hour, _)| hour));
        open.sort_unstable();
        open.dedup();
        open.retain(|hour| (first..=last).contains(hour));
        let mut buckets: HashMap<i64, Vec<Bucket>> = HashMap::new();
        for hour in open {
            let (from, to) = (hour * HOUR, (hour + 1) * HOUR);
            let services: Vec<i64> = services
                .iter()
                .copied()
                .filter(|service| !rolled.is_closed(hour, *service, with_frames.contains(&hour)))
                .collect();
            if services.is_empty() {
                continue;
            }
            let mut results = self.results_of_hour(&services, hour, from)?;
            let runs: Vec<(i64, i64)> = rows::runs(self.connection, from, to)?.iter().map(Run::millis).collect();
            for service in services {
                let timeline = rows::timeline(self.connection, service, &runs, from, to)?;
                let results = results.remove(&service).unwrap_or_default();
                let mut rolled = roll_up(from, &results, &timeline);
                let found = match tier {
                    Tier::Minute => std::mem::take(&mut rolled.minutes),
                    Tier::Hour => rolled.hour.into_iter().collect(),
                };
                let mut found: Vec<Bucket> = found;
                if detail == Detail::Percentiles {
                    let durations = found.iter_mut().filter_map(|bucket| bucket.durations.as_mut());
                    durations.for_each(|durations| durations.sketch = None);
                }
                buckets.entry(service).or_default().extend(found);
            }
        }
        Ok(buckets)
    }

    fn closed_hours(&self, service: i64, first: i64, last: i64, detail: Detail) -> Result<Vec<Bucket>, Fault> {
        let with_sketches = detail == Detail::Sketches;
        let select = if with_sketches {
            "SELECT id, body, sketches FROM day WHERE id BETWEEN ?1 AND ?2 ORDER BY id"
        } else {
            "SELECT id, body FROM day WHERE id BETWEEN ?1 AND ?2 ORDER BY id"
        };
        let day = |hour: i64| hour.div_euclid(DAY / HOUR);
        let ids = (
            rows::pair(service, day(first).max(0)),
            rows::pair(service, day(last).clamp(0, rows::MAX_HALF)),
        );
        let mut select = self.connection.prepare_cached(select)?;
        let mut found = select.query(ids)?;
        let mut hours = Vec::new();
        while let Some(row) = found.next()? {
            let day = rows::second_of(row.get(0)?);
            hours.extend(merge::read_day(row, 1, with_sketches.then_some(2), day)?);
        }
        // Hours that are not merged yet take the place of older ones of the same time.
        for hour in self.hours_in("hour", first, last)? {
            if let Some(bucket) = merge::of_hour(self.connection, hour, service, with_sketches)? {
                hours.retain(|old| old.at != bucket.at);
                hours.push(bucket);
            }
        }
        Ok(hours)
    }

    fn closed_minutes(&self, service: i64, first: i64, last: i64) -> Result<Vec<Bucket>, Fault> {
        let mut minutes = Vec::new();
        for hour in self.hours_in("minute", first, last)? {
            let select = "SELECT body FROM minute WHERE id = ?1";
            if let Some(body) = rows::body(self.connection, select, rows::pair(hour, service))? {
                minutes.extend(read_buckets(hour * HOUR, Tier::Minute, &body)?);
            }
        }
        Ok(minutes)
    }

    /// The hours from `first` to `last` that a table with rows by hour can have.
    fn hours_in(&self, table: &str, first: i64, last: i64) -> Result<Range<i64>, Fault> {
        let bounds = |which: &str| -> Result<Option<i64>, Fault> {
            let select = format!("SELECT {which}(id) FROM {table}");
            Ok(self
                .connection
                .prepare_cached(&select)?
                .query_row([], |row| row.get(0))?)
        };
        Ok(match (bounds("min")?, bounds("max")?) {
            (Some(least), Some(greatest)) => first.max(rows::first_of(least))..last.min(rows::first_of(greatest)) + 1,
            _ => 0..0,
        })
    }

    /// The results of these services in an hour that are at or after `from`, and some before it, by time.
    fn results_of_hour(&self, services: &[i64], hour: i64, from: i64) -> Result<HashMap<i64, Vec<RawResult>>, Fault> {
        let rolled = self.rolled()?;
        let mut results: HashMap<i64, Vec<RawResult>> = services.iter().map(|service| (*service, Vec::new())).collect();
        // Of a service that is done in the hour that is being rolled up, the frames say nothing new.
        let is_done = |service: i64| rolled.under_way.is_some_and(|(of, next)| of == hour && service < next);
        let wanted: std::collections::HashSet<i64> =
            services.iter().copied().filter(|service| !is_done(*service)).collect();
        rows::read_frames(
            self.connection,
            hour,
            from,
            |service| wanted.contains(&service),
            |service, result| {
                if let Some(of_service) = results.get_mut(&service) {
                    of_service.push(result);
                }
            },
        )?;
        for (service, of_service) in &mut results {
            roll::with_earlier(self.connection, rows::pair(hour, *service), of_service)?;
        }
        Ok(results)
    }

    pub(super) fn changes(
        &self,
        service: Option<&ServiceName>,
        span: Span,
        order: Order,
        limit: usize,
    ) -> Result<Vec<StatusChange>, Fault> {
        let direction = match order {
            Order::OldestFirst => "ASC",
            Order::NewestFirst => "DESC",
        };
        let filter = if service.is_some() {
            "AND name = ?4"
        } else {
            "AND ?4 IS NULL"
        };
        let select = format!(
            "SELECT name, at, old, new, reason, unknown_since FROM change JOIN service ON id = service
             WHERE at >= ?1 AND at < ?2 {filter} ORDER BY at {direction}, name {direction} LIMIT ?3"
        );
        let mut select = self.connection.prepare_cached(&select)?;
        let mut found = select.query((
            span.from.as_millisecond(),
            span.to.as_millisecond(),
            i64::try_from(limit).unwrap_or(i64::MAX),
            service.map(ServiceName::as_str),
        ))?;
        let mut changes = Vec::new();
        while let Some(row) = found.next()? {
            changes.push(rows::change(row)??);
        }
        Ok(changes)
    }

    pub(super) fn runs(&self, span: Span) -> Result<Vec<Run>, Fault> {
        rows::runs(self.connection, span.from.as_millisecond(), span.to.as_millisecond())
    }

    pub(super) fn incidents(&self, wanted: &IncidentQuery) -> Result<Vec<Incident>, Fault> {
        let service = match &wanted.service {
            None => None,
            Some(service) => match find(self.connection, Kind::Service, service.as_str())? {
                Some(number) => Some(number),
                None => return Ok(Vec::new()),
            },
        };
        let mut select = self.connection.prepare_cached(
            "SELECT body FROM incident WHERE (?1 IS NULL OR service = ?1) AND (?2 IS NULL OR (ended IS NULL) = ?2)
               AND (?3 IS NULL OR kind = ?3) AND started < ?4 AND (ended IS NULL OR ended >= ?5) AND (?6 IS NULL OR id < ?6)
             ORDER BY id DESC LIMIT ?7",
        )?;
        let mut found = select.query((
            service,
            wanted.open,
            wanted.kind.map(IncidentKind::as_str),
            wanted.span.to.as_millisecond(),
            wanted.span.from.as_millisecond(),
            wanted.before.map(IncidentId::number),
            i64::try_from(wanted.limit).unwrap_or(i64::MAX),
        ))?;
        let mut incidents = Vec::new();
        while let Some(row) = found.next()? {
            incidents.push(serde_json::from_str(&row.get::<_, String>(0)?)?);
        }
        Ok(incidents)
    }

    pub(super) fn incident(&self, id: IncidentId) -> Result<Option<Incident>, Fault> {
        let mut select = self
            .connection
            .prepare_cached("SELECT body FROM incident WHERE id = ?1")?;
        let body: Option<String> = select.query_row([id.number()], |row| row.get(0)).optional()?;
        Ok(body.map(|body| serde_json::from_str(&body)).transpose()?)
    }

    pub(super) fn evidence(&self, id: IncidentId) -> Result<Vec<Evidence>, Fault> {
        let mut select = self
            .connection
            .prepare_cached("SELECT body FROM evidence WHERE incident = ?1 ORDER BY at, what")?;
        let mut found = select.query([id.number()])?;
        let mut evidence = Vec::new();
        while let Some(row) = found.next()? {
            evidence.push(serde_json::from_str(&row.get::<_, String>(0)?)?);
        }
        Ok(evidence)
    }

    pub(super) fn container_events(
        &self,
        containers: &[String],
        span: Span,
        limit: usize,
    ) -> Result<Vec<ContainerEvent>, Fault> {
        let mut select = self.connection.prepare_cached(
            "SELECT body FROM event WHERE container = ?1 AND at >= ?2 AND at < ?3 ORDER BY at, what LIMIT ?4",
        )?;
        let mut events: Vec<ContainerEvent> = Vec::new();
        for container in containers {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let (from, to) = (span.from.as_millisecond(), span.to.as_millisecond());
            let mut found = select.query((container, from, to, limit))?;
            while let Some(row) = found.next()? {
                events.push(serde_json::from_str(&row.get::<_, String>(0)?)?);
            }
        }
        events.sort_by_key(|event| event.at);
        events.truncate(limit);
        Ok(events)
    }

    pub(super) fn usage(&self, container: &str, tier: Tier, span: Span) -> Result<Vec<UsageBucket>, Fault> {
        let Some(container) = find(self.connection, Kind::Container, container)? else {
            return Ok(Vec::new());
        };
        let (first, last) = (
            rows::hour_of(span.from.as_millisecond()).max(0),
            rows::hour_of(span.to.as_millisecond().saturating_sub(1)).clamp(0, rows::MAX_HALF),
        );
        let open = self.hours_with_frames()?;
        let mut buckets = Vec::new();
        match tier {
            Tier::Hour => buckets.extend(usage::of_hours(self.connection, container, first, last)?),
            Tier::Minute => {
                for hour in self.hours_in("usage_minute", first, last)? {
                    buckets.extend(usage::of_minutes(self.connection, hour, container)?);
                }
            }
        }
        let open: Vec<i64> = open.into_iter().filter(|hour| (first..=last).contains(hour)).collect();
        buckets.retain(|bucket| !open.contains(&rows::hour_of(bucket.at.as_millisecond())));
        for hour in open {
            buckets.extend(usage::of_frames(self.connection, hour, container, tier)?);
        }
        buckets.sort_by_key(|bucket| bucket.at);
        buckets.retain(|bucket| span.contains(bucket.at));
        Ok(buckets)
    }

    pub(super) fn saved(&self) -> Result<Vec<SavedService>, Fault> {
        append::saved(self.connection)
    }

    pub(super) fn figures(&self) -> Result<StoreFigures, Fault> {
        let one = |select: &str| -> Result<Option<i64>, Fault> {
            Ok(self
                .connection
                .prepare_cached(select)?
                .query_row([], |row| row.get(0))?)
        };
        let in_rows = one("SELECT sum(bytes) FROM raw_hour")?.unwrap_or(0);
        let in_frames = one("SELECT sum(length(results)) FROM frame")?.unwrap_or(0);
        let oldest = self.hours_with_results()?.map(|(first, _)| first);
        Ok(StoreFigures {
            store: String::new(),
            schema: schema::VERSION,
            bytes: 0,
            raw_bytes: (in_rows + in_frames).unsigned_abs(),
            raw_since: oldest.map(|hour| from_millis(hour * HOUR)),
        })
    }

    fn rolled(&self) -> Result<Rolled, Fault> {
        let under_way = rows::progress(self.connection, roll::JOB)?;
        Ok(Rolled {
            // Before anything is written down here everything is imported, and so is complete.
            until: rows::rolled_until(self.connection)?.unwrap_or(rows::MAX_HALF),
            under_way: under_way.map(|progress| (progress.slot, progress.next)),
        })
    }

    /// Hours in which frames lie, by time: the last two or three, and such as came late.
    fn hours_with_frames(&self) -> Result<Vec<i64>, Fault> {
        let mut select = self
            .connection
            .prepare_cached("SELECT min(id) FROM frame WHERE id > ?1")?;
        let mut hours = Vec::new();
        let mut after = i64::MIN;
        while let Some(id) = select.query_row([after], |row| row.get::<_, Option<i64>>(0))? {
            let hour = rows::hour_of_frame(id);
            hours.push(hour);
            after = *rows::frames_of(hour).end();
        }
        Ok(hours)
    }

    /// The first and the last hour with results.
    fn hours_with_results(&self) -> Result<Option<(i64, i64)>, Fault> {
        let mut hours = self.hours_with_frames()?;
        for bound in ["SELECT min(id) FROM raw", "SELECT max(id) FROM raw"] {
            let id: Option<i64> = self.connection.prepare_cached(bound)?.query_row([], |row| row.get(0))?;
            hours.extend(id.map(rows::first_of));
        }
        Ok(hours.iter().min().copied().zip(hours.iter().max().copied()))
    }
}
