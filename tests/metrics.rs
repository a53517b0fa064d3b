//! The exposition, from the real server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[cfg(test)]
mod support {
    pub(crate) mod server;
    pub(crate) mod snapshot;
}

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use health_monitor::api::{ApiState, Settings};
use health_monitor::history::handle::{History, HistoryFigures};
use health_monitor::history::store::{Retention, StoreFigures};
use health_monitor::metrics::{self, CONTENT_TYPE, DockerFigures, DockerRequests, Process, SelfFigures};
use health_monitor::roster::Desk;
use health_monitor::settings::Sources;
use health_monitor_actors::model::{BreakerView, ContainerStatus, FailureKind, ServiceName, Snapshot, Status, Verdict};
use health_monitor_actors::probe::{Lateness, Probe};
use health_monitor_actors::registry::RegistryFigures;
use health_monitor_actors::supervisor::{ChildName, ChildState, PhaseState, SupervisorState, Totals};
use health_monitor_test_support::exposition::Exposition;
use proptest::prelude::*;
use support::server::{TestServer, silent, telling};
use support::snapshot::{container, service, snapshot, usage};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Every family that the monitor knows.
const FAMILIES: [&str; 64] = [
    "service_health_status",
    "service_state",
    "service_info",
    "service_flapping",
    "service_pending",
    "service_maintenance",
    "service_dependency_unhealthy",
    "service_breaker_state",
    "health_check_success_total",
    "health_check_failure_total",
    "health_check_error_total",
    "health_check_duration_seconds",
    "health_check_last_duration_seconds",
    "health_check_last_timestamp_seconds",
    "health_check_interval_seconds",
    "system_total_services",
    "system_healthy_services",
    "system_unhealthy_services",
    "container_health_status",
    "health_monitor_container_starts_total",
    "health_monitor_container_start_time_seconds",
    "container_cpu_usage_percent",
    "container_memory_usage_mb",
    "container_memory_percent",
    "health_monitor_container_cpu_seconds_total",
    "health_monitor_container_memory_working_set_bytes",
    "health_monitor_container_memory_limit_bytes",
    "health_monitor_container_network_receive_bytes_total",
    "health_monitor_container_network_transmit_bytes_total",
    "health_monitor_container_block_read_bytes_total",
    "health_monitor_container_block_write_bytes_total",
    "system_total_containers",
    "system_running_containers",
    "health_monitor_build_info",
    "health_monitor_docker_up",
    "health_monitor_actor_restarts_total",
    "health_monitor_actors_given_up",
    "health_monitor_lanes_abandoned_total",
    "health_monitor_stalls_total",
    "health_monitor_schedule_lateness_seconds",
    "health_monitor_cycles_skipped_total",
    "health_monitor_outcomes_dropped_total",
    "health_monitor_log_lines_lost_total",
    "health_monitor_docker_event_reconnects_total",
    "health_monitor_docker_events_total",
    "health_monitor_docker_requests_total",
    "health_monitor_config_last_reload_successful",
    "health_monitor_config_last_reload_success_timestamp_seconds",
    "health_monitor_config_reloads_total",
    "health_monitor_label_problems",
    "health_monitor_history_up",
    "health_monitor_history_waiting",
    "health_monitor_history_written_total",
    "health_monitor_history_dropped_total",
    "health_monitor_history_failures_total",
    "health_monitor_history_size_bytes",
    "health_monitor_history_raw_bytes",
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
    "process_virtual_memory_bytes",
];

/// Families of the specification's example, and the labels that it shows.
const SPECIFIED: [(&str, &[&str]); 12] = [
    ("container_health_status", &["container", "status"]),
    ("service_health_status", &["service"]),
    ("system_total_containers", &[]),
    ("system_running_containers", &[]),
    ("system_healthy_services", &[]),
    ("container_cpu_usage_percent", &["container"]),
    ("container_memory_usage_mb", &["container"]),
    ("container_memory_percent", &["container"]),
    ("health_check_duration_seconds", &["service"]),
    ("health_check_success_total", &["service"]),
    ("health_check_failure_total", &["service"]),
    ("health_check_error_total", &["service"]),
];

