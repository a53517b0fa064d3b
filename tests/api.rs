//! The API over HTTP, from the real server, held against the specification's examples.

#[cfg(test)]
mod support {
    pub(crate) mod server;
    pub(crate) mod snapshot;
}

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use health_monitor::api::{ApiState, Limits, Section, Settings};
use health_monitor::metrics::DockerFigures;
use health_monitor::roster::Desk;
use health_monitor::settings::Sources;
use health_monitor_actors::model::{
    BreakerView, Container, ContainerStatus, EngineState, FailureKind, HealthVerdict, Mount, Pending, Status, Verdict,
};
use health_monitor_actors::registry::RegistryFigures;
use health_monitor_test_support::json::Node;
use jiff::{Timestamp, ToSpan};
use reqwest::Method;
use serde_json::{Value, json};
use support::server::{TestServer, silent, telling};
use support::snapshot::{container, service, snapshot, time, usage};

/// The five services of the specification's example of `/health`.
const FIVE: [&str; 5] = ["mosquitto", "kafka", "postgres", "timescaledb", "zookeeper"];

// === GET /health ===

#[actix_web::test]
async fn health_is_the_specified_document() {
    let specified = r#"{
      "status": "healthy",
      "timestamp": "2023-05-26T18:34:04.928538Z",
      "services": {
        "mosquitto": "healthy",
        "kafka": "healthy",
        "postgres": "healthy",
        "timescaledb": "healthy",
        "zookeeper": "healthy"
      },
      "total_services": 5,
      "healthy_services": 5,
      "unhealthy_services": 0
    }"#;
    let five = FIVE
        .into_iter()
        .fold(snapshot(), |all, name| all.service(service(name)));
    let server = TestServer::of(five.build());
    let before = Timestamp::now();
    let (status, text) = server.text("/health").await;
    assert_eq!(status, 200);

    let document: Value = serde_json::from_str(&text).unwrap();
    let timestamp = document["timestamp"].as_str().unwrap();
    assert_eq!((timestamp.len(), timestamp.ends_with('Z')), (27, true), "{timestamp}");
    let answered_at: Timestamp = timestamp.parse().unwrap();
    assert!(before - 1.millisecond() <= answered_at && answered_at <= Timestamp::now());

    let mut specified = Node::parse(specified);
    specified.set("timestamp", Node::Text(timestamp.to_owned()));
    Node::parse(&text).assert_extends(&specified, &["services"]);
}

#[actix_web::test]
async fn health_counts_add_up_and_name_every_status() {
    let all = snapshot().version(7);
    let all = Status::ALL.into_iter().fold(all, |all, status| {
        all.service(service(status.as_str()).status(status, "for the test"))
    });
    let (_, document) = TestServer::of(all.build()).json("/health").await;
    assert_eq!(document["status"], "unhealthy");
    assert_eq!(document["total_services"], 8);
    assert_eq!(document["healthy_services"], 2, "healthy and degraded");
    assert_eq!(document["unhealthy_services"], 6);
    assert_eq!(document["status_counts"].as_object().unwrap().len(), 8);
    assert_eq!(document["status_counts"]["not_found"], 1);
    assert_eq!(document["services"]["not_found"], "not_found");
    assert_eq!(document["snapshot_version"], 7);
    assert_eq!(document["notices"], json!([]));
}

#[actix_web::test]
async fn only_a_strict_client_is_told_by_the_http_status() {
    let down = service("kafka").checked(Verdict::Fail(FailureKind::Refused), "connection refused");
    let lost = service("postgres").status(Status::Error, "Docker daemon unavailable");
    let server = TestServer::of(snapshot().service(down).service(lost).build());
    for (path, expected) in [
        ("/health", 200),
        ("/health?strict=false", 200),
        ("/health?strict=true", 503),
        ("/health?other=1&strict=true", 503),
        ("/health/kafka", 200),
        ("/health/kafka?strict=true", 503),
        ("/health/postgres?strict=true", 200),
        ("/health?other=maybe", 200),
    ] {
        let (status, document) = server.json(path).await;
        assert_eq!(status, expected, "{path}");
        assert!(document["status"] == "unhealthy" || path.contains("postgres"), "{path}");
    }
    for path in [
        "/health?strict=maybe",
        "/health?strict",
        "/health?strict=",
        "/health?strict=true&strict=false",
        "/health/kafka?strict=1",
    ] {
        let (status, document) = server.json(path).await;
        assert_eq!((status, &document["status"]), (400, &json!("bad_request")), "{path}");
        let reason = document["reason"].as_str().unwrap();
        assert!(
            reason.contains("'strict'") && reason.contains("true or false"),
            "{reason}"
        );
    }
}

