//! The five specified endpoints of the stack's monitor, held against the specification's examples.

use serde_json::Value;

use super::shape::Freedom;
use health_monitor_test_support::exposition::Exposition;
use health_monitor_test_support::stack::wait::{seconds, until};
use health_monitor_test_support::stack::{SERVICES, turn};

/// Every container that the stack's Compose files name, with its monitor, Prometheus and Alertmanager.
const CONTAINERS: [&str; 12] = [
    "alertmanager",
    "data-processor",
    "f2-simulator",
    "health-monitor",
    "kafka",
    "kafka-timescale-sink",
    "mosquitto",
    "mqtt-kafka-connector",
    "postgres",
    "prometheus",
    "timescaledb",
    "zookeeper",
];

#[tokio::test]
async fn health_is_the_specified_document_of_the_nine_services() {
    let turn = turn().await;
    let (status, text) = turn.monitor.try_get("/health").await.unwrap();
    assert_eq!(status, 200);
    let free = Freedom {
        keyed_by_name: &["services"],
        ..Freedom::default()
    };
    free.assert_shape(
        &text,
        r#"{
          "status": "healthy",
          "timestamp": "2023-05-26T18:34:04.928538Z",
          "services": {"mosquitto": "healthy"},
          "total_services": 5,
          "healthy_services": 5,
          "unhealthy_services": 0
        }"#,
    );
    let health: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["services"].as_object().unwrap().len(), SERVICES.len());
    for name in SERVICES {
        assert_eq!(health["services"][name], "healthy", "{name}");
    }
    assert_eq!(health["total_services"], 9);
    assert_eq!(health["healthy_services"], 9);
    assert_eq!(health["unhealthy_services"], 0);
}

