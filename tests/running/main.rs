//! A monitor that runs, without Docker, while people change its configuration and order things of it: the real binary, real
//! signals, real files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod command_line;
mod orders;
mod reload;

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

use health_monitor::access::key::{KeyHash, new_key};
use health_monitor_test_support::binary::{Binary, key_section};
use health_monitor_test_support::stack::wait::until;

const PROGRAM: &str = env!("CARGO_BIN_EXE_health-monitor");

/// How long a change of a file may take to be seen: it is looked at every second, and twice.
const SEEN: Duration = Duration::from_secs(15);

const HEAD: &str = "[docker]\nenabled = false\n[discovery]\ncontainers = \"none\"\n";

/// A service that answers as long as this lives.
fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn tcp(name: &str, address: SocketAddr, more: &str) -> String {
    format!("[services.{name}]\ncheck = \"tcp\"\naddress = \"{address}\"\ncontainer = \"\"\n{more}\n")
}

/// A monitor with an admin key.
struct Keyed {
    monitor: Binary,
    key: String,
    hash: String,
}

impl Keyed {
    async fn start(services: &str) -> Self {
        let key = new_key().unwrap();
        let hash = KeyHash::of(key.expose().as_bytes()).written();
        let monitor = Binary::start(PROGRAM, &format!("{HEAD}{services}"), Some((key.expose(), &hash))).await;
        Self {
            monitor,
            key: key.expose().to_owned(),
            hash,
        }
    }

    /// The text of a configuration with these services and the same key.
    fn text(&self, services: &str) -> String {
        format!("{HEAD}{services}{}", key_section(&self.hash))
    }

    async fn status(&self, service: &str) -> String {
        let document = self.monitor.get(&format!("/health/{service}")).await;
        document["status"].as_str().unwrap_or_default().to_owned()
    }

    async fn becomes(&self, service: &str, status: &str) {
        until(&format!("{service} is {status}"), SEEN, async || {
            let seen = self.status(service).await;
            if seen == status { Ok(()) } else { Err(seen) }
        })
        .await;
    }

    async fn service_names(&self) -> Vec<String> {
        let document = self.monitor.get("/services").await;
        let services = document["services"].as_array().unwrap().clone();
        services
            .iter()
            .map(|service| service["service"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn successes(&self, service: &str) -> u64 {
        let metrics = self.monitor.text("/metrics").await;
        let line = format!("health_check_success_total{{service=\"{service}\"}} ");
        let value = metrics.lines().find_map(|text| text.strip_prefix(&line)).unwrap();
        value.parse::<f64>().unwrap() as u64
    }
}

fn hang_up(pid: u32) {
    let status = Command::new("kill").args(["-HUP", &pid.to_string()]).status().unwrap();
    assert!(status.success());
}