#[actix_web::test]
async fn health_says_when_the_built_in_services_are_not_here() {
    let missing = || {
        service("kafka")
            .unchecked()
            .status(Status::NotFound, "no container 'kafka'")
    };
    let built_in = || Settings {
        built_in_services: true,
        ..Settings::default()
    };
    let notices = async |server: TestServer| server.json("/health").await.1["notices"].clone();

    let others = snapshot().service(missing()).container(container("web")).build();
    let said = notices(TestServer::with(others.clone(), built_in())).await;
    let said = said[0].as_str().unwrap();
    assert!(
        said.contains("1 other container run") && said.contains("health-monitor init"),
        "{said}"
    );

    let configured = notices(TestServer::of(others)).await;
    assert_eq!(configured, json!([]), "somebody named these services");
    let alone = snapshot()
        .service(missing())
        .container(container("health-monitor"))
        .build();
    assert_eq!(notices(TestServer::with(alone, built_in())).await, json!([]));
    let found = snapshot().container(container("web")).container(container("kafka"));
    let found = found.service(service("kafka").on(&["kafka"])).build();
    assert_eq!(notices(TestServer::with(found, built_in())).await, json!([]));
    let away = notices(TestServer::of(
        snapshot().service(service("kafka")).docker_away().build(),
    ))
    .await;
    assert_eq!(
        away[0],
        "Docker daemon unavailable since 2023-05-26T18:30:00Z: connection to /var/run/docker.sock refused"
    );
}

// === GET /health/{service_name} ===

#[actix_web::test]
async fn a_service_is_the_specified_document() {
    let specified = r#"{
      "service": "mosquitto",
      "status": "healthy",
      "container_id": "a1b2c3d4e5f6",
      "container_status": "running",
      "started_at": "2023-05-26T12:00:00.000Z",
      "uptime_seconds": 23044,
      "health_check": {
        "last_check": "2023-05-26T18:34:04.928538Z",
        "check_duration_ms": 15,
        "details": "Container running and responsive"
      }
    }"#;
    let mosquitto = service("mosquitto").checked(Verdict::Pass, "Container running and responsive");
    let snapshot = snapshot()
        .container(container("mosquitto").id("a1b2c3d4e5f6"))
        .service(mosquitto.on(&["mosquitto"]));
    let (status, text) = TestServer::of(snapshot.build()).text("/health/mosquitto").await;
    assert_eq!(status, 200);

    let document: Value = serde_json::from_str(&text).unwrap();
    let uptime = document["uptime_seconds"].as_u64().unwrap();
    let expected = Timestamp::now().duration_since(time("2023-05-26T12:00:00Z")).as_secs();
    assert!(
        expected.abs_diff(i64::try_from(uptime).unwrap()) <= 2,
        "computed for each request: {uptime}"
    );
    assert!(document["health_check"]["check_duration_ms"].is_u64());

    let mut specified = Node::parse(specified);
    specified.set("uptime_seconds", Node::Number(uptime as f64));
    Node::parse(&text).assert_extends(&specified, &[]);
}

#[actix_web::test]
async fn a_service_does_not_show_what_may_be_a_secret_in_its_url() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("health-monitor.toml");
    let text = "[services.web]\ncheck = \"http\"\nurl = \"https://web/status?token=hunter2\"\n";
    std::fs::write(&file, text).unwrap();
    let sources = Sources {
        file: Some(file),
        ..Sources::default()
    };
    let settings = health_monitor::settings::Settings::load(&sources).unwrap();
    let web = service("web").with(|state| state.spec = settings.services[0].spec.clone());
    let (status, text) = TestServer::of(snapshot().service(web).build())
        .text("/health/web")
        .await;
    assert_eq!(status, 200);
    assert!(
        text.contains("\"https://web/status\"") && !text.contains("hunter2"),
        "{text}"
    );
}

