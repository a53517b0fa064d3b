//! The tables, and how older ones become them.

use tokio_postgres::{Client, Transaction};

use super::{Fault, Flavour};
use crate::history::migrations::Migrations;

/// Holds for as long as tables are made, so that two monitors that start together do not make them twice.
const LOCK: i64 = 0x6865_616c_7468;

/// What makes a version of the one before it.
struct Migration {
    /// Makes tables. `{CUT}` stands behind those that are cut by time.
    make: &'static str,
    /// Those of them that are cut by time.
    cut: &'static [&'static str],
    /// Makes the partitions for what is brought over, where the monitor makes them itself.
    partitions: &'static str,
    /// Brings over what older tables hold, and drops those.
    fill: &'static str,
}

const MIGRATIONS: Migrations<Migration> = Migrations(&[
    // 1
    Migration {
        make: "CREATE TABLE service (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
               CREATE TABLE container (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
               CREATE TABLE run (started timestamptz PRIMARY KEY, until timestamptz NOT NULL);
               CREATE TABLE result (at timestamptz NOT NULL, service int NOT NULL, kind text NOT NULL, status text NOT NULL,
                                    duration_us bigint, attempts int NOT NULL, reason text NOT NULL,
                                    PRIMARY KEY (service, at)) {CUT};
               CREATE TABLE minute (at timestamptz NOT NULL, service int NOT NULL, checks bigint NOT NULL,
                                    failures bigint NOT NULL, unmeasured bigint NOT NULL, up_ms bigint NOT NULL,
                                    down_ms bigint NOT NULL, timed bigint NOT NULL, min_us bigint NOT NULL,
                                    max_us bigint NOT NULL, sum_us bigint NOT NULL, p50_us float8, p95_us float8, p99_us float8,
                                    sketch bytea, PRIMARY KEY (service, at)) {CUT};
               CREATE TABLE hour (LIKE minute, PRIMARY KEY (service, at)) {CUT};
               CREATE TABLE usage_sample (at timestamptz NOT NULL, container int NOT NULL, body bytea NOT NULL,
                                    PRIMARY KEY (container, at));
               CREATE TABLE usage_minute (at timestamptz NOT NULL, container int NOT NULL, samples bigint NOT NULL,
                                    cpu_samples bigint NOT NULL, cpu_millicores_sum bigint NOT NULL,
                                    cpu_millicores_max bigint NOT NULL, memory_sum bigint NOT NULL, memory_max bigint NOT NULL,
                                    memory_limit bigint NOT NULL, network_received bigint NOT NULL, network_sent bigint NOT NULL,
                                    block_read bigint NOT NULL, block_written bigint NOT NULL,
                                    PRIMARY KEY (container, at)) {CUT};
               CREATE TABLE usage_hour (LIKE usage_minute, PRIMARY KEY (container, at)) {CUT};
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
        cut: &["result", "minute", "usage_minute", "hour", "usage_hour"],
        partitions: "",
        fill: "",
    },
    // 2: results name what they found by a number, and have an index once their hour is over. How far an hour is rolled up
    // is noted, and which batch was the last of its run.
    Migration {
        make: "ALTER TABLE run ADD COLUMN batch bigint;
               ALTER TABLE progress ADD COLUMN next int NOT NULL DEFAULT 0;
               ALTER TABLE result RENAME TO result_before;
               ALTER INDEX result_pkey RENAME TO result_before_pkey;
               CREATE TABLE finding (at timestamptz NOT NULL, id int NOT NULL, kind text NOT NULL, status text NOT NULL,
                                     attempts int NOT NULL, reason text NOT NULL, PRIMARY KEY (at, id)) {CUT};
               CREATE TABLE result (at timestamptz NOT NULL, duration_us bigint, service int NOT NULL,
                                    finding int NOT NULL) {CUT};
               CREATE VIEW results AS SELECT result.at, service.name AS service, kind, status, duration_us, attempts,
                                             reason
                   FROM result JOIN service ON service.id = result.service
                   JOIN finding ON finding.at = date_trunc('hour', result.at, 'UTC') AND finding.id = result.finding;",
        cut: &["finding", "result"],
        partitions: "DO $$
            DECLARE piece record;
            BEGIN
                FOR piece IN SELECT relname, pg_get_expr(relpartbound, oid) AS bounds FROM pg_class
                             JOIN pg_inherits ON inhrelid = oid WHERE inhparent = 'result_before'::regclass LOOP
                    EXECUTE format('ALTER TABLE %I RENAME TO %I', piece.relname, 'before_' || piece.relname);
                    EXECUTE format('CREATE TABLE %I PARTITION OF result %s', piece.relname, piece.bounds);
                    EXECUTE format('CREATE INDEX %I ON %I (service)', piece.relname || '_service', piece.relname);
                    EXECUTE format('CREATE TABLE %I PARTITION OF finding %s',
                                   replace(piece.relname, 'result', 'finding'), piece.bounds);
                END LOOP;
            END $$;",
        fill: "INSERT INTO finding (at, id, kind, status, attempts, reason)
                   SELECT hour, row_number() OVER (PARTITION BY hour), kind, status, attempts, reason
                   FROM (SELECT DISTINCT date_trunc('hour', at, 'UTC') AS hour, kind, status, attempts, reason
                         FROM result_before) AS found;
               INSERT INTO result (at, duration_us, service, finding)
                   SELECT before.at, duration_us, service, id FROM result_before AS before
                   JOIN finding ON finding.at = date_trunc('hour', before.at, 'UTC')
                       AND (finding.kind, finding.status, finding.attempts, finding.reason)
                         = (before.kind, before.status, before.attempts, before.reason)
                   ORDER BY service, before.at;
               DROP TABLE result_before;",
    },
]);

/// The version that this monitor knows.
pub(super) const VERSION: u32 = MIGRATIONS.version();

/// The tables that are cut by time, and how much time lies in one piece, in seconds. Results go by whole pieces, so that
/// their room is free at once.
pub(super) const CUT: [(&str, i64); 6] = [
    ("result", 3_600),
    ("finding", 3_600),
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
        // Whoever makes tables may be at it for long; it is tried again then.
        transaction.batch_execute("SET LOCAL lock_timeout = '5s'").await?;
        transaction
            .execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
            .await?;
        transaction
            .batch_execute(
                "SET LOCAL lock_timeout TO DEFAULT;
                 CREATE TABLE IF NOT EXISTS schema_version (version bigint NOT NULL)",
            )
            .await?;
        let found = transaction
            .query_one("SELECT coalesce(max(version), 0) FROM schema_version", &[])
            .await?;
        let version: i64 = found.get(0);
        let number = u32::try_from(version).unwrap_or(u32::MAX);
        let Some(migration) = MIGRATIONS.after(number, place)? else {
            transaction.commit().await?;
            return Ok(());
        };
        migrate(&transaction, flavour, migration).await?;
        transaction
            .execute("INSERT INTO schema_version (version) VALUES ($1)", &[&(version + 1)])
            .await?;
        transaction.commit().await?;
        tracing::info!(version = version + 1, "history tables made");
    }
}

