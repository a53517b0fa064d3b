//! The real monitor, killed at random moments while it writes; and its store, taken away.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use health_monitor::history::model::Span;
use health_monitor::history::sqlite::Sqlite;
use health_monitor::history::store::{IncidentQuery, Order, Store};
use health_monitor_actors::model::Status;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::world::name;

const LIMIT: Duration = Duration::from_secs(30);

/// Longest that results may be older than the kill: the second that may be lost, and what a busy machine adds.
const LOST: Duration = Duration::from_secs(3);

/// A port that takes connections while it is open.
struct Target {
    address: SocketAddr,
    is_open: Arc<AtomicBool>,
}

impl Target {
    /// A listener that hangs up on everybody while it is closed, which a check that expects an answer fails on.
    fn start() -> Self {
        use std::io::Write as _;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_open = Arc::new(AtomicBool::new(true));
        let open = is_open.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if open.load(Ordering::Relaxed) {
                    let mut client = client;
                    client.write_all(b"ready\n").unwrap_or_default();
                }
            }
        });
        Self { address, is_open }
    }
}

/// The monitor's configuration and history in a folder.
struct Site {
    folder: TempDir,
    bind: SocketAddr,
}

impl Site {
    fn new(targets: &BTreeMap<String, Target>) -> Self {
        let folder = TempDir::new().unwrap();
        let bind = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut configuration = format!(
            "[server]\nbind = \"{bind}\"\n[docker]\nenabled = false\n[history]\npath = \"{}\"\n\
             [defaults]\ninterval = \"1s\"\ntimeout = \"500ms\"\nretry_interval = \"200ms\"\nretries = 0\n",
            folder.path().join("history.db").display()
        );
        for (service, target) in targets {
            configuration.push_str(&format!(
                "[services.{service}]\ncheck = \"tcp\"\ncontainer = \"\"\naddress = \"{}\"\nexpect = \"ready\"\n",
                target.address
            ));
        }
        std::fs::write(folder.path().join("config.toml"), configuration).unwrap();
        Self { folder, bind }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("history.db")
    }

