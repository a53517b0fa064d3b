//! What the monitor says of itself: `/livez`, `/readyz`, `/internals`, and the list of endpoints.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use health_monitor::api::{ApiState, Section, Settings};
use health_monitor::metrics::DockerFigures;
use health_monitor::roster::Desk;
use health_monitor::settings::Sources;
use health_monitor_actors::model::{EngineState, Status};
use health_monitor_actors::registry::RegistryFigures;
use serde_json::json;

use crate::support::server::{TestServer, silent, telling};
use crate::support::snapshot::{container, service, snapshot};

/// What a part of the monitor is asked here.
#[derive(Message)]
#[rtype(result = "Vec<u32>")]
struct Observe;

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
