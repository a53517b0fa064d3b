//! Moves a history from one store to another, as lines of JSON.
//!
//! The first line says what follows; each further one is a [`Record`]. Everything is read and written a piece at a time, so a
//! history of any size takes little memory.

use std::io::{BufRead, Write};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::model::{Span, Tier, from_millis};
use super::store::{Detail, IncidentQuery, Order, Record, Store, StoreError};

/// What the first line says.
const FORMAT: &str = "health-monitor history";

/// The version of what follows.
const VERSION: u32 = 1;

/// Records that are read or written at once.
const PIECE: usize = 5_000;

/// Longest line that is read, in bytes.
const LONGEST_LINE: usize = 16 * 1024 * 1024;

/// Hours of one service that are read at once.
const HOURS_AT_ONCE: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Minutes of one service that are read at once.
const MINUTES_AT_ONCE: SignedDuration = SignedDuration::from_hours(2 * 24);

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    format: String,
    version: u32,
    exported_at: Timestamp,
}

/// Why a history was not moved.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The store did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lines could not be read or written.
    #[error("cannot read or write the lines: {0}")]
    Lines(#[from] std::io::Error),
    /// What is to be read is no export.
    #[error("line 1 does not say that this is an export; it must be the output of 'health-monitor history export'")]
    NoExport,
    /// It is one of a later version.
    #[error("this is an export of version {found}, this monitor reads {VERSION}; import it with a newer monitor")]
    TooNew {
        /// Its version.
        found: u32,
    },
    /// A line is no record.
    #[error(
        "line {line} is no record: {why}; what stands before it is imported, and importing all of it again does no harm"
    )]
    BadLine {
        /// Which, counted from 1.
        line: u64,
        /// What is wrong.
        why: String,
    },
}

/// Writes everything that the store keeps; yields how many records.
///
/// # Errors
///
/// Where the store cannot be read, or the lines not be written.
pub async fn export(store: &dyn Store, to: &mut (dyn Write + Send)) -> Result<u64, TransferError> {
    let head = Head {
        format: FORMAT.to_owned(),
        version: VERSION,
        exported_at: Timestamp::now(),
    };
    serde_json::to_writer(&mut *to, &head).map_err(std::io::Error::from)?;
    to.write_all(b"\n")?;
    let mut lines = Lines { to, count: 0 };
    let runs = store.runs(Span::ALL).await?;
    // Nothing can be from before the first run, or after the last.
    let from = runs.first().map(|run| run.started);
    let to = runs.iter().map(|run| run.until).max();
    for run in runs {
        lines.put(&Record::Run(run))?;
    }
    export_events(store, &mut lines).await?;
    if let (Some(from), Some(to)) = (from, to) {
        // The clock may have been set since.
        let span = Span::new(
            from - SignedDuration::from_hours(24),
            to + SignedDuration::from_hours(24),
        );
        export_services(store, span, &mut lines).await?;
        export_containers(store, span, &mut lines).await?;
    }
    for saved in store.saved().await? {
        lines.put(&Record::Saved(saved))?;
    }
    lines.to.flush()?;
    Ok(lines.count)
}

async fn export_events(store: &dyn Store, lines: &mut Lines<'_>) -> Result<(), TransferError> {
    for service in store.services().await? {
        let mut from = Timestamp::MIN;
        loop {
            let span = Span::new(from, Timestamp::MAX);
            let changes = store.changes(Some(&service), span, Order::OldestFirst, PIECE).await?;
            let Some(last) = changes.last() else { break };
            from = last.at + SignedDuration::from_millis(1);
            for change in changes {
                lines.put(&Record::Change(change))?;
            }
        }
    }
    let mut query = IncidentQuery::latest(PIECE);
    loop {
        let incidents = store.incidents(&query).await?;
        let Some(last) = incidents.last() else { break };
        query.before = Some(last.id);
        for incident in incidents {
            let id = incident.id;
            lines.put(&Record::Incident(incident))?;
            for found in store.evidence(id).await? {
                lines.put(&Record::Evidence { incident: id, found })?;
            }
        }
    }
    Ok(())
}

