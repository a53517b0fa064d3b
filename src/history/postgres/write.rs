//! What is written, each in one transaction.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use tokio_postgres::{Client, Transaction};

use super::names::Names;
use super::schema::CUT;
use super::{Fault, Flavour, count, roll, time};
use crate::history::model::{
    Bucket, ContainerEvent, Evidence, HOUR, Incident, IncidentId, Run, SavedService, ServiceResult, StatusChange, Tier,
    UsageBucket, UsageSample, from_millis,
};
use crate::history::store::{Batch, Decided, Record, Retention, Upkeep};

/// The writing connection and what it remembers.
pub(super) struct Writer {
    pub(super) client: Client,
    pub(super) known: Known,
    swept: Option<i64>,
}

/// What is known to be there; forgotten with a transaction that failed.
pub(super) struct Known {
    pub(super) flavour: Flavour,
    pub(super) services: Names,
    pub(super) containers: Names,
    /// Partitions by table and number.
    partitions: HashSet<(&'static str, i64)>,
    /// Until when each table was looked through for what is too old, in milliseconds.
    pub(super) swept: HashMap<&'static str, i64>,
    /// The last batch of its run.
    written: Option<(Timestamp, u64)>,
}

impl Writer {
    pub(super) fn new(client: Client, flavour: Flavour) -> Self {
        Self {
            client,
            known: Known {
                flavour,
                services: Names::new("service"),
                containers: Names::new("container"),
                partitions: HashSet::new(),
                swept: HashMap::new(),
                written: None,
            },
            swept: None,
        }
    }

    pub(super) async fn append(&mut self, batch: &Batch) -> Result<(), Fault> {
        let identity = (batch.run.started, batch.sequence);
        if self.known.written == Some(identity) {
            return Ok(());
        }
        let transaction = self.client.transaction().await?;
        let appended = append(&transaction, &mut self.known, batch).await;
        let appended = match appended {
            Ok(()) => transaction.commit().await.map_err(Fault::from),
            Err(fault) => Err(fault),
        };
        self.known.after(appended.is_ok());
        if appended.is_ok() {
            self.known.written = Some(identity);
        }
        appended
    }

    pub(super) async fn commit(&mut self, decided: &[Decided]) -> Result<(), Fault> {
        let transaction = self.client.transaction().await?;
        let committed = commit(&transaction, &mut self.known, decided).await;
        let committed = match committed {
            Ok(()) => transaction.commit().await.map_err(Fault::from),
            Err(fault) => Err(fault),
        };
        self.known.after(committed.is_ok());
        committed
    }

    pub(super) async fn import(&mut self, records: &[Record]) -> Result<(), Fault> {
        let transaction = self.client.transaction().await?;
        let imported = import(&transaction, &mut self.known, records).await;
        let imported = match imported {
            Ok(()) => transaction.commit().await.map_err(Fault::from),
            Err(fault) => Err(fault),
        };
        self.known.after(imported.is_ok());
        imported
    }

    pub(super) async fn maintain(&mut self, now: Timestamp, retention: &Retention) -> Result<Upkeep, Fault> {
        let transaction = self.client.transaction().await?;
        let rolled = roll::step(&transaction, &mut self.known, now.as_millisecond()).await;
        let done = match rolled {
            Ok(true) => Ok(true),
            Ok(false) => {
                let minute = now.as_millisecond().div_euclid(60_000);
                if self.swept == Some(minute) {
                    Ok(false)
                } else {
                    let swept = roll::sweep(&transaction, &mut self.known, now, retention).await;
                    self.swept = swept.is_ok().then_some(minute);
                    swept.map(|()| false)
                }
            }
            Err(fault) => Err(fault),
        };
        let done = match done {
            Ok(has_more) => transaction.commit().await.map(|()| has_more).map_err(Fault::from),
            Err(fault) => Err(fault),
        };
        self.known.after(done.is_ok());
        Ok(if done? { Upkeep::More } else { Upkeep::Done })
    }
}

impl Known {
    fn after(&mut self, is_done: bool) {
        if !is_done {
            self.services.forget();
            self.containers.forget();
            self.partitions.clear();
            self.swept.clear();
        }
    }

    /// Makes the partitions that rows of these times go into.
    pub(super) async fn ensure(
        &mut self,
        transaction: &Transaction<'_>,
        table: &'static str,
        times: impl IntoIterator<Item = Timestamp>,
    ) -> Result<(), Fault> {
        let cut = CUT
            .iter()
            .find(|(name, _)| *name == table)
            .map(|(_, seconds)| seconds * 1_000);
        let (Flavour::Plain, Some(length)) = (self.flavour, cut) else {
            return Ok(());
        };
        let slots: BTreeSet<i64> = times
            .into_iter()
            .map(|at| at.as_millisecond().div_euclid(length))
            .collect();
        for slot in slots {
            if self.partitions.contains(&(table, slot)) {
                continue;
            }
            let (from, to) = (from_millis(slot * length), from_millis((slot + 1) * length));
            let make = format!(
                "CREATE TABLE IF NOT EXISTS {table}_{slot} PARTITION OF {table} FOR VALUES FROM ('{from}') TO ('{to}')"
            );
            transaction.batch_execute(&make).await?;
            self.partitions.insert((table, slot));
        }
        Ok(())
    }