    async fn start(&self) -> Child {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_health-monitor"));
        command
            .env_clear()
            .arg("--config")
            .arg(self.folder.path().join("config.toml"))
            .arg("run");
        let child = command
            .stdin(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        self.until("it answers", |_| true).await;
        child
    }

    /// Waits until the monitor's internals show this.
    async fn until(&self, what: &str, is: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let began = Instant::now();
        loop {
            let asked = reqwest::get(format!("http://{}/internals", self.bind)).await;
            let shown = match asked {
                Ok(answer) => answer.json::<serde_json::Value>().await.ok(),
                Err(_) => None,
            };
            if let Some(shown) = shown.filter(|shown| is(shown)) {
                return shown;
            }
            assert!(began.elapsed() < LIMIT, "not within {LIMIT:?}: {what}\n{}", self.log());
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn status(&self, service: &str) -> Option<String> {
        let answer = reqwest::get(format!("http://{}/health/{service}", self.bind))
            .await
            .ok()?;
        let answer: serde_json::Value = answer.json().await.ok()?;
        Some(answer["status"].as_str()?.to_owned())
    }

    async fn until_status(&self, service: &str, status: &str) {
        let reached = async {
            while self.status(service).await.as_deref() != Some(status) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(
            timeout(LIMIT, reached).await.is_ok(),
            "{service} is not {status}\n{}",
            self.log()
        );
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(Sqlite::open(&self.file()).await.unwrap())
    }
}

async fn kill(mut monitor: Child) -> Timestamp {
    monitor.start_kill().unwrap();
    monitor.wait().await.unwrap();
    Timestamp::now()
}

fn written(shown: &serde_json::Value) -> u64 {
    shown["history"]["results_written"].as_u64().unwrap_or(0)
}

fn integrity(file: &Path) -> String {
    let connection = rusqlite::Connection::open(file).unwrap();
    connection
        .pragma_query_value(None, "integrity_check", |row| row.get(0))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_lose_no_more_than_the_last_second() {
    let names: Vec<String> = (0..20).map(|number| format!("service-{number:02}")).collect();
    let targets: BTreeMap<String, Target> = names.iter().map(|name| (name.clone(), Target::start())).collect();
    let site = Site::new(&targets);
    let mut lost = Vec::new();
    for round in 0_u64..50 {
        let monitor = site.start().await;
        site.until("something is written", |shown| written(shown) > 0).await;
        // Up and down in turns, so that changes are under way too.
        let flipped = &targets[&names[usize::try_from(round % 20).unwrap()]];
        flipped.is_open.fetch_xor(true, Ordering::Relaxed);
        sleep(Duration::from_millis(fastrand::u64(..1_500))).await;
        let killed = kill(monitor).await;
        let store = site.open().await;
        let mut newest = Timestamp::MIN;
        for service in &names {
            let found = store
                .results(&name(service), Span::ALL, Order::NewestFirst, 1)
                .await
                .unwrap();
            newest = newest.max(found.first().map_or(Timestamp::MIN, |result| result.at));
        }
        lost.push(killed.duration_since(newest));
        store.close().await;
    }
    assert_eq!(integrity(&site.file()), "ok");
    let most = lost.iter().max().unwrap();
    println!("50 kills: the newest result was at most {most} older than the kill");
    assert!(*most < jiff::SignedDuration::try_from(LOST).unwrap(), "{most}");

    // What was shown last is what is known after the last restart.
    let monitor = site.start().await;
    for (service, target) in &targets {
        let status = if target.is_open.load(Ordering::Relaxed) {
            "healthy"
        } else {
            "unhealthy"
        };
        site.until_status(service, status).await;
    }
    site.until("all is written", |shown| {
        shown["history"]["changes_waiting"] == 0 && written(shown) > 20
    })
    .await;
    kill(monitor).await;
    let store = site.open().await;
    for (service, target) in &targets {
        let changes = store
            .changes(Some(&name(service)), Span::ALL, Order::OldestFirst, 999)
            .await
            .unwrap();
        for pair in changes.windows(2) {
            assert_eq!(
                pair[0].to, pair[1].from,
                "{service}: a change is missing between {pair:?}"
            );
        }
        let is_down = !target.is_open.load(Ordering::Relaxed);
        let expected = if is_down { Status::Unhealthy } else { Status::Healthy };
        assert_eq!(changes.last().map(|change| change.to), Some(expected), "{service}");
        let incidents = IncidentQuery {
            service: Some(name(service)),
            ..IncidentQuery::latest(99)
        };
        let incidents = store.incidents(&incidents).await.unwrap();
        let downs = changes.iter().filter(|change| change.to == Status::Unhealthy).count();
        assert_eq!(
            incidents.len(),
            downs,
            "{service}: one incident for each outage, however often it was restarted"
        );
        assert_eq!(
            incidents.iter().filter(|incident| incident.ended.is_none()).count(),
            usize::from(is_down)
        );
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_database_makes_nothing_wait_and_loses_nothing() {
    let targets = BTreeMap::from([("db".to_owned(), Target::start())]);
    let site = Site::new(&targets);
    let monitor = site.start().await;
    site.until("something is written", |shown| written(shown) > 0).await;
    let connection = rusqlite::Connection::open(site.file()).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    targets["db"].is_open.store(false, Ordering::Relaxed);
    site.until_status("db", "unhealthy").await;
    let shown = site
        .until("the problem is shown", |shown| shown["history"]["problem"].is_string())
        .await;
    assert!(
        shown["history"]["problem"].as_str().unwrap().contains("locked"),
        "{shown}"
    );
    site.until("the change waits", |shown| shown["history"]["changes_waiting"] == 1)
        .await;
    targets["db"].is_open.store(true, Ordering::Relaxed);
    site.until_status("db", "healthy").await;
    connection.execute_batch("COMMIT").unwrap();
    site.until("all is written", |shown| {
        shown["history"]["problem"].is_null() && shown["history"]["changes_waiting"] == 0
    })
    .await;
    kill(monitor).await;
    let store = site.open().await;
    let changes = store.changes(None, Span::ALL, Order::OldestFirst, 9).await.unwrap();
    let to: Vec<Status> = changes.iter().map(|change| change.to).collect();
    assert_eq!(to, [Status::Healthy, Status::Unhealthy, Status::Healthy]);
    let results = store
        .results(&name("db"), Span::ALL, Order::OldestFirst, 999)
        .await
        .unwrap();
    let gaps = results.windows(2).map(|pair| pair[1].at.duration_since(pair[0].at));
    let longest = gaps.max().unwrap();
    assert!(
        longest < jiff::SignedDuration::from_millis(3_500),
        "results came on: {longest}"
    );
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_is_moved_aside_and_a_second_monitor_goes_without() {
    let targets = BTreeMap::from([("db".to_owned(), Target::start())]);
    let site = Site::new(&targets);
    std::fs::write(
        site.file(),
        "this is no database, but somebody's novel, page after page".repeat(200),
    )
    .unwrap();
    let monitor = site.start().await;
    site.until("something is written", |shown| written(shown) > 0).await;
    let aside: Vec<String> = std::fs::read_dir(site.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("history.db.damaged-"))
        .collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert!(site.log().contains("history damaged"), "{}", site.log());

    let second = Sqlite::open(&site.file()).await.err().unwrap().to_string();
    assert!(second.contains("belongs to another monitor that runs"), "{second}");
    kill(monitor).await;
}
