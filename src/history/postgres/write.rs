//! What is written, each in one transaction.

use std::collections::{BTreeSet, HashSet};

use futures_util::future::try_join;
use jiff::Timestamp;
use tokio_postgres::{Client, Transaction};

use super::buckets::{put_buckets, put_usage};
use super::findings::Findings;
use super::names::Names;
use super::schema::CUT;
use super::statements::Statements;
use super::{Fault, Flavour, copy, results, roll, storable, sweep, time};
use crate::history::model::{
    ContainerEvent, Evidence, HOUR, Incident, IncidentId, Run, SavedService, StatusChange, UsageSample, from_millis,
};
use crate::history::store::{Batch, Decided, Record, Retention, Upkeep};

/// The writing connection and what it remembers.
pub(super) struct Writer {
    client: Client,
    known: Known,
    /// What a transaction waits for that must survive a loss of power, as `synchronous_commit` has it.
    durable: String,
    /// Until then no hour is over, and none has to be rolled up once more; in milliseconds.
    idle_until: i64,
    sweep: sweep::Sweep,
}

/// What is known to be there; forgotten with a transaction that failed.
pub(super) struct Known {
    pub(super) flavour: Flavour,
    pub(super) statements: Statements,
    pub(super) services: Names,
    pub(super) containers: Names,
    pub(super) findings: Findings,
    /// Partitions by table and number.
    partitions: HashSet<(&'static str, i64)>,
    rolled: Option<roll::Rolled>,
    /// False while a transaction is under way, and for good where nobody waited for its end.
    is_sure: bool,
}

/// Whether a batch had to be written.
pub(super) enum Written {
    /// It is, once these rows are finished and the transaction is committed.
    Now(Option<copy::Rows>),
    /// It was.
    Before,
}

// === impl Writer ===

impl Writer {
    /// Takes a connection on which transactions do not wait for the disk, unless they say so: of results a second may be
    /// lost. `durable` is what the server's own setting has the others wait for.
    pub(super) fn new(client: Client, flavour: Flavour, durable: String) -> Self {
        Self {
            client,
            known: Known {
                flavour,
                statements: Statements::default(),
                services: Names::new("service"),
                containers: Names::new("container"),
                findings: Findings::default(),
                partitions: HashSet::new(),
                rolled: None,
                is_sure: true,
            },
            durable,
            idle_until: 0,
            sweep: sweep::Sweep::default(),
        }
    }

    pub(super) async fn append(&mut self, batch: &Batch) -> Result<(), Fault> {
        let transaction = begin(&mut self.client, &mut self.known).await?;
        let appended = match append(&transaction, &mut self.known, batch).await {
            Ok(Written::Now(None)) => transaction.commit().await.map_err(Fault::from),
            // The end of the rows and that of the transaction are sent at once.
            Ok(Written::Now(Some(rows))) => {
                let commit = async { Ok(transaction.commit().await?) };
                try_join(rows.finish(), commit).await.map(|_both| ())
            }
            // What was learned on the way is rolled back.
            Ok(Written::Before) => return Ok(transaction.rollback().await?),
            Err(fault) => Err(fault),
        };
        self.known.is_sure = appended.is_ok();
        if batch_times(batch).any(|at| at.as_millisecond() < self.idle_until - HOUR) {
            self.idle_until = 0;
        }
        appended
    }

    pub(super) async fn commit(&mut self, decided: &[Decided]) -> Result<(), Fault> {
        let transaction = begin(&mut self.client, &mut self.known).await?;
        let committed = match wait_for_disk(&transaction, &self.durable).await {
            Ok(()) => commit(&transaction, &mut self.known, decided).await,
            Err(fault) => Err(fault),
        };
        end(transaction, &mut self.known, committed).await
    }

    pub(super) async fn import(&mut self, records: &[Record]) -> Result<(), Fault> {
        self.idle_until = 0;
        let transaction = begin(&mut self.client, &mut self.known).await?;
        let imported = match wait_for_disk(&transaction, &self.durable).await {
            Ok(()) => import(&transaction, &mut self.known, records).await,
            Err(fault) => Err(fault),
        };
        end(transaction, &mut self.known, imported).await
    }

