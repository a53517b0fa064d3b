//! Containers that come and go while the real binary watches: services with them, within a second.

use std::time::Duration;

use health_monitor_test_support::binary::Binary;
use health_monitor_test_support::stack::wait::until;
use serde_json::Value;
use tokio::time::Instant;

use crate::containers::Made;

const PROGRAM: &str = env!("CARGO_BIN_EXE_health-monitor");

/// How long a container's event may take to add or remove a service.
const SOON: Duration = Duration::from_secs(1);

/// How long a busy machine may take beside that before the test gives up.
const LIMIT: Duration = Duration::from_secs(20);

async fn monitor() -> Binary {
    let monitor = Binary::start(
        PROGRAM,
        "[services]\n[defaults]\ninterval = \"1s\"\ntimeout = \"500ms\"\n",
        None,
    )
    .await;
    until("Docker has answered", LIMIT, async || {
        let ready = monitor.get("/readyz").await;
        if ready["status"] == "ready" {
            Ok(())
        } else {
            Err(ready.to_string())
        }
    })
    .await;
    monitor
}

/// The service of this name as `/services` shows it; null where there is none.
async fn listed(monitor: &Binary, name: &str) -> Value {
    let document = monitor.get("/services").await;
    let services = document["services"].as_array().unwrap().clone();
    services
        .into_iter()
        .find(|service| service["service"] == name)
        .unwrap_or(Value::Null)
}

async fn becomes(monitor: &Binary, name: &str, status: Option<&str>) -> Value {
    until(&format!("{name} is {status:?}"), LIMIT, async || {
        let service = listed(monitor, name).await;
        if service["status"].as_str() == status {
            Ok(service)
        } else {
            Err(service.to_string())
        }
    })
    .await
}

#[actix::test]
async fn a_labelled_container_is_a_service_while_it_exists() {
    let monitor = monitor().await;
    let network = Made::network("discovered");
    let on_network = format!("--network={}", network.name);
    let labels = [
        on_network.as_str(),
        "--label=health-monitor.enable=true",
        "--label=health-monitor.check=http",
        "--label=health-monitor.port=8080",
        "--label=health-monitor.path=/index.html",
        "--label=health-monitor.interval=2s",
        "--label=health-monitor.start-period=1s",
    ];
    let web = Made::run(
        "discovered",
        &labels,
        "mkdir /www; echo well > /www/index.html; exec httpd -f -p 8080 -h /www",
    );
    let began = Instant::now();
    let service = until("it is watched", LIMIT, async || {
        match listed(&monitor, &web.name).await {
            Value::Null => Err("not yet".to_owned()),
            service => Ok(service),
        }
    })
    .await;
    assert!(began.elapsed() < SOON, "added after {:?}", began.elapsed());
    assert_eq!(service["origin"], "label");
    assert_eq!(service["defined_at"], web.name.as_str());
    assert_eq!(service["address"], format!("http://{}:8080/index.html", web.name));
    assert_eq!(service["settings"]["interval"]["value"], "2s");
    let origin = format!("label health-monitor.interval of container {}", web.name);
    assert_eq!(service["settings"]["interval"]["origin"], origin);
    becomes(&monitor, &web.name, Some("healthy")).await;

    web.docker("kill", &[]);
    let service = becomes(&monitor, &web.name, Some("unhealthy")).await;
    assert!(service["reason"].as_str().unwrap().contains("exited"), "{service}");
    web.docker("start", &[]);
    becomes(&monitor, &web.name, Some("healthy")).await;

    web.docker("rm", &["--force"]);
    let began = Instant::now();
    becomes(&monitor, &web.name, None).await;
    assert!(began.elapsed() < SOON, "removed after {:?}", began.elapsed());
}

#[actix::test]
async fn replicas_are_one_service_and_a_one_off_container_is_none() {
    let monitor = monitor().await;
    let project = Made::named("project").name.clone();
    let of_service = |service: &str| {
        [
            format!("--label=com.docker.compose.project={project}"),
            format!("--label=com.docker.compose.service={service}"),
            "--label=health-monitor.enable=true".to_owned(),
        ]
    };
    let service = format!("{project}-web");
    let labels = of_service(&service);
    let options: Vec<&str> = labels.iter().map(String::as_str).collect();
    let one = Made::run("replica", &options, "exec sleep 600");
    let two = Made::run("replica", &options, "exec sleep 600");
    let mut once = options.clone();
    once.push("--label=com.docker.compose.oneoff=True");
    let once = Made::run("once", &once, "exec sleep 600");
    becomes(&monitor, &service, Some("healthy")).await;
    let names = async || {
        let health = monitor.get(&format!("/health/{service}")).await;
        let containers = health["containers"].as_array().cloned().unwrap_or_default();
        containers
            .iter()
            .map(|container| container["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    until("both replicas are its own", LIMIT, async || {
        let names = names().await;
        if names == [one.name.clone(), two.name.clone()] {
            Ok(())
        } else {
            Err(format!("{names:?}"))
        }
    })
    .await;
    assert_eq!(listed(&monitor, &once.name).await, Value::Null);
    two.docker("kill", &[]);
    becomes(&monitor, &service, Some("degraded")).await;
    two.docker("rm", &[]);
    becomes(&monitor, &service, Some("healthy")).await;
}

#[actix::test]
async fn a_misspelled_label_is_told_and_the_container_watched_by_its_state() {
    let monitor = monitor().await;
    let labels = [
        "--label=health-monitor.check=http",
        "--label=health-monitor.port=8080",
        "--label=health-monitor.intervall=5s",
    ];
    let web = Made::run("misspelled", &labels, "exec sleep 600");
    let service = becomes(&monitor, &web.name, Some("healthy")).await;
    assert_eq!(service["check"], "container");
    let expected = format!(
        "label health-monitor.intervall of container {} is not known; did you mean 'interval'?",
        web.name
    );
    assert_eq!(service["problems"], serde_json::json!([expected]));
    assert!(monitor.log().contains(&expected), "{}", monitor.log());
    assert!(
        monitor
            .text("/metrics")
            .await
            .contains("health_monitor_label_problems 1\n")
    );
}