/// A stack that has a sample of everything.
fn full_stack() -> Arc<Snapshot> {
    let kafka = service("kafka")
        .checked(Verdict::Fail(FailureKind::Refused), "connection refused")
        .depends_on(&["zookeeper", "mosquitto"])
        .on(&["kafka"])
        .with(|state| state.breaker = BreakerView::HalfOpen);
    snapshot()
        .container(container("kafka").usage(usage()).with(|state| state.starts_total = 2))
        .container(container("mosquitto").exited(1))
        .service(kafka)
        .service(service("mosquitto").on(&["mosquitto"]))
        .service(service("zookeeper").unchecked())
        .build()
}

/// A supervisor with two probes, one of them given up, and the inventory.
fn supervisor() -> SupervisorState {
    let probe = |service| Probe::child_name(&ServiceName::new(service).unwrap());
    let child = |name: ChildName, restarts: u64, phase: PhaseState| ChildState {
        name,
        run: restarts + 1,
        phase,
        lane: None,
        restarts,
        last_exit: None,
        beat_due_in_ms: None,
        quarantined: false,
    };
    SupervisorState {
        children: vec![
            child("inventory".into(), 0, PhaseState::Running),
            child(probe("kafka"), 4, PhaseState::GivenUp { retry_in_ms: 60_000 }),
            child(probe("mosquitto"), 1, PhaseState::Running),
        ],
        lanes: Vec::new(),
        totals: Totals {
            lanes_abandoned: 2,
            ..Totals::default()
        },
        tick_late_ms: 0,
        tick_late_max_ms: 0,
        lanes_abandoned_alive: 0,
    }
}

fn docker() -> DockerFigures {
    let requests = |endpoint, result, count| DockerRequests {
        endpoint,
        result,
        count,
    };
    DockerFigures {
        requests: vec![requests("list", "ok", 2), requests("inspect", "timeout", 1)],
        events: 9,
        event_reconnects: 1,
    }
}

/// A monitor of which every part answers.
fn full_server() -> TestServer {
    let lateness = Arc::new(Lateness::default());
    lateness.observe(Duration::from_millis(3));
    let registry = RegistryFigures {
        outcomes_dropped: 4,
        ..RegistryFigures::default()
    };
    let state = ApiState::new(Settings::default(), telling(full_stack()))
        .with_supervisor(telling(supervisor()))
        .with_registry(telling(registry))
        .with_lateness(lateness)
        .with_docker(docker)
        .with_desk(Arc::new(Desk::new(Arc::new(
            health_monitor::settings::Settings::load(&Sources::default()).unwrap(),
        ))))
        .with_history(History::new(None, written(), Retention::default()));
    TestServer::start(state)
}

fn render_with(snapshot: &Arc<Snapshot>, settings: metrics::Settings) -> Exposition {
    let process = Arc::new(Process::of_self());
    let pieces = metrics::Exposition::new(snapshot.clone(), SelfFigures::default(), process, settings);
    Exposition::parse(&pieces.collect::<String>())
}

fn render(snapshot: &Arc<Snapshot>) -> Exposition {
    render_with(snapshot, metrics::Settings::default())
}

