//! Hours that are over become minutes and hours, and their results are put in the order of services.
//!
//! It is done a block of services at a time, each with a note of how far it came in a transaction of its own: changes of
//! status are written between two of them, and what was interrupted goes on where it was.
//!
//! Results of the hour under way lie in the order of time, without an index, which makes them cheap to write. In
//! PostgreSQL's own partitions they are copied in the order of services while they are rolled up, and the copy takes the
//! partition's place with the last block: the results of a service lie on few pages then, and an index by service is small.
//! TimescaleDB does the like when it compresses.

use std::collections::BTreeSet;
use std::pin::pin;

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use tokio_postgres::Transaction;
use tokio_postgres::binary_copy::BinaryCopyOutStream;
use tokio_postgres::types::Type;

use super::buckets::{put_buckets, put_usage};
use super::read::{self, timed};
use super::write::Known;
use super::{Fault, Flavour, findings, time};
use crate::history::model::{Bucket, HOUR, RawResult, Tier, from_millis};
use crate::history::rollup::{merge_usage, roll_up, roll_up_usage};
use crate::history::timeline::Timeline;

/// Time after an hour in which its last results may still come, in milliseconds.
const GRACE: i64 = 60_000;

/// Services in one step. All results of the hour are looked through for each.
const BLOCK: i32 = 512;

/// Held in a transaction that rolls up, or that imports what may have to be rolled up.
const LOCK: i64 = 0x6865_616c_7469;

/// How far hours are rolled up.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rolled {
    /// The first hour that is not; `None` before the first batch.
    pub(super) until: Option<i64>,
    /// The hour that is being rolled up, and the first service that is not done in it.
    under_way: Option<(i64, i32)>,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// There may be another one to do.
    Done,
    /// There was nothing to do, and will not be before this time (milliseconds since 1970) unless something comes late.
    NothingUntil(i64),
}

pub(super) async fn lock(transaction: &Transaction<'_>) -> Result<(), Fault> {
    transaction
        .execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await?;
    Ok(())
}

impl Rolled {
    pub(super) async fn read(transaction: &Transaction<'_>) -> Result<Self, Fault> {
        let select = "SELECT job, slot, next FROM progress WHERE job IN ('rolled', 'roll')";
        let mut rolled = Self::default();
        for row in transaction.query(select, &[]).await? {
            match row.get(0) {
                "roll" => rolled.under_way = Some((row.get(1), row.get(2))),
                _ => rolled.until = Some(row.get(1)),
            }
        }
        Ok(rolled)
    }

    /// Something came for these hours. Those that are rolled up are so once more.
    pub(super) async fn has_more(
        self,
        transaction: &Transaction<'_>,
        known: &mut Known,
        hours: &BTreeSet<i64>,
    ) -> Result<(), Fault> {
        let is_late = |hour: &i64| self.until.is_some_and(|until| *hour < until);
        let late: Vec<i64> = hours.iter().copied().filter(is_late).collect();
        if !late.is_empty() {
            let put = "INSERT INTO late (hour) SELECT unnest($1::bigint[]) ON CONFLICT DO NOTHING";
            transaction.execute(put, &[&late]).await?;
        }
        self.begins_again(transaction, known, hours).await
    }

    /// Where one of these hours is being rolled up, that begins again: what came may be of a service that is done.
    pub(super) async fn begins_again(
        self,
        transaction: &Transaction<'_>,
        known: &mut Known,
        hours: &BTreeSet<i64>,
    ) -> Result<(), Fault> {
        if self.under_way.is_some_and(|(hour, _)| hours.contains(&hour)) {
            transaction
                .execute("DELETE FROM progress WHERE job = 'roll'", &[])
                .await?;
            known.rolled_on();
        }
        Ok(())
    }
}

