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
            asked += targets[service].asked.load(Ordering::Relaxed);
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
