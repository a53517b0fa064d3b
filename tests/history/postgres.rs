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
use tokio_postgres::{Client, NoTls};

use crate::site::{Site, Target, changes_written, kill, written};
use crate::suite::CASES;
use crate::world::{Writes as _, batch, name, passed};

const PACKAGE: &str = "postgresql";

/// A server, which ends when this is dropped.
pub(crate) struct Server {
    port: u16,
    owner: Option<(u32, u32)>,
    folder: TempDir,
    process: Process,
}

impl Server {
    pub(crate) async fn start() -> Self {
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
        Self {
            port,
            owner,
            process: serve(&folder, port, owner).await,
            folder,
        }
    }

    /// Ends it as its administrator would, with all connections.
    async fn stop(&mut self) {
        self.process.signal("INT").await;
        self.process.hear("database system is shut down").await;
    }

    /// Starts it again where it was.
    async fn start_again(&mut self) {
        self.process = serve(&self.folder, self.port, self.owner).await;
    }

    pub(crate) fn access(&self, database: &str) -> Access {
        Access {
            address: format!("127.0.0.1:{}", self.port),
            user: "postgres".to_owned(),
            password: None,
            database: database.to_owned(),
            tls: None,
        }
    }

    /// What the configuration says of it.
    pub(crate) fn section(&self) -> String {
        format!(
            "store = \"postgres\"\naddress = \"127.0.0.1:{}\"\nuser = \"postgres\"\ndatabase = \"postgres\"\ntls = \"disable\"",
            self.port
        )
    }

    /// A connection of the test's own.
    pub(crate) async fn client(&self, database: &str) -> Client {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user("postgres")
            .dbname(database);
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(async move { connection.await.unwrap_or_default() });
        client
    }

    pub(crate) async fn ask(&self, database: &str, statement: &str) {
        let mut psql = Command::new(program("psql", "postgresql-client"));
        psql.args(["-h", "127.0.0.1", "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-p"])
            .arg(self.port.to_string());
        let done = psql.args(["-d", database, "-c", statement]).output().await.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

async fn serve(folder: &TempDir, port: u16, owner: Option<(u32, u32)>) -> Process {
    let mut command = as_owner(&program("postgres", PACKAGE), owner);
    command.arg("-D").arg(folder.path().join("data"));
    command.arg("-k").arg(folder.path());
    command
        .args(["-h", "127.0.0.1", "-p"])
        .arg(port.to_string())
        .args(["-c", "fsync=off"]);
    Process::start(command, "ready to accept connections").await
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
    let site = Site::with(&targets, TempDir::new().unwrap(), &server.section());
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopped_makes_nothing_wait_and_has_everything_once_it_is_back() {
    let mut server = Server::start().await;
    let targets = BTreeMap::from([("db".to_owned(), Target::start())]);
    let site = Site::with(&targets, TempDir::new().unwrap(), &server.section());
    let monitor = site.start().await;
    site.until("something is written", |shown| {
        written(shown) > 1 && changes_written(shown) == 1
    })
    .await;
    assert_eq!(site.metric("health_monitor_history_up").await, 1.0);
    server.stop().await;
    targets["db"].is_open.store(false, Ordering::Relaxed);
    site.until_status("db", "unhealthy").await;
    site.until("the change waits, and it is said why", |shown| {
        shown["history"]["changes_waiting"] == 1 && shown["history"]["problem"].is_string()
    })
    .await;
    assert_eq!(site.metric("health_monitor_history_up").await, 0.0);
    assert_eq!(
        site.metric("health_monitor_history_waiting{record=\"change\"}").await,
        1.0
    );
    targets["db"].is_open.store(true, Ordering::Relaxed);
    site.until_status("db", "healthy").await;
    site.until("both changes wait, and results", |shown| {
        shown["history"]["changes_waiting"] == 2 && shown["history"]["results_waiting"].as_u64() > Some(2)
    })
    .await;
    let made = targets["db"].asked();
    server.start_again().await;
    let shown = site
        .until("all that waited is written", |shown| {
            shown["history"]["problem"].is_null() && changes_written(shown) == 3 && written(shown) >= made
        })
        .await;
    assert_eq!(
        (
            &shown["history"]["results_dropped"],
            &shown["history"]["changes_dropped"]
        ),
        (&0.into(), &0.into())
    );
    assert_eq!(site.metric("health_monitor_history_up").await, 1.0);
    kill(monitor).await;
    let store = Postgres::open(&server.access("postgres")).await.unwrap();
    let changes = store.changes(None, Span::ALL, Order::OldestFirst, 9).await.unwrap();
    let to: Vec<Status> = changes.iter().map(|change| change.to).collect();
    assert_eq!(to, [Status::Healthy, Status::Unhealthy, Status::Healthy]);
    assert!(changes.iter().all(|change| !change.is_reconstructed()), "{changes:?}");
    let incidents = store.incidents(&IncidentQuery::latest(9)).await.unwrap();
    assert_eq!(
        (incidents.len(), incidents[0].started, incidents[0].ended),
        (1, changes[1].at, Some(changes[2].at))
    );
    let results = store
        .results(&name("db"), Span::ALL, Order::OldestFirst, 999)
        .await
        .unwrap();
    assert!(results.len() as u64 >= made, "{} of {made}", results.len());
}
