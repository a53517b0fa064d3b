//! What only the real process shows: what clients that ask and never read cost it, and on which threads it does what.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

#[cfg(test)]
mod support {
    pub(crate) mod server;
    pub(crate) mod snapshot;
}

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use health_monitor::api::{ApiState, Limits, Settings};
use health_monitor_test_support::process::{Process, free_port};
use support::server::{TestServer, telling};
use support::snapshot::{service, snapshot};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

/// Connections that ask and never read.
const DEAF: usize = 100;

/// Requests that each of them sends without waiting for an answer.
const AHEAD: usize = 1_000;

/// Memory that all of them together may cost, in KiB: 400 KiB each. Half of it is what the operating system's buffers make
/// possible on both sides of a connection, 128 KiB what `actix-http` may have read.
const MAY_COST: u64 = 40 * 1024;

/// Longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Asks on a connection of its own, and reads to the end.
fn answer(address: SocketAddr, path: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        connection,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

/// Sends so many requests, or as many as the other side takes, and reads nothing.
fn deaf(address: SocketAddr, request: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_nonblocking(true).unwrap();
    let requests = request.repeat(AHEAD);
    let mut rest = requests.as_bytes();
    while !rest.is_empty() {
        match connection.write(rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    connection
}

/// The monitor with these settings, not started yet, and where it will listen.
fn command(folder: &TempDir, settings: &str) -> (Command, SocketAddr) {
    let port = free_port();
    let file = folder.path().join("monitor.toml");
    std::fs::write(&file, format!("[server]\nbind = \"127.0.0.1:{port}\"\n{settings}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_health-monitor"));
    // Without a home, the history lies in the folder in which the monitor is started.
    command.env_clear().current_dir(folder.path());
    command.arg("run").arg("--config").arg(&file);
    (command, SocketAddr::from(([127, 0, 0, 1], port)))
}

/// Starts the monitor with these settings; where it listens comes beside it.
async fn start(folder: &TempDir, settings: &str) -> (Process, SocketAddr) {
    let (command, address) = command(folder, settings);
    let monitor = Process::start(command, "monitor started").await;
    (monitor, address)
}

/// What a check does to its lane must not hide the containers.
#[tokio::test]
async fn the_inventory_has_a_thread_of_its_own() {
    let folder = TempDir::new().unwrap();
    let settings = "[docker]\nhost = \"unix:///nowhere/docker.sock\"\n";
    let (_monitor, address) = start(&folder, settings).await;
    let answer = answer(address, "/internals");
    let (_, document) = answer.split_once("\r\n\r\n").unwrap();
    let document: serde_json::Value = serde_json::from_str(document).unwrap();
    let supervisor = &document["supervisor"];
    let lanes = supervisor["lanes"].as_array().unwrap();
    let own: Vec<_> = lanes
        .iter()
        .filter(|lane| lane["child"] == "docker/inventory")
        .collect();
    assert_eq!(own.len(), 1, "{supervisor:#}");
    assert_eq!(
        (&own[0]["kind"], &own[0]["children"]),
        (&"own".into(), &1.into()),
        "{supervisor:#}"
    );
}

#[tokio::test]
async fn clients_that_send_ahead_and_never_read_cost_little_memory() {
    let folder = TempDir::new().unwrap();
    let mut settings = "[docker]\nenabled = false\n".to_owned();
    for number in 0..300 {
        write!(
            settings,
            "[services.service-{number}]\ncheck = \"tcp\"\ncontainer = \"\"\naddress = \"127.0.0.1:1\"\ninterval = \"1h\"\n"
        )
        .unwrap();
    }
    let (monitor, address) = start(&folder, &settings).await;
    for request in [
        // One with everything that a client may say, and the shortest that there is.
        "GET /containers HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nUser-Agent: test\r\n\r\n",
        "GET /health HTTP/1.1\r\n\r\n",
    ] {
        // So that what the first answers cost is not taken for what the deaf ones do.
        for _ in 0..20 {
            answer(address, "/health");
        }
        let before = resident_kib(monitor.id());
        let connections: Vec<TcpStream> = (0..DEAF).map(|_| deaf(address, request)).collect();
        let mut most = 0;
        for _ in 0..100 {
            assert!(answer(address, "/livez").starts_with("HTTP/1.1 200"));
            most = most.max(resident_kib(monitor.id()));
        }
        let cost = most.saturating_sub(before);
        println!("{DEAF} connections with {AHEAD} requests each cost {cost} KiB beside {before} KiB");
        assert!(cost < MAY_COST, "{DEAF} deaf clients cost {cost} KiB");
        drop(connections);
    }
}

/// As where Docker's daemon, which reads the log of every container, hangs or is stopped.
#[tokio::test]
async fn a_log_that_nobody_reads_holds_nothing_up() {
    let folder = TempDir::new().unwrap();
    let settings = "[docker]\nenabled = false\n[services.any]\ncheck = \"tcp\"\naddress = \"127.0.0.1:1\"\n";
    let (mut command, address) = command(&folder, settings);
    command
        .env("RUST_LOG", "trace")
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut monitor = command.spawn().unwrap();
    let _unread = monitor.stderr.take().unwrap();
    let lost = async {
        let metric = "health_monitor_log_lines_lost_total ";
        loop {
            // Refused until it listens.
            if TcpStream::connect(address).is_ok() {
                let metrics = answer(address, "/metrics");
                let line = metrics.lines().find_map(|line| line.strip_prefix(metric)).unwrap();
                if line.parse::<u64>().unwrap() > 1_000 {
                    break;
                }
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, lost).await.expect("lines are lost, and nothing else");
    assert!(answer(address, "/health").starts_with("HTTP/1.1 200"));
    let id = monitor.id().unwrap().to_string();
    assert!(Command::new("kill").arg(&id).status().await.unwrap().success());
    let ended = timeout(PATIENCE, monitor.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
}

#[actix_web::test]
async fn requests_that_were_sent_ahead_are_all_answered_in_their_order() {
    let server = TestServer::of(snapshot().service(service("kafka")).build());
    let address = server.address;
    let reading = tokio::task::spawn_blocking(move || {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        let requests: String = (0..200)
            .map(|n| format!("GET /nothing-{n} HTTP/1.1\r\nHost: x\r\n\r\n"))
            .collect();
        connection.write_all(requests.as_bytes()).unwrap();
        connection
            .write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answers = String::new();
        connection.read_to_string(&mut answers).unwrap();
        answers
    });
    let answers = timeout(PATIENCE, reading).await.unwrap().unwrap();
    let mut from = 0;
    for number in 0..200 {
        let named = format!("'/nothing-{number}'");
        let at = answers[from..].find(&named);
        from += at.unwrap_or_else(|| panic!("no answer to {named} where it should come"));
    }
    assert_eq!(answers.matches("HTTP/1.1 404").count(), 200);
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 1);
}

#[actix_web::test]
async fn who_never_reads_does_not_keep_a_place_for_ever() {
    let many = (0..2_000).fold(snapshot(), |all, n| all.service(service(&format!("service-{n}"))));
    let limits = Limits {
        workers: 1,
        connections: 4,
        write_timeout: Duration::from_secs(1),
        ..Limits::default()
    };
    let server = TestServer::limited(ApiState::new(Settings::default(), telling(many.build())), limits);
    let address = server.address;
    let places: Vec<TcpStream> = (0..4)
        .map(|_| deaf(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"))
        .collect();
    let asking = tokio::task::spawn_blocking(move || answer(address, "/livez"));
    let answer = timeout(PATIENCE, asking).await.expect("nobody made place").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(places);
}
