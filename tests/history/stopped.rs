//! The real monitor, told to stop and started again, with its store there or late.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use health_monitor::history::model::Span;
use health_monitor::history::store::{IncidentQuery, Order};
use health_monitor_actors::model::Status;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

use crate::site::{LIMIT, Site, Target, kill, written};
use crate::world::name;

/// Tells the monitor to stop; yields how long it took.
async fn stop(mut monitor: Child) -> Duration {
    let began = Instant::now();
    let pid = monitor.id().unwrap().to_string();
    let told = Command::new("kill").args(["-TERM", &pid]).status().await.unwrap();
    assert!(told.success(), "{told}");
    let ended = timeout(LIMIT, monitor.wait()).await.unwrap().unwrap();
    assert!(ended.success(), "{ended}");
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_seen_before_the_end_is_written() {
    let targets = BTreeMap::from([("db".to_owned(), Target::start())]);
    let site = Site::new(&targets);
    let monitor = site.start().await;
    site.until_status("db", "healthy").await;
    targets["db"].is_open.store(false, Ordering::Relaxed);
    site.until_status("db", "unhealthy").await;
    let took = stop(monitor).await;
    assert!(took < Duration::from_secs(6), "{took:?}");
    let store = site.open().await;
    let changes = store.changes(None, Span::ALL, Order::OldestFirst, 9).await.unwrap();
    let to: Vec<Status> = changes.iter().map(|change| change.to).collect();
    assert_eq!(to, [Status::Healthy, Status::Unhealthy]);
    let incidents = store.incidents(&IncidentQuery::latest(9)).await.unwrap();
    assert_eq!((incidents.len(), incidents[0].ended), (1, None));
    let evidence = store.evidence(incidents[0].id).await.unwrap();
    assert!(
        !evidence.is_empty(),
        "the results around its start are kept, though it is so young"
    );
    let results = store
        .results(&name("db"), Span::ALL, Order::NewestFirst, 99)
        .await
        .unwrap();
    assert_eq!(results[0].status, Status::Unhealthy);
    store.close().await;
    drop(store);

    // It is known at once after the restart, and nothing is raised anew.
    let monitor = site.start().await;
    assert_eq!(site.status("db").await.as_deref(), Some("unhealthy"), "{}", site.log());
    site.until("results are written", |shown| written(shown) > 1).await;
    stop(monitor).await;
    let store = site.open().await;
    assert_eq!(store.incidents(&IncidentQuery::latest(9)).await.unwrap(), incidents);
    assert_eq!(
        store.changes(None, Span::ALL, Order::OldestFirst, 9).await.unwrap(),
        changes
    );
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_opens_late_delays_nothing_and_is_written_in_the_end() {
    let targets = BTreeMap::from([("db".to_owned(), Target::start())]);
    let site = Site::new(&targets);
    // Somebody else has it, as a monitor that is about to end would.
    let other = site.open().await;
    let began = Instant::now();
    let monitor = site.start().await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    site.until_status("db", "healthy").await;
    let shown = site
        .until("it says why", |shown| shown["history"]["problem"].is_string())
        .await;
    let problem = shown["history"]["problem"].as_str().unwrap();
    assert!(problem.contains("belongs to another monitor"), "{problem}");
    assert_eq!(shown["history"]["is_open"], false);
    other.close().await;
    drop(other);
    site.until("what waited is written", |shown| {
        written(shown) > 1 && shown["history"]["changes_waiting"] == 0
    })
    .await;
    kill(monitor).await;
    let store = site.open().await;
    let changes = store.changes(None, Span::ALL, Order::OldestFirst, 9).await.unwrap();
    assert_eq!(changes.len(), 1, "{changes:?}");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_can_never_be_opened_stops_nothing() {
    let targets = BTreeMap::from([("db".to_owned(), Target::start())]);
    let site = Site::new(&targets);
    std::fs::create_dir(site.file()).unwrap();
    let monitor = site.start().await;
    site.until_status("db", "healthy").await;
    let ready = reqwest::get(format!("http://{}/readyz", site.bind)).await.unwrap();
    assert_eq!(ready.status(), 200);
    let took = stop(monitor).await;
    assert!(took < Duration::from_secs(6), "{took:?}");
    assert!(site.file().is_dir());
}
