//! The writing connection: what comes is appended in the order of time.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::names::{Kind, Names};
use super::record::{FrameWriter, status_number};
use super::{CACHE_KIB, CHECKPOINT_PAGES, Fault, PATIENCE_MILLIS, merge, roll, rows, schema, sweep, usage};
use crate::history::model::{
    ContainerEvent, Evidence, Incident, IncidentId, RawResult, Run, SavedService, StatusChange, UsageSample,
};
use crate::history::store::{Batch, Decided, Memory, Retention, StoreError, Upkeep};

/// Frames from one that can be read without those before it to the next.
const KEY_EVERY: u32 = 64;

/// The writing connection and what it remembers between two writes.
pub(super) struct Writer {
    connection: Connection,
    services: Names,
    containers: Names,
    frames: Frames,
    /// The run of the last batch, until then.
    run: Option<Run>,
    sweep: sweep::Sweep,
}

/// Where the next frame goes.
#[derive(Default)]
struct Frames {
    writer: FrameWriter,
    /// Hour and number of the next frame; `None` where it has to be looked up.
    next: Option<(i64, i64)>,
    since_key: u32,
}

/// What goes into one frame.
#[derive(Default)]
struct Gathered<'a> {
    results: Vec<(i64, &'a RawResult)>,
    usage: Vec<(i64, &'a UsageSample)>,
}

impl Writer {
    /// Opens the file for writing, makes it where it is not there, and brings its tables to the present version.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let open = || -> Result<Connection, Fault> {
            let mut connection = Connection::open(path)?;
            connection.busy_timeout(Duration::from_millis(PATIENCE_MILLIS.into()))?;
            schema::prepare(&mut connection, &path.display().to_string())?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB))?;
            connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
            // After a burst the log is cut to this again.
            connection.pragma_update(None, "journal_size_limit", i64::from(CHECKPOINT_PAGES) * 8_192)?;
            Ok(connection)
        };
        Ok(Self {
            connection: open().map_err(|fault| fault.at(path))?,
            services: Names::new(Kind::Service),
            containers: Names::new(Kind::Container),
            frames: Frames::default(),
            run: None,
            sweep: sweep::Sweep::default(),
        })
    }

    /// What a restart needs to know. From here on the last run is over.
    pub(super) fn resume(&mut self) -> Result<Memory, Fault> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let last_run = rows::runs(&transaction, i64::MIN, i64::MAX)?.pop();
        if let Some(run) = &last_run {
            put_run(&transaction, run)?;
        }
        let memory = Memory {
            saved: saved(&transaction)?,
            statuses: statuses(&transaction)?,
            open_incidents: open_incidents(&transaction)?,
            last_run,
        };
        transaction.commit()?;
        Ok(memory)
    }

    pub(super) fn append(&mut self, batch: &Batch) -> Result<(), Fault> {
        let appended = self.try_append(batch);
        match &appended {
            Ok(()) => self.run = Some(batch.run),
            Err(_) => self.forget(),
        }
        appended
    }

    fn try_append(&mut self, batch: &Batch) -> Result<(), Fault> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (_, now) = batch.run.millis();
        // Until when it goes on, the frames tell; it is written down when another one begins.
        if self.run.is_none_or(|run| run.started != batch.run.started) {
            if let Some(over) = &self.run {
                put_run(&transaction, over)?;
            }
            put_run(&transaction, &batch.run)?;
        }
        if rows::rolled_until(&transaction)?.is_none() {
            rows::set_progress(&transaction, "rolled", rows::hour_of(now), 0)?;
        }
        let mut by_hour: BTreeMap<i64, Gathered<'_>> = BTreeMap::new();
        for entry in &batch.results {
            let service = self.services.number(&transaction, entry.service.as_str())?;
            let hour = rows::hour_of(entry.result.at.as_millisecond());
            by_hour.entry(hour).or_default().results.push((service, &entry.result));
        }
        for sample in &batch.usage {
            let container = self.containers.number(&transaction, &sample.container)?;
            let hour = rows::hour_of(sample.at.as_millisecond());
            by_hour.entry(hour).or_default().usage.push((container, sample));
        }
        // A frame tells that the monitor runs, even where nothing came.
        by_hour.entry(rows::hour_of(now)).or_default();
        for (hour, gathered) in &by_hour {
            self.frames.append(&transaction, *hour, now, gathered)?;
        }
        // An hour that is being rolled up and gets more begins again: what came may be of a service that is done.
        let under_way = rows::progress(&transaction, roll::JOB)?;
        if under_way.is_some_and(|progress| by_hour.contains_key(&progress.slot)) {
            rows::end_progress(&transaction, roll::JOB)?;
        }
        for event in &batch.events {
            put_event(&transaction, event)?;
        }
        for saved in &batch.saved {
            put_saved(&transaction, &mut self.services, saved)?;
        }
        for (incident, evidence) in &batch.evidence {
            put_evidence(&transaction, *incident, evidence)?;
        }
        transaction.commit()?;
        Ok(())
    }

    pub(super) fn commit(&mut self, decided: &[Decided]) -> Result<(), Fault> {
        // A change is to survive a loss of power, whatever became of the results around it.
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        let committed = self.try_commit(decided);
        if committed.is_err() {
            self.forget();
        }
        let restored = self.connection.pragma_update(None, "synchronous", "NORMAL");
        committed.and(restored.map_err(Fault::from))
    }

    fn try_commit(&mut self, decided: &[Decided]) -> Result<(), Fault> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for one in decided {
            put_change(&transaction, &mut self.services, &one.change)?;
            if let Some(incident) = &one.incident {
                put_incident(&transaction, &mut self.services, incident)?;
            }
            if let Some(saved) = &one.saved {
                put_saved(&transaction, &mut self.services, saved)?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    pub(super) fn maintain(&mut self, now: Timestamp, retention: &Retention) -> Result<Upkeep, Fault> {
        let now = now.as_millisecond();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut has_more = roll::step(&transaction, now)?;
        if !has_more {
            has_more = merge::step(&transaction)?;
        }
        if !has_more {
            has_more = self.sweep.step(&transaction, now, retention)?;
        }
        transaction.commit()?;
        Ok(if has_more { Upkeep::More } else { Upkeep::Done })
    }

    /// Gives the pages back that the last transaction looked at. The kernel has them too.
    pub(super) fn release(&self) -> Result<(), Fault> {
        Ok(self.connection.release_memory()?)
    }

    /// The connection for a transaction of another kind, with what is remembered of names.
    pub(super) fn parts(&mut self) -> (&mut Connection, &mut Names, &mut Names) {
        (&mut self.connection, &mut self.services, &mut self.containers)
    }

    /// Nothing that was remembered needs to be so any more.
    pub(super) fn forget(&mut self) {
        self.services.forget();
        self.containers.forget();
        self.frames = Frames::default();
    }
}

impl Frames {
    fn append(
        &mut self,
        transaction: &Transaction<'_>,
        hour: i64,
        now: i64,
        gathered: &Gathered<'_>,
    ) -> Result<(), Fault> {
        let number = match self.next.filter(|(of, _)| *of == hour) {
            Some((_, number)) => number,
            None => {
                self.since_key = 0;
                next_number(transaction, hour)?
            }
        };
        let is_key = self.since_key == 0;
        if is_key {
            self.writer.reset();
        }
        let results = self.writer.write(now, gathered.results.iter().copied());
        let usage = (!gathered.usage.is_empty()).then(|| usage::write_samples(now, &gathered.usage));
        let mut insert = transaction
            .prepare_cached("INSERT INTO frame (id, at, is_key, results, usage) VALUES (?1, ?2, ?3, ?4, ?5)")?;
        insert.execute((number, now, is_key, results, usage))?;
        self.next = Some((hour, number + 1));
        self.since_key = (self.since_key + 1) % KEY_EVERY;
        Ok(())
    }
}

fn next_number(transaction: &Transaction<'_>, hour: i64) -> Result<i64, Fault> {
    let ids = rows::frames_of(hour);
    let mut select = transaction.prepare_cached("SELECT max(id) FROM frame WHERE id BETWEEN ?1 AND ?2")?;
    let last: Option<i64> = select.query_row((ids.start(), ids.end()), |row| row.get(0))?;
    let number = last.map_or(*ids.start(), |last| last + 1);
    if ids.contains(&number) {
        Ok(number)
    } else {
        Err(StoreError::Failed("an hour has more frames than there are numbers".to_owned()).into())
    }
}

pub(super) fn put_run(connection: &Connection, run: &Run) -> Result<(), Fault> {
    let mut put = connection.prepare_cached("INSERT OR REPLACE INTO run (started, until) VALUES (?1, ?2)")?;
    put.execute(run.millis())?;
    Ok(())
}

pub(super) fn put_change(connection: &Connection, services: &mut Names, change: &StatusChange) -> Result<(), Fault> {
    let mut put = connection.prepare_cached(
        "INSERT OR REPLACE INTO change (service, at, old, new, reason, unknown_since) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    put.execute((
        services.number(connection, change.service.as_str())?,
        change.at.as_millisecond(),
        status_number(change.from).cast_signed(),
        status_number(change.to).cast_signed(),
        &change.reason,
        change.reconstructed_since.map(Timestamp::as_millisecond),
    ))?;
    Ok(())
}