#[actix_web::test]
async fn a_service_shows_what_a_person_asks_next() {
    let kafka = service("kafka")
        .checked(Verdict::Fail(FailureKind::Refused), "connection to kafka:29092 refused")
        .depends_on(&["zookeeper"])
        .on(&["kafka-1", "kafka-2"])
        .with(|state| {
            state.status = Status::Healthy;
            state.reason = "3 brokers".to_owned();
            state.flapping = true;
            state.dependency_unhealthy = true;
            state.pending = Some(Pending {
                status: Status::Unhealthy,
                reason: "connection refused".to_owned(),
                seen: 1,
                needed: 2,
            });
            state.breaker = BreakerView::Open {
                next_trial: time("2023-05-26T18:34:30Z"),
            };
        });
    let zookeeper = service("zookeeper").spec(|spec| spec.critical = false);
    let snapshot = snapshot()
        .container(container("kafka-1").health(HealthVerdict::Healthy, ""))
        .container(container("kafka-2").started_at("2023-05-26T13:00:00Z").exited(137))
        .service(kafka)
        .service(zookeeper);
    let server = TestServer::of(snapshot.build());
    let (_, document) = server.json("/health/kafka").await;
    assert_eq!(
        document["health_check"]["details"], "3 brokers",
        "the reason for the status"
    );
    assert_eq!(document["reason"], "3 brokers");
    assert_eq!(document["health_check"]["result"], "connection to kafka:29092 refused");
    assert_eq!(document["health_check"]["info"], json!({}));
    assert_eq!(document["health_check"]["attempts"], 1);
    assert_eq!(
        document["pending"],
        json!({"status": "unhealthy", "reason": "connection refused", "seen": 1, "needed": 2})
    );
    assert_eq!(
        document["breaker"],
        json!({"state": "open", "next_trial": "2023-05-26T18:34:30.000000Z"})
    );
    assert_eq!(document["since"], "2023-05-26T12:00:00.000000Z");
    assert_eq!(document["next_check"], "2023-05-26T18:34:14.928538Z");
    assert_eq!(document["flapping"], true);
    assert_eq!(document["critical"], true);
    assert_eq!(document["depends_on"], json!(["zookeeper"]));
    assert_eq!(document["dependency_unhealthy"], true);
    assert_eq!(document["containers"][0]["name"], "kafka-1");
    assert_eq!(document["containers"][0]["health"], "healthy");
    assert_eq!(document["containers"][0]["exit_code"], Value::Null);
    assert_eq!(document["containers"][1]["status"], "exited");
    assert_eq!(document["containers"][1]["exit_code"], 137);
    assert_eq!(document["containers"][1]["uptime_seconds"], Value::Null);
    assert_eq!(document["container_status"], "running", "the oldest container's");

    let (_, document) = server.json("/health/ZooKeeper").await;
    assert_eq!(
        document["service"], "zookeeper",
        "names are found without regard to case"
    );
    assert_eq!(document["critical"], false);
}

#[actix_web::test]
async fn what_is_not_known_is_null_and_never_missing() {
    let fields = ["container_id", "container_status", "started_at", "uptime_seconds"];
    let fresh = snapshot().service(service("kafka").unchecked());
    let (_, document) = TestServer::of(fresh.build()).json("/health/kafka").await;
    for field in fields.into_iter().chain(["next_check", "pending"]) {
        assert_eq!(document.get(field), Some(&Value::Null), "{field}");
    }
    for field in ["last_check", "check_duration_ms", "info", "result", "attempts"] {
        assert_eq!(document["health_check"].get(field), Some(&Value::Null), "{field}");
    }
    assert_eq!(document["health_check"]["details"], "no result yet");

    let away = snapshot()
        .container(container("kafka"))
        .service(service("kafka").on(&["kafka"]));
    let (_, document) = TestServer::of(away.docker_away().build()).json("/health/kafka").await;
    for field in fields {
        assert_eq!(document.get(field), Some(&Value::Null), "{field} while Docker is away");
    }
    assert_eq!(document["status"], "healthy", "the check's verdict stays");
}

// === GET /containers ===

