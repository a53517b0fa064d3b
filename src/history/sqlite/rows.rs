//! How rows are numbered and read, wherever both the writer and the reader do it.

use std::ops::RangeInclusive;

use health_monitor_actors::model::ServiceName;
use rusqlite::{Connection, OptionalExtension, Row};

use super::Fault;
use super::record::{FrameReader, status_of};
use crate::history::model::{HOUR, RawResult, Run, StatusChange, from_millis};
use crate::history::store::StoreError;
use crate::history::timeline::{Mark, Timeline};

/// Bits of a frame's number within its hour.
const FRAME_BITS: u32 = 20;

/// Bits of the second half of a number made of two: services, containers, days and hours all stay below.
const HALF_BITS: u32 = 24;

/// The greatest second half.
pub(super) const MAX_HALF: i64 = (1 << HALF_BITS) - 1;

/// Which hour a time falls into, counted from 1970.
pub(super) fn hour_of(millis: i64) -> i64 {
    millis.div_euclid(HOUR)
}

/// The ids of an hour's frames.
pub(super) fn frames_of(hour: i64) -> RangeInclusive<i64> {
    (hour << FRAME_BITS)..=((hour << FRAME_BITS) | ((1 << FRAME_BITS) - 1))
}

/// The hour of a frame.
pub(super) fn hour_of_frame(id: i64) -> i64 {
    id >> FRAME_BITS
}

/// The id of a row that belongs to two things; rows of one `first` lie together.
pub(super) fn pair(first: i64, second: i64) -> i64 {
    (first << HALF_BITS) | second
}

/// The first half of an id.
pub(super) fn first_of(id: i64) -> i64 {
    id >> HALF_BITS
}

/// The second half of an id.
pub(super) fn second_of(id: i64) -> i64 {
    id & MAX_HALF
}

/// How far a job has come that works on a slot in several steps: on which slot, and what comes next in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) slot: i64,
    pub(super) next: i64,
}

pub(super) fn progress(connection: &Connection, job: &str) -> Result<Option<Progress>, Fault> {
    let mut select = connection.prepare_cached("SELECT slot, next FROM progress WHERE job = ?1")?;
    let row = |row: &Row<'_>| {
        Ok(Progress {
            slot: row.get(0)?,
            next: row.get(1)?,
        })
    };
    Ok(select.query_row([job], row).optional()?)
}

pub(super) fn set_progress(connection: &Connection, job: &str, slot: i64, next: i64) -> Result<(), Fault> {
    let mut put = connection.prepare_cached("INSERT OR REPLACE INTO progress (job, slot, next) VALUES (?1, ?2, ?3)")?;
    put.execute((job, slot, next))?;
    Ok(())
}

pub(super) fn end_progress(connection: &Connection, job: &str) -> Result<(), Fault> {
    connection
        .prepare_cached("DELETE FROM progress WHERE job = ?1")?
        .execute([job])?;
    Ok(())
}

/// The first hour that is not rolled up; `None` before anything was written.
pub(super) fn rolled_until(connection: &Connection) -> Result<Option<i64>, Fault> {
    Ok(progress(connection, "rolled")?.map(|rolled| rolled.slot))
}

/// A body by its id; `None` where there is none.
pub(super) fn body(connection: &Connection, select: &str, id: i64) -> Result<Option<Vec<u8>>, Fault> {
    Ok(connection
        .prepare_cached(select)?
        .query_row([id], |row| row.get(0))
        .optional()?)
}

/// Hands out the results of the wanted services that are in an hour's frames, from the last key frame before `from`
/// (milliseconds since 1970) on.
pub(super) fn read_frames(
    connection: &Connection,
    hour: i64,
    from: i64,
    is_wanted: impl Fn(i64) -> bool,
    mut take: impl FnMut(i64, RawResult),
) -> Result<(), Fault> {
    let ids = frames_of(hour);
    let key = "SELECT id FROM frame WHERE id BETWEEN ?1 AND ?2 AND is_key AND at <= ?3 ORDER BY id DESC LIMIT 1";
    let begin: Option<i64> = if from <= hour * HOUR {
        None
    } else {
        let mut select = connection.prepare_cached(key)?;
        select
            .query_row((ids.start(), ids.end(), from), |row| row.get(0))
            .optional()?
    };
    let mut select =
        connection.prepare_cached("SELECT at, is_key, results FROM frame WHERE id BETWEEN ?1 AND ?2 ORDER BY id")?;
    let mut rows = select.query((begin.unwrap_or(*ids.start()), ids.end()))?;
    let mut reader = FrameReader::default();
    while let Some(row) = rows.next()? {
        if row.get(1)? {
            reader.reset();
        }
        let bytes = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
        reader.read(row.get(0)?, bytes, &is_wanted, &mut take)?;
    }
    Ok(())
}

