//! Hours that are over become minutes and hours, and what is too old is deleted.

use jiff::Timestamp;
use tokio_postgres::Transaction;

use super::read;
use super::schema::CUT;
use super::write::{Known, put_buckets, put_usage};
use super::{Fault, Flavour, time};
use crate::history::model::{HOUR, RawResult, Tier, from_millis};
use crate::history::rollup::{merge_usage, roll_up, roll_up_usage};
use crate::history::store::Retention;

/// Time after an hour in which its last results may still come, in milliseconds.
const GRACE: i64 = 60_000;

/// Services whose results are in memory at once.
const BLOCK: i32 = 512;

/// Rolls up one hour; false where none is over.
pub(super) async fn step(transaction: &Transaction<'_>, known: &mut Known, now: i64) -> Result<bool, Fault> {
    let late = transaction
        .query_opt("SELECT hour FROM late ORDER BY hour LIMIT 1", &[])
        .await?;
    if let Some(late) = late {
        let hour: i64 = late.get(0);
        roll(transaction, known, hour).await?;
        transaction
            .execute("DELETE FROM late WHERE hour = $1", &[&hour])
            .await?;
        return Ok(true);
    }
    let rolled = transaction
        .query_opt("SELECT slot FROM progress WHERE job = 'rolled'", &[])
        .await?;
    let Some(until) = rolled.map(|row| row.get::<_, i64>(0)) else {
        return Ok(false);
    };
    // Hours in which the monitor did not run and nothing came are passed over.
    let run = "SELECT min(greatest(started, $1)) FROM run WHERE until > $1";
    let next = transaction.query_one(run, &[&time(from_millis(until * HOUR))]).await?;
    let next: Option<std::time::SystemTime> = next.get(0);
    let Some(next) = next.and_then(|next| Timestamp::try_from(next).ok()) else {
        return Ok(false);
    };
    let hour = next.as_millisecond().div_euclid(HOUR).max(until);
    if (hour + 1) * HOUR + GRACE > now {
        return Ok(false);
    }
    roll(transaction, known, hour).await?;
    transaction
        .execute("UPDATE progress SET slot = $1 WHERE job = 'rolled'", &[&(hour + 1)])
        .await?;
    Ok(true)
}