#[actix_web::test]
async fn the_containers_are_the_specified_document() {
    let specified = r#"{
      "total_containers": 1,
      "running_containers": 1,
      "stopped_containers": 0,
      "containers": [
        {
          "name": "mosquitto",
          "id": "a1b2c3d4e5f6",
          "status": "running",
          "image": "eclipse-mosquitto:2.0",
          "created": "2023-05-26T12:00:00.000Z",
          "started_at": "2023-05-26T12:00:00.000Z",
          "ports": ["1883/tcp", "9001/tcp"],
          "networks": ["iot-network"]
        }
      ]
    }"#;
    let mosquitto = container("mosquitto")
        .id("a1b2c3d4e5f6")
        .image("eclipse-mosquitto:2.0")
        .port("9001/tcp", None)
        .port("1883/tcp", Some(1883))
        .network("iot-network", "172.18.0.2", "172.18.0.1")
        .with(|state| state.created = Some(time("2023-05-26T12:00:00.000123Z")));
    let (status, text) = TestServer::of(snapshot().container(mosquitto).build())
        .text("/containers")
        .await;
    assert_eq!(status, 200);
    Node::parse(&text).assert_extends(&Node::parse(specified), &[]);
}

#[actix_web::test]
async fn the_containers_are_counted_and_sorted_by_name() {
    let snapshot = snapshot()
        .container(container("zookeeper").id("000000000001"))
        .container(container("kafka").id("000000000002").exited(1))
        .container(
            container("app")
                .id("000000000003")
                .with(|state| state.status = ContainerStatus::Paused),
        )
        .service(service("kafka").on(&["kafka"]))
        .service(service("kafka-port").on(&["kafka"]));
    let (_, document) = TestServer::of(snapshot.build()).json("/containers").await;
    let names: Vec<&Value> = document["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["name"])
        .collect();
    assert_eq!(names, ["app", "kafka", "zookeeper"]);
    assert_eq!(document["total_containers"], 3);
    assert_eq!(document["running_containers"], 1);
    assert_eq!(document["stopped_containers"], 2, "total minus running");
    assert_eq!(document["containers"][1]["services"], json!(["kafka", "kafka-port"]));
    assert_eq!(document.get("stale_since"), None);
}

#[actix_web::test]
async fn while_docker_is_away_the_last_known_containers_are_marked_as_such() {
    let known = || snapshot().container(container("kafka"));
    let server = TestServer::of(known().docker_away().build());
    let (status, document) = server.json("/containers").await;
    assert_eq!(status, 503);
    assert_eq!(document["status"], "error");
    assert_eq!(document["reason"], "Docker daemon unavailable");
    assert_eq!(document["containers"][0]["name"], "kafka");
    assert_eq!(document["stale_since"], "2023-05-26T18:30:00.000000Z");
    assert_eq!(document["cause"], "connection to /var/run/docker.sock refused");

    let (status, document) = server.json("/containers/kafka").await;
    assert_eq!(status, 503);
    assert_eq!(document["status"], "error");
    assert_eq!(document["reason"], "Docker daemon unavailable");
    assert_eq!(document["container"]["status"], "running");
    assert_eq!(document["stale_since"], "2023-05-26T18:30:00.000000Z");
    let (status, document) = server.json("/containers/unheard-of").await;
    assert_eq!((status, &document["container"]), (503, &Value::Null), "nobody can know");

    let server = TestServer::of(snapshot().engine(EngineState::Connecting).build());
    let (status, document) = server.json("/containers").await;
    assert_eq!((status, &document["stale_since"]), (503, &Value::Null));

    let server = TestServer::of(snapshot().engine(EngineState::Disabled).build());
    let (status, document) = server.json("/containers").await;
    assert_eq!((status, &document["total_containers"]), (200, &json!(0)));
    let (status, document) = server.json("/containers/kafka").await;
    assert_eq!((status, &document["status"]), (404, &json!("not_found")));
    assert!(document["reason"].as_str().unwrap().contains("[docker] enabled"));
}

// === GET /containers/{container_name} ===

#[actix_web::test]
async fn a_container_is_the_specified_document() {
    let specified = r#"{
      "name": "kafka",
      "id": "b2c3d4e5f6a1",
      "status": "running",
      "health": "healthy",
      "image": "confluentinc/cp-kafka:7.4.0",
      "command": "/etc/confluent/docker/run",
      "created": "2023-05-26T12:01:00.000Z",
      "started_at": "2023-05-26T12:01:15.000Z",
      "finished_at": null,
      "exit_code": null,
      "ports": {
        "9092/tcp": [{"HostIp": "0.0.0.0", "HostPort": "9092"}]
      },
      "mounts": [],
      "networks": {
        "iot-network": {
          "IPAddress": "172.18.0.3",
          "Gateway": "172.18.0.1"
        }
      },
      "environment": [
        "KAFKA_BROKER_ID=1",
        "KAFKA_ZOOKEEPER_CONNECT=zookeeper:2181"
      ],
      "resource_usage": {
        "cpu_percent": 5.2,
        "memory_usage_mb": 512,
        "memory_limit_mb": 2048,
        "memory_percent": 25.0
      }
    }"#;
    let kafka = container("kafka")
        .id("b2c3d4e5f6a1")
        .image("confluentinc/cp-kafka:7.4.0")
        .started_at("2023-05-26T12:01:15Z")
        .health(HealthVerdict::Healthy, "ok")
        .port("9092/tcp", Some(9092))
        .network("iot-network", "172.18.0.3", "172.18.0.1")
        .usage(usage())
        .with(|state| {
            state.command = "/etc/confluent/docker/run".to_owned();
            state.created = Some(time("2023-05-26T12:01:00Z"));
            // Of the run before: Docker keeps them.
            state.finished_at = Some(time("2023-05-26T12:01:10Z"));
            state.exit_code = Some(0);
            state.environment = vec![
                "KAFKA_BROKER_ID=1".to_owned(),
                "KAFKA_ZOOKEEPER_CONNECT=zookeeper:2181".to_owned(),
            ];
        });
    let server = TestServer::of(snapshot().container(kafka).build());
    let (status, text) = server.text("/containers/kafka").await;
    assert_eq!(status, 200);
    Node::parse(&text).assert_extends(&Node::parse(specified), &["ports", "networks"]);

    let id = format!("{:0<64}", "b2c3d4e5f6a1");
    for also_named in ["b2c3d4e5f6a1", id.as_str()] {
        let (status, document) = server.json(&format!("/containers/{also_named}")).await;
        assert_eq!((status, &document["full_id"]), (200, &json!(id)), "{also_named}");
    }
}

