//! Every service turned off by what happens to its container, as the stack's own monitor sees it.

use std::time::Duration;

use futures_util::future::join_all;

use health_monitor_test_support::stack::docker::{Undo, compose, docker};
use health_monitor_test_support::stack::monitor::Monitor;
use health_monitor_test_support::stack::turn;
use health_monitor_test_support::stack::wait::{RECOVERY, seconds};

/// What an event tells is known at once; this is for the machine's other work.
const SOON: Duration = seconds(10);

/// The nine services. Those of a chain take their turns, the chains go side by side.
const CHAINS: [&[&str]; 3] = [
    &["zookeeper", "kafka"],
    &["mosquitto", "f2-simulator", "mqtt-kafka-connector"],
    &["postgres", "timescaledb", "data-processor", "kafka-timescale-sink"],
];

async fn with_each(fault: impl AsyncFn(&'static str)) {
    let in_turn = CHAINS.iter().map(async |chain| {
        for name in *chain {
            fault(name).await;
        }
    });
    join_all(in_turn).await;
}

#[tokio::test]
async fn stopped() {
    let turn = turn().await;
    with_each(async |name| {
        let _undo = Undo::by(&["docker", "start", name]);
        docker(&["stop", "--time", "10", name]).await;
        let reason = "Container status: exited (exit code ";
        let stopped = turn.monitor.wait_for(name, "unhealthy", reason, SOON).await;
        assert!(!stopped.reason.contains("memory"), "{stopped:?}");
        assert_eq!(stopped.container_status.as_deref(), Some("exited"), "{stopped:?}");
        assert_eq!(overall(&turn.monitor).await, "unhealthy");
        if name == "zookeeper" {
            let kafka = turn.monitor.service("kafka").await;
            assert!(kafka.dependency_unhealthy, "{kafka:?}");
        }
        docker(&["start", name]).await;
        turn.monitor.healthy(name, RECOVERY).await;
    })
    .await;
}

#[tokio::test]
async fn killed() {
    let turn = turn().await;
    with_each(async |name| {
        let _undo = Undo::by(&["docker", "start", name]);
        docker(&["kill", name]).await;
        let reason = "Container status: exited (exit code 137, just now)";
        turn.monitor.wait_for(name, "unhealthy", reason, SOON).await;
        docker(&["start", name]).await;
        turn.monitor.healthy(name, RECOVERY).await;
    })
    .await;
}

#[tokio::test]
async fn paused() {
    let turn = turn().await;
    with_each(async |name| {
        let _undo = Undo::by(&["docker", "unpause", name]);
        docker(&["pause", name]).await;
        let reason = "Container status: paused (docker unpause resumes it)";
        turn.monitor.wait_for(name, "unhealthy", reason, SOON).await;
        docker(&["unpause", name]).await;
        turn.monitor.healthy(name, RECOVERY).await;
    })
    .await;
}

#[tokio::test]
async fn removed() {
    let turn = turn().await;
    for name in ["mosquitto", "f2-simulator"] {
        docker(&["rm", "--force", "--volumes", name]).await;
        let reason = format!("container '{name}' does not exist");
        let removed = turn.monitor.wait_for(name, "not_found", &reason, SOON).await;
        assert_eq!(removed.container_id, None);
        compose(&["up", "--detach", "--no-build", "--no-deps", name]).await;
        turn.monitor.healthy(name, RECOVERY).await;
    }
}

#[tokio::test]
async fn recreated_by_compose() {
    let turn = turn().await;
    with_each(async |name| {
        let before = turn.monitor.service(name).await;
        let recreate = ["up", "--detach", "--no-build", "--no-deps", "--force-recreate", name];
        let seen = turn.monitor.watch(name, compose(&recreate)).await;
        for (status, reason) in &seen {
            println!("{name}: {status}: {reason}");
            assert!(["healthy", "starting"].contains(&&**status), "{name}: {seen:?}");
        }
        let told = ("starting".to_owned(), "being replaced by Compose".to_owned());
        assert!(seen.contains(&told), "{name}: {seen:?}");
        turn.monitor.healthy(name, RECOVERY).await;
        let after = turn.monitor.service(name).await;
        assert_ne!(before.container_id, after.container_id);
    })
    .await;
}

async fn overall(monitor: &Monitor) -> String {
    let (_, health) = monitor.get("/health").await;
    health["status"].as_str().unwrap_or_default().to_owned()
}
