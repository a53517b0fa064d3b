//! The tables, and how older ones become them.

use rusqlite::{Connection, TransactionBehavior};

use super::Fault;
use crate::history::migrations::Migrations;

/// Bytes of a page. It holds for new files; see docs/history.md for the figures behind it.
const PAGE_BYTES: u32 = 4_096;

const MIGRATIONS: Migrations<&str> = Migrations(&[
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
]);

/// The version that this monitor knows.
pub(super) const VERSION: u32 = MIGRATIONS.version();

/// Makes the file as the monitor wants it, with tables of the present version.
pub(super) fn prepare(connection: &mut Connection, place: &str) -> Result<(), Fault> {
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    migrate(connection, &MIGRATIONS, place)
}

fn migrate(connection: &mut Connection, migrations: &Migrations<&str>, place: &str) -> Result<(), Fault> {
    loop {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let Some(migration) = migrations.after(version, place)? else {
            return Ok(());
        };
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", version + 1)?;
        transaction.commit()?;
        tracing::debug!(version = version + 1, "history tables made");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use tempfile::TempDir;
    use tokio::time::Instant;

    use super::*;
    use crate::history::store::StoreError;

    /// As long as the present version is the first, what a later one may do: a new table filled from an older one, much at
    /// once, so that pages of it are in the log long before it is done.
    const LATER: &str = "ALTER TABLE service ADD COLUMN owner TEXT;
         CREATE TABLE later (number INTEGER PRIMARY KEY, name TEXT NOT NULL);
         INSERT INTO later (name)
             WITH RECURSIVE count (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM count WHERE number < 400000)
             SELECT service.name FROM service, count;";

    /// Fails when most of it is done.
    const FAILING: &str = "ALTER TABLE service ADD COLUMN owner TEXT;
         CREATE TABLE later (number INTEGER PRIMARY KEY, name TEXT NOT NULL);
         INSERT INTO later (name) SELECT name FROM service;
         INSERT INTO nowhere SELECT * FROM later;";

    fn with(later: &'static str) -> Migrations<&'static str> {
        let all = MIGRATIONS.0.iter().copied().chain([later]).collect::<Vec<_>>();
        Migrations(Box::leak(all.into_boxed_slice()))
    }

    /// A history of the present version, with something in it.
    fn older(path: &Path) -> Connection {
        let mut connection = Connection::open(path).unwrap();
        prepare(&mut connection, "here").unwrap();
        connection
            .execute("INSERT INTO service (name) VALUES ('db')", [])
            .unwrap();
        connection.pragma_update(None, "cache_size", 10).unwrap();
        connection
    }

    fn version(connection: &Connection) -> u32 {
        connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap()
    }

    fn tables_named_later(connection: &Connection) -> u32 {
        let select = "SELECT count(*) FROM sqlite_schema WHERE name = 'later'";
        connection.query_row(select, [], |row| row.get(0)).unwrap()
    }

    fn assert_whole_and_older(connection: &Connection) {
        assert_eq!((version(connection), tables_named_later(connection)), (VERSION, 0));
        let owners = connection.prepare("SELECT owner FROM service");
        assert!(owners.is_err(), "a column of a version that is not there");
        let check: String = connection
            .pragma_query_value(None, "integrity_check", |row| row.get(0))
            .unwrap();
        assert_eq!(check, "ok");
    }

    fn assert_brought_forward(connection: &mut Connection) {
        migrate(connection, &with(LATER), "here").unwrap();
        let select = "SELECT (SELECT name FROM service), count(*) FROM later WHERE name = 'db'";
        let found: (String, u32) = connection
            .query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        assert_eq!((version(connection), found), (VERSION + 1, ("db".to_owned(), 400_000)));
    }

    #[test]
    fn an_older_history_is_brought_forward_and_a_newer_one_refused() {
        let folder = TempDir::new().unwrap();
        let mut connection = older(&folder.path().join("history.db"));
        assert_brought_forward(&mut connection);
        // Once more does nothing.
        assert_brought_forward(&mut connection);
        let Err(Fault::Store(refused)) = prepare(&mut connection, "here") else {
            panic!("a later version was taken");
        };
        let expected = StoreError::TooNew {
            place: "here".to_owned(),
            found: VERSION + 1,
            known: VERSION,
        };
        assert_eq!(refused, expected);
        assert!(
            refused.to_string().contains("run a newer monitor, or move it aside"),
            "{refused}"
        );
    }

    #[test]
    fn one_that_fails_in_the_middle_leaves_the_older_version_whole() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("history.db");
        let mut connection = older(&path);
        migrate(&mut connection, &with(FAILING), "here").unwrap_err();
        assert_whole_and_older(&connection);
        drop(connection);
        assert_brought_forward(&mut Connection::open(&path).unwrap());
    }

    #[test]
    fn one_that_is_killed_in_the_middle_leaves_the_older_version_whole() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("history.db");
        let mut connection = older(&path);
        let migrating = std::thread::spawn(move || migrate(&mut connection, &with(LATER), "here").unwrap());
        // What a process that is killed now leaves are the files as they are now.
        let log = folder.path().join("history.db-wal");
        let began = Instant::now();
        while std::fs::metadata(&log).map_or(0, |file| file.len()) < 1 << 20 {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "nothing of it came to the disk"
            );
            std::thread::yield_now();
        }
        let left = folder.path().join("left.db");
        std::fs::copy(&path, &left).unwrap();
        std::fs::copy(&log, folder.path().join("left.db-wal")).unwrap();
        assert!(!migrating.is_finished(), "too late to be killed in the middle");
        let mut connection = Connection::open(&left).unwrap();
        assert_whole_and_older(&connection);
        assert_brought_forward(&mut connection);
        migrating.join().unwrap();
    }
}
