//! Data that flows from end to end.

use std::time::Duration;

use health_monitor_test_support::stack::docker::docker;
use health_monitor_test_support::stack::wait::{seconds, until};
use health_monitor_test_support::stack::{Stack, turn};

/// How many rows the database holds.
async fn rows() -> u64 {
    let user = Stack::get().variable("STACK_POSTGRES_USER");
    let query = "SELECT count(*) FROM device_averages";
    let count = docker(&["exec", "timescaledb", "psql", "-U", user, "-Atc", query]).await;
    count.parse().unwrap()
}

/// Until the applications have found each other again after whatever another test did to them.
const FLOWS: Duration = seconds(90);

#[tokio::test]
async fn every_service_is_healthy_and_rows_arrive() {
    let turn = turn().await;
    let (_, health) = turn.monitor.get("/health").await;
    assert_eq!(health["status"], "healthy", "{health}");
    let before = rows().await;
    until("more rows", FLOWS, async || {
        let now = rows().await;
        if now > before {
            Ok(())
        } else {
            Err(format!("{now} rows"))
        }
    })
    .await;
}
