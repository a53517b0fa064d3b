//! `/containers` and `/containers/{container}`.

use health_monitor_actors::model::{ContainerStatus, EngineState, HealthVerdict, Mount};
use health_monitor_test_support::json::Node;
use serde_json::{Value, json};

use crate::support::server::TestServer;
use crate::support::snapshot::{container, service, snapshot, time, usage};

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
