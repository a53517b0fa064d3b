//! What is too old is deleted, and results that are too much.

use std::time::Duration;

use jiff::Timestamp;
use tokio_postgres::Transaction;

use super::pieces::{self, Piece};
use super::schema::CUT;
use super::write::Known;
use super::{Fault, Flavour, time};
use crate::history::model::{HOUR, MINUTE, from_millis};
use crate::history::store::Retention;

/// When it was looked through last.
#[derive(Default)]
pub(super) struct Sweep {
    /// For too many bytes: the minute.
    minute: Option<i64>,
    /// For what is too old: the hour, and how long things were to be kept.
    hour: Option<(i64, Retention)>,
}

impl Sweep {
    pub(super) fn is_due(&self, now: Timestamp, retention: &Retention) -> bool {
        let is_same = self.hour.as_ref().is_some_and(|(_, kept)| kept == retention);
        !is_same || self.minute != Some(now.as_millisecond().div_euclid(MINUTE))
    }

    pub(super) async fn run(
        &mut self,
        transaction: &Transaction<'_>,
        known: &mut Known,
        now: Timestamp,
        retention: &Retention,
    ) -> Result<(), Fault> {
        if !self.is_due(now, retention) {
            return Ok(());
        }
        let hour = (now.as_millisecond().div_euclid(HOUR), retention.clone());
        if self.hour.as_ref() != Some(&hour) {
            sweep_age(transaction, known, now, retention).await?;
            self.hour = Some(hour);
        }
        sweep_bytes(transaction, known, retention.raw_bytes).await?;
        self.minute = Some(now.as_millisecond().div_euclid(MINUTE));
        Ok(())
    }
}

/// Whole partitions are dropped; what a partition keeps for longer because not all of it is too old yet is not shown as a
/// gap either.
async fn sweep_age(
    transaction: &Transaction<'_>,
    known: &mut Known,
    now: Timestamp,
    retention: &Retention,
) -> Result<(), Fault> {
    let before = |kept: Duration| {
        now.as_millisecond()
            .saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX))
            .max(super::FIRST)
    };
    for (table, seconds) in CUT {
        let kept = match table {
            "result" | "finding" => retention.raw,
            "minute" | "usage_minute" => retention.minutes,
            _ => retention.hours,
        };
        let oldest = before(kept);
        let oldest = oldest - oldest.rem_euclid(if table.ends_with("hour") { 24 * HOUR } else { HOUR });
        match known.flavour {
            Flavour::Plain => {
                let first_kept = oldest.div_euclid(seconds * 1_000);
                for slot in pieces::slots(transaction, table).await? {
                    if slot < first_kept {
                        drop_piece(transaction, known, table, slot).await?;
                    }
                }
                // What is left of the oldest partition. Results go by whole pieces.
                if seconds * 1_000 > HOUR {
                    let delete = format!("DELETE FROM {table} WHERE at < $1");
                    transaction.execute(&delete, &[&time(from_millis(oldest))]).await?;
                }
            }
            Flavour::Timescale => {
                let drop = format!("SELECT drop_chunks('{table}', $1::timestamptz)");
                transaction.execute(&drop, &[&time(from_millis(oldest))]).await?;
            }
        }
    }
    let events = time(from_millis(before(retention.events)));
    for delete in [
        "DELETE FROM change AS old WHERE at < $1 AND EXISTS (SELECT 1 FROM change AS later
           WHERE later.service = old.service AND later.at > old.at AND later.at <= $1)",
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

async fn drop_piece(transaction: &Transaction<'_>, known: &mut Known, table: &str, slot: i64) -> Result<(), Fault> {
    transaction
        .batch_execute(&format!("DROP TABLE IF EXISTS {table}_{slot}"))
        .await?;
    known.dropped(table, slot);
    Ok(())
}

/// Drops the oldest hours of results until they take no more than `limit` bytes. The last one stays, whatever it takes.
async fn sweep_bytes(transaction: &Transaction<'_>, known: &mut Known, limit: u64) -> Result<(), Fault> {
    if known.flavour == Flavour::Timescale {
        let drop = "SELECT drop_chunks(cut, older_than => oldest.until) FROM unnest(ARRAY['result', 'finding']::regclass[]) AS cut,
                      (SELECT min(range_end) AS until FROM timescaledb_information.chunks WHERE hypertable_name = 'result'
                       HAVING count(*) > 1) AS oldest
                    WHERE hypertable_size('result') + hypertable_size('finding') > $1";
        transaction
            .execute(drop, &[&i64::try_from(limit).unwrap_or(i64::MAX)])
            .await?;
        return Ok(());
    }
    let found = pieces::of_results(transaction).await?;
    let mut bytes: u64 = found.iter().map(|piece| piece.bytes).sum();
    for Piece { slot, bytes: of_hour } in found.iter().take(found.len().saturating_sub(1)) {
        if bytes <= limit {
            break;
        }
        drop_piece(transaction, known, "result", *slot).await?;
        drop_piece(transaction, known, "finding", *slot).await?;
        bytes -= of_hour;
        tracing::debug!(bytes, limit, "results took too much room; their oldest hour went");
    }
    Ok(())
}
