//! The suite over a real PostgreSQL, as a process of the test. What only the TimescaleDB extension does is not run here:
//! Debian has no package of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use health_monitor::history::model::Span;
use health_monitor::history::postgres::{Access, Postgres};
use health_monitor::history::store::{IncidentQuery, Order, Store, StoreError};
use health_monitor_actors::model::Status;
use health_monitor_test_support::process::{Process, free_port, give, program, unprivileged};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::sleep;

use crate::site::{Site, Target, changes_written, kill, written};
use crate::suite::CASES;
use crate::world::{Writes as _, batch, passed};

const PACKAGE: &str = "postgresql";

/// A server, which ends when this is dropped.
struct Server {
    port: u16,
    _folder: TempDir,
    process: Process,
}

impl Server {
    async fn start() -> Self {
        let owner = unprivileged("postgres");
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        give(folder.path(), owner);
        give(&data, owner);
        let mut init = as_owner(&program("initdb", PACKAGE), owner);
        init.arg("--username=postgres")
            .arg("--auth=trust")
            .arg("--no-sync")
            .arg("--pgdata")
            .arg(&data);
        let made = init.output().await.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = free_port();
        let mut command = as_owner(&program("postgres", PACKAGE), owner);
        command.arg("-D").arg(&data).arg("-k").arg(folder.path());
        command
            .args(["-h", "127.0.0.1", "-p"])
            .arg(port.to_string())
            .args(["-c", "fsync=off"]);
        let process = Process::start(command, "ready to accept connections").await;
        Self {
            port,
            _folder: folder,
            process,
        }
    }

    fn access(&self, database: &str) -> Access {
        Access {
            address: format!("127.0.0.1:{}", self.port),
            user: "postgres".to_owned(),
            password: None,
            database: database.to_owned(),
            tls: None,
        }
    }

    async fn ask(&self, database: &str, statement: &str) {
        let mut psql = Command::new(program("psql", "postgresql-client"));
        psql.args(["-h", "127.0.0.1", "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-p"])
            .arg(self.port.to_string());
        let done = psql.args(["-d", database, "-c", statement]).output().await.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

fn as_owner(program: &std::path::Path, owner: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    if let Some((user, group)) = owner {
        command.uid(user).gid(group);
    }
    command.current_dir("/").env("LC_ALL", "C");
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_suite() {
    let server = Server::start().await;
    for (case, test) in CASES {
        println!("{case}");
        server.ask("postgres", &format!("CREATE DATABASE {case}")).await;
        test(Arc::new(Postgres::open(&server.access(case)).await.unwrap())).await;
    }
    drop(server.process);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_is_away_or_of_a_later_version_is_said_to_be() {
    let server = Server::start().await;
    let access = server.access("postgres");
    let store: Arc<dyn Store> = Arc::new(Postgres::open(&access).await.unwrap());
    store.put(batch(0, 0, vec![passed("db", 0, 5)])).await;
    server
        .ask(
            "postgres",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'health%'",
        )
        .await;
    let lost = store.append(Arc::new(batch(0, 1_000, Vec::new()))).await.unwrap_err();
    assert!(matches!(lost, StoreError::Lost(_)), "{lost:?}");
    let again: Arc<dyn Store> = Arc::new(Postgres::open(&access).await.unwrap());
    again.put(batch(0, 1_000, Vec::new())).await;
    assert_eq!(again.services().await.unwrap().len(), 1);
    server
        .ask("postgres", "INSERT INTO health_monitor.schema_version VALUES (99)")
        .await;
    let refused = Postgres::open(&access).await.err().unwrap();
    assert!(matches!(refused, StoreError::TooNew { found: 99, .. }), "{refused:?}");
    drop(server.process);
    let unreachable = Postgres::open(&access).await.err().unwrap();
    assert!(matches!(unreachable, StoreError::Unavailable { .. }), "{unreachable:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_monitor_that_is_killed_while_it_makes_tables_or_writes_leaves_a_history_that_goes_on() {
    let server = Server::start().await;
    let targets = BTreeMap::from([("db".to_owned(), Target::start())]);
    let section = format!(
        "store = \"postgres\"\naddress = \"127.0.0.1:{}\"\nuser = \"postgres\"\ndatabase = \"postgres\"\ntls = \"disable\"",
        server.port
    );
    let site = Site::with(&targets, TempDir::new().unwrap(), &section);
    for round in 0_u64..8 {
        let monitor = site.spawn(Command::new(env!("CARGO_BIN_EXE_health-monitor")));
        sleep(Duration::from_millis(5 + round * 8)).await;
        kill(monitor).await;
    }
    let monitor = site.start().await;
    let shown = site
        // The service's first status may have been written before one of the kills.
        .until("something is written", |shown| written(shown) > 1)
        .await;
    let before = changes_written(&shown);
    targets["db"].is_open.store(false, Ordering::Relaxed);
    site.until("the change is written", |shown| changes_written(shown) > before)
        .await;
    kill(monitor).await;
    let store = Postgres::open(&server.access("postgres")).await.unwrap();
    let changes = store.changes(None, Span::ALL, Order::OldestFirst, 99).await.unwrap();
    assert_eq!(
        changes.last().map(|change| change.to),
        Some(Status::Unhealthy),
        "{changes:?}"
    );
    let incidents = store.incidents(&IncidentQuery::latest(9)).await.unwrap();
    assert_eq!((incidents.len(), incidents[0].ended), (1, None), "{incidents:?}");
    drop(server.process);
}
