//! The hours of a day that is over move into one row for each service, where a year of them is read at once.

use rusqlite::Connection;

use super::pack::{read_buckets, read_sketches, write_buckets, write_sketches};
use super::{Fault, rows};
use crate::history::model::{Bucket, DAY, HOUR, Tier};

/// Services in one step.
const BLOCK: i64 = 256;

const HOURS_A_DAY: i64 = DAY / HOUR;

/// The name under which progress is kept.
const JOB: &str = "merge";

/// Does one step; false where no day is to be merged.
pub(super) fn step(connection: &Connection) -> Result<bool, Fault> {
    let (day, next) = match rows::progress(connection, JOB)? {
        Some(progress) => (progress.slot, progress.next),
        None => match next_day(connection)? {
            Some(day) => (day, 0),
            None => return Ok(false),
        },
    };
    let (first, end) = (day * HOURS_A_DAY, (day + 1) * HOURS_A_DAY);
    let last: i64 = connection
        .prepare_cached("SELECT ifnull(max(id), 0) FROM service")?
        .query_row([], |row| row.get(0))?;
    if next <= last {
        for service in next..(next + BLOCK).min(last + 1) {
            merge(connection, service, day)?;
        }
        rows::set_progress(connection, JOB, day, next + BLOCK)?;
    } else {
        connection
            .prepare_cached("DELETE FROM hour WHERE id >= ?1 AND id < ?2")?
            .execute((rows::pair(first, 0), rows::pair(end, 0)))?;
        rows::end_progress(connection, JOB)?;
    }
    Ok(true)
}

/// The oldest day that still has hours of its own and that is rolled up as a whole.
fn next_day(connection: &Connection) -> Result<Option<i64>, Fault> {
    let oldest: Option<i64> = connection
        .prepare_cached("SELECT min(id) FROM hour")?
        .query_row([], |row| row.get(0))?;
    let (Some(oldest), Some(rolled)) = (oldest.map(rows::first_of), rows::rolled_until(connection)?) else {
        return Ok(None);
    };
    let day = oldest.div_euclid(HOURS_A_DAY);
    Ok((day < rolled.div_euclid(HOURS_A_DAY)).then_some(day))
}

fn merge(connection: &Connection, service: i64, day: i64) -> Result<(), Fault> {
    let mut hours = Vec::new();
    for hour in day * HOURS_A_DAY..(day + 1) * HOURS_A_DAY {
        hours.extend(of_hour(connection, hour, service, true)?);
    }
    if !hours.is_empty() {
        put_day(connection, service, day, hours)?;
    }
    Ok(())
}

/// Puts hours into a service's day; they take the place of those that were there.
pub(super) fn put_day(connection: &Connection, service: i64, day: i64, hours: Vec<Bucket>) -> Result<(), Fault> {
    let id = rows::pair(service, day);
    let mut select = connection.prepare_cached("SELECT body, sketches FROM day WHERE id = ?1")?;
    let mut found = select.query([id])?;
    let mut all = match found.next()? {
        Some(row) => read_day(row, 0, Some(1), day)?,
        None => Vec::new(),
    };
    all.retain(|old| hours.iter().all(|new| new.at != old.at));
    all.extend(hours);
    all.sort_by_key(|bucket| bucket.at);
    connection
        .prepare_cached("INSERT OR REPLACE INTO day (id, body, sketches) VALUES (?1, ?2, ?3)")?
        .execute((id, write_buckets(day * DAY, Tier::Hour, &all), write_sketches(&all)))?;
    Ok(())
}

/// The hours in a row of `day`.
pub(super) fn read_day(
    row: &rusqlite::Row<'_>,
    body: usize,
    sketches: Option<usize>,
    day: i64,
) -> Result<Vec<Bucket>, Fault> {
    let bytes = row.get_ref(body)?.as_blob().map_err(rusqlite::Error::from)?;
    let mut hours = read_buckets(day * DAY, Tier::Hour, bytes)?;
    if let Some(sketches) = sketches {
        let bytes = row.get_ref(sketches)?.as_blob().map_err(rusqlite::Error::from)?;
        read_sketches(&mut hours, bytes)?;
    }
    Ok(hours)
}

/// An hour that is rolled up and not merged; `None` where it is not there.
pub(super) fn of_hour(
    connection: &Connection,
    hour: i64,
    service: i64,
    with_sketch: bool,
) -> Result<Option<Bucket>, Fault> {
    let mut select = connection.prepare_cached("SELECT body, sketches FROM hour WHERE id = ?1")?;
    let mut found = select.query([rows::pair(hour, service)])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let bytes = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
    let mut hours = read_buckets(hour * HOUR, Tier::Hour, bytes)?;
    if with_sketch {
        let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        read_sketches(&mut hours, bytes)?;
    }
    Ok(hours.pop())
}
