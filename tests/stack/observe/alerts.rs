//! ServiceDown on its whole way: a killed container, the monitor, a Prometheus, the Alertmanager, and back. The stack's own
//! Prometheus takes up to 45 s longer than the rule's `for`; this one scrapes and evaluates every second, with the same
//! rules, and sends to the stack's Alertmanager.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use super::readers::Alertmanager;
use health_monitor_test_support::stack::docker::{Made, Undo, docker, unique};
use health_monitor_test_support::stack::wait::{RECOVERY, seconds, until};
use health_monitor_test_support::stack::{Stack, turn};

/// What tells the alerts of this Prometheus from those of the stack's own.
const OURS: &str = "prometheus=\"hasty\"";

#[tokio::test]
async fn a_killed_container_becomes_an_alert_that_mutes_its_dependents_and_resolves() {
    let alertmanager = Alertmanager::of(Stack::get());
    let _prometheus = HastyPrometheus::start().await;
    until("the first alert", seconds(30), async || {
        let alerts = alertmanager.alerts(&["alertname=\"Watchdog\"", OURS]).await;
        alerts.first().cloned().ok_or_else(|| "none".to_owned())
    })
    .await;

    let turn = turn().await;
    let started = Instant::now();
    // The broker survives its ZooKeeper for as long as it needs nothing new of it, hence both.
    let _restart = Undo::by(&["docker", "start", "zookeeper", "kafka"]);
    docker(&["kill", "kafka", "zookeeper"]).await;

    let cause = firing(&alertmanager, "zookeeper").await;
    let fired = started.elapsed();
    assert!(fired >= seconds(60), "the rule waits for a minute: {fired:?}");
    assert_eq!(cause["status"]["state"], "active", "{cause}");
    assert_eq!(cause["labels"]["severity"], "critical");
    assert_eq!(cause["labels"]["job"], "health-monitor");
    assert_eq!(cause["labels"]["instance"], "health-monitor:8000");
    assert_eq!(cause["receivers"][0]["name"], "critical");
    assert_eq!(cause["annotations"]["summary"], "Service zookeeper is unhealthy");

    let consequence = firing(&alertmanager, "kafka").await;
    assert_eq!(consequence["status"]["state"], "suppressed", "{consequence}");
    // Of either Prometheus: Alertmanager names only one of the alerts that mute.
    let mutes = alertmanager
        .alerts(&["alertname=\"ServiceDependencyUnhealthy\"", "service=\"kafka\""])
        .await;
    let inhibited_by = &consequence["status"]["inhibitedBy"][0];
    assert!(
        mutes.iter().any(|alert| alert["fingerprint"] == *inhibited_by),
        "{consequence} {mutes:?}"
    );

    docker(&["start", "zookeeper", "kafka"]).await;
    turn.monitor.all_healthy(RECOVERY).await;
    let healthy = started.elapsed();
    until("the end of ServiceDown", seconds(30), async || {
        let alerts = alertmanager.alerts(&["alertname=\"ServiceDown\"", OURS]).await;
        if alerts.is_empty() {
            Ok(())
        } else {
            Err(format!("{alerts:?}"))
        }
    })
    .await;
    println!(
        "killed, in the Alertmanager after {fired:.1?}, started and healthy after {healthy:.1?}, resolved after {:.1?}",
        started.elapsed()
    );
}

/// Waits for ServiceDown of a service.
async fn firing(alertmanager: &Alertmanager, service: &str) -> Value {
    let service = format!("service=\"{service}\"");
    until(&format!("ServiceDown, {service}"), seconds(120), async || {
        let alerts = alertmanager
            .alerts(&["alertname=\"ServiceDown\"", &service, OURS])
            .await;
        alerts.first().cloned().ok_or_else(|| "no alert".to_owned())
    })
    .await
}

/// A second Prometheus in the stack's network: the stack's own image and rules, and the stack's configuration with shorter
/// intervals.
struct HastyPrometheus {
    _container: Made,
    _folder: TempDir,
}

impl HastyPrometheus {
    async fn start() -> Self {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prometheus");
        let configuration = std::fs::read_to_string(shipped.join("prometheus.yml")).unwrap();
        for interval in ["scrape_interval: 15s", "evaluation_interval: 15s", "scrape_timeout: 5s"] {
            assert!(
                configuration.contains(interval),
                "{interval} is not in:\n{configuration}"
            );
        }
        let configuration = configuration
            .replace("_interval: 15s", "_interval: 1s")
            .replace("scrape_timeout: 5s", "scrape_timeout: 1s")
            .replace("global:\n", "global:\n  external_labels: {prometheus: hasty}\n");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, configuration).unwrap();

        let image = docker(&["inspect", "--format", "{{.Config.Image}}", "prometheus"]).await;
        let arguments = [
            "--network",
            Stack::get().variable("STACK_NETWORK"),
            "--volume",
            &format!("{}:/etc/prometheus/prometheus.yml:ro", file.display()),
            "--volume",
            &format!("{}:/etc/prometheus/rules:ro", shipped.join("rules").display()),
            &image,
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            // What it sends before it knows its Alertmanager is lost, and else sent again after a minute.
            "--rules.alert.resend-delay=1s",
        ];
        Self {
            _container: Made::run(unique("prometheus"), &arguments).await,
            _folder: folder,
        }
    }
}
