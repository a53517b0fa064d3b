//! Containers that come and go while the real binary watches: services with them, within a second.

use std::time::Duration;

use health_monitor_test_support::binary::Binary;
use health_monitor_test_support::stack::wait::until;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::containers::Made;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_health-monitor");

/// How long a container's event may take to add or remove a service.
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// How long a busy machine may take beside that before the test gives up.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

async fn monitor() -> Binary {
    monitor_with("[services]\n").await
}

/// A monitor with this configuration and short times.
pub(crate) async fn monitor_with(configuration: &str) -> Binary {
    let times = "[defaults]\ninterval = \"1s\"\ntimeout = \"500ms\"\nretry_interval = \"500ms\"\n";
    let monitor = Binary::start(PROGRAM, &format!("{times}{configuration}"), None).await;
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
pub(crate) async fn listed(monitor: &Binary, name: &str) -> Value {
    let document = monitor.get("/services").await;
    let services = document["services"].as_array().unwrap().clone();
    services
        .into_iter()
        .find(|service| service["service"] == name)
        .unwrap_or(Value::Null)
}

pub(crate) async fn becomes(monitor: &Binary, name: &str, status: Option<&str>) -> Value {
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

/// Waits until a service of this name is listed.
async fn is_there(monitor: &Binary, name: &str) -> Value {
    until("it is watched", LIMIT, async || match listed(monitor, name).await {
        Value::Null => Err("not yet".to_owned()),
        service => Ok(service),
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
    let service = is_there(&monitor, &web.name).await;
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

    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let began = Instant::now();
        web.docker("rm", &["--force"]);
        becomes(&monitor, &web.name, None).await;
        removed.push(began.elapsed());
        // From before the container exists.
        let began = Instant::now();
        web.run_again(&labels, "exec sleep 600");
        let ran = began.elapsed();
        is_there(&monitor, &web.name).await;
        added.push((began.elapsed(), ran));
    }
    println!("removed, from before docker rm: {removed:?}; added, and docker run alone: {added:?}");
    assert!(removed.iter().all(|time| *time < SOON), "{removed:?}");
    // What `docker run` itself takes is not the monitor's.
    assert!(added.iter().all(|(all, ran)| *all - *ran < SOON), "{added:?}");
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
    assert_eq!(service["problems"], json!([expected]));
    assert!(monitor.log().contains(&expected), "{}", monitor.log());
    assert!(
        monitor
            .text("/metrics")
            .await
            .contains("health_monitor_label_problems 1\n")
    );
}

#[actix::test]
async fn numbered_labels_make_several_services_of_one_container() {
    let monitor = monitor().await;
    let network = Made::network("numbered");
    let on_network = format!("--network={}", network.name);
    let labels = [
        on_network.as_str(),
        "--label=health-monitor.interval=2s",
        "--label=health-monitor.1.check=http",
        "--label=health-monitor.1.port=8080",
        "--label=health-monitor.2.check=tcp",
        "--label=health-monitor.2.port=8080",
        "--label=health-monitor.2.critical=false",
        // Nobody listens there.
        "--label=health-monitor.3.check=tcp",
        "--label=health-monitor.3.port=8081",
        "--label=health-monitor.3.name=numbered-broken",
        "--label=health-monitor.start-period=1s",
    ];
    let web = Made::run(
        "numbered",
        &labels,
        "mkdir /www; echo well > /www/index.html; exec httpd -f -p 8080 -h /www",
    );
    let http = becomes(&monitor, &format!("{}-http", web.name), Some("healthy")).await;
    assert_eq!(http["settings"]["interval"]["value"], "2s");
    let tcp = becomes(&monitor, &format!("{}-tcp-2", web.name), Some("healthy")).await;
    assert_eq!(tcp["settings"]["critical"]["value"], false);
    becomes(&monitor, "numbered-broken", Some("unhealthy")).await;
    let container = monitor.get(&format!("/containers/{}", web.name)).await;
    assert_eq!(container["services"].as_array().unwrap().len(), 3, "{container}");
}

#[actix::test]
async fn all_that_run_are_watched_and_the_file_wins_over_labels() {
    let named = Made::named("by-file");
    let monitor = monitor_with(&format!(
        "[discovery]\ncontainers = \"running\"\n[services.mine]\ncheck = \"container\"\ncontainer = \"{}\"\ncritical = false\n",
        named.name
    ))
    .await;
    named.run_again(&["--label=health-monitor.critical=true"], "exec sleep 600");
    let plain = Made::run("plain", &[], "exec sleep 600");
    let left_out = Made::run("left-out", &["--label=health-monitor.enable=false"], "exec sleep 600");
    let service = becomes(&monitor, &plain.name, Some("healthy")).await;
    assert_eq!(
        (&service["origin"], &service["check"]),
        (&json!("container"), &json!("container"))
    );
    let mine = becomes(&monitor, "mine", Some("healthy")).await;
    assert_eq!(
        (&mine["origin"], &mine["settings"]["critical"]["value"]),
        (&json!("file"), &json!(false))
    );
    let note = format!(
        "the labels of container {} are not used: the file defines this service",
        named.name
    );
    assert_eq!(mine["notes"], json!([note]));
    for other in [&named.name, &left_out.name] {
        assert_eq!(listed(&monitor, other).await, Value::Null, "{other}");
    }
    // It ran, so it is missed.
    plain.docker("kill", &[]);
    becomes(&monitor, &plain.name, Some("unhealthy")).await;

    let ask = |command: &str| {
        let output = std::process::Command::new(PROGRAM)
            .env_clear()
            .args([command, "--url", &format!("http://{}", monitor.address)])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let row = |text: &str, name: &str| {
        text.lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_default()
            .to_owned()
    };
    let containers = ask("containers");
    let shown = row(&containers, &plain.name);
    assert!(
        shown.contains("exited") && shown.contains(crate::containers::IMAGE),
        "{containers}"
    );
    let services = ask("services");
    assert!(row(&services, "mine").contains(&note), "{services}");
    assert!(row(&services, &plain.name).contains("container"), "{services}");
}
