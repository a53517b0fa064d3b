//! The real monitor, killed and started again: what it had shown and not written is made again and marked so, and what it
//! knew it knows.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use health_monitor::history::model::Span;
use health_monitor::history::store::{IncidentQuery, Order};
use health_monitor_actors::model::Status;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::site::{LIMIT, Site, Target, changes_written, kill, service, written};
use crate::world::name;

/// How far two times of one schedule may be apart by the clocks' reading alone.
const CLOCKS: SignedDuration = SignedDuration::from_millis(100);

/// How much later than it is due a busy machine may run a check.
const LATE: SignedDuration = SignedDuration::from_secs(5);

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap_or_default().parse().unwrap()
}

/// How far a time is from another one, in whole intervals and the shorter way.
fn apart(one: Timestamp, other: Timestamp, interval: Duration) -> SignedDuration {
    let interval = interval.as_nanos() as i128;
    let ahead = (one.as_nanosecond() - other.as_nanosecond()).rem_euclid(interval);
    SignedDuration::from_nanos_i128(ahead.min(interval - ahead))
}

/// Waits until the store has this of what a restart needs of a service.
async fn until_saved(file: &Path, service: &str, what: &str, is: impl Fn(&Value) -> bool) {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let began = Instant::now();
    loop {
        let saved: Option<String> = connection
            .query_row(
                "SELECT state FROM saved JOIN service ON service.id = saved.service WHERE service.name = ?1",
                [service],
                |row| row.get(0),
            )
            .ok();
        let state: Value = saved
            .map(|text| serde_json::from_str(&text).unwrap())
            .unwrap_or_default();
        if is(&state["policy"]) {
            return;
        }
        assert!(began.elapsed() < LIMIT, "not saved within {LIMIT:?}: {what}: {state}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_was_shown_and_lost_with_the_process_is_made_again_and_marked() {
    let targets = BTreeMap::from(["db", "web"].map(|name| (name.to_owned(), Target::start())));
    let site = Site::new(&targets);
    let monitor = site.start().await;
    site.until("the first statuses are written", |shown| {
        changes_written(shown) == 2 && written(shown) > 1
    })
    .await;
    let before_hold = Timestamp::now();
    let holder = Connection::open(site.file()).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let held = Timestamp::now();
    targets["db"].is_open.store(false, Ordering::Relaxed);
    site.until_status("db", "unhealthy").await;
    site.until("it waits to be written", |shown| {
        shown["history"]["changes_waiting"] == 1
    })
    .await;
    kill(monitor).await;
    holder.execute_batch("ROLLBACK").unwrap();
    drop(holder);
    let store = site.open().await;
    let changes = store
        .changes(Some(&name("db")), Span::ALL, Order::OldestFirst, 9)
        .await
        .unwrap();
    let to: Vec<Status> = changes.iter().map(|change| change.to).collect();
    assert_eq!(to, [Status::Healthy], "it is in nobody's record");
    assert_eq!(store.incidents(&IncidentQuery::latest(9)).await.unwrap(), []);
    store.close().await;
    drop(store);

    let again = Timestamp::now();
    let monitor = site.start().await;
    site.until("it is made again", |shown| changes_written(shown) == 1)
        .await;
    let page = site.get("/incidents").await;
    let incident = &page["incidents"][0];
    assert_eq!(page["incidents"].as_array().unwrap().len(), 1, "{page}");
    assert_eq!((&incident["service"], &incident["open"]), (&"db".into(), &true.into()));
    let (since, started) = (time(&incident["reconstructed_since"]), time(&incident["started"]));
    assert!(started > again, "from an observation after the restart: {incident}");
    // What was written last says until when somebody looked: until shortly before the lock.
    assert!(since < held && since > before_hold - LATE, "{before_hold} {incident}");
    let id = incident["id"].as_str().unwrap();
    let document = site.get(&format!("/incidents/{id}")).await;
    let timeline = document["timeline"].as_array().unwrap();
    let change = timeline
        .iter()
        .find(|found| found["type"] == "status" && found["to"] == "unhealthy");
    let change = change.unwrap_or_else(|| panic!("{document}"));
    assert_eq!(
        (&change["from"], &change["reconstructed_since"]),
        (&"healthy".into(), &incident["reconstructed_since"])
    );
    let shown = Command::new(env!("CARGO_BIN_EXE_health-monitor"))
        .env_clear()
        .env("HEALTH_MONITOR__HISTORY__PATH", site.file())
        .args(["incidents", id])
        .output()
        .await
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("not seen when it happened"), "{shown}");

    // From then on until the observation nothing is known: it counts neither as up nor as down.
    let uptime = site.get("/services/db/uptime?window=1h").await;
    let window = &uptime["windows"][0];
    let seconds = |name: &str| window[name].as_f64().unwrap_or_else(|| panic!("{uptime}"));
    let was_up = since.duration_since(changes[0].at).as_secs_f64();
    assert!((seconds("up_seconds") - was_up).abs() < 0.01, "{was_up}: {uptime}");
    assert!(
        seconds("down_seconds") <= Timestamp::now().duration_since(started).as_secs_f64(),
        "{uptime}"
    );

    // What the first observation confirmed was not missed, and what is seen later is no reconstruction.
    site.until_told("web", "it is looked at", |told| {
        told["health_check"]["last_check"].is_string()
    })
    .await;
    let before = written(&site.until("it answers", |_| true).await);
    site.until("that is written", |shown| written(shown) > before + 1).await;
    targets["web"].is_open.store(false, Ordering::Relaxed);
    site.until("the other one's change is written", |shown| changes_written(shown) == 2)
        .await;
    let page = site.get("/incidents?service=web").await;
    assert_eq!(page["incidents"][0]["reconstructed_since"], Value::Null, "{page}");
    kill(monitor).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_breaker_is_still_open_and_tries_no_sooner() {
    let (down, shaky) = (Target::start(), Target::start());
    down.is_open.store(false, Ordering::Relaxed);
    let services = [
        service("down", &down, ""),
        // Pending for as long as this test takes, a failure a second.
        service("shaky", &shaky, "failure_threshold = 100\nretry_interval = \"1s\""),
    ];
    let site = in_a_file(&services.concat());
    let monitor = site.start().await;
    site.until_status("shaky", "healthy").await;
    shaky.is_open.store(false, Ordering::Relaxed);
    let open = site
        .until_told("down", "its breaker opens", |told| told["breaker"]["state"] == "open")
        .await;
    let due = time(&open["breaker"]["next_trial"]);
    let visits = down.asked();
    until_saved(&site.file(), "down", "the open breaker", |policy| {
        policy["breaker"].is_object()
    })
    .await;
    site.until_told("shaky", "a streak", |told| told["pending"]["seen"].as_u64() >= Some(5))
        .await;
    until_saved(&site.file(), "shaky", "the streak", |policy| {
        policy["streaks"]["failures"].as_u64() >= Some(5)
    })
    .await;
    let killed = kill(monitor).await;
    assert!(killed < due, "the machine took too long for this test: {killed} {due}");

    let monitor = site.start().await;
    let restarted = Timestamp::now();
    assert!(
        restarted < due,
        "the machine took too long for this test: {restarted} {due}"
    );
    let told = site.get("/health/down").await;
    assert_eq!(
        (&told["status"], &told["breaker"]["state"]),
        (&"unhealthy".into(), &"open".into()),
        "{told}"
    );
    let kept = time(&told["breaker"]["next_trial"]);
    assert!(kept.duration_since(due).abs() < CLOCKS, "{due} {told}");
    // A streak that was lost would begin with one.
    let shaken = site
        .until_told("shaky", "a failure more", |told| told["pending"].is_object())
        .await;
    assert!(shaken["pending"]["seen"].as_u64() >= Some(5), "{shaken}");
    site.until_told("down", "the trial", |told| {
        told["breaker"]["state"] == "open" && time(&told["breaker"]["next_trial"]) > kept + LATE
    })
    .await;
    let after = down.visits();
    let trials: Vec<&Timestamp> = after.iter().skip(visits.try_into().unwrap()).collect();
    assert!(*trials[0] > due - CLOCKS, "{due} {trials:?}");
    assert_eq!(trials.len(), 1, "one trial, no cycle: {trials:?}");
    kill(monitor).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ticks_stay_in_phase() {
    const INTERVAL: Duration = Duration::from_secs(4);
    let targets = BTreeMap::from(["one", "two"].map(|name| (name.to_owned(), Target::start())));
    let services = targets
        .iter()
        .map(|(name, target)| service(name, target, "interval = \"4s\""));
    let site = in_a_file(&services.collect::<String>());
    let mut phases = BTreeMap::new();
    for round in 0..2 {
        let monitor = site.start().await;
        for (name, target) in &targets {
            // The first cycle comes as soon as it can, and the second on schedule.
            let told = site
                .until_told(name, "a cycle has ended", |told| {
                    told["health_check"]["last_check"].is_string()
                })
                .await;
            let due = time(&told["next_check"]);
            until_saved(&site.file(), name, "the phase", |policy| !policy["tick_in"].is_null()).await;
            let tick = until_visited(target, due - CLOCKS).await;
            let late = tick.duration_since(due);
            assert!(late < LATE, "{name}: due {due}, came {tick}");
            let first = *phases.entry(name.clone()).or_insert(due);
            let off = apart(first, due, INTERVAL);
            assert!(
                off < CLOCKS,
                "{name} in round {round}: {first} and {due} are {off} apart"
            );
        }
        kill(monitor).await;
    }
}

/// The first visit after this time.
async fn until_visited(target: &Target, after: Timestamp) -> Timestamp {
    let began = Instant::now();
    loop {
        if let Some(visit) = target.visits().into_iter().find(|visit| *visit > after) {
            return visit;
        }
        assert!(began.elapsed() < LIMIT, "nobody came after {after}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn in_a_file(services: &str) -> Site {
    let folder = TempDir::new().unwrap();
    let path = format!("path = \"{}\"", folder.path().join("history.db").display());
    Site::of_services(services, folder, &path)
}
