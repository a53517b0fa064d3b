//! `/health`: the whole stack in one document.

use health_monitor::api::Settings;
use health_monitor_actors::model::{FailureKind, Status, Verdict};
use health_monitor_test_support::json::Node;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::support::server::TestServer;
use crate::support::snapshot::{container, service, snapshot};

/// The five services of the specification's example of `/health`.
const FIVE: [&str; 5] = ["mosquitto", "kafka", "postgres", "timescaledb", "zookeeper"];

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
