//! The real monitor, killed at random moments while it writes; and its store, taken away.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use health_monitor::history::model::Span;
use health_monitor::history::sqlite::Sqlite;
use health_monitor::history::store::{IncidentQuery, Order};
use health_monitor_actors::model::Status;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::sleep;

use crate::site::{Site, Target, kill, written};
use crate::world::name;

/// Longest that results may be older than the kill: the second that may be lost, and what a busy machine adds.
const LOST: Duration = Duration::from_secs(3);

/// How often the monitor is killed. `KILLS=50 cargo test --test history kills` is the long form.
fn kills() -> u64 {
    std::env::var("KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok())
        .unwrap_or(6)
}

fn integrity(file: &Path) -> String {
    let connection = rusqlite::Connection::open(file).unwrap();
    connection
        .pragma_query_value(None, "integrity_check", |row| row.get(0))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_no_more_than_the_last_second() {
    let names: Vec<String> = (0..20).map(|number| format!("service-{number:02}")).collect();
    let targets: BTreeMap<String, Target> = names.iter().map(|name| (name.clone(), Target::start())).collect();
    let site = Site::new(&targets);
    let (mut lost, mut missing) = (Vec::new(), Vec::new());
    let rounds = kills();
    for round in 0..rounds {
        let monitor = site.start().await;
        site.until("something is written", |shown| written(shown) > 0).await;
        // Up and down in turns, so that changes are under way too.
        let flipped = &targets[&names[usize::try_from(round % 20).unwrap()]];
        flipped.is_open.fetch_xor(true, Ordering::Relaxed);
        sleep(Duration::from_millis(fastrand::u64(..1_500))).await;
        let killed = kill(monitor).await;
        let store = site.open().await;
        let (mut newest, mut stored, mut asked) = (Timestamp::MIN, 0, 0);
        for service in &names {
            let found = store
                .results(&name(service), Span::ALL, Order::NewestFirst, usize::MAX)
                .await
                .unwrap();
            newest = newest.max(found.first().map_or(Timestamp::MIN, |result| result.at));
            stored += found.len() as u64;
            asked += targets[service].asked();
        }
        lost.push(killed.duration_since(newest));
        missing.push(asked - stored);
        store.close().await;
    }
    assert_eq!(integrity(&site.file()), "ok");
    let most = lost.iter().max().unwrap();
    // What was under way at a kill is among them.
    let all = missing.last().unwrap();
    println!("{rounds} kills: the newest result was at most {most} older than the kill; {all} checks have no result");
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
    assert_eq!(site.metric("health_monitor_history_up").await, 0.0);
    assert_eq!(
        site.metric("health_monitor_history_waiting{record=\"change\"}").await,
        1.0
    );
    targets["db"].is_open.store(true, Ordering::Relaxed);
    site.until_status("db", "healthy").await;
    connection.execute_batch("COMMIT").unwrap();
    site.until("all is written", |shown| {
        shown["history"]["problem"].is_null() && shown["history"]["changes_waiting"] == 0
    })
    .await;
    assert_eq!(site.metric("health_monitor_history_up").await, 1.0);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_while_tables_are_made_leaves_a_history_that_opens() {
    let targets = BTreeMap::from([("db".to_owned(), Target::start())]);
    for round in 0_u64..12 {
        let site = Site::new(&targets);
        let monitor = site.spawn(Command::new(env!("CARGO_BIN_EXE_health-monitor")));
        // From before the file is there until after its tables are.
        let moment = Duration::from_millis(round * 3 + fastrand::u64(..3));
        sleep(moment).await;
        kill(monitor).await;
        let store = site.open().await;
        assert_eq!(store.services().await.unwrap(), []);
        store.close().await;
        assert_eq!(integrity(&site.file()), "ok", "killed after {moment:?}");
        let moved = std::fs::read_dir(site.folder.path()).unwrap().any(|entry| {
            let name = entry.unwrap().file_name();
            name.to_string_lossy().contains("damaged")
        });
        assert!(!moved, "what is half made is no damage");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_makes_nothing_wait_and_what_waited_is_written_once_there_is_room() {
    let targets = BTreeMap::from([("db".to_owned(), Target::start())]);
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let path = format!("path = \"{}\"", data.join("history.db").display());
    let site = Site::with(&targets, folder, &path);
    // A small file system of its own, in a mount namespace of its own: it goes with the process.
    let script = "mount -t tmpfs -o size=2m none \"$0\" && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", script]);
    command.arg(&data).arg(env!("CARGO_BIN_EXE_health-monitor"));
    let monitor = site.spawn(command);
    site.until("something is written", |shown| written(shown) > 0).await;
    let inside = format!("/proc/{}/root{}/filler", monitor.id().unwrap(), data.display());
    let filler = std::thread::spawn({
        let inside = inside.clone();
        move || {
            use std::io::Write as _;
            let mut file = std::fs::File::create(inside).unwrap();
            while file.write_all(&[0; 4_096]).is_ok() {}
        }
    });
    filler.join().unwrap();
    targets["db"].is_open.store(false, Ordering::Relaxed);
    site.until_status("db", "unhealthy").await;
    let shown = site
        .until("the problem is shown", |shown| {
            shown["history"]["problem"].is_string() && shown["history"]["changes_waiting"] == 1
        })
        .await;
    let problem = shown["history"]["problem"].as_str().unwrap();
    assert!(problem.contains("disk is full"), "{problem}");
    targets["db"].is_open.store(true, Ordering::Relaxed);
    site.until_status("db", "healthy").await;
    std::fs::remove_file(&inside).unwrap();
    site.until("all is written", |shown| {
        shown["history"]["problem"].is_null() && shown["history"]["changes_waiting"] == 0
    })
    .await;
    let answer = reqwest::get(format!("http://{}/incidents", site.bind)).await.unwrap();
    let page: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(page["incidents"].as_array().unwrap().len(), 1, "{page}");
    assert_eq!(page["incidents"][0]["open"], false);
    let shown = site.until("it answers", |_| true).await;
    assert_eq!(
        (
            &shown["history"]["results_dropped"],
            &shown["history"]["changes_dropped"]
        ),
        (&0.into(), &0.into())
    );
    kill(monitor).await;
}
