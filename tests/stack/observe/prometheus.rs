//! The stack's Prometheus and Alertmanager: that they read the monitor, that the rules hold, and that every query that people
//! look at answers from what the monitor really exposes.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::readers::{Alertmanager, Prometheus};
use health_monitor_test_support::json::Node;
use health_monitor_test_support::stack::docker::docker;
use health_monitor_test_support::stack::wait::{seconds, until};
use health_monitor_test_support::stack::{Stack, turn};

/// What promtool says of the one specified name that goes against the naming rules.
const SPECIFIED_COMPLAINT: &str = "container_memory_usage_mb metric names should not contain abbreviated units";

/// Queries for Grafana that the specification lists.
const SPECIFIED_QUERIES: [&str; 4] = [
    "service_health_status",
    "container_health_status",
    "rate(health_check_success_total[5m]) / (rate(health_check_success_total[5m]) + rate(health_check_failure_total[5m]))",
    "health_check_duration_seconds",
];

#[tokio::test]
async fn the_monitor_is_scraped_and_its_exposition_is_clean() {
    let stack = Stack::get();
    let prometheus = Prometheus::of(stack);
    let target = until("a scrape that worked", seconds(40), async || {
        let targets = prometheus.api("targets").await;
        let targets = targets["activeTargets"].as_array().unwrap().clone();
        let target = targets
            .iter()
            .find(|target| target["labels"]["job"] == "health-monitor");
        match target {
            Some(target) if target["health"] == "up" => Ok(target.clone()),
            _ => Err(format!("{targets:?}")),
        }
    })
    .await;
    assert_eq!(target["scrapeUrl"], "http://health-monitor:8000/metrics");
    assert_eq!(target["lastError"], "");

    let (_, text) = stack.monitor().try_get("/metrics").await.unwrap();
    assert_eq!(promtool_complaints(stack, &text).await, SPECIFIED_COMPLAINT);
}

/// What the promtool of the stack's Prometheus says of an exposition.
async fn promtool_complaints(stack: &Stack, text: &str) -> String {
    let mut promtool = Command::new("docker")
        .args(["exec", "-i", "prometheus", "promtool", "check", "metrics"])
        .envs(stack.variables())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The pipe is closed at the end of the statement, which ends the input.
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).await.unwrap();
    let output = promtool.wait_with_output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).trim().to_owned()
}

#[tokio::test]
async fn every_rule_of_the_project_is_loaded_and_can_be_evaluated() {
    let stack = Stack::get();
    let prometheus = Prometheus::of(stack);
    let written = alerts_written();
    let rules = until("an evaluation of every rule", seconds(40), async || {
        let groups = prometheus.api("rules").await;
        let groups = groups["groups"].as_array().unwrap().clone();
        let rules: Vec<Value> = groups
            .iter()
            .flat_map(|group| group["rules"].as_array().unwrap().clone())
            .collect();
        let all_known = !rules.is_empty() && rules.iter().all(|rule| rule["health"] != "unknown");
        if all_known {
            Ok(rules)
        } else {
            Err(format!("{rules:?}"))
        }
    })
    .await;
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule}");
        assert!(rule.get("lastError").is_none_or(|error| error == ""), "{rule}");
    }
    let loaded: BTreeSet<String> = rules
        .iter()
        .map(|rule| rule["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(loaded, written);
    assert_eq!(rules.len(), written.len(), "a rule is loaded twice");
}

/// The names of the alerts in the project's rule files.
fn alerts_written() -> BTreeSet<String> {
    let folder = project().join("config/prometheus/rules");
    let files = std::fs::read_dir(folder).unwrap();
    let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let names = |text: String| {
        let names = text.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    texts.flat_map(names).collect()
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[tokio::test]
async fn alerts_reach_the_alertmanager_as_shipped() {
    let stack = Stack::get();
    let alertmanager = Alertmanager::of(stack);
    // Fires always: that it arrives shows the whole way, at the shipped intervals. What a Prometheus sends before it knows its
    // Alertmanager is lost, and sent again a minute later.
    let watchdog = until("the Watchdog alert", seconds(120), async || {
        let alerts = alertmanager
            .alerts(&["alertname=\"Watchdog\"", "prometheus=\"\""])
            .await;
        alerts.first().cloned().ok_or_else(|| "no alert".to_owned())
    })
    .await;
    assert_eq!(watchdog["status"]["state"], "active");
    assert_eq!(watchdog["labels"]["severity"], "none");
    assert_eq!(watchdog["receivers"][0]["name"], "watchdog");
    assert_eq!(watchdog["annotations"]["runbook_url"], "docs/runbooks/Watchdog.md");
}

#[tokio::test]
async fn every_query_of_the_dashboard_and_of_the_specification_returns_data() {
    let turn = turn().await;
    let prometheus = Prometheus::of(turn.stack);
    let queries = dashboard_queries();
    for query in SPECIFIED_QUERIES {
        assert!(queries.contains(query), "not on the dashboard: {query}");
    }
    let counts_blocks = kernel_counts_blocks().await;
    let mut empty = 0;
    for query in &queries {
        // Nothing fires on a stack that is well.
        let may_be_empty = query.contains("ALERTS") || (query.contains("_block_") && !counts_blocks);
        if may_be_empty {
            empty += usize::from(prometheus.query(query).await.is_empty());
            continue;
        }
        // A rate needs two scrapes.
        until(query, seconds(60), async || match prometheus.query(query).await {
            series if series.is_empty() => Err("no series".to_owned()),
            _ => Ok(()),
        })
        .await;
    }
    for query in SPECIFIED_QUERIES {
        let series = prometheus.query(query).await;
        println!("{:3} series: {query}", series.len());
    }
    println!(
        "of {} queries of the dashboard, {empty} rightly return no data (block devices are counted: {counts_blocks})",
        queries.len()
    );
}

/// Whether Docker knows what containers read and write. Not every kernel counts it.
async fn kernel_counts_blocks() -> bool {
    let figures = docker(&["stats", "--no-stream", "--format", "{{.BlockIO}}"]).await;
    assert!(!figures.is_empty());
    figures.lines().any(|figure| figure != "0B / 0B")
}

/// The queries of the provisioned dashboard with its variables at their widest.
fn dashboard_queries() -> BTreeSet<String> {
    let file = project().join("config/grafana/dashboards/health-monitor.json");
    let text = std::fs::read_to_string(file).unwrap();
    let mut found = BTreeSet::new();
    collect_queries(&Node::parse(&text), &mut found);
    assert!(!found.is_empty());
    found
}

fn collect_queries(node: &Node, found: &mut BTreeSet<String>) {
    match node {
        Node::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Node::Text(query) if name == "expr" => {
                        let query = query.replace("$__rate_interval", "5m").replace("$service", ".*");
                        found.insert(query);
                    }
                    value => collect_queries(value, found),
                }
            }
        }
        Node::List(elements) => {
            for element in elements {
                collect_queries(element, found);
            }
        }
        _ => {}
    }
}