    pub(super) async fn maintain(&mut self, now: Timestamp, retention: &Retention) -> Result<Upkeep, Fault> {
        let is_idle = now.as_millisecond() < self.idle_until;
        if is_idle && !self.sweep.is_due(now, retention) {
            return Ok(Upkeep::Done);
        }
        let transaction = begin(&mut self.client, &mut self.known).await?;
        // Put back once it is committed: what failed, or nobody waited for, is looked through again.
        let mut sweep = std::mem::take(&mut self.sweep);
        let (known, idle_until) = (&mut self.known, &mut self.idle_until);
        let done = async {
            if !is_idle {
                match roll::step(&transaction, known, now.as_millisecond()).await? {
                    roll::Step::Done => return Ok(Upkeep::More),
                    roll::Step::NothingUntil(then) => *idle_until = then,
                }
            }
            sweep.run(&transaction, known, now, retention).await?;
            Ok(Upkeep::Done)
        };
        let done = done.await;
        let done = end(transaction, &mut self.known, done).await?;
        self.sweep = sweep;
        Ok(done)
    }
}

async fn begin<'a>(client: &'a mut Client, known: &mut Known) -> Result<Transaction<'a>, Fault> {
    if !std::mem::replace(&mut known.is_sure, false) {
        known.forget();
    }
    Ok(client.transaction().await?)
}

async fn end<T>(transaction: Transaction<'_>, known: &mut Known, done: Result<T, Fault>) -> Result<T, Fault> {
    let done = match done {
        Ok(done) => transaction.commit().await.map(|()| done).map_err(Fault::from),
        Err(fault) => Err(fault),
    };
    known.is_sure = done.is_ok();
    done
}

async fn wait_for_disk(transaction: &Transaction<'_>, durable: &str) -> Result<(), Fault> {
    let set = format!("SET LOCAL synchronous_commit = {durable}");
    Ok(transaction.batch_execute(&set).await?)
}

// === impl Known ===