    /// A partition was dropped.
    pub(super) fn dropped(&mut self) {
        self.partitions.clear();
    }
}

async fn append(transaction: &Transaction<'_>, known: &mut Known, batch: &Batch) -> Result<(), Fault> {
    put_run(transaction, &batch.run).await?;
    let hour = batch.run.until.as_millisecond().div_euclid(HOUR);
    let begin = "INSERT INTO progress (job, slot) VALUES ('rolled', $1) ON CONFLICT (job) DO NOTHING";
    transaction.execute(begin, &[&hour]).await?;
    put_results(transaction, known, &batch.results).await?;
    let times: BTreeSet<i64> = (batch.results.iter().map(|entry| entry.result.at))
        .chain(batch.usage.iter().map(|sample| sample.at))
        .map(|at| at.as_millisecond().div_euclid(HOUR))
        .collect();
    let times: Vec<i64> = times.into_iter().collect();
    // What comes for an hour that is rolled up has it rolled up once more.
    let late = "INSERT INTO late (hour) SELECT hour FROM unnest($1::bigint[]) AS hour, progress
                WHERE job = 'rolled' AND hour < slot ON CONFLICT DO NOTHING";
    transaction.execute(late, &[&times]).await?;
    put_samples(transaction, known, &batch.usage).await?;
    for event in &batch.events {
        put_event(transaction, event).await?;
    }
    for saved in &batch.saved {
        put_saved(transaction, known, saved).await?;
    }
    for (incident, evidence) in &batch.evidence {
        put_evidence(transaction, *incident, evidence).await?;
    }
    Ok(())
}

async fn commit(transaction: &Transaction<'_>, known: &mut Known, decided: &[Decided]) -> Result<(), Fault> {
    for one in decided {
        put_change(transaction, known, &one.change).await?;
        if let Some(incident) = &one.incident {
            put_incident(transaction, known, incident).await?;
        }
        if let Some(saved) = &one.saved {
            put_saved(transaction, known, saved).await?;
        }
    }
    Ok(())
}

async fn import(transaction: &Transaction<'_>, known: &mut Known, records: &[Record]) -> Result<(), Fault> {
    let mut results = Vec::new();
    for record in records {
        match record {
            Record::Run(run) => put_run(transaction, run).await?,
            Record::Result(result) => results.push(result.clone()),
            Record::Bucket { service, tier, bucket } => {
                known.services.learn(transaction, vec![service.as_str()]).await?;
                let number = known.services.number(service.as_str());
                put_buckets(transaction, known, *tier, &[(number, bucket.clone())]).await?;
            }
            Record::Change(change) => put_change(transaction, known, change).await?,
            Record::Incident(incident) => put_incident(transaction, known, incident).await?,
            Record::Evidence { incident, found } => put_evidence(transaction, *incident, found).await?,
            Record::Event(event) => put_event(transaction, event).await?,
            Record::Usage {
                container,
                tier,
                bucket,
            } => {
                known.containers.learn(transaction, vec![container.as_str()]).await?;
                let number = known.containers.number(container);
                put_usage(transaction, known, *tier, number, bucket).await?;
            }
            Record::Saved(saved) => put_saved(transaction, known, saved).await?,
        }
    }
    put_results(transaction, known, &results).await
}

async fn put_run(transaction: &Transaction<'_>, run: &Run) -> Result<(), Fault> {
    let put = "INSERT INTO run (started, until) VALUES ($1, $2)
               ON CONFLICT (started) DO UPDATE SET until = greatest(run.until, excluded.until)";
    transaction
        .execute(put, &[&time(run.started), &time(run.until)])
        .await?;
    Ok(())
}

async fn put_results(transaction: &Transaction<'_>, known: &mut Known, results: &[ServiceResult]) -> Result<(), Fault> {
    if results.is_empty() {
        return Ok(());
    }
    let names = results.iter().map(|entry| entry.service.as_str()).collect();
    known.services.learn(transaction, names).await?;
    known
        .ensure(transaction, "result", results.iter().map(|entry| entry.result.at))
        .await?;
    let times: Vec<_> = results.iter().map(|entry| time(entry.result.at)).collect();
    let services: Vec<_> = results
        .iter()
        .map(|entry| known.services.number(entry.service.as_str()))
        .collect();
    let kinds: Vec<_> = results.iter().map(|entry| entry.result.kind.as_str()).collect();
    let statuses: Vec<_> = results.iter().map(|entry| entry.result.status.as_str()).collect();
    let micros = |duration: std::time::Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    let durations: Vec<_> = results.iter().map(|entry| entry.result.duration.map(micros)).collect();
    let attempts: Vec<_> = results
        .iter()
        .map(|entry| i32::try_from(entry.result.attempts).unwrap_or(i32::MAX))
        .collect();
    let reasons: Vec<String> = results.iter().map(|entry| storable(&entry.result.reason)).collect();
    let put = "INSERT INTO result (at, service, kind, status, duration_us, attempts, reason)
               SELECT * FROM unnest($1::timestamptz[], $2::int[], $3::text[], $4::text[], $5::bigint[], $6::int[], $7::text[])
               ON CONFLICT DO NOTHING";
    transaction
        .execute(
            put,
            &[&times, &services, &kinds, &statuses, &durations, &attempts, &reasons],
        )
        .await?;
    Ok(())
}

async fn put_samples(transaction: &Transaction<'_>, known: &mut Known, samples: &[UsageSample]) -> Result<(), Fault> {
    if samples.is_empty() {
        return Ok(());
    }
    let names = samples.iter().map(|sample| sample.container.as_str()).collect();
    known.containers.learn(transaction, names).await?;
    for sample in samples {
        let put = "INSERT INTO usage_sample (at, container, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let body = serde_json::to_vec(sample)?;
        let number = known.containers.number(&sample.container);
        transaction.execute(put, &[&time(sample.at), &number, &body]).await?;
    }
    Ok(())
}

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
    let timed = |of: fn(&crate::history::model::Durations) -> u64| -> Vec<i64> {
        let durations = buckets.iter().map(|(_, bucket)| bucket.durations.as_ref());
        durations
            .map(|durations| durations.map_or(0, |durations| count(of(durations))))
            .collect()
    };
    let percentile = |of: fn(&crate::history::model::Percentiles) -> f64| -> Vec<Option<f64>> {
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

async fn put_change(transaction: &Transaction<'_>, known: &mut Known, change: &StatusChange) -> Result<(), Fault> {
    known.services.learn(transaction, vec![change.service.as_str()]).await?;
    let put = "INSERT INTO change (service, at, old, new, reason, unknown_since) VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (service, at) DO UPDATE SET old = excluded.old, new = excluded.new, reason = excluded.reason,
                   unknown_since = excluded.unknown_since";
    let number = known.services.number(change.service.as_str());
    let (old, new) = (change.from.as_str(), change.to.as_str());
    let since = change.reconstructed_since.map(time);
    transaction
        .execute(
            put,
            &[&number, &time(change.at), &old, &new, &storable(&change.reason), &since],
        )
        .await?;
    Ok(())
}

async fn put_incident(transaction: &Transaction<'_>, known: &mut Known, incident: &Incident) -> Result<(), Fault> {
    known
        .services
        .learn(transaction, vec![incident.service.as_str()])
        .await?;
    let put = "INSERT INTO incident (id, service, kind, started, ended, body) VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, ended = excluded.ended, body = excluded.body";
    let number = known.services.number(incident.service.as_str());
    let (kind, ended) = (incident.kind.as_str(), incident.ended.map(time));
    let body = serde_json::to_string(incident)?;
    transaction
        .execute(
            put,
            &[
                &incident.id.number(),
                &number,
                &kind,
                &time(incident.started),
                &ended,
                &body,
            ],
        )
        .await?;
    Ok(())
}

async fn put_evidence(transaction: &Transaction<'_>, incident: IncidentId, evidence: &Evidence) -> Result<(), Fault> {
    let put = "INSERT INTO evidence (incident, at, what, body) VALUES ($1, $2, $3, $4)
               ON CONFLICT (incident, at, what) DO UPDATE SET body = excluded.body";
    let body = serde_json::to_string(evidence)?;
    transaction
        .execute(put, &[&incident.number(), &time(evidence.at()), &evidence.tag(), &body])
        .await?;
    Ok(())
}

async fn put_event(transaction: &Transaction<'_>, event: &ContainerEvent) -> Result<(), Fault> {
    let put = "INSERT INTO event (container, at, what, body) VALUES ($1, $2, $3, $4)
               ON CONFLICT (container, at, what) DO UPDATE SET body = excluded.body";
    let body = serde_json::to_string(event)?;
    transaction
        .execute(put, &[&event.container, &time(event.at), &event.tag(), &body])
        .await?;
    Ok(())
}

async fn put_saved(transaction: &Transaction<'_>, known: &mut Known, saved: &SavedService) -> Result<(), Fault> {
    known.services.learn(transaction, vec![saved.service.as_str()]).await?;
    let put = "INSERT INTO saved (service, at, state) VALUES ($1, $2, $3)
               ON CONFLICT (service) DO UPDATE SET at = excluded.at, state = excluded.state";
    let number = known.services.number(saved.service.as_str());
    transaction
        .execute(put, &[&number, &time(saved.at), &saved.state.to_string()])
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

/// PostgreSQL's texts hold every character but one.
fn storable(text: &str) -> String {
    text.replace('\0', "")
}
