//! A real monitor, asked by schemathesis whatever its description allows and more: no 5xx, and no answer outside the
//! description.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says where"
)]

#[cfg(test)]
mod support {
    pub(crate) mod python;
}

use std::process::Stdio;
use std::time::Duration;

use health_monitor_test_support::local::{Launch, LocalMonitor};
use support::python::schemathesis;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::timeout;

/// Seconds that one run may take to ask.
const SECONDS: &str = "20";

/// Longest that a run may take altogether.
const PATIENCE: Duration = Duration::from_secs(150);

/// What is held against the description. That bad input is refused is tests/api's to say: parameters that nobody asks for
/// are ignored, which the tool would call accepting bad input.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,unsupported_method,allow_header_conformance,ignored_auth";

const KEY: &str = "hm_the_key_of_this_test";

/// A monitor of one service that is there and needs no Docker.
async fn monitor(service: &TcpListener, keys: &str) -> LocalMonitor {
    let peer = service.local_addr().unwrap();
    let configuration = format!(
        "[docker]\nenabled = false\n{keys}\n\
         [services.mosquitto]\ncheck = \"tcp\"\naddress = \"{peer}\"\n"
    );
    Launch::of(env!("CARGO_BIN_EXE_health-monitor"))
        .start(&configuration)
        .await
}

async fn run(monitor: &LocalMonitor, arguments: &[&str]) {
    let url = format!("http://{}", monitor.address());
    let folder = tempfile::tempdir().unwrap();
    // Read with the key: the tool asks for its description without one.
    let description = reqwest::Client::new()
        .get(format!("{url}/openapi.json"))
        .header("X-API-Key", KEY);
    let description = description.send().await.unwrap().text().await.unwrap();
    std::fs::write(folder.path().join("openapi.json"), description).unwrap();
    let mut command = Command::new(schemathesis());
    command
        .args(["run", "--url", &url, "--checks", CHECKS, "--max-time", SECONDS])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "40"])
        .args(["--seed", "1", "--no-color", "--warnings", "off"])
        .args(arguments)
        .arg("openapi.json")
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(PATIENCE, command.output())
        .await
        .expect("schemathesis does not end");
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("No issues found"), "{said}");
}

#[tokio::test]
async fn without_keys_every_answer_is_as_described() {
    let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let monitor = monitor(&service, "").await;
    // Without keys nothing that reads needs one, which this check would not believe.
    run(&monitor, &["--exclude-checks", "ignored_auth"]).await;
}

#[tokio::test]
async fn with_keys_every_answer_is_as_described_and_none_comes_without() {
    let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hash = health_monitor::access::key::KeyHash::of(KEY.as_bytes()).written();
    let keys = format!("[api_keys.test]\nhash = \"{hash}\"\nscopes = [\"admin\"]\n");
    let monitor = monitor(&service, &keys).await;
    run(&monitor, &["--header", &format!("X-API-Key:{KEY}")]).await;
}
