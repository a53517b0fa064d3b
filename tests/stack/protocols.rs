//! Faults that leave a container running, so that only the check can find them. They befall all services of a protocol at
//! the same time: each is a service of its own.

use std::time::Duration;

use futures_util::future::join_all;

use health_monitor_test_support::stack::docker::{Undo, docker, pid_of, run};
use health_monitor_test_support::stack::monitor::Monitor;
use health_monitor_test_support::stack::quick::{DETECTED, SPOKEN, Spoken, quick};
use health_monitor_test_support::stack::turn;
use health_monitor_test_support::stack::wait::{RECOVERY, seconds};

/// Within this the stack's own monitor, with its default times, knows of a protocol's failure: interval + 2 × timeout +
/// retry interval are 22 s.
const DETECTED_BY_DEFAULT: Duration = seconds(40);

/// Blocks a service's port in the network of its container, until what it answers is dropped. Within the container, where
/// its HEALTHCHECK asks, the port stays open.
async fn block(service: &Spoken, target: &[&str]) -> Undo {
    let pid = pid_of(service.name).await;
    let to_the_port = [
        "--in-interface",
        "eth0",
        "--protocol",
        "tcp",
        "--dport",
        service.port,
        "--jump",
    ];
    let rule = |verb| {
        [
            &["--target", &pid, "--net", "iptables", verb, "INPUT"],
            &to_the_port[..],
            target,
        ]
        .concat()
    };
    let undo = Undo::by(&[&["nsenter"], &rule("--delete")[..]].concat());
    run("nsenter", &rule("--insert")).await;
    undo
}

/// Blocks every port, and waits until both monitors tell of each service that it is unhealthy, for this reason.
async fn blocked(turn: &Monitor, monitor: &Monitor, target: &[&str], why: &str) {
    monitor.all_healthy(RECOVERY).await;
    let undo = join_all(SPOKEN.iter().map(|service| block(service, target))).await;
    join_all(SPOKEN.iter().map(async |Spoken { name, port }| {
        let reason = format!("cannot connect to {name}:{port} (");
        let (quick, default) = tokio::join!(
            monitor.wait_for(name, "unhealthy", &reason, DETECTED),
            turn.wait_for(name, "unhealthy", &reason, DETECTED_BY_DEFAULT),
        );
        for told in [quick, default] {
            assert!(told.reason.contains(why), "{}", told.reason);
        }
    }))
    .await;
    drop(undo);
    monitor.all_healthy(RECOVERY).await;
}

#[tokio::test]
async fn listener_that_refuses() {
    let turn = turn().await;
    let monitor = quick("refusing", &[]).await;
    let why = "): connection refused, nothing listens on that port";
    blocked(&turn.monitor, &monitor, &["REJECT", "--reject-with", "tcp-reset"], why).await;
    turn.monitor.all_healthy(RECOVERY).await;
}

#[tokio::test]
async fn listener_that_does_not_answer() {
    let turn = turn().await;
    let monitor = quick("silent", &[]).await;
    blocked(&turn.monitor, &monitor, &["DROP"], "): no answer within ").await;
    turn.monitor.all_healthy(RECOVERY).await;
}

#[tokio::test]
async fn main_process_stopped_by_a_signal() {
    let turn = turn().await;
    let monitor = quick("stopped", &[]).await;
    monitor.all_healthy(RECOVERY).await;
    join_all(SPOKEN.iter().map(async |Spoken { name, port }| {
        let _undo = Undo::by(&["docker", "kill", "--signal=CONT", name]);
        docker(&["kill", "--signal=STOP", name]).await;
        let reason = format!("connected to {name}:{port}, but ");
        let told = monitor.wait_for(name, "unhealthy", &reason, DETECTED).await;
        assert!(told.reason.contains(" within "), "{}", told.reason);
        assert_eq!(told.container_status.as_deref(), Some("running"));
    }))
    .await;
    monitor.all_healthy(RECOVERY).await;
    turn.monitor.all_healthy(RECOVERY).await;
}

#[tokio::test]
async fn network_disconnected() {
    let turn = turn().await;
    let network = turn.stack.variable("STACK_NETWORK");
    let monitor = quick("disconnected", &[]).await;
    monitor.all_healthy(RECOVERY).await;
    join_all(SPOKEN.iter().map(async |Spoken { name, .. }| {
        let _undo = Undo::by(&["docker", "network", "connect", "--alias", name, network, name]);
        docker(&["network", "disconnect", network, name]).await;
        let reason =
            format!("the name {name} does not exist: its container runs, but shares no network with the monitor");
        monitor.wait_for(name, "unhealthy", &reason, DETECTED).await;
    }))
    .await;
    monitor.all_healthy(RECOVERY).await;
    turn.monitor.all_healthy(RECOVERY).await;
}

#[tokio::test]
async fn wrong_password() {
    let turn = turn().await;
    let names = ["postgres", "timescaledb"];
    let wrong = names.map(|name| {
        format!(
            "--env=HEALTH_MONITOR__SERVICES__{}__PASSWORD=wrong",
            name.to_uppercase()
        )
    });
    let monitor = quick("password", &[&wrong[0], &wrong[1]]).await;
    for name in names {
        let reason = format!("{name}:5432 says: FATAL 28P01: password authentication failed for user");
        monitor.wait_for(name, "unhealthy", &reason, DETECTED).await;
        let right = turn.monitor.service(name).await;
        assert_eq!(right.status, "healthy", "{right:?}");
    }
}