async fn roll(transaction: &Transaction<'_>, known: &mut Known, hour: i64) -> Result<(), Fault> {
    let (from, to) = (hour * HOUR, (hour + 1) * HOUR);
    let last: Option<i32> = transaction.query_one("SELECT max(id) FROM service", &[]).await?.get(0);
    let mut first = 1;
    while last.is_some_and(|last| first <= last) {
        let numbers: Vec<i32> = (first..first + BLOCK).collect();
        let mut results = read::results_of_hour(transaction, &numbers, hour).await?;
        let timelines = read::timelines(transaction, &numbers, from, to).await?;
        let (mut minutes, mut hours) = (Vec::new(), Vec::new());
        for number in numbers {
            let of_service: Vec<RawResult> = results.remove(&number).unwrap_or_default();
            let timeline = timelines.get(&number).cloned().unwrap_or_default();
            if of_service.is_empty() && timeline.is_empty() {
                continue;
            }
            let rolled = roll_up(from, &of_service, &timeline);
            minutes.extend(rolled.minutes.into_iter().map(|minute| (number, minute)));
            hours.extend(rolled.hour.map(|hour| (number, hour)));
        }
        put_buckets(transaction, known, Tier::Minute, &minutes).await?;
        put_buckets(transaction, known, Tier::Hour, &hours).await?;
        first += BLOCK;
    }
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

/// Deletes what is too old, and results that are too much. Whole partitions are dropped; what a partition keeps for longer
/// because not all of it is too old yet is not shown as a gap either.
pub(super) async fn sweep(
    transaction: &Transaction<'_>,
    known: &mut Known,
    now: Timestamp,
    retention: &Retention,
) -> Result<(), Fault> {
    let before = |kept: std::time::Duration| {
        now.as_millisecond()
            .saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX))
            .max(super::FIRST)
    };
    for (table, seconds) in CUT {
        let kept = match table {
            "result" => retention.raw,
            "minute" | "usage_minute" => retention.minutes,
            _ => retention.hours,
        };
        let oldest = before(kept);
        let oldest = oldest - oldest.rem_euclid(if table.ends_with("hour") { 24 * HOUR } else { HOUR });
        match known.flavour {
            Flavour::Plain => {
                drop_partitions(transaction, known, table, oldest.div_euclid(seconds * 1_000)).await?;
            }
            Flavour::Timescale => {
                let drop = format!("SELECT drop_chunks('{table}', $1::timestamptz)");
                transaction.execute(&drop, &[&time(from_millis(oldest))]).await?;
            }
        }
        // What is left of the oldest partition, which is looked through once for each piece that is too old.
        let is_cut_within = known.flavour == Flavour::Plain && table != "result";
        if is_cut_within && known.swept.insert(table, oldest) != Some(oldest) {
            let delete = format!("DELETE FROM {table} WHERE at < $1");
            transaction.execute(&delete, &[&time(from_millis(oldest))]).await?;
        }
    }
    sweep_bytes(transaction, known, retention.raw_bytes).await?;
    let events = time(from_millis(before(retention.events)));
    transaction
        .execute(
            "DELETE FROM change AS old WHERE at < $1 AND EXISTS (SELECT 1 FROM change AS later
               WHERE later.service = old.service AND later.at > old.at AND later.at <= $1)",
            &[&events],
        )
        .await?;
    for delete in [
        "DELETE FROM evidence WHERE incident IN (SELECT id FROM incident WHERE ended < $1)",
        "DELETE FROM incident WHERE ended < $1",
        "DELETE FROM run WHERE until < $1 AND started < (SELECT max(started) FROM run)",
    ] {
        transaction.execute(delete, &[&events]).await?;
    }
    let minutes = time(from_millis(before(retention.minutes)));
    transaction
        .execute("DELETE FROM event WHERE at < $1", &[&minutes])
        .await?;
    Ok(())
}

async fn drop_partitions(
    transaction: &Transaction<'_>,
    known: &mut Known,
    table: &str,
    first_kept: i64,
) -> Result<(), Fault> {
    for piece in read::partitions(transaction, table).await? {
        if piece.slot < first_kept {
            drop_partition(transaction, known, &piece).await?;
        }
    }
    Ok(())
}

async fn drop_partition(
    transaction: &Transaction<'_>,
    known: &mut Known,
    piece: &read::Partition,
) -> Result<(), Fault> {
    transaction.batch_execute(&format!("DROP TABLE {}", piece.name)).await?;
    known.dropped();
    Ok(())
}

/// Drops the oldest hours of results until they take no more than `limit` bytes. The last one stays, whatever it takes.
async fn sweep_bytes(transaction: &Transaction<'_>, known: &mut Known, limit: u64) -> Result<(), Fault> {
    if known.flavour == Flavour::Timescale {
        let drop = "SELECT drop_chunks('result', older_than => min(range_end)) FROM timescaledb_information.chunks
                    WHERE hypertable_name = 'result' AND hypertable_size('result') > $1 HAVING count(*) > 1";
        transaction
            .execute(drop, &[&i64::try_from(limit).unwrap_or(i64::MAX)])
            .await?;
        return Ok(());
    }
    let pieces = read::partitions(transaction, "result").await?;
    let mut bytes: u64 = pieces.iter().map(|piece| piece.bytes).sum();
    for piece in pieces.iter().take(pieces.len().saturating_sub(1)) {
        if bytes <= limit {
            break;
        }
        drop_partition(transaction, known, piece).await?;
        bytes -= piece.bytes;
        tracing::debug!(bytes, limit, "results took too much room; their oldest hour went");
    }
    Ok(())
}
