//! A service of several containers.

use std::fs;
use std::time::Duration;

use health_monitor_test_support::stack::Stack;
use health_monitor_test_support::stack::docker::{Undo, docker, unique};
use health_monitor_test_support::stack::quick::quick_with;
use health_monitor_test_support::stack::wait::seconds;

const SOON: Duration = seconds(15);

/// Two brokers of one Compose service behind one name.
#[tokio::test]
async fn scaled_to_two() {
    let stack = Stack::get();
    let project = unique("scaled");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("compose.yml");
    let network = stack.variable("STACK_NETWORK");
    let image = docker(&["inspect", "--format", "{{.Config.Image}}", "mosquitto"]).await;
    let settings = concat!(env!("CARGO_MANIFEST_DIR"), "/compose/mosquitto/mosquitto.conf");
    let broker = format!(
        "
services:
  broker:
    image: {image}
    networks: [stack]
    volumes: ['{settings}:/mosquitto/config/mosquitto.conf:ro']
networks:
  stack:
    name: {network}
    external: true
"
    );
    fs::write(&file, broker).unwrap();
    let file = file.to_str().unwrap();
    let of_project = [
        "compose",
        "--progress",
        "quiet",
        "--project-name",
        &project,
        "--file",
        file,
    ];
    let _down = Undo::by(&[&["docker"], &of_project[..], &["down", "--timeout", "1"]].concat());
    docker(&[&of_project[..], &["up", "--detach", "--scale", "broker=2"]].concat()).await;
    let configuration = format!(
        "\
[docker]
project = \"{project}\"

[services.broker]
check = \"mqtt\"
address = \"broker:1883\"
"
    );
    let monitor = quick_with("scaled", &configuration, &[]).await;
    monitor.healthy("broker", SOON).await;
    assert_eq!(monitor.service("broker").await.containers.len(), 2);
    let replicas = [1, 2].map(|number| format!("{project}-broker-{number}"));
    docker(&["kill", &replicas[1]]).await;
    let degraded = monitor
        .wait_for("broker", "degraded", "1 of 2 containers work", SOON)
        .await;
    let evidence = format!("{}: Container status: exited (exit code 137, just now)", replicas[1]);
    assert!(degraded.reason.contains(&evidence), "{}", degraded.reason);
    docker(&["kill", &replicas[0]]).await;
    monitor
        .wait_for("broker", "unhealthy", "0 of 2 containers work", SOON)
        .await;
    docker(&["start", &replicas[0], &replicas[1]]).await;
    monitor.healthy("broker", SOON).await;
}