#[actix_web::test]
async fn a_container_that_ended_shows_its_end_and_no_usage() {
    let kafka = container("kafka")
        .exited(137)
        .usage(usage())
        .port("29092/tcp", None)
        .with(|state| {
            state.oom_killed = true;
            state.mounts.push(Mount {
                kind: "volume".to_owned(),
                source: "kafka-data".to_owned(),
                destination: "/data".to_owned(),
                writable: true,
            });
        });
    let (_, document) = TestServer::of(snapshot().container(kafka).build())
        .json("/containers/kafka")
        .await;
    assert_eq!(document["finished_at"], "2023-05-26T18:00:00.000Z");
    assert_eq!(document["exit_code"], 137);
    assert_eq!(document["oom_killed"], true);
    assert_eq!(document["health"], Value::Null);
    assert_eq!(document["ports"], json!({"29092/tcp": []}));
    assert_eq!(
        document["mounts"],
        json!([{"Type": "volume", "Source": "kafka-data", "Destination": "/data", "RW": true}])
    );
    for key in ["cpu_percent", "memory_usage_mb", "memory_limit_mb", "memory_percent"] {
        assert_eq!(document["resource_usage"].get(key), Some(&Value::Null), "{key}");
    }
}

#[actix_web::test]
async fn a_sample_of_the_run_before_is_not_shown() {
    let restarted = container("kafka").usage(usage()).started_at("2023-05-26T18:34:01Z");
    let (_, document) = TestServer::of(snapshot().container(restarted).build())
        .json("/containers/kafka")
        .await;
    assert_eq!(document["resource_usage"]["memory_usage_mb"], Value::Null);
}

// === GET /livez, /readyz, /internals, / ===

#[actix_web::test]
async fn livez_answers_while_the_registry_does_not() {
    let settings = Settings {
        registry_timeout: Duration::from_millis(50),
        ..Settings::default()
    };
    let state = ApiState::new(settings, silent());
    let server = TestServer::start(state);
    assert_eq!(server.json("/livez").await, (200, json!({"status": "ok"})));
    for path in [
        "/health",
        "/health/kafka",
        "/containers",
        "/containers/kafka",
        "/metrics",
        "/readyz",
    ] {
        let (status, document) = server.json(path).await;
        assert_eq!((status, &document["status"]), (503, &json!("error")), "{path}");
        assert_eq!(
            document["reason"],
            "the registry did not answer within 50 ms; try again"
        );
    }
    let (status, document) = server.json("/internals").await;
    assert_eq!(status, 200);
    let problem = document["snapshot"]["problem"].as_str().unwrap();
    assert!(problem.contains("did not answer"), "{problem}");
}

