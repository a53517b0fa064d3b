//! The pieces that tables are cut into, and how much they take.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::read::Asking;
use super::{Fault, Flavour, schema};
use crate::history::model::{HOUR, from_millis};
use crate::history::store::StoreFigures;

/// An hour of results, with what they found.
pub(super) struct Piece {
    /// The hour, counted from 1970.
    pub(super) slot: i64,
    pub(super) bytes: u64,
}

/// The numbers of a table's partitions: time since 1970 in pieces of its table's length.
pub(super) async fn slots(asking: &dyn Asking, table: &str) -> Result<Vec<i64>, Fault> {
    let children = "SELECT child.relname::text FROM pg_inherits
                    JOIN pg_class AS child ON child.oid = inhrelid
                    JOIN pg_class AS parent ON parent.oid = inhparent
                    WHERE parent.relname = $1 AND parent.relnamespace = 'health_monitor'::regnamespace";
    let rows = asking.ask(children, &[&table]).await?;
    Ok(rows.iter().filter_map(|row| slot(row.get(0))).collect())
}

fn slot(name: &str) -> Option<i64> {
    name.rsplit('_').next()?.parse().ok()
}

/// The hours of results, the oldest first.
pub(super) async fn of_results(asking: &dyn Asking) -> Result<Vec<Piece>, Fault> {
    let children = "SELECT child.relname::text, pg_total_relation_size(child.oid)::bigint FROM pg_inherits
                    JOIN pg_class AS child ON child.oid = inhrelid
                    JOIN pg_class AS parent ON parent.oid = inhparent
                    WHERE parent.relname IN ('result', 'finding')
                      AND parent.relnamespace = 'health_monitor'::regnamespace";
    let mut hours: BTreeMap<i64, u64> = BTreeMap::new();
    for row in asking.ask(children, &[]).await? {
        if let Some(slot) = slot(row.get(0)) {
            *hours.entry(slot).or_default() += row.get::<_, i64>(1).unsigned_abs();
        }
    }
    let piece = |(slot, bytes)| Piece { slot, bytes };
    Ok(hours.into_iter().map(piece).collect())
}

/// How much is kept.
pub(super) async fn figures(asking: &dyn Asking, flavour: Flavour) -> Result<StoreFigures, Fault> {
    let all = "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
               WHERE relnamespace = 'health_monitor'::regnamespace AND relkind IN ('r', 'm')";
    let bytes = asking.ask(all, &[]).await?;
    let (raw_bytes, raw_since) = raw(asking, flavour).await?;
    Ok(StoreFigures {
        store: String::new(),
        schema: schema::VERSION,
        bytes: bytes.first().map_or(0, |row| row.get::<_, i64>(0)).unsigned_abs(),
        raw_bytes,
        raw_since,
    })
}

/// Bytes that results take, and since when there are any.
async fn raw(asking: &dyn Asking, flavour: Flavour) -> Result<(u64, Option<Timestamp>), Fault> {
    match flavour {
        Flavour::Plain => {
            let pieces = of_results(asking).await?;
            let bytes = pieces.iter().map(|piece| piece.bytes).sum();
            let oldest = pieces.first().map(|piece| from_millis(piece.slot * HOUR));
            Ok((bytes, oldest))
        }
        Flavour::Timescale => {
            let ask =
                "SELECT (hypertable_size('result') + hypertable_size('finding'))::bigint, (SELECT min(range_start)
                       FROM timescaledb_information.chunks WHERE hypertable_name = 'result')";
            let rows = asking.ask(ask, &[]).await?;
            let Some(row) = rows.first() else { return Ok((0, None)) };
            let oldest: Option<std::time::SystemTime> = row.get(1);
            let bytes = row.get::<_, Option<i64>>(0).unwrap_or(0).unsigned_abs();
            Ok((bytes, oldest.and_then(|oldest| Timestamp::try_from(oldest).ok())))
        }
    }
}
