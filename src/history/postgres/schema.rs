//! The tables, and how older ones become them.

use tokio_postgres::{Client, Transaction};

use super::{Fault, Flavour};
use crate::history::store::StoreError;

/// Holds for as long as tables are made, so that two monitors that start together do not make them twice.
const LOCK: i64 = 0x6865_616c_7468;

/// What makes version n + 1 of version n. Each runs in a transaction of its own, with the new version's number in it: a
/// process that is killed in the middle leaves the last complete one.
const MIGRATIONS: &[&str] = &[
    // 1
    "CREATE TABLE service (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
     CREATE TABLE container (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
     CREATE TABLE run (started timestamptz PRIMARY KEY, until timestamptz NOT NULL);
     CREATE TABLE result (at timestamptz NOT NULL, service int NOT NULL, kind text NOT NULL, status text NOT NULL,
                          duration_us bigint, attempts int NOT NULL, reason text NOT NULL,
                          PRIMARY KEY (service, at)) {RESULT};
     CREATE TABLE minute (at timestamptz NOT NULL, service int NOT NULL, checks bigint NOT NULL,
                          failures bigint NOT NULL, unmeasured bigint NOT NULL, up_ms bigint NOT NULL,
                          down_ms bigint NOT NULL, timed bigint NOT NULL, min_us bigint NOT NULL,
                          max_us bigint NOT NULL, sum_us bigint NOT NULL, p50_us float8, p95_us float8, p99_us float8,
                          sketch bytea, PRIMARY KEY (service, at)) {MINUTE};
     CREATE TABLE hour (LIKE minute, PRIMARY KEY (service, at)) {HOUR};
     CREATE TABLE usage_sample (at timestamptz NOT NULL, container int NOT NULL, body bytea NOT NULL,
                          PRIMARY KEY (container, at));
     CREATE TABLE usage_minute (at timestamptz NOT NULL, container int NOT NULL, samples bigint NOT NULL,
                          cpu_samples bigint NOT NULL, cpu_millicores_sum bigint NOT NULL,
                          cpu_millicores_max bigint NOT NULL, memory_sum bigint NOT NULL, memory_max bigint NOT NULL,
                          memory_limit bigint NOT NULL, network_received bigint NOT NULL, network_sent bigint NOT NULL,
                          block_read bigint NOT NULL, block_written bigint NOT NULL,
                          PRIMARY KEY (container, at)) {MINUTE};
     CREATE TABLE usage_hour (LIKE usage_minute, PRIMARY KEY (container, at)) {HOUR};
     CREATE TABLE change (service int NOT NULL, at timestamptz NOT NULL, old text NOT NULL, new text NOT NULL,
                          reason text NOT NULL, unknown_since timestamptz, PRIMARY KEY (service, at));
     CREATE INDEX change_at ON change (at);
     CREATE TABLE incident (id bigint PRIMARY KEY, service int NOT NULL, kind text NOT NULL,
                          started timestamptz NOT NULL, ended timestamptz, body text NOT NULL);
     CREATE INDEX incident_service ON incident (service, id);
     CREATE INDEX incident_open ON incident (id) WHERE ended IS NULL;
     CREATE TABLE evidence (incident bigint NOT NULL, at timestamptz NOT NULL, what text NOT NULL, body text NOT NULL,
                          PRIMARY KEY (incident, at, what));
     CREATE TABLE event (container text NOT NULL, at timestamptz NOT NULL, what text NOT NULL, body text NOT NULL,
                          PRIMARY KEY (container, at, what));
     CREATE INDEX event_at ON event (at);
     CREATE TABLE saved (service int PRIMARY KEY, at timestamptz NOT NULL, state text NOT NULL);
     CREATE TABLE progress (job text PRIMARY KEY, slot bigint NOT NULL);
     CREATE TABLE late (hour bigint PRIMARY KEY);",
];

/// The version that this monitor knows.
pub(super) const VERSION: u32 = MIGRATIONS.len() as u32;

/// The tables that are cut by time, and how much time lies in one piece, in seconds. Results go by whole pieces, so that
/// their room is free at once.
pub(super) const CUT: [(&str, i64); 5] = [
    ("result", 3_600),
    ("minute", 86_400),
    ("usage_minute", 86_400),
    ("hour", 30 * 86_400),
    ("usage_hour", 30 * 86_400),
];

/// Brings the tables to the present version.
pub(super) async fn prepare(client: &mut Client, flavour: Flavour, place: &str) -> Result<(), Fault> {
    client
        .batch_execute("CREATE SCHEMA IF NOT EXISTS health_monitor; SET search_path = health_monitor, public")
        .await?;
    loop {
        let transaction = client.transaction().await?;
        transaction
            .execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
            .await?;
        transaction
            .batch_execute("CREATE TABLE IF NOT EXISTS schema_version (version bigint NOT NULL)")
            .await?;
        let found = transaction
            .query_opt("SELECT max(version) FROM schema_version", &[])
            .await?;
        let version: i64 = found.and_then(|row| row.get::<_, Option<i64>>(0)).unwrap_or(0);
        let number = u32::try_from(version).unwrap_or(u32::MAX);
        if number > VERSION {
            return Err(Fault::Store(StoreError::TooNew {
                place: place.to_owned(),
                found: number,
                known: VERSION,
            }));
        }
        let Some(migration) = MIGRATIONS.get(number as usize) else {
            transaction.commit().await?;
            return Ok(());
        };
        migrate(&transaction, flavour, migration).await?;
        transaction
            .execute("INSERT INTO schema_version (version) VALUES ($1)", &[&(version + 1)])
            .await?;
        transaction.commit().await?;
    }
}

async fn migrate(transaction: &Transaction<'_>, flavour: Flavour, migration: &str) -> Result<(), Fault> {
    let by_time = match flavour {
        Flavour::Plain => "PARTITION BY RANGE (at)",
        Flavour::Timescale => "",
    };
    let statements = ["{RESULT}", "{MINUTE}", "{HOUR}"]
        .iter()
        .fold(migration.to_owned(), |text, mark| text.replace(mark, by_time));
    transaction.batch_execute(&statements).await?;
    if flavour == Flavour::Timescale {
        for (table, seconds) in CUT {
            let by = if table.starts_with("usage") {
                "container"
            } else {
                "service"
            };
            transaction
                .batch_execute(&format!(
                    "SELECT create_hypertable('{table}', 'at', chunk_time_interval => INTERVAL '{seconds} seconds');
                     ALTER TABLE {table} SET (timescaledb.compress, timescaledb.compress_segmentby = '{by}',
                                              timescaledb.compress_orderby = 'at');
                     SELECT add_compression_policy('{table}', INTERVAL '{} seconds')",
                    2 * seconds
                ))
                .await?;
        }
    }
    Ok(())
}
