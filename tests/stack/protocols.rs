//! Faults that leave a container running, so that only the check can find them.

use std::time::Duration;

use crate::docker::{Undo, docker, pid_of, run};
use crate::quick::{DETECTED, SPOKEN, Spoken, quick};
use crate::stack::turn;
use crate::wait::seconds;

/// Until a service works again for a monitor that looks often.
const AGAIN: Duration = seconds(30);
/// Within this the stack's own monitor, with its default times, knows of a protocol's failure: interval + 2 × timeout +
/// retry interval are 22 s.
const DETECTED_BY_DEFAULT: Duration = seconds(30);

/// The arguments with which `nsenter` runs `iptables` in a container's network.
fn firewall<'a>(pid: &'a str, rule: &[&'a str]) -> Vec<&'a str> {
    [&["--target", pid, "--net", "iptables"], rule].concat()
}

#[tokio::test]
async fn listener_blocked() {
    let turn = turn().await;
    let monitor = quick("blocked", &[]).await;
    for (what, reject) in [("refused", true), ("silent", false)] {
        for Spoken { name, port } in SPOKEN {
            let mut rule = vec![
                "INPUT",
                "--in-interface",
                "eth0",
                "--protocol",
                "tcp",
                "--dport",
                port,
                "--jump",
            ];
            rule.extend(if reject {
                &["REJECT", "--reject-with", "tcp-reset"][..]
            } else {
                &["DROP"]
            });
            let pid = pid_of(name).await;
            let block = firewall(&pid, &[&["--insert"], &rule[..]].concat());
            let unblock = firewall(&pid, &[&["--delete"], &rule[..]].concat());
            monitor.healthy(name, AGAIN).await;
            let undo = Undo::by(&[&["nsenter"], &unblock[..]].concat());
            run("nsenter", &block).await;
            let reason = format!("cannot connect to {name}:{port} (");
            let blocked = monitor.wait_for(name, "unhealthy", &reason, DETECTED).await;
            let tells = if reject {
                "connection refused, nothing listens on that port"
            } else {
                "no answer within"
            };
            assert!(blocked.reason.contains(tells), "{what}: {}", blocked.reason);
            if name == "mosquitto" && !reject {
                turn.monitor
                    .wait_for(name, "unhealthy", &reason, DETECTED_BY_DEFAULT)
                    .await;
            }
            drop(undo);
            monitor.healthy(name, AGAIN).await;
        }
    }
    turn.monitor.all_healthy(seconds(60)).await;
}

#[tokio::test]
async fn main_process_stopped_by_a_signal() {
    let turn = turn().await;
    let monitor = quick("sigstop", &[]).await;
    for Spoken { name, .. } in SPOKEN {
        monitor.healthy(name, AGAIN).await;
        let undo = Undo::by(&["docker", "kill", "--signal=CONT", name]);
        docker(&["kill", "--signal=STOP", name]).await;
        monitor.wait_for(name, "unhealthy", "within", DETECTED).await;
        drop(undo);
        monitor.healthy(name, AGAIN).await;
    }
    turn.monitor.all_healthy(seconds(60)).await;
}

#[tokio::test]
async fn network_disconnected() {
    let turn = turn().await;
    let network = turn.stack.variable("STACK_NETWORK");
    let monitor = quick("disconnected", &[]).await;
    for Spoken { name, .. } in SPOKEN {
        monitor.healthy(name, AGAIN).await;
        let connect = ["network", "connect", "--alias", name, network, name];
        let undo = Undo::by(&[&["docker"], &connect[..]].concat());
        docker(&["network", "disconnect", network, name]).await;
        monitor.wait_for(name, "unhealthy", "", DETECTED).await;
        drop(undo);
        monitor.healthy(name, AGAIN).await;
    }
    turn.monitor.all_healthy(seconds(60)).await;
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
        let refused = monitor
            .wait_for(name, "unhealthy", "password authentication failed", DETECTED)
            .await;
        assert!(
            refused.reason.contains("(postgres on database postgres)"),
            "{}",
            refused.reason
        );
        let right = turn.monitor.service(name).await;
        assert_eq!(right.status, "healthy", "{right:?}");
    }
}