pub(super) fn put_incident(connection: &Connection, services: &mut Names, incident: &Incident) -> Result<(), Fault> {
    let mut put = connection.prepare_cached(
        "INSERT OR REPLACE INTO incident (id, service, kind, started, ended, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    put.execute((
        incident.id.number(),
        services.number(connection, incident.service.as_str())?,
        incident.kind.as_str(),
        incident.started.as_millisecond(),
        incident.ended.map(Timestamp::as_millisecond),
        serde_json::to_string(incident)?,
    ))?;
    Ok(())
}

pub(super) fn put_evidence(connection: &Connection, incident: IncidentId, evidence: &Evidence) -> Result<(), Fault> {
    let what = evidence.tag();
    let mut put = connection
        .prepare_cached("INSERT OR REPLACE INTO evidence (incident, at, what, body) VALUES (?1, ?2, ?3, ?4)")?;
    let at = evidence.at().as_millisecond();
    put.execute((incident.number(), at, what, serde_json::to_string(evidence)?))?;
    Ok(())
}

pub(super) fn put_event(connection: &Connection, event: &ContainerEvent) -> Result<(), Fault> {
    let mut put = connection
        .prepare_cached("INSERT OR REPLACE INTO event (container, at, what, body) VALUES (?1, ?2, ?3, ?4)")?;
    let what = event.tag();
    put.execute((
        &event.container,
        event.at.as_millisecond(),
        what,
        serde_json::to_string(event)?,
    ))?;
    Ok(())
}

