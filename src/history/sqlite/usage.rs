//! Containers' resources: samples in frames, then minutes and hours.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::pack::{read_usage, write_usage};
use super::{Fault, rows};
use crate::history::codec::{Malformed, Reader, put, put_signed};
use crate::history::model::{HOUR, Tier, UsageBucket, UsageSample, from_millis};
use crate::history::rollup::{merge_usage, roll_up_usage};

/// Writes samples of these containers into a frame that is written at `at` (milliseconds since 1970).
pub(super) fn write_samples(at: i64, samples: &[(i64, &UsageSample)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (container, sample) in samples {
        put(&mut bytes, container.unsigned_abs());
        put_signed(&mut bytes, sample.at.as_millisecond() - at);
        put(&mut bytes, sample.cpu_millicores.map_or(0, |cpu| cpu + 1));
        put(&mut bytes, sample.memory);
        put(&mut bytes, sample.memory_limit);
        put(&mut bytes, sample.network_received);
        put(&mut bytes, sample.network_sent);
        put(&mut bytes, sample.block_read);
        put(&mut bytes, sample.block_written);
    }
    bytes
}

fn read_samples(at: i64, bytes: &[u8], mut take: impl FnMut(i64, UsageSample)) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        let container = reader.number_as()?;
        let sample = UsageSample {
            container: String::new(),
            at: from_millis(at.checked_add(reader.signed()?).ok_or(Malformed)?),
            cpu_millicores: reader.number()?.checked_sub(1),
            memory: reader.number()?,
            memory_limit: reader.number()?,
            network_received: reader.number()?,
            network_sent: reader.number()?,
            block_read: reader.number()?,
            block_written: reader.number()?,
        };
        take(container, sample);
    }
    Ok(())
}

/// The samples in an hour's frames, by container; of all, or of one.
fn samples(connection: &Connection, hour: i64, of: Option<i64>) -> Result<BTreeMap<i64, Vec<UsageSample>>, Fault> {
    let ids = rows::frames_of(hour);
    let mut select = connection
        .prepare_cached("SELECT at, usage FROM frame WHERE id BETWEEN ?1 AND ?2 AND usage IS NOT NULL ORDER BY id")?;
    let mut found = select.query((ids.start(), ids.end()))?;
    let mut samples: BTreeMap<i64, Vec<UsageSample>> = BTreeMap::new();
    while let Some(row) = found.next()? {
        let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        read_samples(row.get(0)?, bytes, |container, sample| {
            if of.is_none_or(|of| of == container) {
                samples.entry(container).or_default().push(sample);
            }
        })?;
    }
    Ok(samples)
}

/// Makes minutes and the hour of every container from an hour's frames.
pub(super) fn roll(connection: &Connection, hour: i64) -> Result<(), Fault> {
    for (container, mut samples) in samples(connection, hour, None)? {
        samples.sort_by_key(|sample| sample.at);
        let minutes = merge_usage(
            of_minutes(connection, hour, container)?,
            roll_up_usage(&samples, Tier::Minute.millis()),
        );
        put_minutes(connection, hour, container, &minutes)?;
        let mut whole = UsageBucket::empty(from_millis(hour * HOUR));
        minutes.iter().for_each(|minute| whole.merge(minute));
        put_hour(connection, hour, container, &whole)?;
    }
    Ok(())
}

pub(super) fn put_minutes(
    connection: &Connection,
    hour: i64,
    container: i64,
    minutes: &[UsageBucket],
) -> Result<(), Fault> {
    let mut put = connection.prepare_cached("INSERT OR REPLACE INTO usage_minute (id, body) VALUES (?1, ?2)")?;
    put.execute((
        rows::pair(hour, container),
        write_usage(hour * HOUR, Tier::Minute, minutes),
    ))?;
    Ok(())
}

pub(super) fn put_hour(connection: &Connection, hour: i64, container: i64, whole: &UsageBucket) -> Result<(), Fault> {
    let mut put = connection.prepare_cached("INSERT OR REPLACE INTO usage_hour (id, body) VALUES (?1, ?2)")?;
    let body = write_usage(hour * HOUR, Tier::Hour, std::slice::from_ref(whole));
    put.execute((rows::pair(container, hour), body))?;
    Ok(())
}

/// The minutes of an hour that is rolled up.
pub(super) fn of_minutes(connection: &Connection, hour: i64, container: i64) -> Result<Vec<UsageBucket>, Fault> {
    let select = "SELECT body FROM usage_minute WHERE id = ?1";
    let body = rows::body(connection, select, rows::pair(hour, container))?.unwrap_or_default();
    Ok(read_usage(hour * HOUR, Tier::Minute, &body)?)
}

/// A container's hours that are rolled up, by time.
pub(super) fn of_hours(
    connection: &Connection,
    container: i64,
    first: i64,
    last: i64,
) -> Result<Vec<UsageBucket>, Fault> {
    let mut select =
        connection.prepare_cached("SELECT id, body FROM usage_hour WHERE id BETWEEN ?1 AND ?2 ORDER BY id")?;
    let mut found = select.query((rows::pair(container, first), rows::pair(container, last)))?;
    let mut hours = Vec::new();
    while let Some(row) = found.next()? {
        let hour = rows::second_of(row.get(0)?);
        let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        hours.extend(read_usage(hour * HOUR, Tier::Hour, bytes)?);
    }
    Ok(hours)
}

/// The minutes or the hour of a container that follow from an hour's frames and from what was made of others before.
pub(super) fn of_frames(
    connection: &Connection,
    hour: i64,
    container: i64,
    tier: Tier,
) -> Result<Vec<UsageBucket>, Fault> {
    let mut samples = samples(connection, hour, Some(container))?
        .remove(&container)
        .unwrap_or_default();
    samples.sort_by_key(|sample| sample.at);
    let minutes = merge_usage(
        of_minutes(connection, hour, container)?,
        roll_up_usage(&samples, Tier::Minute.millis()),
    );
    if tier == Tier::Minute || minutes.is_empty() {
        return Ok(minutes);
    }
    let mut whole = UsageBucket::empty(from_millis(hour * HOUR));
    minutes.iter().for_each(|minute| whole.merge(minute));
    Ok(vec![whole])
}
