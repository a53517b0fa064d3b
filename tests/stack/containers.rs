//! What happens to containers that a test makes: crash loops, memory that runs out, replicas that die.

use std::fs;
use std::time::Duration;

use health_monitor_test_support::stack::Stack;
use health_monitor_test_support::stack::docker::{Made, Undo, docker, unique};
use health_monitor_test_support::stack::monitor::Monitor;
use health_monitor_test_support::stack::quick::quick_with;
use health_monitor_test_support::stack::wait::seconds;

const SOON: Duration = seconds(15);

/// Starts a container that runs a shell script: of the monitor's image, which holds a shell.
async fn script(name: &str, options: &[&str], script: &str) -> Made {
    let image = Stack::get().variable("HEALTH_MONITOR_IMAGE");
    let entry = ["--network=none", "--no-healthcheck", "--entrypoint=/bin/sh"];
    Made::run(name.to_owned(), &[&entry, options, &[image, "-c", script]].concat()).await
}

async fn monitor_of(purpose: &str, container: &str) -> Monitor {
    let configuration = format!("[services.{purpose}]\ncheck = \"container\"\ncontainer = \"{container}\"\n");
    quick_with(purpose, &configuration, &[]).await
}

const RUNS: &str = "trap exit TERM; sleep 600 & wait";

#[tokio::test]
async fn crash_loop() {
    let name = unique("loop");
    let monitor = monitor_of("crashing", &name).await;
    monitor
        .wait_for(
            "crashing",
            "not_found",
            &format!("container '{name}' does not exist"),
            SOON,
        )
        .await;
    let crashing = script(&name, &["--restart=always"], "sleep 0.2; exit 3").await;
    let told = monitor
        .wait_for("crashing", "unhealthy", "restarting repeatedly (", SOON)
        .await;
    assert!(told.reason.contains("last exit 3)"), "{}", told.reason);
    // The reason stays while the container is between two runs, or in one.
    drop(crashing);
    let _mended = script(&name, &["--restart=always"], RUNS).await;
    monitor.healthy("crashing", SOON).await;
}

#[tokio::test]
async fn out_of_memory() {
    let name = unique("memory");
    let monitor = monitor_of("hungry", &name).await;
    let eats = "exec busybox tail /dev/zero";
    let mut is_told = false;
    for _ in 0..5 {
        let _hungry = script(&name, &["--memory=16m", "--memory-swap=16m"], eats).await;
        monitor
            .wait_for("hungry", "unhealthy", "Container status: exited (exit code 137", SOON)
            .await;
        // A busy engine misses it now and then itself.
        is_told = docker(&["inspect", "--format", "{{.State.OOMKilled}}", &name]).await == "true";
        if is_told {
            monitor
                .wait_for("hungry", "unhealthy", "(exit code 137, out of memory, ", SOON)
                .await;
            break;
        }
    }
    assert!(is_told, "the engine never says that memory ran out");
    let options = ["--memory=16m", "--memory-swap=16m", "--restart=always"];
    let hungry = script(&name, &options, eats).await;
    let told = monitor
        .wait_for("hungry", "unhealthy", "restarting repeatedly (", SOON)
        .await;
    assert!(told.reason.contains("last exit 137, out of memory)"), "{}", told.reason);
    drop(hungry);
    let _mended = script(&name, &[], RUNS).await;
    monitor.healthy("hungry", SOON).await;
}

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