#[actix_web::test]
async fn the_server_sends_the_text_format_by_its_exact_name() {
    let server = full_server();
    let openmetrics = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let response = server.client.get(server.url("/metrics")).header("Accept", openmetrics);
    let response = response.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    assert_eq!(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
}

/// A history of which everything is known.
fn written() -> HistoryFigures {
    HistoryFigures {
        kept: Some(StoreFigures::default()),
        ..HistoryFigures::default()
    }
}

#[actix_web::test]
async fn every_family_is_there_once_and_no_other() {
    let (status, text) = full_server().text("/metrics").await;
    assert_eq!(status, 200);
    let mut names: Vec<String> = Exposition::parse(&text)
        .families
        .into_iter()
        .map(|family| family.name)
        .collect();
    let mut expected = FAMILIES.map(str::to_owned).to_vec();
    names.sort();
    expected.sort();
    assert_eq!(names, expected);
}

#[actix_web::test]
async fn every_family_is_documented_as_it_is_and_no_other() {
    let (_, text) = full_server().text("/metrics").await;
    let types = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let exposed: BTreeMap<&str, &str> = types.collect();
    let document = include_str!("../docs/metrics.md");
    let documented: BTreeMap<&str, &str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .filter_map(|(name, rest)| Some((name, rest.split_once(" | ")?.0)))
        .collect();
    assert_eq!(documented, exposed);
}

#[actix_web::test]
async fn the_specified_series_have_the_specified_labels() {
    let (_, text) = full_server().text("/metrics").await;
    let exposition = Exposition::parse(&text);
    for (name, labels) in SPECIFIED {
        let family = exposition.family(name).unwrap_or_else(|| panic!("{name} is missing"));
        let samples = family.samples.iter().filter(|sample| sample.name == name);
        let of_each: Vec<Vec<&str>> = samples
            .map(|sample| sample.labels.keys().map(String::as_str).collect())
            .collect();
        assert!(
            !of_each.is_empty() && of_each.iter().all(|found| found == labels),
            "{name}: {of_each:?}"
        );
    }
}

#[actix_web::test]
async fn values_are_those_of_the_snapshot() {
    let (_, text) = full_server().text("/metrics").await;
    let exposition = Exposition::parse(&text);
    let value = |name: &str, labels: &[(&str, &str)]| exposition.value(name, labels);
    let kafka = ("service", "kafka");
    assert_eq!(value("service_health_status", &[kafka]), Some(0.0));
    assert_eq!(value("service_health_status", &[("service", "mosquitto")]), Some(1.0));
    assert_eq!(
        value("service_health_status", &[("service", "zookeeper")]),
        Some(0.0),
        "never seen"
    );
    assert_eq!(value("service_state", &[kafka, ("state", "unhealthy")]), Some(1.0));
    assert_eq!(value("service_state", &[kafka, ("state", "healthy")]), Some(0.0));
    let info = [
        kafka,
        ("check", "tcp"),
        ("container", "kafka"),
        ("critical", "true"),
        ("depends_on", "zookeeper,mosquitto"),
    ];
    assert_eq!(value("service_info", &info), Some(1.0));
    assert_eq!(
        value("service_breaker_state", &[kafka, ("state", "half_open")]),
        Some(1.0)
    );
    assert_eq!(value("health_check_failure_total", &[kafka]), Some(1.0));
    assert_eq!(value("health_check_success_total", &[kafka]), Some(0.0));
    assert_eq!(value("health_check_duration_seconds", &[kafka]), Some(0.015));
    assert_eq!(value("health_check_duration_seconds_sum", &[kafka]), Some(0.015));
    assert_eq!(
        value("health_check_duration_seconds_bucket", &[kafka, ("le", "0.01")]),
        Some(0.0)
    );
    assert_eq!(
        value("health_check_duration_seconds_bucket", &[kafka, ("le", "+Inf")]),
        Some(1.0)
    );
    assert_eq!(
        value("health_check_last_timestamp_seconds", &[kafka]),
        Some(1_685_126_044.928_538)
    );
    assert_eq!(value("health_check_interval_seconds", &[kafka]), Some(10.0));

    let kafka = ("container", "kafka");
    assert_eq!(
        value("container_health_status", &[kafka, ("status", "running")]),
        Some(1.0)
    );
    assert_eq!(
        value("container_health_status", &[kafka, ("status", "exited")]),
        Some(0.0)
    );
    assert_eq!(
        value(
            "container_health_status",
            &[("container", "mosquitto"), ("status", "exited")]
        ),
        Some(1.0)
    );
    assert_eq!(value("container_memory_usage_mb", &[kafka]), Some(512.0));
    assert_eq!(value("container_memory_percent", &[kafka]), Some(25.0));
    assert_eq!(
        value("health_monitor_container_cpu_seconds_total", &[kafka]),
        Some(321.5)
    );
    assert_eq!(value("health_monitor_container_starts_total", &[kafka]), Some(2.0));
    assert_eq!(value("system_total_containers", &[]), Some(2.0));
    assert_eq!(value("system_running_containers", &[]), Some(1.0));
    assert_eq!(value("system_healthy_services", &[]), Some(1.0));
    assert_eq!(value("system_unhealthy_services", &[]), Some(2.0));

    let restarts = |actor: &str| value("health_monitor_actor_restarts_total", &[("actor", actor)]);
    assert_eq!((restarts("probe"), restarts("inventory")), (Some(5.0), Some(0.0)));
    assert_eq!(value("health_monitor_actors_given_up", &[]), Some(1.0));
    assert_eq!(value("health_monitor_lanes_abandoned_total", &[]), Some(2.0));
    assert_eq!(value("health_monitor_outcomes_dropped_total", &[]), Some(4.0));
    assert_eq!(value("health_monitor_schedule_lateness_seconds_count", &[]), Some(1.0));
    assert_eq!(value("health_monitor_schedule_lateness_seconds_sum", &[]), Some(0.003));
    assert_eq!(value("health_monitor_docker_up", &[]), Some(1.0));
    let calls = [("endpoint", "list"), ("result", "ok")];
    assert_eq!(value("health_monitor_docker_requests_total", &calls), Some(2.0));
    assert_eq!(value("health_monitor_docker_event_reconnects_total", &[]), Some(1.0));
}

#[actix_web::test]
async fn a_part_that_does_not_answer_costs_its_own_series_only() {
    let settings = Settings {
        section_timeout: Duration::from_millis(50),
        ..Settings::default()
    };
    let state = ApiState::new(settings, telling(full_stack()))
        .with_supervisor(silent())
        .with_registry(silent());
    let (status, text) = TestServer::start(state).text("/metrics").await;
    assert_eq!(status, 200);
    let exposition = Exposition::parse(&text);
    assert_eq!(exposition.value("system_total_services", &[]), Some(3.0));
    assert!(exposition.family("health_monitor_actor_restarts_total").is_none());
    assert!(exposition.family("health_monitor_outcomes_dropped_total").is_none());
}

#[test]
fn the_pieces_of_a_large_exposition_join_without_a_seam() {
    for count in [127, 128, 129, 256, 1_000] {
        let many = (0..count).fold(snapshot(), |all, n| all.service(service(&format!("service-{n:04}"))));
        let exposition = render(&many.build());
        assert_eq!(exposition.value("system_total_services", &[]), Some(f64::from(count)));
        for (name, series) in [
            ("service_health_status", 1),
            ("service_state", 8),
            ("health_check_duration_seconds", 16),
        ] {
            let samples = exposition.family(name).unwrap().samples.len();
            assert_eq!(
                samples,
                series * usize::try_from(count).unwrap(),
                "{name} of {count} services"
            );
        }
    }
}

#[test]
fn every_state_has_a_series_and_exactly_one_is_1() {
    let exposition = render(&full_stack());
    for (family, thing, count) in [
        ("service_state", "service", Status::ALL.len()),
        ("service_breaker_state", "service", BreakerView::STATES.len()),
        ("container_health_status", "container", ContainerStatus::ALL.len()),
    ] {
        let mut states: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for sample in &exposition.family(family).unwrap().samples {
            states.entry(&sample.labels[thing]).or_default().push(sample.value);
        }
        for (name, values) in states {
            assert_eq!(
                (values.len(), values.iter().sum::<f64>()),
                (count, 1.0),
                "{family} of {name}"
            );
        }
    }
}

#[test]
fn what_was_not_measured_has_no_series() {
    let fresh = snapshot()
        .container(container("kafka"))
        .service(service("kafka").unchecked().on(&["kafka"]));
    let exposition = render(&fresh.build());
    for name in [
        "container_cpu_usage_percent",
        "container_memory_usage_mb",
        "health_monitor_container_cpu_seconds_total",
        "health_check_last_duration_seconds",
        "health_check_last_timestamp_seconds",
        "health_monitor_actors_given_up",
    ] {
        assert!(exposition.family(name).is_none(), "{name}");
    }
    assert_eq!(
        exposition.value("health_check_duration_seconds", &[]),
        None,
        "no plain sample"
    );
    assert_eq!(
        exposition.value("health_check_failure_total", &[]),
        Some(0.0),
        "counters begin at 0"
    );
    assert_eq!(exposition.value("health_check_duration_seconds_count", &[]), Some(0.0));
}

#[test]
fn nothing_is_said_of_containers_while_docker_is_away() {
    let away = snapshot()
        .container(container("kafka").usage(usage()))
        .service(service("kafka").on(&["kafka"]));
    let exposition = render(&away.docker_away().build());
    assert_eq!(exposition.value("health_monitor_docker_up", &[]), Some(0.0));
    assert_eq!(exposition.value("service_health_status", &[]), Some(1.0));
    let of_containers = |name: &str| name.contains("container");
    let said: Vec<_> = exposition
        .families
        .iter()
        .filter(|family| of_containers(&family.name))
        .collect();
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn losing_sight_of_a_service_neither_pages_nor_announces_a_recovery() {
    let lost = |up: bool| {
        let lost = service("kafka").with(|state| {
            state.status = Status::Error;
            state.last_verdict = Some(up);
        });
        render(&snapshot().service(lost).build()).value("service_health_status", &[])
    };
    assert_eq!(lost(true), None);
    assert_eq!(lost(false), Some(0.0));
}

#[test]
fn two_containers_of_one_name_are_one_series() {
    let replaced = snapshot()
        .container(container("kafka").id("1").exited(0))
        .container(container("kafka").id("2").usage(usage()))
        .container(container("kafka").id("3").exited(1));
    let exposition = render(&replaced.build());
    assert_eq!(
        exposition.value("container_health_status", &[("status", "running")]),
        Some(1.0)
    );
    assert_eq!(exposition.value("container_memory_usage_mb", &[]), Some(512.0));
}

#[test]
fn the_plain_duration_can_be_turned_off() {
    let exposition = render_with(&full_stack(), metrics::Settings { plain_duration: false });
    assert_eq!(exposition.value("health_check_duration_seconds", &[]), None);
    assert_eq!(
        exposition.value("health_check_last_duration_seconds", &[("service", "kafka")]),
        Some(0.015)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever things are called, every line parses and says what it was given.
    #[test]
    fn every_line_parses(
        names in proptest::collection::btree_set("[A-Za-z0-9][A-Za-z0-9_.-]{0,40}", 1..5),
        containers in proptest::collection::btree_set(any::<String>(), 1..5),
        check in any::<String>(),
        memory in any::<u64>(),
        seconds in any::<f64>(),
    ) {
        let mut built = snapshot();
        for name in &names {
            built = built.service(service(name).spec(|spec| {
                spec.check.clone_from(&check);
                spec.depends_on = names.iter().map(|name| ServiceName::new(name).unwrap()).collect();
            }));
        }
        for (n, name) in containers.iter().enumerate() {
            let sample = health_monitor_actors::model::ResourceUsage {
                memory_usage: memory,
                cpu_seconds: seconds,
                cpu_percent: Some(seconds),
                ..usage()
            };
            built = built.container(container(name).id(&format!("{n:x}")).usage(sample));
        }
        let exposition = render(&built.build());
        for name in &names {
            let found = exposition.value("service_info", &[("service", name), ("check", &check)]);
            prop_assert_eq!(found, Some(1.0));
        }
        for name in &containers {
            let found = exposition.value("health_monitor_container_cpu_seconds_total", &[("container", name)]);
            prop_assert!(found == Some(seconds) || seconds.is_nan(), "{:?} is not {}", found, seconds);
        }
    }
}

#[actix_web::test]
async fn promtool_complains_of_nothing_but_the_specified_name() {
    let (_, text) = full_server().text("/metrics").await;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool must be installed (Debian's package 'prometheus')");
    let mut stdin = promtool.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).await.unwrap();
    drop(stdin);
    let output = promtool.wait_with_output().await.unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let complaints: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(
        complaints,
        ["container_memory_usage_mb metric names should not contain abbreviated units"]
    );
    assert_eq!(
        output.status.code(),
        Some(3),
        "lint only: the text itself was understood"
    );
}
