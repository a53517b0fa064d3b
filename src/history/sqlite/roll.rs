//! An hour that is over becomes one row for each service: its results, its minutes, and itself.
//!
//! It is done a block of services at a time, each block with a note of how far it came in a transaction of its own, and the
//! frames are deleted with the last one. What was interrupted goes on where it was.

use rusqlite::Connection;

use super::pack::{write_buckets, write_sketches};
use super::record::{read_all, write_all};
use super::{Fault, rows, usage};
use crate::history::model::{HOUR, RawResult, Run, Tier};
use crate::history::rollup::roll_up;

/// Time after an hour in which its last results may still come, in milliseconds.
const GRACE: i64 = 60_000;

/// Services in one step. All frames of the hour are read for each, and the results of these services are in memory.
const BLOCK: i64 = 512;

/// The name under which progress is kept.
pub(super) const JOB: &str = "roll";

/// Does one step; false where no hour is to be rolled up.
pub(super) fn step(connection: &Connection, now: i64) -> Result<bool, Fault> {
    let under_way = rows::progress(connection, JOB)?;
    let (hour, next) = match under_way {
        Some(progress) => (progress.slot, progress.next),
        None => match next_hour(connection, now)? {
            Some(hour) => (hour, 0),
            None => return Ok(false),
        },
    };
    let last: i64 = connection
        .prepare_cached("SELECT ifnull(max(id), 0) FROM service")?
        .query_row([], |row| row.get(0))?;
    if next <= last {
        roll_block(connection, hour, next, (next + BLOCK).min(last + 1))?;
        rows::set_progress(connection, JOB, hour, next + BLOCK)?;
    } else {
        usage::roll(connection, hour)?;
        let ids = rows::frames_of(hour);
        connection
            .prepare_cached("DELETE FROM frame WHERE id BETWEEN ?1 AND ?2")?
            .execute((ids.start(), ids.end()))?;
        rows::end_progress(connection, JOB)?;
        if rows::rolled_until(connection)?.is_none_or(|until| until <= hour) {
            rows::set_progress(connection, "rolled", hour + 1, 0)?;
        }
    }
    Ok(true)
}

/// The hour to be rolled up next: one with frames, or in which the monitor ran.
fn next_hour(connection: &Connection, now: i64) -> Result<Option<i64>, Fault> {
    let is_over = |hour: &i64| (hour + 1) * HOUR + GRACE <= now;
    let Some(until) = rows::rolled_until(connection)? else {
        return Ok(None);
    };
    let with_frames: Option<i64> = connection
        .prepare_cached("SELECT min(id) FROM frame")?
        .query_row([], |row| row.get(0))?;
    let with_frames = with_frames.map(rows::hour_of_frame).filter(is_over);
    // Frames that came late, because the clock was set or the store was away, are rolled up once more.
    if let Some(late) = with_frames.filter(|hour| *hour < until) {
        return Ok(Some(late));
    }
    // Of an hour without frames only the status is known.
    let runs = rows::runs(connection, until * HOUR, i64::MAX)?;
    let with_run = runs
        .first()
        .map(|run| rows::hour_of(run.started.as_millisecond()).max(until));
    let with_run = with_run.filter(is_over);
    Ok(match (with_frames, with_run) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    })
}

fn roll_block(connection: &Connection, hour: i64, first: i64, end: i64) -> Result<(), Fault> {
    let (from, to) = (hour * HOUR, (hour + 1) * HOUR);
    let mut results: Vec<Vec<RawResult>> = vec![Vec::new(); usize::try_from(end - first).unwrap_or_default()];
    let place = |service: i64| usize::try_from(service - first).ok();
    rows::read_frames(
        connection,
        hour,
        from,
        |service| (first..end).contains(&service),
        |service, result| {
            if let Some(of_service) = place(service).and_then(|place| results.get_mut(place)) {
                of_service.push(result);
            }
        },
    )?;
    let runs: Vec<(i64, i64)> = rows::runs(connection, from, to)?.iter().map(Run::millis).collect();
    let mut bytes = 0;
    for (service, mut of_service) in (first..end).zip(results) {
        let timeline = rows::timeline(connection, service, &runs, from, to)?;
        let id = rows::pair(hour, service);
        with_earlier(connection, id, &mut of_service)?;
        if of_service.is_empty() && timeline.is_empty() {
            continue;
        }
        let rolled = roll_up(hour * HOUR, &of_service, &timeline);
        if !of_service.is_empty() {
            let body = write_all(&of_service);
            bytes += body.len();
            put_body(
                connection,
                "INSERT OR REPLACE INTO raw (id, body) VALUES (?1, ?2)",
                id,
                &body,
            )?;
        }
        let minutes = write_buckets(from, Tier::Minute, &rolled.minutes);
        put_body(
            connection,
            "INSERT OR REPLACE INTO minute (id, body) VALUES (?1, ?2)",
            id,
            &minutes,
        )?;
        if let Some(whole) = &rolled.hour {
            let whole = std::slice::from_ref(whole);
            connection
                .prepare_cached("INSERT OR REPLACE INTO hour (id, body, sketches) VALUES (?1, ?2, ?3)")?
                .execute((id, write_buckets(from, Tier::Hour, whole), write_sketches(whole)))?;
        }
    }
    connection
        .prepare_cached(
            "INSERT INTO raw_hour (hour, bytes) VALUES (?1, ?2) ON CONFLICT (hour) DO UPDATE SET bytes = bytes + ?2",
        )?
        .execute((hour, i64::try_from(bytes).unwrap_or(i64::MAX)))?;
    Ok(())
}

/// Adds what was rolled up of this hour before.
pub(super) fn with_earlier(connection: &Connection, id: i64, results: &mut Vec<RawResult>) -> Result<(), Fault> {
    if let Some(body) = rows::body(connection, "SELECT body FROM raw WHERE id = ?1", id)? {
        results.extend(read_all(&body)?);
    }
    results.sort_by_key(|result| result.at);
    results.dedup_by(|one, other| one == other);
    Ok(())
}

fn put_body(connection: &Connection, put: &str, id: i64, body: &[u8]) -> Result<(), Fault> {
    connection.prepare_cached(put)?.execute((id, body))?;
    Ok(())
}