/// The monitor's runs that touch the time from `from` to before `to`, by start. The last one goes on as long as frames are
/// written.
pub(super) fn runs(connection: &Connection, from: i64, to: i64) -> Result<Vec<Run>, Fault> {
    let last: Option<(i64, i64)> = {
        let mut select = connection.prepare_cached("SELECT started, until FROM run ORDER BY started DESC LIMIT 1")?;
        select.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?
    };
    let Some((last_started, last_until)) = last else {
        return Ok(Vec::new());
    };
    let beat: Option<i64> = {
        let mut select = connection.prepare_cached("SELECT at FROM frame ORDER BY id DESC LIMIT 1")?;
        select.query_row([], |row| row.get(0)).optional()?
    };
    let last_until = beat.map_or(last_until, |beat| beat.max(last_until));
    let mut select = connection.prepare_cached(
        "SELECT started, until FROM run WHERE started < ?2 AND (until > ?1 OR started = ?3) ORDER BY started",
    )?;
    let rows = select.query_map((from, to, last_started), |row| {
        let (started, until): (i64, i64) = (row.get(0)?, row.get(1)?);
        let until = if started == last_started { last_until } else { until };
        Ok(Run {
            started: from_millis(started),
            until: from_millis(until),
        })
    })?;
    let runs: Result<Vec<Run>, _> = rows.collect();
    let mut runs = runs?;
    runs.retain(|run| run.until.as_millisecond() > from);
    Ok(runs)
}

/// When a service was up, down or not measured.
pub(super) fn timeline(
    connection: &Connection,
    service: i64,
    runs: &[(i64, i64)],
    from: i64,
    to: i64,
) -> Result<Timeline, Fault> {
    let mut before = connection.prepare_cached(
        "SELECT at, new, unknown_since FROM change WHERE service = ?1 AND at < ?2 ORDER BY at DESC LIMIT 1",
    )?;
    let mut since = connection
        .prepare_cached("SELECT at, new, unknown_since FROM change WHERE service = ?1 AND at >= ?2 ORDER BY at")?;
    let mut marks = Vec::new();
    if let Some(mark) = before.query_row((service, from), mark).optional()? {
        marks.push(mark?);
    }
    let mut rows = since.query((service, from))?;
    while let Some(row) = rows.next()? {
        let mark = mark(row)??;
        let is_beyond = mark.at >= to;
        marks.push(mark);
        // One more tells since when nothing was known.
        if is_beyond {
            break;
        }
    }
    Ok(Timeline::new(&marks, runs, from, to))
}

fn mark(row: &Row<'_>) -> Result<Result<Mark, StoreError>, rusqlite::Error> {
    let (at, status, unknown_since) = (row.get(0)?, row.get::<_, u8>(1)?, row.get(2)?);
    Ok(status_of(status.into())
        .map_err(StoreError::from)
        .map(|to| Mark { at, to, unknown_since }))
}

/// Reads `name, at, old, new, reason, unknown_since`.
pub(super) fn change(row: &Row<'_>) -> Result<Result<StatusChange, StoreError>, rusqlite::Error> {
    let name: String = row.get(0)?;
    let (at, old, new) = (row.get(1)?, row.get::<_, u8>(2)?, row.get::<_, u8>(3)?);
    let (reason, unknown_since) = (row.get(4)?, row.get::<_, Option<i64>>(5)?);
    let read = || -> Result<StatusChange, StoreError> {
        Ok(StatusChange {
            service: service_name(&name)?,
            at: from_millis(at),
            from: status_of(old.into())?,
            to: status_of(new.into())?,
            reason,
            reconstructed_since: unknown_since.map(from_millis),
        })
    };
    Ok(read())
}

pub(super) fn service_name(name: &str) -> Result<ServiceName, StoreError> {
    ServiceName::new(name).map_err(|error| StoreError::Failed(error.to_string()))
}
