//! How soon a killed container shows.

use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::timeout;

use health_monitor_test_support::stack::docker::{Undo, docker};
use health_monitor_test_support::stack::monitor::Monitor;
use health_monitor_test_support::stack::turn;
use health_monitor_test_support::stack::wait::seconds;

/// Containers that are up again at once.
const KILLED: [&str; 4] = [
    "f2-simulator",
    "mqtt-kafka-connector",
    "data-processor",
    "kafka-timescale-sink",
];
const ROUNDS: usize = 5;
const LIMIT: Duration = seconds(10);
/// What is aimed at is 100 ms. A machine that does other work has its own times.
const GENEROUS: Duration = seconds(1);

/// The times of the engine's own `die` events.
fn deaths() -> mpsc::UnboundedReceiver<(String, Timestamp)> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let filters = [("type", "container"), ("event", "die")];
    let options = EventsOptions {
        filters: Some(
            filters
                .map(|(key, value)| (key.to_owned(), vec![value.to_owned()]))
                .into(),
        ),
        ..Default::default()
    };
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    let mut events = Docker::connect_with_host(&host).unwrap().events(Some(options));
    tokio::spawn(async move {
        while let Some(Ok(event)) = events.next().await {
            let at = Timestamp::from_nanosecond(event.time_nano.unwrap().into()).unwrap();
            let name = event.actor.unwrap().attributes.unwrap().remove("name").unwrap();
            if sender.send((name, at)).is_err() {
                return;
            }
        }
    });
    receiver
}

/// When `/health` first shows a service as unhealthy.
async fn shown(monitor: &Monitor, name: &str) -> Timestamp {
    loop {
        let (_, health) = monitor.get("/health").await;
        if health["services"][name] == "unhealthy" {
            return Timestamp::now();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_container_shows_soon() {
    let turn = turn().await;
    let mut deaths = deaths();
    let mut took = Vec::new();
    for name in [KILLED; ROUNDS].into_iter().flatten() {
        let _undo = Undo::by(&["docker", "start", name]);
        let kill = ["kill", name];
        let (_, shown) = tokio::join!(docker(&kill), timeout(LIMIT, shown(&turn.monitor, name)));
        let shown = shown.unwrap_or_else(|_| panic!("{name}: not shown within {LIMIT:?}"));
        let died = loop {
            let (died, at) = timeout(LIMIT, deaths.recv()).await.unwrap().unwrap();
            if died == name {
                break at;
            }
        };
        took.push(shown.duration_since(died).unsigned_abs());
        docker(&["start", name]).await;
        turn.monitor.healthy(name, LIMIT).await;
    }
    took.sort();
    let at = |share: usize| took[(took.len() - 1) * share / 100];
    println!(
        "from a death to the /health that shows it: p50 {:?}, p99 {:?}, max {:?}",
        at(50),
        at(99),
        at(100)
    );
    assert!(at(100) < GENEROUS, "{took:?}");
}