#[tokio::test]
async fn each_service_is_the_specified_document() {
    let turn = turn().await;
    for name in SERVICES {
        let (status, text) = turn.monitor.try_get(&format!("/health/{name}")).await.unwrap();
        assert_eq!(status, 200, "{name}");
        Freedom::default().assert_shape(
            &text,
            r#"{
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
            }"#,
        );
        let service: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(service["service"], name);
        assert_eq!(service["status"], "healthy");
        assert_eq!(service["container_status"], "running", "{name}");
        assert!(
            !service["health_check"]["details"].as_str().unwrap().is_empty(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn containers_are_the_specified_document_of_the_whole_stack() {
    let turn = turn().await;
    let (status, text) = turn.monitor.try_get("/containers").await.unwrap();
    assert_eq!(status, 200);
    let free = Freedom {
        // A container of another test that was made and never started.
        nullable: &["containers.*.started_at"],
        ..Freedom::default()
    };
    free.assert_shape(
        &text,
        r#"{
          "total_containers": 12,
          "running_containers": 11,
          "stopped_containers": 1,
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
        }"#,
    );
    let document: Value = serde_json::from_str(&text).unwrap();
    let containers = document["containers"].as_array().unwrap();
    let count = |name: &str| document[name].as_u64().unwrap();
    let running = containers
        .iter()
        .filter(|container| container["status"] == "running")
        .count();
    assert_eq!(count("total_containers"), containers.len() as u64);
    assert_eq!(count("running_containers"), running as u64);
    assert_eq!(count("stopped_containers"), (containers.len() - running) as u64);
    for name in CONTAINERS {
        let container = containers.iter().find(|container| container["name"] == name);
        let container = container.unwrap_or_else(|| panic!("{name} is not listed"));
        assert_eq!(container["status"], "running", "{name}");
        assert_eq!(container["networks"], serde_json::json!(["iot-network"]), "{name}");
    }
    let mosquitto = containers
        .iter()
        .find(|container| container["name"] == "mosquitto")
        .unwrap();
    assert!(
        mosquitto["ports"].as_array().unwrap().contains(&"1883/tcp".into()),
        "{mosquitto}"
    );
}

#[tokio::test]
async fn each_container_is_the_specified_document_with_what_it_uses() {
    let turn = turn().await;
    let free = Freedom {
        keyed_by_name: &["ports", "networks"],
        // A running container has not finished, and one without a HEALTHCHECK of its own has no health; a port that is not
        // published has no address of the host.
        nullable: &["health", "ports.*"],
    };
    for name in CONTAINERS {
        let path = format!("/containers/{name}");
        let what = format!("figures of what {name} uses");
        // The first sample comes within one interval of 15 s.
        let text = until(&what, seconds(40), async || {
            let (status, text) = turn.monitor.try_get(&path).await.unwrap();
            assert_eq!(status, 200, "{name}");
            let document: Value = serde_json::from_str(&text).unwrap();
            let usage = &document["resource_usage"];
            let is_measured = USAGE.iter().all(|&key| usage[key].is_number());
            if is_measured { Ok(text) } else { Err(usage.to_string()) }
        })
        .await;
        free.assert_shape(&text, CONTAINER);
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["name"], name);
        assert_eq!(document["status"], "running");
        let usage = |key: &str| document["resource_usage"][key].as_f64().unwrap();
        assert!((0.0..=100.0).contains(&usage("cpu_percent")), "{name}: {document}");
        assert!(usage("memory_usage_mb") > 0.0, "{name}: {document}");
        assert!(
            usage("memory_usage_mb") <= usage("memory_limit_mb"),
            "{name}: {document}"
        );
        let percent = 100.0 * usage("memory_usage_mb") / usage("memory_limit_mb");
        assert!((usage("memory_percent") - percent).abs() < 0.02, "{name}: {document}");
    }
    let (_, kafka) = turn.monitor.get("/containers/kafka").await;
    let published = turn.stack.variable("KAFKA_PORT");
    assert_eq!(kafka["ports"]["9092/tcp"][0]["HostPort"], published);
    let environment = kafka["environment"].as_array().unwrap();
    assert!(environment.contains(&"KAFKA_BROKER_ID=1".into()), "{environment:?}");
    let (_, postgres) = turn.monitor.get("/containers/postgres").await;
    let environment = postgres["environment"].as_array().unwrap();
    assert!(environment.contains(&"POSTGRES_PASSWORD=***".into()), "{environment:?}");
}

/// The specified fields of `resource_usage`.
const USAGE: [&str; 4] = ["cpu_percent", "memory_usage_mb", "memory_limit_mb", "memory_percent"];

/// The specification's example of `/containers/{container_name}`.
const CONTAINER: &str = r#"{
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
  "ports": {"9092/tcp": [{"HostIp": "0.0.0.0", "HostPort": "9092"}]},
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

#[tokio::test]
async fn metrics_hold_every_specified_series_and_agree_with_the_documents() {
    let turn = turn().await;
    let text = until("series of what mosquitto uses", seconds(40), async || {
        let (status, text) = turn.monitor.try_get("/metrics").await.unwrap();
        assert_eq!(status, 200);
        let is_measured = text.contains(r#"container_cpu_usage_percent{container="mosquitto"}"#);
        if is_measured { Ok(text) } else { Err(text) }
    })
    .await;
    let metrics = Exposition::parse(&text);
    let value = |name: &str, labels: &[(&str, &str)]| {
        let value = metrics.value(name, labels);
        value.unwrap_or_else(|| panic!("no {name} {labels:?}:\n{text}"))
    };
    for service in SERVICES {
        let of_service = [("service", service)];
        let of_container = [("container", service)];
        assert_eq!(
            value(
                "container_health_status",
                &[("container", service), ("status", "running")]
            ),
            1.0
        );
        assert_eq!(value("service_health_status", &of_service), 1.0, "{service}");
        assert!(value("container_cpu_usage_percent", &of_container) >= 0.0);
        assert!(value("container_memory_usage_mb", &of_container) > 0.0);
        // Rounded to two digits, which leaves nothing of a small program on a large host.
        assert!(value("container_memory_percent", &of_container) >= 0.0);
        assert!(value("health_check_duration_seconds", &of_service) >= 0.0);
        assert!(value("health_check_duration_seconds_count", &of_service) >= 1.0);
        assert!(value("health_check_success_total", &of_service) >= 1.0, "{service}");
        assert!(value("health_check_failure_total", &of_service) >= 0.0);
    }
    assert!(value("system_total_containers", &[]) >= CONTAINERS.len() as f64);
    assert!(value("system_running_containers", &[]) >= CONTAINERS.len() as f64);
    assert_eq!(value("system_healthy_services", &[]), SERVICES.len() as f64);
}