#[actix_web::test]
async fn readyz_waits_for_what_can_have_a_result() {
    let stopped = service("postgres")
        .unchecked()
        .status(Status::Unhealthy, "Container status: exited");
    let ready = snapshot().service(service("kafka")).service(stopped);
    assert_eq!(TestServer::of(ready.build()).json("/readyz").await.0, 200);

    let fresh = ["a", "b", "c", "d", "e", "f", "g"];
    let fresh = fresh
        .iter()
        .fold(snapshot(), |all, name| all.service(service(name).unchecked()));
    let (status, document) = TestServer::of(fresh.build()).json("/readyz").await;
    assert_eq!((status, &document["status"]), (503, &json!("not_ready")));
    assert_eq!(
        document["reason"],
        "waiting for the first result of a, b, c, d, e and 2 more"
    );
    assert_eq!(document["waiting_for"].as_array().unwrap().len(), 7);

    let connecting = snapshot().service(service("kafka")).engine(EngineState::Connecting);
    let (status, document) = TestServer::of(connecting.build()).json("/readyz").await;
    assert_eq!(status, 503);
    assert_eq!(document["reason"], "waiting for the Docker daemon's first answer");
    let away = snapshot().service(service("kafka")).docker_away();
    assert_eq!(
        TestServer::of(away.build()).json("/readyz").await.0,
        200,
        "it will not answer sooner"
    );
}

/// What a part of the monitor is asked here.
#[derive(Message)]
#[rtype(result = "Vec<u32>")]
struct Observe;