pub(super) fn put_saved(connection: &Connection, services: &mut Names, saved: &SavedService) -> Result<(), Fault> {
    let mut put = connection.prepare_cached("INSERT OR REPLACE INTO saved (service, at, state) VALUES (?1, ?2, ?3)")?;
    let service = services.number(connection, saved.service.as_str())?;
    put.execute((service, saved.at.as_millisecond(), saved.state.to_string()))?;
    Ok(())
}

pub(super) fn saved(connection: &Connection) -> Result<Vec<SavedService>, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT service.name, saved.at, saved.state FROM saved JOIN service ON service.id = saved.service",
    )?;
    let mut rows = select.query([])?;
    let mut saved = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, state): (String, String) = (row.get(0)?, row.get(2)?);
        saved.push(SavedService {
            service: rows::service_name(&name)?,
            at: crate::history::model::from_millis(row.get(1)?),
            state: serde_json::from_str(&state)?,
        });
    }
    Ok(saved)
}

fn statuses(
    connection: &Connection,
) -> Result<
    Vec<(
        health_monitor_actors::model::ServiceName,
        health_monitor_actors::model::Status,
        Timestamp,
    )>,
    Fault,
> {
    let mut services = connection.prepare_cached("SELECT id, name FROM service ORDER BY name")?;
    let mut last = connection.prepare_cached(
        "SELECT ?2, at, old, new, reason, unknown_since FROM change WHERE service = ?1 ORDER BY at DESC LIMIT 1",
    )?;
    let mut statuses = Vec::new();
    let mut rows = services.query([])?;
    while let Some(row) = rows.next()? {
        let (id, name): (i64, String) = (row.get(0)?, row.get(1)?);
        if let Some(change) = last.query_row((id, &name), rows::change).optional()? {
            let change = change?;
            statuses.push((change.service, change.to, change.at));
        }
    }
    Ok(statuses)
}

fn open_incidents(connection: &Connection) -> Result<Vec<Incident>, Fault> {
    let mut select = connection.prepare_cached("SELECT body FROM incident WHERE ended IS NULL ORDER BY id")?;
    let mut rows = select.query([])?;
    let mut incidents = Vec::new();
    while let Some(row) = rows.next()? {
        let body: String = row.get(0)?;
        incidents.push(serde_json::from_str(&body)?);
    }
    Ok(incidents)
}