impl Known {
    fn forget(&mut self) {
        self.services.forget();
        self.containers.forget();
        self.findings.forget();
        self.partitions.clear();
        self.rolled = None;
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
    pub(super) fn dropped(&mut self, table: &str, slot: i64) {
        self.partitions.retain(|(of, number)| (*of, *number) != (table, slot));
        if table == "finding" {
            self.findings.dropped(slot);
        }
    }

    /// How far hours are rolled up, as it was when it was asked last.
    pub(super) async fn rolled(&mut self, transaction: &Transaction<'_>) -> Result<roll::Rolled, Fault> {
        if let Some(rolled) = self.rolled {
            return Ok(rolled);
        }
        let rolled = roll::Rolled::read(transaction).await?;
        self.rolled = Some(rolled);
        Ok(rolled)
    }

    /// It may not be so any more.
    pub(super) fn rolled_on(&mut self) {
        self.rolled = None;
    }
}

fn batch_times(batch: &Batch) -> impl Iterator<Item = Timestamp> {
    let results = batch.results.iter().map(|entry| entry.result.at);
    results.chain(batch.usage.iter().map(|sample| sample.at))
}

async fn append(transaction: &Transaction<'_>, known: &mut Known, batch: &Batch) -> Result<Written, Fault> {
    let rolled = match known.rolled(transaction).await?.until {
        Some(_) => known.rolled(transaction).await?,
        None => {
            let begin = "INSERT INTO progress (job, slot) VALUES ('rolled', $1) ON CONFLICT (job) DO NOTHING";
            let hour = batch.run.until.as_millisecond().div_euclid(HOUR);
            transaction.execute(begin, &[&hour]).await?;
            known.rolled_on();
            known.rolled(transaction).await?
        }
    };
    let hours: BTreeSet<i64> = batch_times(batch)
        .map(|at| at.as_millisecond().div_euclid(HOUR))
        .collect();
    rolled.has_more(transaction, known, &hours).await?;
    put_samples(transaction, known, &batch.usage).await?;
    for event in &batch.events {
        put_event(transaction, known, event).await?;
    }
    for saved in &batch.saved {
        put_saved(transaction, known, saved).await?;
    }
    for (incident, evidence) in &batch.evidence {
        put_evidence(transaction, known, *incident, evidence).await?;
    }
    // Last, because nothing else can be sent before its rows are finished.
    results::append(transaction, known, batch).await
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
    // No step of rolling up at the same time, from which what is imported would be missing.
    roll::lock(transaction).await?;
    known.rolled_on();
    let mut results = Vec::new();
    for record in records {
        match record {
            Record::Run(run) => put_run(transaction, known, run).await?,
            Record::Result(result) => results.push(result),
            Record::Bucket { service, tier, bucket } => {
                known.services.learn(transaction, vec![service.as_str()]).await?;
                let number = known.services.number(service.as_str());
                put_buckets(transaction, known, *tier, &[(number, bucket.clone())]).await?;
            }
            Record::Change(change) => put_change(transaction, known, change).await?,
            Record::Incident(incident) => put_incident(transaction, known, incident).await?,
            Record::Evidence { incident, found } => put_evidence(transaction, known, *incident, found).await?,
            Record::Event(event) => put_event(transaction, known, event).await?,
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
    results::replace(transaction, known, &results).await
}

async fn put_run(transaction: &Transaction<'_>, known: &mut Known, run: &Run) -> Result<(), Fault> {
    let put = "INSERT INTO run (started, until) VALUES ($1, $2)
               ON CONFLICT (started) DO UPDATE SET until = greatest(run.until, excluded.until)";
    let put = known.statements.get(transaction, put).await?;
    transaction
        .execute(&put, &[&time(run.started), &time(run.until)])
        .await?;
    Ok(())
}

async fn put_samples(transaction: &Transaction<'_>, known: &mut Known, samples: &[UsageSample]) -> Result<(), Fault> {
    if samples.is_empty() {
        return Ok(());
    }
    let names = samples.iter().map(|sample| sample.container.as_str()).collect();
    known.containers.learn(transaction, names).await?;
    let put = "INSERT INTO usage_sample (at, container, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    let put = known.statements.get(transaction, put).await?;
    for sample in samples {
        let body = serde_json::to_vec(sample)?;
        let number = known.containers.number(&sample.container);
        transaction.execute(&put, &[&time(sample.at), &number, &body]).await?;
    }
    Ok(())
}

async fn put_change(transaction: &Transaction<'_>, known: &mut Known, change: &StatusChange) -> Result<(), Fault> {
    known.services.learn(transaction, vec![change.service.as_str()]).await?;
    let put = "INSERT INTO change (service, at, old, new, reason, unknown_since) VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (service, at) DO UPDATE SET old = excluded.old, new = excluded.new, reason = excluded.reason,
                   unknown_since = excluded.unknown_since";
    let put = known.statements.get(transaction, put).await?;
    let number = known.services.number(change.service.as_str());
    let (old, new) = (change.from.as_str(), change.to.as_str());
    let since = change.reconstructed_since.map(time);
    transaction
        .execute(
            &put,
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
    let put = known.statements.get(transaction, put).await?;
    let number = known.services.number(incident.service.as_str());
    let (kind, ended) = (incident.kind.as_str(), incident.ended.map(time));
    let body = serde_json::to_string(incident)?;
    transaction
        .execute(
            &put,
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

async fn put_evidence(
    transaction: &Transaction<'_>,
    known: &mut Known,
    incident: IncidentId,
    evidence: &Evidence,
) -> Result<(), Fault> {
    let put = "INSERT INTO evidence (incident, at, what, body) VALUES ($1, $2, $3, $4)
               ON CONFLICT (incident, at, what) DO UPDATE SET body = excluded.body";
    let put = known.statements.get(transaction, put).await?;
    let body = serde_json::to_string(evidence)?;
    transaction
        .execute(
            &put,
            &[&incident.number(), &time(evidence.at()), &evidence.tag(), &body],
        )
        .await?;
    Ok(())
}

async fn put_event(transaction: &Transaction<'_>, known: &mut Known, event: &ContainerEvent) -> Result<(), Fault> {
    let put = "INSERT INTO event (container, at, what, body) VALUES ($1, $2, $3, $4)
               ON CONFLICT (container, at, what) DO UPDATE SET body = excluded.body";
    let put = known.statements.get(transaction, put).await?;
    let body = serde_json::to_string(event)?;
    transaction
        .execute(&put, &[&event.container, &time(event.at), &event.tag(), &body])
        .await?;
    Ok(())
}

async fn put_saved(transaction: &Transaction<'_>, known: &mut Known, saved: &SavedService) -> Result<(), Fault> {
    known.services.learn(transaction, vec![saved.service.as_str()]).await?;
    let put = "INSERT INTO saved (service, at, state) VALUES ($1, $2, $3)
               ON CONFLICT (service) DO UPDATE SET at = excluded.at, state = excluded.state";
    let put = known.statements.get(transaction, put).await?;
    let number = known.services.number(saved.service.as_str());
    transaction
        .execute(&put, &[&number, &time(saved.at), &saved.state.to_string()])
        .await?;
    Ok(())
}
