//! Minutes and hours, as they are written.

use tokio_postgres::Transaction;

use super::write::Known;
use super::{Fault, count, time};
use crate::history::model::{Bucket, Durations, Percentiles, Tier, UsageBucket};

/// Writes minutes or hours of services; they take the place of those that were there.
pub(super) async fn put_buckets(
    transaction: &Transaction<'_>,
    known: &mut Known,
    tier: Tier,
    buckets: &[(i32, Bucket)],
) -> Result<(), Fault> {
    if buckets.is_empty() {
        return Ok(());
    }
    let table = table_of(tier);
    known
        .ensure(transaction, table, buckets.iter().map(|(_, bucket)| bucket.at))
        .await?;
    let times: Vec<_> = buckets.iter().map(|(_, bucket)| time(bucket.at)).collect();
    let services: Vec<i32> = buckets.iter().map(|(service, _)| *service).collect();
    let counts = |of: fn(&Bucket) -> u64| -> Vec<i64> { buckets.iter().map(|(_, bucket)| count(of(bucket))).collect() };
    let timed = |of: fn(&Durations) -> u64| -> Vec<i64> {
        let durations = buckets.iter().map(|(_, bucket)| bucket.durations.as_ref());
        durations
            .map(|durations| durations.map_or(0, |durations| count(of(durations))))
            .collect()
    };
    let percentile = |of: fn(&Percentiles) -> f64| -> Vec<Option<f64>> {
        let durations = buckets.iter().map(|(_, bucket)| bucket.durations.as_ref());
        durations
            .map(|durations| durations?.percentiles.as_ref().map(of))
            .collect()
    };
    let sketches: Vec<Option<Vec<u8>>> = buckets
        .iter()
        .map(|(_, bucket)| {
            let sketch = bucket.durations.as_ref()?.sketch.as_ref()?;
            let mut bytes = Vec::new();
            sketch.write(&mut bytes);
            Some(bytes)
        })
        .collect();
    let put = format!(
        "INSERT INTO {table} (at, service, checks, failures, unmeasured, up_ms, down_ms, timed, min_us, max_us, sum_us,
                              p50_us, p95_us, p99_us, sketch)
         SELECT * FROM unnest($1::timestamptz[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
                              $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::float8[],
                              $13::float8[], $14::float8[], $15::bytea[])
         ON CONFLICT (service, at) DO UPDATE SET checks = excluded.checks, failures = excluded.failures,
             unmeasured = excluded.unmeasured, up_ms = excluded.up_ms, down_ms = excluded.down_ms, timed = excluded.timed,
             min_us = excluded.min_us, max_us = excluded.max_us, sum_us = excluded.sum_us, p50_us = excluded.p50_us,
             p95_us = excluded.p95_us, p99_us = excluded.p99_us, sketch = excluded.sketch"
    );
    let put = known.statements.get(transaction, &put).await?;
    transaction
        .execute(
            &put,
            &[
                &times,
                &services,
                &counts(|bucket| bucket.checks),
                &counts(|bucket| bucket.failures),
                &counts(|bucket| bucket.unmeasured),
                &counts(|bucket| bucket.up),
                &counts(|bucket| bucket.down),
                &timed(|durations| durations.count),
                &timed(|durations| durations.min),
                &timed(|durations| durations.max),
                &timed(|durations| durations.sum),
                &percentile(|percentiles| percentiles.p50),
                &percentile(|percentiles| percentiles.p95),
                &percentile(|percentiles| percentiles.p99),
                &sketches,
            ],
        )
        .await?;
    Ok(())
}

/// Writes a minute or an hour of a container; it takes the place of the one that was there.
pub(super) async fn put_usage(
    transaction: &Transaction<'_>,
    known: &mut Known,
    tier: Tier,
    container: i32,
    bucket: &UsageBucket,
) -> Result<(), Fault> {
    let table = usage_table_of(tier);
    known.ensure(transaction, table, [bucket.at]).await?;
    let columns = "samples, cpu_samples, cpu_millicores_sum, cpu_millicores_max, memory_sum, memory_max, memory_limit, \
                   network_received, network_sent, block_read, block_written";
    let renewed: Vec<String> = columns
        .split(", ")
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    let put = format!(
        "INSERT INTO {table} (at, container, {columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (container, at) DO UPDATE SET {}",
        renewed.join(", ")
    );
    let put = known.statements.get(transaction, &put).await?;
    transaction
        .execute(
            &put,
            &[
                &time(bucket.at),
                &container,
                &count(bucket.samples),
                &count(bucket.cpu_samples),
                &count(bucket.cpu_millicores_sum),
                &count(bucket.cpu_millicores_max),
                &count(bucket.memory_sum),
                &count(bucket.memory_max),
                &count(bucket.memory_limit),
                &count(bucket.network_received),
                &count(bucket.network_sent),
                &count(bucket.block_read),
                &count(bucket.block_written),
            ],
        )
        .await?;
    Ok(())
}

pub(super) fn table_of(tier: Tier) -> &'static str {
    match tier {
        Tier::Minute => "minute",
        Tier::Hour => "hour",
    }
}

pub(super) fn usage_table_of(tier: Tier) -> &'static str {
    match tier {
        Tier::Minute => "usage_minute",
        Tier::Hour => "usage_hour",
    }
}