#[actix_web::test]
async fn internals_show_what_is_there_and_say_what_is_not() {
    let settings = Settings {
        section_timeout: Duration::from_millis(50),
        ..Settings::default()
    };
    let figures = RegistryFigures {
        outcomes: 17,
        ..RegistryFigures::default()
    };
    let state = ApiState::new(settings, telling(snapshot().version(3).build()))
        .with_supervisor(silent())
        .with_registry(telling(figures))
        .with_docker(|| DockerFigures {
            requests: Vec::new(),
            events: 9,
            event_reconnects: 5,
        })
        .with_section(Section::asking("history", telling(vec![1, 2]), || Observe))
        .with_section(Section::reading("outbox", || json!({"waiting": 0})));
    let (status, document) = TestServer::start(state).json("/internals").await;
    assert_eq!(status, 200);
    assert_eq!(document["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["snapshot"]["version"], 3);
    assert_eq!(document["snapshot"]["engine"], json!({"state": "up"}));
    assert_eq!(
        document["supervisor"],
        json!({"problem": "did not answer within 50 ms"})
    );
    assert_eq!(document["registry"]["outcomes"], 17);
    assert_eq!(document["docker"]["event_reconnects"], 5);
    assert_eq!(document["history"], json!([1, 2]));
    assert_eq!(document["outbox"], json!({"waiting": 0}));
}

#[actix_web::test]
async fn the_index_lists_endpoints_that_answer() {
    let stack = snapshot().container(container("kafka")).service(service("kafka"));
    let settings = health_monitor::settings::Settings::load(&Sources::default()).unwrap();
    let desk = Arc::new(Desk::new(Arc::new(settings)));
    let state = ApiState::new(Settings::default(), telling(stack.build())).with_desk(desk);
    let server = TestServer::start(state);
    let (_, index) = server.json("/").await;
    let endpoints = index["endpoints"].as_object().unwrap();
    assert_eq!(endpoints.len(), 25);
    // Those that change something are named with their method.
    for path in endpoints.keys().filter(|name| name.starts_with('/')) {
        let path = path
            .replace("{service_name}", "kafka")
            .replace("{container_name}", "kafka");
        let (status, text) = server.text(&path).await;
        // Here none is kept; tests/history asks those that need one.
        let needs_history = status == 404 && text.contains("no history is kept");
        assert!(status == 200 || needs_history, "{path}: {status} {text}");
    }
}

// === What bad input gets ===

#[actix_web::test]
async fn what_is_not_there_is_a_404_with_a_reason() {
    let server = TestServer::of(
        snapshot()
            .service(service("kafka"))
            .container(container("kafka"))
            .build(),
    );
    let long = "x".repeat(1_500);
    for (path, named) in [
        ("/health/kafak", "service 'kafak'"),
        ("/containers/kafak", "container 'kafak'"),
        ("/nothing", "'/nothing'"),
        ("/health/", "'/health/'"),
        ("/health/kafka/more", "'/health/kafka/more'"),
        ("/health/a%2Fb%00%22%0A", "service"),
        ("/containers/%F0%9F%90%B3", "container '🐳'"),
        ("/health/..%2f..%2fetc%2fpasswd", "service"),
        (&format!("/health/{long}"), "service 'xxx"),
    ] {
        let (status, document) = server.json(path).await;
        assert_eq!((status, &document["status"]), (404, &json!("not_found")), "{path}");
        let reason = document["reason"].as_str().unwrap();
        assert!(reason.contains(named) && reason.len() < 300, "{path}: {reason}");
    }
}

#[actix_web::test]
async fn what_is_malformed_or_too_long_is_refused_and_never_a_5xx() {
    let server = TestServer::of(snapshot().service(service("kafka")).build());
    let long = "x".repeat(3_000);
    for (path, expected) in [
        (format!("/health/{long}"), 414),
        (format!("/health?{long}"), 414),
        ("/health/%ff".to_owned(), 404),
        ("/health?strict=%ff".to_owned(), 400),
        ("/health?%".to_owned(), 200),
        ("/health?&&=&".to_owned(), 200),
    ] {
        let (status, document) = server.json(&path).await;
        assert_eq!(status, expected, "{path}: {document}");
    }
    let response = server
        .client
        .get(server.url("/health"))
        .header("X-Long", "x".repeat(20_000));
    let response = response.send().await.unwrap();
    assert_eq!(response.status(), 431);
    let document: Value = response.json().await.unwrap();
    assert!(
        document["reason"].as_str().unwrap().contains("at most 16384"),
        "{document}"
    );
    let response = server
        .client
        .get(server.url("/health"))
        .header("Accept-Encoding", "br;q=1, *;q=0");
    let response = response.send().await.unwrap();
    assert_eq!(response.status(), 406);
    assert_eq!(response.json::<Value>().await.unwrap()["status"], "not_acceptable");
}

#[actix_web::test]
async fn what_is_no_http_is_a_4xx_and_the_server_lives() {
    let server = TestServer::of(snapshot().build());
    let address = server.address;
    for head in [
        "GET /health HTTP/9.9\r\n\r\n".to_owned(),
        "nonsense\r\n\r\n".to_owned(),
        "GET  HTTP/1.1\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\nbad header\r\n\r\n".to_owned(),
        format!("GET /health HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200)),
        format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000)),
        format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(140_000)),
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n".to_owned(),
    ] {
        let begin: String = head.chars().take(30).collect();
        let answer = actix_web::rt::task::spawn_blocking(move || {
            let mut connection = TcpStream::connect(address).unwrap();
            connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            // The server may close before it has read all of it.
            let sent = connection.write_all(head.as_bytes());
            let mut answer = [0; 12];
            let received = connection.read_exact(&mut answer);
            (sent, received.map(|()| String::from_utf8_lossy(&answer).into_owned()))
        });
        match answer.await.unwrap() {
            (_, Ok(status)) => assert!(status.starts_with("HTTP/1.1 4"), "{begin}: {status}"),
            // Closed while it was still sending, which can lose the answer on the way.
            (Err(_), Err(_)) => assert!(begin.contains("xxx"), "no answer: {begin}"),
            (Ok(()), Err(error)) => panic!("no answer: {begin}: {error}"),
        }
    }
    assert_eq!(server.json("/livez").await.0, 200);
}

#[actix_web::test]
async fn only_reading_is_allowed() {
    let server = TestServer::of(snapshot().service(service("kafka")).build());
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        for path in ["/health", "/health/kafka", "/containers", "/metrics", "/livez", "/"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let response = server
                .client
                .request(method.clone(), server.url(path))
                .body("{}")
                .send()
                .await
                .unwrap();
            assert_eq!(response.status(), 405, "{method} {path}");
            assert_eq!(response.headers()["allow"], "GET, HEAD");
            let document: Value = response.json().await.unwrap();
            assert_eq!(document["status"], "method_not_allowed", "{method} {path}");
        }
    }
}

