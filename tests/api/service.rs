//! `/health/{service}`: one service.

use health_monitor::settings::Sources;
use health_monitor_actors::model::{BreakerView, Container, FailureKind, HealthVerdict, Pending, Status, Verdict};
use health_monitor_test_support::json::Node;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::server::TestServer;
use crate::support::snapshot::{container, service, snapshot, time};

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

#[actix_web::test]
async fn a_service_without_containers_has_none() {
    let bare = service("api").spec(|spec| spec.container = Container::None);
    let (_, document) = TestServer::of(snapshot().service(bare).build())
        .json("/health/api")
        .await;
    assert_eq!(document["containers"], json!([]));
    assert_eq!(document["container_id"], Value::Null);
}
