//! Panics while secrets are in hand: neither the message, nor the backtrace, nor what is told of it holds one.

use std::fs;
use std::net::TcpListener;

use health_monitor::access::key::KeyHash;
use health_monitor_test_support::local::LocalMonitor;
use health_monitor_test_support::stack::wait::{seconds, until};

use super::GROUP;
use crate::fault::{Fault, Scene};
use crate::misbehaving;

/// In every secret, so that none is overlooked.
const PLANTED: &str = "geheimnis";

/// The key that opens the API.
const KEY: &str = "geheimnis-key";

/// Services whose checks hold secrets.
const SERVICES: [&str; 4] = ["faulty-database", "faulty-broker", "faulty-log", "faulty-web"];

pub(super) fn faults() -> Vec<Fault> {
    vec![Fault::new(GROUP, "checks panic with every secret in hand", panic_with_secrets).short()]
}

async fn panic_with_secrets(scene: Scene) {
    // It answers nobody: what panics has not asked.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    fs::write(&secret, format!("{PLANTED}-file\n")).expect("a folder of the test's own");
    let hash = KeyHash::of(KEY.as_bytes()).written();
    let configuration = format!(
        r#"
[docker]
enabled = false
[log]
level = "trace"
[defaults]
interval = "1s"
timeout = "500ms"
retries = 0
[history]
password = "{PLANTED}-history"
[api_keys.test]
hash = "{hash}"
scopes = ["admin"]
[services.faulty-database]
check = "postgres"
container = ""
address = "{address}"
user = "monitor"
password_file = "{secret}"
[services.faulty-broker]
check = "mqtt"
container = ""
address = "{address}"
user = "monitor"
password = "{PLANTED}-mqtt"
[services.faulty-log]
check = "kafka"
container = ""
address = "{address}"
user = "monitor"
password = "{PLANTED}-kafka"
[services.faulty-web]
check = "http"
container = ""
url = "http://{address}/status?token={PLANTED}-query"
headers = {{ Authorization = "Bearer {PLANTED}-header" }}
"#,
        secret = secret.display()
    );
    let launch = misbehaving::launch().with("RUST_BACKTRACE", "full");
    let monitor = launch.with("RUST_LOG", "trace").spawn(&configuration);
    until("every service panics", seconds(30), async || {
        misbehaving::begin(monitor.folder(), "check panics with all settings");
        let health = ask(&monitor, "/health").await.unwrap_or_default();
        let errors = SERVICES
            .iter()
            .filter(|name| health.contains(&format!("\"{name}\":\"error\"")));
        if errors.count() == SERVICES.len() {
            Ok(())
        } else {
            Err(health)
        }
    })
    .await;
    let mut told = Vec::new();
    for name in SERVICES {
        let path = format!("/health/{name}");
        let text = ask(&monitor, &path).await.expect("an answer");
        assert!(text.contains("the check panicked: injected with Settings"), "{text}");
        told.push((path, text));
    }
    for path in [
        "/health",
        "/services",
        "/config",
        "/internals",
        "/metrics",
        "/incidents",
        "/readyz",
    ] {
        told.push((path.to_owned(), ask(&monitor, path).await.expect("an answer")));
    }
    let log = until("panics in the log", seconds(10), async || {
        let log = monitor.log();
        let whole = ["injected with Settings", "\"backtrace\":\"", "password: Some"];
        if whole.iter().all(|text| log.contains(text)) {
            Ok(log)
        } else {
            Err(log)
        }
    })
    .await;
    scene.saw(format!(
        "{} panics with all settings in their messages, {} kB of log",
        log.matches("injected with Settings").count(),
        log.len() / 1_000
    ));
    told.push(("log".to_owned(), log));
    for (what, text) in &told {
        let line = text.lines().find(|line| line.contains(PLANTED));
        assert!(line.is_none(), "{what} tells a secret: {line:?}");
    }
    scene.saw(format!("no secret in the log or in {} answers", told.len() - 1));
}

/// An answer of the API's.
async fn ask(monitor: &LocalMonitor, path: &str) -> Option<String> {
    let request = reqwest::Client::new().get(format!("http://{}{path}", monitor.address()));
    let response = request.header("X-API-Key", KEY).send().await.ok()?;
    response.text().await.ok()
}