async fn migrate(transaction: &Transaction<'_>, flavour: Flavour, migration: &Migration) -> Result<(), Fault> {
    let by_time = match flavour {
        Flavour::Plain => "PARTITION BY RANGE (at)",
        Flavour::Timescale => "",
    };
    transaction
        .batch_execute(&migration.make.replace("{CUT}", by_time))
        .await?;
    match flavour {
        Flavour::Plain => transaction.batch_execute(migration.partitions).await?,
        Flavour::Timescale => {
            for (table, seconds) in CUT.iter().filter(|(table, _)| migration.cut.contains(table)) {
                hypertable(transaction, table, *seconds).await?;
            }
        }
    }
    Ok(transaction.batch_execute(migration.fill).await?)
}

async fn hypertable(transaction: &Transaction<'_>, table: &str, seconds: i64) -> Result<(), Fault> {
    let make =
        format!("SELECT create_hypertable('{table}', 'at', chunk_time_interval => INTERVAL '{seconds} seconds')");
    transaction.batch_execute(&make).await?;
    let by = match table {
        "finding" => return Ok(()),
        "usage_minute" | "usage_hour" => "container",
        _ => "service",
    };
    let compress = format!(
        "CREATE INDEX IF NOT EXISTS {table}_{by}_at ON {table} ({by}, at);
         ALTER TABLE {table} SET (timescaledb.compress, timescaledb.compress_segmentby = '{by}',
                                  timescaledb.compress_orderby = 'at');
         SELECT add_compression_policy('{table}', INTERVAL '{} seconds')",
        2 * seconds
    );
    Ok(transaction.batch_execute(&compress).await?)
}
