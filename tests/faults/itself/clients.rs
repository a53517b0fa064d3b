//! Slow clients of the API by the thousand, beside one that wants its answer.

use std::time::Duration;

use health_monitor_test_support::local::Launch;
use health_monitor_test_support::stack::wait::{seconds, until};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::GROUP;
use crate::configuration;
use crate::fault::{Fault, Scene};
use crate::watch;

/// Clients that send a byte of their request each second, and clients that never read their answers.
const SLOW: usize = 500;
const DEAF: usize = 500;

/// How long they stay.
const STAY: Duration = seconds(15);

/// The longest that somebody else may wait for an answer, on a machine with other work.
const PATIENCE: Duration = seconds(2);

/// What the process may take for each of them, in bytes: buffers of the connection, a piece of the answer, and requests that
/// wait.
const EACH: f64 = 150_000.0;

/// Clients of each kind that hold connections, of a monitor that may open so many descriptors: half of these are for clients.
const CROWD: usize = 250;
const DESCRIPTORS: &str = "--nofile=1024";

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault::new(GROUP, "1,000 slow clients of the API", slow_clients),
        Fault::new(GROUP, "clients that hold every connection of the API", held_connections),
    ]
}

async fn slow_clients(scene: Scene) {
    let ports = configuration::listeners("port", 100).await;
    let defaults =
        "[defaults]\ninterval = \"1s\"\ntimeout = \"900ms\"\nfailure_threshold = 3\n[docker]\nenabled = false\n";
    let monitor = Launch::of(env!("CARGO_BIN_EXE_health-monitor"))
        .start(&format!("{defaults}{}", configuration::of_listeners(&ports, "")))
        .await;
    watch::all_healthy(&monitor, seconds(20)).await;
    let before = monitor.figure("process_resident_memory_bytes").await;
    let work = async {
        let mut clients = JoinSet::new();
        for _ in 0..SLOW {
            clients.spawn(slow(monitor.address()));
        }
        for _ in 0..DEAF {
            clients.spawn(deaf(monitor.address()));
        }
        sleep(STAY).await;
        let during = monitor.figure("process_resident_memory_bytes").await;
        let descriptors = monitor.figure("process_open_fds").await;
        clients.shutdown().await;
        (during, descriptors)
    };
    let ((during, descriptors), told) = watch::while_doing(&monitor, work).await;
    told.assert_others(&[], &["healthy"]);
    scene.saw(format!(
        "{} answers to another client meanwhile, the slowest after {} ms",
        told.answers,
        told.silence.as_millis()
    ));
    scene.saw(format!("{} services keep their status", told.steady()));
    scene.saw(format!(
        "{descriptors} descriptors, {:.1} MB more memory",
        (during - before) / 1e6
    ));
    assert!(told.silence < PATIENCE, "an answer took {:?}", told.silence);
    let each = (during - before) / (SLOW + DEAF) as f64;
    assert!(each < EACH, "{each} bytes more memory for each client");
}

async fn held_connections(scene: Scene) {
    let ports = configuration::listeners("port", 20).await;
    let defaults =
        "[defaults]\ninterval = \"1s\"\ntimeout = \"900ms\"\nfailure_threshold = 3\n[docker]\nenabled = false\n";
    let monitor = Launch::of(env!("CARGO_BIN_EXE_health-monitor"))
        .with_limit(DESCRIPTORS)
        .start(&format!("{defaults}{}", configuration::of_listeners(&ports, "")))
        .await;
    watch::all_healthy(&monitor, seconds(20)).await;
    let work = async {
        let mut clients = JoinSet::new();
        for _ in 0..CROWD {
            clients.spawn(slow(monitor.address()));
            clients.spawn(deaf(monitor.address()));
            clients.spawn(idle(monitor.address()));
        }
        sleep(STAY).await;
        let internals = until("an answer for one more", PATIENCE, async || {
            let (_, text) = monitor.try_get("/internals").await.map_err(|error| error.to_string())?;
            serde_json::from_str::<Value>(&text).map_err(|error| error.to_string())
        });
        let connections = internals.await["connections"].clone();
        clients.shutdown().await;
        connections
    };
    let (connections, told) = watch::while_doing(&monitor, work).await;
    told.assert_others(&[], &["healthy"]);
    scene.saw(format!(
        "{} clients come again and again; {} answers to another one meanwhile, the slowest after {} ms",
        3 * CROWD,
        told.answers,
        told.silence.as_millis()
    ));
    scene.saw(format!("connections: {connections}"));
    assert!(told.silence < PATIENCE, "an answer took {:?}", told.silence);
    let shed = connections["shed_total"].as_u64().unwrap_or_default();
    assert!(shed > 0, "nobody had to go: {connections}");
}

/// Connects again and again, and asks for nothing.
async fn idle(address: String) {
    loop {
        if let Ok(mut client) = TcpStream::connect(&address).await {
            let _ended = client.read(&mut [0; 1]).await.is_err();
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Sends a byte each second, again and again where it is sent away.
async fn slow(address: String) {
    loop {
        if let Ok(mut client) = TcpStream::connect(&address).await {
            for byte in b"GET /health HTTP/1.1\r\nHost: a-name-without-an-end" {
                if client.write_all(&[*byte]).await.is_err() {
                    break;
                }
                sleep(seconds(1)).await;
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Asks for the longest document many times and reads nothing.
async fn deaf(address: String) {
    if let Ok(mut client) = TcpStream::connect(&address).await {
        for _ in 0..100 {
            if client
                .write_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n")
                .await
                .is_err()
            {
                break;
            }
        }
        std::future::pending::<()>().await;
    }
}
