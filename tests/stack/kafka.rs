//! The Kafka check against what is no Kafka. The specification's own check passes against a closed port.

use std::process::Stdio;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::process::Command;

use health_monitor_test_support::stack::Stack;

/// What `health-monitor check` prints of a Kafka service at this address, and its exit code.
async fn check(address: &str) -> (String, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let configuration = format!(
        "\
[docker]
enabled = false

[services.kafka]
check = \"kafka\"
container = \"\"
address = \"{address}\"
timeout = \"3s\"
"
    );
    std::fs::write(&file, configuration).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_health-monitor"))
        .arg("--config")
        .arg(&file)
        .args(["check", "kafka"])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    println!("{report}{}", String::from_utf8_lossy(&output.stderr));
    (report, output.status.code())
}

/// It fails with this in its reason.
async fn fails(address: &str, reason: &str) {
    let (report, code) = check(address).await;
    let found = report
        .lines()
        .find_map(|line| line.strip_prefix("reason "))
        .unwrap_or_default();
    assert!(found.contains(reason), "{report}");
    assert!(found.contains(address), "{report}");
    assert!(report.contains("status    unhealthy"), "{report}");
    assert_eq!(code, Some(1), "{report}");
}

#[tokio::test]
async fn the_stacks_own_passes() {
    let (report, code) = check(Stack::get().variable("STACK_KAFKA_ADDRESS")).await;
    assert_eq!(code, Some(0), "{report}");
    assert!(report.contains("1 broker, controller 1"), "{report}");
}

#[tokio::test]
async fn a_closed_port() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    fails(&address, "connection refused, nothing listens on that port").await;
}

#[tokio::test]
async fn an_mqtt_broker() {
    fails(Stack::get().variable("STACK_MQTT_ADDRESS"), "is this a Kafka listener").await;
}

/// It waits for the end of a request line, which never comes.
#[tokio::test]
async fn an_http_server() {
    let url = Stack::get().variable("STACK_PROMETHEUS_URL");
    fails(
        url.strip_prefix("http://").unwrap(),
        "but no cluster metadata within 3s",
    )
    .await;
}

#[tokio::test]
async fn a_zookeeper_server() {
    fails(
        Stack::get().variable("STACK_ZOOKEEPER_ADDRESS"),
        "is this a Kafka listener",
    )
    .await;
}

#[tokio::test]
async fn a_database() {
    fails(
        Stack::get().variable("STACK_POSTGRES_ADDRESS"),
        "is this a Kafka listener",
    )
    .await;
}

/// The kernel takes connections that nobody accepts.
#[tokio::test]
async fn a_server_that_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let begin = tokio::time::Instant::now();
    fails(&address, "within 3s").await;
    assert!(begin.elapsed() < Duration::from_secs(10));
    drop(listener);
}