/// Rolls up one block of services of an hour that is over.
pub(super) async fn step(transaction: &Transaction<'_>, known: &mut Known, now: i64) -> Result<Step, Fault> {
    lock(transaction).await?;
    known.rolled_on();
    let rolled = known.rolled(transaction).await?;
    let (hour, first) = match rolled.under_way {
        Some(under_way) => under_way,
        None => match next_hour(transaction, rolled, now).await? {
            Ok(hour) => (hour, 1),
            Err(until) => return Ok(Step::NothingUntil(until)),
        },
    };
    let last: Option<i32> = transaction.query_one("SELECT max(id) FROM service", &[]).await?.get(0);
    let last = last.unwrap_or(0);
    let piece = piece(transaction, known.flavour, hour).await?;
    if let (1, Some(piece)) = (first, &piece) {
        begin_copy(transaction, piece, hour).await?;
    }
    let end = first.saturating_add(BLOCK);
    roll_block(transaction, known, hour, piece.as_deref(), (first, end)).await?;
    if end <= last {
        let note = "INSERT INTO progress (job, slot, next) VALUES ('roll', $1, $2)
                    ON CONFLICT (job) DO UPDATE SET slot = excluded.slot, next = excluded.next";
        transaction.execute(note, &[&hour, &end]).await?;
    } else {
        finish(transaction, known, hour, piece.as_deref()).await?;
    }
    known.rolled_on();
    Ok(Step::Done)
}

/// The hour to be rolled up next, or until when there is none.
async fn next_hour(transaction: &Transaction<'_>, rolled: Rolled, now: i64) -> Result<Result<i64, i64>, Fault> {
    let over = |hour: i64| (hour + 1) * HOUR + GRACE;
    let late = transaction.query_one("SELECT min(hour) FROM late", &[]).await?;
    if let Some(late) = late.get::<_, Option<i64>>(0) {
        return Ok(Ok(late));
    }
    let Some(until) = rolled.until else {
        return Ok(Err(i64::MIN));
    };
    if over(until) > now {
        return Ok(Err(over(until)));
    }
    // Hours in which the monitor did not run and nothing came are passed over.
    let run = "SELECT min(greatest(started, $1)) FROM run WHERE until > $1";
    let next = transaction.query_one(run, &[&time(from_millis(until * HOUR))]).await?;
    let next: Option<std::time::SystemTime> = next.get(0);
    let Some(next) = next.and_then(|next| Timestamp::try_from(next).ok()) else {
        return Ok(Err(i64::MIN));
    };
    let hour = next.as_millisecond().div_euclid(HOUR).max(until);
    Ok(if over(hour) > now { Err(over(hour)) } else { Ok(hour) })
}

/// The partition with the hour's results; `None` where there are none, or where they stay as they lie.
async fn piece(transaction: &Transaction<'_>, flavour: Flavour, hour: i64) -> Result<Option<String>, Fault> {
    if flavour == Flavour::Timescale {
        return Ok(None);
    }
    let name = format!("result_{hour}");
    let is_there = "SELECT to_regclass('health_monitor.' || $1) IS NOT NULL";
    let is_there: bool = transaction.query_one(is_there, &[&name]).await?.get(0);
    Ok(is_there.then_some(name))
}

async fn begin_copy(transaction: &Transaction<'_>, piece: &str, hour: i64) -> Result<(), Fault> {
    let (from, to) = (from_millis(hour * HOUR), from_millis((hour + 1) * HOUR));
    // The condition spares the copy a look through when it becomes a partition.
    let make = format!(
        "DROP TABLE IF EXISTS {piece}_sorted;
         CREATE TABLE {piece}_sorted (LIKE {piece}, CHECK (at >= '{from}' AND at < '{to}'))"
    );
    Ok(transaction.batch_execute(&make).await?)
}