async fn export_services(store: &dyn Store, span: Span, lines: &mut Lines<'_>) -> Result<(), TransferError> {
    for service in store.services().await? {
        for (tier, length, detail) in [
            (Tier::Hour, HOURS_AT_ONCE, Detail::Sketches),
            (Tier::Minute, MINUTES_AT_ONCE, Detail::Sketches),
        ] {
            for piece in pieces(span, length) {
                let buckets = store
                    .buckets(std::slice::from_ref(&service), tier, piece, detail)
                    .await?;
                for bucket in buckets.into_iter().flatten() {
                    let service = service.clone();
                    lines.put(&Record::Bucket { service, tier, bucket })?;
                }
            }
        }
        let mut from = Timestamp::MIN;
        loop {
            let span = Span::new(from, Timestamp::MAX);
            let results = store.results(&service, span, Order::OldestFirst, PIECE).await?;
            let Some(last) = results.last() else { break };
            from = last.at + SignedDuration::from_millis(1);
            for result in results {
                let service = service.clone();
                lines.put(&Record::Result(super::model::ServiceResult { service, result }))?;
            }
        }
    }
    Ok(())
}

async fn export_containers(store: &dyn Store, span: Span, lines: &mut Lines<'_>) -> Result<(), TransferError> {
    for container in store.containers().await? {
        for tier in [Tier::Hour, Tier::Minute] {
            for piece in pieces(span, HOURS_AT_ONCE) {
                for bucket in store.usage(&container, tier, piece).await? {
                    let container = container.clone();
                    lines.put(&Record::Usage {
                        container,
                        tier,
                        bucket,
                    })?;
                }
            }
        }
        let mut from = Timestamp::MIN;
        loop {
            let span = Span::new(from, Timestamp::MAX);
            let events = store
                .container_events(std::slice::from_ref(&container), span, PIECE)
                .await?;
            let Some(last) = events.last() else { break };
            from = last.at + SignedDuration::from_millis(1);
            for event in events {
                lines.put(&Record::Event(event))?;
            }
        }
    }
    Ok(())
}

/// Takes in everything that was exported; yields how many records. Doing it twice does no harm.
///
/// # Errors
///
/// Where the store cannot be written, or a line is no record; what stood before it is imported then.
pub async fn import(store: &dyn Store, from: &mut (dyn BufRead + Send)) -> Result<u64, TransferError> {
    let mut line = Vec::new();
    read_line(from, &mut line)?;
    let head: Head = serde_json::from_slice(&line).map_err(|_no_head| TransferError::NoExport)?;
    if head.format != FORMAT {
        return Err(TransferError::NoExport);
    }
    if head.version > VERSION {
        return Err(TransferError::TooNew { found: head.version });
    }
    let mut records = Vec::new();
    let mut count = 0;
    let mut number = 1;
    while read_line(from, &mut line)? {
        number += 1;
        let record = serde_json::from_slice(&line).map_err(|error| TransferError::BadLine {
            line: number,
            why: error.to_string(),
        });
        match record {
            Ok(record) => records.push(record),
            Err(error) => {
                store.import(records).await?;
                return Err(error);
            }
        }
        if records.len() >= PIECE {
            count += records.len() as u64;
            store.import(std::mem::take(&mut records)).await?;
        }
    }
    count += records.len() as u64;
    store.import(records).await?;
    Ok(count)
}

/// Reads one line; false at the end.
fn read_line(from: &mut dyn BufRead, line: &mut Vec<u8>) -> Result<bool, TransferError> {
    line.clear();
    let mut limited = std::io::Read::take(from, LONGEST_LINE as u64);
    Ok(limited.read_until(b'\n', line)? > 0)
}

/// A span in pieces of this length, cut where whole ones begin.
fn pieces(span: Span, length: SignedDuration) -> impl Iterator<Item = Span> {
    let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    let first = span.from.as_millisecond().div_euclid(length);
    let last = span.to.as_millisecond().div_euclid(length);
    (first..=last).map(move |piece| Span::new(from_millis(piece * length), from_millis((piece + 1) * length)))
}

struct Lines<'a> {
    to: &'a mut (dyn Write + Send),
    count: u64,
}

impl Lines<'_> {
    fn put(&mut self, record: &Record) -> Result<(), TransferError> {
        serde_json::to_writer(&mut *self.to, record).map_err(std::io::Error::from)?;
        self.to.write_all(b"\n")?;
        self.count += 1;
        Ok(())
    }
}
