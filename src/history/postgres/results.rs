//! Results, as they are written.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{CopyInSink, Transaction};

use super::write::{Known, Written};
use super::{Fault, Flavour, copy, count, time};
use crate::history::model::{HOUR, ServiceResult};
use crate::history::store::Batch;

const COPY: &str = "COPY result (at, duration_us, service, finding) FROM STDIN (FORMAT binary)";

static COLUMNS: [Type; 4] = [Type::TIMESTAMPTZ, Type::INT8, Type::INT4, Type::INT4];

/// Writes that the monitor ran until now, and what it found; not, where this batch of its run, or a later one, is written
/// already. The results are on their way then, but not finished.
pub(super) async fn append(transaction: &Transaction<'_>, known: &mut Known, batch: &Batch) -> Result<Written, Fault> {
    let put = "INSERT INTO run (started, until, batch) VALUES ($1, $2, $3)
               ON CONFLICT (started) DO UPDATE SET until = greatest(run.until, excluded.until), batch = excluded.batch
                  WHERE run.batch IS NULL OR run.batch < excluded.batch";
    let put = known.statements.get(transaction, put).await?;
    let (started, until, number) = (time(batch.run.started), time(batch.run.until), count(batch.sequence));
    let with: [&(dyn ToSql + Sync); 3] = [&started, &until, &number];
    let results: Vec<&ServiceResult> = batch.results.iter().collect();
    if results.is_empty() {
        let is_new = transaction.execute(&put, &with).await? > 0;
        return Ok(if is_new { Written::Now(None) } else { Written::Before });
    }
    let numbers = numbers(transaction, known, &results).await?;
    let into = known.statements.get(transaction, COPY).await?;
    // Both are asked for at once; where the batch is there already, no results are sent.
    let (new, sink) = try_join(transaction.execute(&put, &with), transaction.copy_in(&into)).await?;
    if new == 0 {
        return Ok(Written::Before);
    }
    Ok(Written::Now(Some(send(sink, &results, &numbers).await?)))
}

/// Writes results that take the place of those of the same service and time.
pub(super) async fn replace(
    transaction: &Transaction<'_>,
    known: &mut Known,
    results: &[&ServiceResult],
) -> Result<(), Fault> {
    let mut seen = HashSet::new();
    let mut results = results.to_vec();
    results.retain(|entry| seen.insert((entry.service.clone(), entry.result.at.as_millisecond())));
    let times = || results.iter().map(|entry| entry.result.at);
    let (Some(first), Some(last)) = (times().min(), times().max()) else {
        return Ok(());
    };
    let numbers = numbers(transaction, known, &results).await?;
    let hours: BTreeSet<i64> = times().map(|at| at.as_millisecond().div_euclid(HOUR)).collect();
    if known.flavour == Flavour::Plain {
        for hour in &hours {
            let index = format!("CREATE INDEX IF NOT EXISTS result_{hour}_service ON result_{hour} (service)");
            transaction.batch_execute(&index).await?;
        }
    }
    let delete = "DELETE FROM result USING unnest($1::int[], $2::timestamptz[]) AS new (service, at)
                  WHERE result.service = ANY($1) AND result.at BETWEEN $3 AND $4
                    AND result.service = new.service AND result.at = new.at";
    let services: Vec<i32> = numbers.iter().map(|(service, _)| *service).collect();
    let at: Vec<_> = times().map(time).collect();
    transaction
        .execute(delete, &[&services, &at, &time(first), &time(last)])
        .await?;
    let into = known.statements.get(transaction, COPY).await?;
    let sink = transaction.copy_in(&into).await?;
    send(sink, &results, &numbers).await?.finish().await?;
    let rolled = known.rolled(transaction).await?;
    rolled.begins_again(transaction, known, &hours).await
}

/// The numbers of the results' services and findings; makes what they need to be written.
async fn numbers(
    transaction: &Transaction<'_>,
    known: &mut Known,
    results: &[&ServiceResult],
) -> Result<Vec<(i32, i32)>, Fault> {
    let names = results.iter().map(|entry| entry.service.as_str()).collect();
    known.services.learn(transaction, names).await?;
    for table in ["result", "finding"] {
        let times = results.iter().map(|entry| entry.result.at);
        known.ensure(transaction, table, times).await?;
    }
    let found = results.iter().map(|entry| &entry.result);
    let findings = known
        .findings
        .numbers(transaction, &mut known.statements, found)
        .await?;
    let services = results
        .iter()
        .map(|entry| known.services.number(entry.service.as_str()));
    Ok(services.zip(findings).collect())
}

async fn send(
    sink: CopyInSink<Bytes>,
    results: &[&ServiceResult],
    numbers: &[(i32, i32)],
) -> Result<copy::Rows, Fault> {
    let mut rows = copy::Rows::new(sink, &COLUMNS);
    for (entry, (service, finding)) in results.iter().zip(numbers) {
        let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        let duration = entry.result.duration.map(micros);
        rows.put(&[&time(entry.result.at), &duration, service, finding]).await?;
    }
    Ok(rows)
}
