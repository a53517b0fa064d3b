//! A PostgreSQL database of an older version, brought forward. For a SQLite file see `src/history/sqlite/schema.rs`: it has
//! been of one version only.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use health_monitor::history::model::{Bucket, HOUR, MINUTE, ResultKind, Span, Tier};
use health_monitor::history::postgres::Postgres;
use health_monitor::history::store::{Detail, Order};
use health_monitor_actors::model::Status;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::postgres::Server;
use crate::site::{LIMIT, Site, Target, kill};
use crate::suite::{Any, maintain};
use crate::world::{Writes as _, at, batch, keep_all, name, passed, saved, span};

const FIRST_VERSION: &str = include_str!("postgres_1.sql");

async fn open(server: &Server, database: &str) -> Any {
    Arc::new(Postgres::open(&server.access(database)).await.unwrap())
}

/// Everything that version 1 had is there.
async fn assert_kept(store: &Any) {
    assert_eq!(store.services().await.unwrap(), [name("db"), name("kafka")]);
    for (service, ticks_until_down) in [("db", 540), ("kafka", 480)] {
        let results = store
            .results(&name(service), Span::ALL, Order::OldestFirst, usize::MAX)
            .await
            .unwrap();
        assert_eq!(results.len(), 540, "{service}");
        for (tick, result) in (0_i64..).zip(&results) {
            assert_eq!(result.at, at(tick * 10_000));
            let expected = if tick < ticks_until_down {
                let duration = Duration::from_micros(1_000 + tick.unsigned_abs());
                (ResultKind::Pass, Status::Healthy, Some(duration), 1, "answered")
            } else {
                (ResultKind::Fail, Status::Unhealthy, None, 3, "refused")
            };
            let found = (result.kind, result.status, result.duration, result.attempts);
            assert_eq!((found.0, found.1, found.2, found.3, result.reason.as_ref()), expected);
        }
    }
    let hours = hours(store).await;
    let counts: Vec<_> = hours.iter().map(|hour| (hour.checks, hour.failures)).collect();
    assert_eq!(counts, [(360, 0), (180, 60)]);
    let minutes = store
        .buckets(&[name("db")], Tier::Minute, span(0, 90 * MINUTE), Detail::Sketches)
        .await
        .unwrap();
    assert_eq!(minutes[0].len(), 90);
    assert!(
        minutes[0]
            .iter()
            .all(|minute| minute.checks == 6 && minute.up == 60_000)
    );
    let memory = store.resume().await.unwrap();
    assert_eq!(memory.saved, [saved("db", 90 * MINUTE, "kept")]);
    assert_eq!(memory.last_run.map(|run| run.until), Some(at(90 * MINUTE)));
    let changes = store.changes(None, Span::ALL, Order::OldestFirst, 9).await.unwrap();
    assert_eq!(changes.len(), 3);
}

async fn hours(store: &Any) -> Vec<Bucket> {
    let services = [name("kafka")];
    let found = store.buckets(&services, Tier::Hour, Span::ALL, Detail::Sketches).await;
    found.unwrap().remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_older_database_is_brought_forward_with_what_it_has() {
    let server = Server::start().await;
    server.ask("postgres", FIRST_VERSION).await;
    let store = open(&server, "postgres").await;
    assert_kept(&store).await;
    // It goes on: an hour that was under way is rolled up, and one that was rolled up takes what comes late.
    let results = vec![passed("kafka", 5_000, 9), passed("kafka", HOUR + 5_000, 9)];
    store.put(batch(0, 2 * HOUR, results)).await;
    maintain(&store, 3 * HOUR, &keep_all()).await;
    let counts: Vec<_> = hours(&store).await.iter().map(|hour| hour.checks).take(2).collect();
    assert_eq!(counts, [361, 181]);
    let with_reasons = "SELECT 1 / (count(*) = 60)::int FROM health_monitor.results
                        WHERE service = 'kafka' AND reason = 'refused' AND attempts = 3";
    server.ask("postgres", with_reasons).await;
    drop(store);
    assert_eq!(hours(&open(&server, "postgres").await).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_monitor_that_is_killed_while_it_brings_one_forward_leaves_the_older_one_whole() {
    let server = Server::start().await;
    server.ask("postgres", FIRST_VERSION).await;
    let watch = server.client("postgres").await;
    // Somebody reads results, which is in the way of the middle of it.
    let mut reader = server.client("postgres").await;
    let reading = reader.transaction().await.unwrap();
    let count = "SELECT count(*) FROM health_monitor.result";
    reading.query_one(count, &[]).await.unwrap();

    let targets = BTreeMap::from([("db".to_owned(), Target::start())]);
    let site = Site::with(&targets, TempDir::new().unwrap(), &server.section());
    let monitor = site.spawn(Command::new(env!("CARGO_BIN_EXE_health-monitor")));
    let monitors = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'health-monitor%'";
    let until = async |ask: &str, is: fn(i64) -> bool| {
        let asked = async {
            while !is(watch.query_one(ask, &[]).await.unwrap().get(0)) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(timeout(LIMIT, asked).await.is_ok(), "{ask}\n{}", site.log());
    };
    let waiting = format!("{monitors} AND wait_event_type = 'Lock' AND query LIKE '%RENAME%'");
    until(&waiting, |count| count == 1).await;
    kill(monitor).await;
    drop(reading);
    until(monitors, |count| count == 0).await;

    let version = "SELECT max(version) FROM health_monitor.schema_version";
    let version: i64 = watch.query_one(version, &[]).await.unwrap().get(0);
    assert_eq!(version, 1);
    let columns = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'health_monitor'
                   AND (table_name, column_name) IN (('run', 'batch'), ('result', 'finding'), ('result', 'reason'))";
    let columns: i64 = watch.query_one(columns, &[]).await.unwrap().get(0);
    assert_eq!(columns, 1, "only the older table's");
    let results: i64 = watch.query_one(count, &[]).await.unwrap().get(0);
    assert_eq!(results, 1_080);
    assert_kept(&open(&server, "postgres").await).await;
}
