//! Secrets of containers are not in the log, however much of it is asked for.

use std::time::Duration;

use health_monitor_test_support::local::Launch;
use health_monitor_test_support::stack::wait::until;

use crate::containers::{Made, host};

/// In what only the engine's answers hold: a variable and a label.
const PLANTED: &str = "planted-5f1c";

/// Until the monitor has inspected a container.
const INSPECTED: Duration = Duration::from_secs(20);

#[tokio::test]
async fn of_containers_are_not_logged_at_any_level() {
    let options = [
        format!("--env=DATABASE_PASSWORD={PLANTED}-variable"),
        format!("--label=access.token={PLANTED}-label"),
    ];
    let made = Made::run("secrets", &options.each_ref().map(String::as_str), "sleep 600");
    let monitor = Launch::of(env!("CARGO_BIN_EXE_health-monitor"))
        .with("DOCKER_HOST", &host())
        .with("RUST_LOG", "trace,bollard::docker=trace")
        .spawn("");
    let path = format!("/containers/{}", made.name);
    let shown = until("a container that was inspected", INSPECTED, async || {
        match monitor.try_get(&path).await {
            Ok((status, text)) if status.is_success() => Ok(text),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(
        shown.contains("DATABASE_PASSWORD=***") && !shown.contains(PLANTED),
        "{shown}"
    );
    let log = monitor.log();
    assert!(log.contains("TRACE"), "not all of the log is there");
    let told = log.lines().find(|line| line.contains(PLANTED));
    let told = told.map(|line| line.chars().take(400).collect::<String>());
    assert_eq!(told, None);
}
