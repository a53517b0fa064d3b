//! The engine taken away from the monitor while everything it watches goes on.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use health_monitor_test_support::proxy::{Mode, Proxy};
use health_monitor_test_support::stack::docker::{Undo, docker};
use health_monitor_test_support::stack::monitor::Monitor;
use health_monitor_test_support::stack::quick::{SPOKEN, quick};
use health_monitor_test_support::stack::wait::{RECOVERY, seconds, until};
use health_monitor_test_support::stack::{SERVICES, turn};

/// Until an engine that hangs is noticed, or one that is back: a request's total time, a ping's interval, a pause.
const NOTICED: Duration = seconds(30);

fn is_spoken(name: &str) -> bool {
    SPOKEN.iter().any(|spoken| spoken.name == name)
}

/// When each service was last asked.
async fn last_checks(monitor: &Monitor) -> Vec<(&'static str, String)> {
    let mut checks = Vec::new();
    for spoken in SPOKEN {
        let (_, service) = monitor.get(&format!("/health/{}", spoken.name)).await;
        let last = service["health_check"]["last_check"].as_str().unwrap_or_default();
        checks.push((spoken.name, last.to_owned()));
    }
    checks
}

/// While the engine is away: services that only Docker can tell of are in error, all others are asked on and stay
/// healthy; `/containers` answers with what was last known.
async fn is_away(monitor: &Monitor, why: &str) {
    for name in SERVICES.into_iter().filter(|name| !is_spoken(name)) {
        let away = monitor
            .wait_for(name, "error", "Docker daemon unavailable: ", NOTICED)
            .await;
        assert!(away.reason.contains(why), "{}", away.reason);
        assert_eq!(away.reason.matches("Docker daemon").count(), 1, "{}", away.reason);
        assert_eq!((away.container_id, away.container_status), (None, None));
    }
    let (status, containers) = monitor.get("/containers").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{containers}");
    assert_eq!(containers["status"], "error");
    assert_eq!(containers["reason"], "Docker daemon unavailable");
    assert!(containers["stale_since"].is_string(), "{containers}");
    let names: Vec<&str> = containers["containers"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row["name"].as_str())
        .collect();
    assert!(SERVICES.iter().all(|name| names.contains(name)), "{names:?}");
    let (status, kafka) = monitor.get("/containers/kafka").await;
    assert_eq!(
        (status, &kafka["container"]["name"]),
        (StatusCode::SERVICE_UNAVAILABLE, &Value::from("kafka"))
    );

    let before = last_checks(monitor).await;
    until("checks that go on", NOTICED, async || {
        let now = last_checks(monitor).await;
        if before.iter().zip(&now).all(|(before, now)| before != now) {
            Ok(())
        } else {
            Err(format!("{now:?}"))
        }
    })
    .await;
    let (_, health) = monitor.get("/health").await;
    assert_eq!(health["status"], "degraded", "{health}");
}

async fn is_back(monitor: &Monitor) {
    monitor.all_healthy(NOTICED).await;
    let (status, containers) = monitor.get("/containers").await;
    assert_eq!(status, StatusCode::OK, "{containers}");
    for name in SERVICES {
        assert!(monitor.service(name).await.container_id.is_some(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn protocols_go_on_while_the_engine_is_gone_or_hangs() {
    let turn = turn().await;
    let proxy = Proxy::start();
    let mount = format!("--volume={}:/proxy", proxy.folder().display());
    let options = [
        &mount,
        "--env=DOCKER_HOST=unix:///proxy/docker.sock",
        "--env=HEALTH_MONITOR__DOCKER__REQUEST_TIMEOUT=1s",
    ];
    let monitor = quick("docker-away", &options).await;
    monitor.all_healthy(NOTICED).await;

    for (mode, why) in [
        (Mode::Away, "cannot reach unix:///proxy/docker.sock: "),
        (Mode::Hang, "did not answer"),
    ] {
        let watch = async {
            proxy.set(mode);
            is_away(&monitor, why).await;
            // It happens while nobody looks, and shows when the engine is back.
            let _undo = Undo::by(&["docker", "start", "f2-simulator"]);
            docker(&["kill", "f2-simulator"]).await;
            proxy.set(Mode::Pass);
            monitor
                .wait_for("f2-simulator", "unhealthy", "exit code 137", NOTICED)
                .await;
            docker(&["start", "f2-simulator"]).await;
            is_back(&monitor).await;
        };
        let changes = monitor.watch_all(watch).await;
        let spoken: Vec<_> = changes.iter().filter(|(name, _)| is_spoken(name)).collect();
        assert!(
            spoken.iter().all(|(_, status)| status == "healthy"),
            "{mode:?}: {spoken:?}"
        );
    }
    turn.monitor.all_healthy(RECOVERY).await;
}
