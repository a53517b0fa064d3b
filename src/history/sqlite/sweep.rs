//! What is too old, or too much, is deleted: the oldest first, an hour or a few services at a time.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use super::{Fault, rows};
use crate::history::model::{DAY, HOUR, MINUTE};
use crate::history::store::Retention;

/// Services whose days are looked through in one step.
const BLOCK: i64 = 1_024;

/// Rows of changes, incidents and events that go in one step.
const ROWS: i64 = 2_000;

/// When what was last looked for.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// The minute that was swept last.
    swept: Option<i64>,
    /// The day whose sweep of days is done, and the service that is next in the one under way.
    days: Option<(i64, i64)>,
}

impl Sweep {
    /// Does one step; false where nothing is to be deleted for now.
    pub(super) fn step(&mut self, connection: &Connection, now: i64, retention: &Retention) -> Result<bool, Fault> {
        let minute = now.div_euclid(MINUTE);
        if self.swept == Some(minute) {
            return Ok(false);
        }
        let has_more = sweep_raw(connection, now, retention)?
            || sweep_hourly(connection, "minute", before(now, retention.minutes))?
            || sweep_hourly(connection, "usage_minute", before(now, retention.minutes))?
            || self.sweep_days(connection, now, retention)?
            || sweep_rows(connection, now, retention)?;
        if !has_more {
            self.swept = Some(minute);
        }
        Ok(has_more)
    }

    /// Days lie by service, so each service's old ones are looked for; once a day.
    fn sweep_days(&mut self, connection: &Connection, now: i64, retention: &Retention) -> Result<bool, Fault> {
        let today = now.div_euclid(DAY);
        let next = match self.days {
            Some((day, next)) if day == today => next,
            _ => 0,
        };
        let last: i64 = connection
            .prepare_cached(
                "SELECT max(ifnull((SELECT max(id) FROM service), 0), ifnull((SELECT max(id) FROM container), 0))",
            )?
            .query_row([], |row| row.get(0))?;
        if next > last {
            return Ok(false);
        }
        let oldest = before(now, retention.hours);
        let mut days = connection.prepare_cached("DELETE FROM day WHERE id >= ?1 AND id < ?2")?;
        let mut hours = connection.prepare_cached("DELETE FROM usage_hour WHERE id >= ?1 AND id < ?2")?;
        for number in next..next + BLOCK {
            days.execute((rows::pair(number, 0), rows::pair(number, oldest.div_euclid(DAY))))?;
            hours.execute((rows::pair(number, 0), rows::pair(number, rows::hour_of(oldest))))?;
        }
        self.days = Some((today, next + BLOCK));
        Ok(true)
    }
}

/// Deletes the oldest hour of results where it is too old, or all results together are too many.
fn sweep_raw(connection: &Connection, now: i64, retention: &Retention) -> Result<bool, Fault> {
    let mut select = connection.prepare_cached("SELECT min(hour), total(bytes) FROM raw_hour")?;
    let (oldest, bytes): (Option<i64>, f64) = select.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some(oldest) = oldest else { return Ok(false) };
    let is_too_old = oldest < rows::hour_of(before(now, retention.raw));
    let is_too_much = bytes > retention.raw_bytes as f64;
    if !is_too_old && !is_too_much {
        return Ok(false);
    }
    if !is_too_old {
        tracing::debug!(
            bytes,
            limit = retention.raw_bytes,
            "results take too much room; their oldest hour goes"
        );
    }
    connection
        .prepare_cached("DELETE FROM raw WHERE id >= ?1 AND id < ?2")?
        .execute((rows::pair(oldest, 0), rows::pair(oldest + 1, 0)))?;
    connection
        .prepare_cached("DELETE FROM raw_hour WHERE hour = ?1")?
        .execute([oldest])?;
    Ok(true)
}

/// Deletes the oldest hour of a table whose rows lie by hour, where it began before `oldest`.
fn sweep_hourly(connection: &Connection, table: &str, oldest: i64) -> Result<bool, Fault> {
    let first: Option<i64> = connection
        .prepare_cached(&format!("SELECT min(id) FROM {table}"))?
        .query_row([], |row| row.get(0))?;
    let Some(hour) = first.map(rows::first_of).filter(|hour| *hour < rows::hour_of(oldest)) else {
        return Ok(false);
    };
    connection
        .prepare_cached(&format!("DELETE FROM {table} WHERE id < ?1"))?
        .execute([rows::pair(hour + 1, 0)])?;
    Ok(true)
}

/// Deletes changes, incidents, runs and events. Each service keeps its last change, without which nothing would be known of
/// a service that has not changed for years; incidents that go on stay.
fn sweep_rows(connection: &Connection, now: i64, retention: &Retention) -> Result<bool, Fault> {
    let (events, minutes) = (before(now, retention.events), before(now, retention.minutes));
    let mut select = connection.prepare_cached("SELECT at FROM change WHERE at < ?1 ORDER BY at LIMIT 1")?;
    let mut deleted = 0;
    if select
        .query_row([events], |row| row.get::<_, i64>(0))
        .optional()?
        .is_some()
    {
        deleted += connection
            .prepare_cached(
                "DELETE FROM change WHERE (service, at) IN (SELECT service, at FROM change AS old WHERE at < ?1 AND EXISTS
                   (SELECT 1 FROM change AS later WHERE later.service = old.service AND later.at > old.at AND later.at <= ?1)
                 ORDER BY at LIMIT ?2)",
            )?
            .execute((events, ROWS))?;
    }
    deleted += connection
        .prepare_cached(
            "DELETE FROM evidence WHERE incident IN (SELECT id FROM incident WHERE ended < ?1 ORDER BY id LIMIT ?2)",
        )?
        .execute((events, ROWS))?;
    deleted += connection
        .prepare_cached(
            "DELETE FROM incident WHERE id IN (SELECT id FROM incident WHERE ended < ?1 ORDER BY id LIMIT ?2)",
        )?
        .execute((events, ROWS))?;
    deleted += connection
        .prepare_cached("DELETE FROM run WHERE until < ?1 AND started < (SELECT max(started) FROM run)")?
        .execute([events])?;
    deleted += connection
        .prepare_cached(
            "DELETE FROM event WHERE (container, at, what) IN
               (SELECT container, at, what FROM event WHERE at < ?1 ORDER BY at LIMIT ?2)",
        )?
        .execute((minutes, ROWS))?;
    Ok(deleted > 0)
}

/// The time that long before now; all there is, where that is before time began.
fn before(now: i64, kept: Duration) -> i64 {
    now.saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX))
        .max(-i64::from(u32::MAX) * HOUR)
}