async fn roll_block(
    transaction: &Transaction<'_>,
    known: &mut Known,
    hour: i64,
    piece: Option<&str>,
    (first, end): (i32, i32),
) -> Result<(), Fault> {
    let (from, to) = (hour * HOUR, (hour + 1) * HOUR);
    let numbers: Vec<i32> = (first..end).collect();
    let mut timelines = read::timelines(transaction, &numbers, from, to).await?;
    let kinds = findings::kinds_of_hour(transaction, hour).await?;
    let columns = "service, at, finding, duration_us";
    let select = format!("WHERE service >= {first} AND service < {end}");
    let sorted = match piece {
        Some(piece) => format!(
            "INSERT INTO {piece}_sorted ({columns}) SELECT {columns} FROM {piece} {select} ORDER BY service, at
             RETURNING {columns}"
        ),
        None => format!(
            "SELECT {columns} FROM result {select} AND at >= '{}' AND at < '{}' ORDER BY service, at",
            from_millis(from),
            from_millis(to)
        ),
    };
    // What a block of services brings in an hour fits, so that it is not sorted on the disk.
    transaction.batch_execute("SET LOCAL work_mem = '64MB'").await?;
    let rows = transaction
        .copy_out(&format!("COPY ({sorted}) TO STDOUT (FORMAT binary)"))
        .await?;
    let types = [Type::INT4, Type::TIMESTAMPTZ, Type::INT4, Type::INT8];
    let mut rows = pin!(BinaryCopyOutStream::new(rows, &types));
    let mut rolled = Made::default();
    let mut of_service: Vec<RawResult> = Vec::new();
    let mut service = None;
    while let Some(row) = rows.try_next().await? {
        let number: i32 = row.try_get(0)?;
        if let Some(done) = service.replace(number).filter(|done| *done != number) {
            rolled.add(done, from, &of_service, timelines.remove(&done));
            of_service.clear();
        }
        let kind = kinds.get(&row.try_get(2)?).copied();
        of_service.push(timed(row.try_get(1)?, kind, row.try_get(3)?)?);
    }
    if let Some(done) = service {
        rolled.add(done, from, &of_service, timelines.remove(&done));
    }
    // Of services without results only the status is known.
    for (service, timeline) in timelines {
        if !timeline.is_empty() {
            rolled.add(service, from, &[], Some(timeline));
        }
    }
    put_buckets(transaction, known, Tier::Minute, &rolled.minutes).await?;
    put_buckets(transaction, known, Tier::Hour, &rolled.hours).await
}

/// What became of a block of services.
#[derive(Default)]
struct Made {
    minutes: Vec<(i32, Bucket)>,
    hours: Vec<(i32, Bucket)>,
}

impl Made {
    fn add(&mut self, service: i32, from: i64, results: &[RawResult], timeline: Option<Timeline>) {
        let rolled = roll_up(from, results, &timeline.unwrap_or_default());
        let minutes = rolled.minutes.into_iter().map(|minute| (service, minute));
        self.minutes.extend(minutes);
        self.hours.extend(rolled.hour.map(|hour| (service, hour)));
    }
}

/// The hour's last step.
async fn finish(transaction: &Transaction<'_>, known: &mut Known, hour: i64, piece: Option<&str>) -> Result<(), Fault> {
    roll_usage(transaction, known, hour).await?;
    let notes = [
        "DELETE FROM late WHERE hour = $1",
        "DELETE FROM progress WHERE job = 'roll' AND slot = $1",
        "UPDATE progress SET slot = $1 + 1 WHERE job = 'rolled' AND slot <= $1",
    ];
    for note in notes {
        transaction.execute(note, &[&hour]).await?;
    }
    // Last, because whoever reads results waits from here until the end of the transaction.
    if let Some(piece) = piece {
        let (from, to) = (from_millis(hour * HOUR), from_millis((hour + 1) * HOUR));
        let take_place = format!(
            "CREATE INDEX {piece}_sorted_service ON {piece}_sorted (service);
             DROP TABLE {piece};
             ALTER TABLE {piece}_sorted RENAME TO {piece};
             ALTER INDEX {piece}_sorted_service RENAME TO {piece}_service;
             ALTER TABLE result ATTACH PARTITION {piece} FOR VALUES FROM ('{from}') TO ('{to}')"
        );
        transaction.batch_execute(&take_place).await?;
    }
    Ok(())
}

async fn roll_usage(transaction: &Transaction<'_>, known: &mut Known, hour: i64) -> Result<(), Fault> {
    let (from, to) = (hour * HOUR, (hour + 1) * HOUR);
    for (container, samples) in read::samples_of_hour(transaction, None, hour).await? {
        for tier in [Tier::Minute, Tier::Hour] {
            let made = merge_usage(
                read::usage_rows(transaction, container, tier, from, to).await?,
                roll_up_usage(&samples, tier.millis()),
            );
            for bucket in &made {
                put_usage(transaction, known, tier, container, bucket).await?;
            }
        }
    }
    let taken = "DELETE FROM usage_sample WHERE at >= $1 AND at < $2";
    transaction
        .execute(taken, &[&time(from_millis(from)), &time(from_millis(to))])
        .await?;
    Ok(())
}
