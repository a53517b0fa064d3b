//! The tables, and how older ones become them.

use rusqlite::{Connection, TransactionBehavior};

use super::Fault;
use crate::history::store::StoreError;

/// Bytes of a page. It holds for new files; see docs/history.md for the figures behind it.
const PAGE_BYTES: u32 = 4_096;

/// What makes version n + 1 of version n. Each runs in a transaction of its own, with the new version's number in it: a
/// process that is killed in the middle leaves the last complete one.
const MIGRATIONS: &[&str] = &[
    // 1
    "CREATE TABLE service (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
     CREATE TABLE container (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
     CREATE TABLE run (started INTEGER PRIMARY KEY, until INTEGER NOT NULL);
     CREATE TABLE frame (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, is_key INTEGER NOT NULL, results BLOB NOT NULL,
                         usage BLOB);
     CREATE TABLE raw (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
     CREATE TABLE raw_hour (hour INTEGER PRIMARY KEY, bytes INTEGER NOT NULL);
     CREATE TABLE minute (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
     CREATE TABLE hour (id INTEGER PRIMARY KEY, body BLOB NOT NULL, sketches BLOB NOT NULL);
     CREATE TABLE day (id INTEGER PRIMARY KEY, body BLOB NOT NULL, sketches BLOB NOT NULL);
     CREATE TABLE usage_minute (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
     CREATE TABLE usage_hour (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
     CREATE TABLE change (service INTEGER NOT NULL, at INTEGER NOT NULL, old INTEGER NOT NULL, new INTEGER NOT NULL,
                          reason TEXT NOT NULL, unknown_since INTEGER, PRIMARY KEY (service, at)) WITHOUT ROWID;
     CREATE INDEX change_at ON change (at);
     CREATE TABLE incident (id INTEGER PRIMARY KEY, service INTEGER NOT NULL, kind TEXT NOT NULL,
                            started INTEGER NOT NULL, ended INTEGER, body TEXT NOT NULL);
     CREATE INDEX incident_service ON incident (service, id);
     CREATE INDEX incident_open ON incident (id) WHERE ended IS NULL;
     CREATE TABLE evidence (incident INTEGER NOT NULL, at INTEGER NOT NULL, what TEXT NOT NULL, body TEXT NOT NULL,
                            PRIMARY KEY (incident, at, what)) WITHOUT ROWID;
     CREATE TABLE event (container TEXT NOT NULL, at INTEGER NOT NULL, what TEXT NOT NULL, body TEXT NOT NULL,
                         PRIMARY KEY (container, at, what)) WITHOUT ROWID;
     CREATE INDEX event_at ON event (at);
     CREATE TABLE saved (service INTEGER PRIMARY KEY, at INTEGER NOT NULL, state TEXT NOT NULL);
     CREATE TABLE progress (job TEXT PRIMARY KEY, slot INTEGER NOT NULL, next INTEGER NOT NULL) WITHOUT ROWID;",
];

/// The version that this monitor knows.
pub(super) const VERSION: u32 = MIGRATIONS.len() as u32;

/// Brings the tables to the present version.
pub(super) fn prepare(connection: &mut Connection, place: &str) -> Result<(), Fault> {
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    loop {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version > VERSION {
            return Err(Fault::Store(StoreError::TooNew {
                place: place.to_owned(),
                found: version,
                known: VERSION,
            }));
        }
        let Some(migration) = MIGRATIONS.get(version as usize) else {
            return Ok(());
        };
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", version + 1)?;
        transaction.commit()?;
        tracing::debug!(version = version + 1, "history tables made");
    }
}