#[actix_web::test]
async fn head_is_get_without_the_body() {
    let stack = snapshot().service(service("kafka")).container(container("kafka"));
    let server = TestServer::of(stack.build());
    for path in [
        "/health",
        "/health/kafka",
        "/containers/kafka",
        "/livez",
        "/readyz",
        "/",
    ] {
        let get = server.get(path).await;
        let head = server.client.head(server.url(path)).send().await.unwrap();
        assert_eq!(head.status(), get.status(), "{path}");
        assert_eq!(head.headers()["content-type"], get.headers()["content-type"], "{path}");
        assert_eq!(
            head.headers()["content-length"],
            get.headers()["content-length"],
            "{path}"
        );
        assert_eq!(head.headers()["cache-control"], "no-store");
        assert_eq!(head.text().await.unwrap(), "", "{path}");
    }
    let head = server.client.head(server.url("/metrics")).send().await.unwrap();
    assert_eq!(
        (head.status().as_u16(), head.text().await.unwrap()),
        (200, String::new())
    );
    let missing = server.client.head(server.url("/health/nobody")).send().await.unwrap();
    assert_eq!(missing.status(), 404);
}

#[actix_web::test]
async fn answers_are_compressed_where_asked() {
    let many = (0..50).fold(snapshot(), |all, n| all.service(service(&format!("service-{n}"))));
    let server = TestServer::of(many.build());
    let plain = server.text("/health").await.1;
    for path in ["/health", "/metrics"] {
        let asked = server.client.get(server.url(path)).header("Accept-Encoding", "gzip");
        let response = asked.send().await.unwrap();
        assert_eq!(response.headers()["content-encoding"], "gzip", "{path}");
        assert!(
            response.headers()["vary"].to_str().unwrap().contains("accept-encoding"),
            "{path}"
        );
        let body = response.bytes().await.unwrap();
        assert_eq!(body[..2], [0x1f, 0x8b], "{path}");
        assert!(
            path == "/metrics" || body.len() < plain.len() / 3,
            "{} of {}",
            body.len(),
            plain.len()
        );
    }
    assert_eq!(server.get("/health").await.headers().get("content-encoding"), None);
}

#[actix_web::test]
async fn clients_that_send_or_read_slowly_hurt_nobody_else() {
    let many = (0..2_000).fold(snapshot(), |all, n| all.service(service(&format!("service-{n}"))));
    let state = ApiState::new(Settings::default(), telling(many.build()));
    let limits = Limits {
        request_timeout: Duration::from_secs(1),
        ..Limits::default()
    };
    let server = TestServer::limited(state, limits);
    let mut slow_senders = Vec::new();
    let mut slow_readers = Vec::new();
    for _ in 0..50 {
        let mut sender = TcpStream::connect(server.address).unwrap();
        sender.write_all(b"GET /health HT").unwrap();
        slow_senders.push(sender);
        let mut reader = TcpStream::connect(server.address).unwrap();
        reader.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        slow_readers.push(reader);
    }
    for path in ["/livez", "/health", "/metrics"] {
        let answer = tokio::time::timeout(Duration::from_secs(10), server.text(path)).await;
        assert_eq!(answer.unwrap().0, 200, "{path}");
    }
    let cut_off = actix_web::rt::task::spawn_blocking(move || {
        let mut sender = slow_senders.remove(0);
        sender.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut answer = Vec::new();
        sender
            .read_to_end(&mut answer)
            .map(|_| String::from_utf8_lossy(&answer).into_owned())
    });
    let cut_off = cut_off.await.unwrap().unwrap();
    assert!(cut_off.starts_with("HTTP/1.1 408"), "{cut_off}");
}

#[actix_web::test]
async fn a_service_without_containers_has_none() {
    let bare = service("api").spec(|spec| spec.container = Container::None);
    let (_, document) = TestServer::of(snapshot().service(bare).build())
        .json("/health/api")
        .await;
    assert_eq!(document["containers"], json!([]));
    assert_eq!(document["container_id"], Value::Null);
}
