//! What people order of a monitor: a check, a maintenance.

use std::fs;
use std::net::TcpListener;

use health_monitor_test_support::binary::Binary;
use health_monitor_test_support::stack::wait::until;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{HEAD, Keyed, PROGRAM, SEEN, listener, tcp};

#[actix_web::test]
async fn a_check_is_run_now_and_answers_with_what_it_found() {
    let (open, address) = listener();
    let keyed = Keyed::start(&tcp(
        "web",
        address,
        "interval = \"1h\"\nfailure_threshold = 1\nretries = 0",
    ))
    .await;
    keyed.becomes("web", "healthy").await;
    drop(open);
    let (status, answer) = keyed.monitor.request(Method::POST, "/services/WEB/check", None).await;
    assert_eq!((status, &answer["status"]), (200, &json!("unhealthy")), "{answer}");
    let back = TcpListener::bind(address).unwrap();
    let (_, answer) = keyed.monitor.request(Method::POST, "/services/web/check", None).await;
    assert_eq!(answer["status"], "healthy", "{answer}");
    drop(back);
    let (status, _) = keyed
        .monitor
        .request(Method::POST, "/services/nobody/check", None)
        .await;
    assert_eq!(status, 404);
    let log = keyed.monitor.log();
    assert!(
        log.contains("check ordered") && log.contains("\"key\":\"tests\""),
        "{log}"
    );
}

#[actix_web::test]
async fn maintenance_pauses_a_service_until_it_is_taken_back() {
    let (open, address) = listener();
    let keyed = Keyed::start(&tcp(
        "web",
        address,
        "interval = \"1s\"\nfailure_threshold = 1\nretries = 0\ntimeout = \"500ms\"",
    ))
    .await;
    keyed.becomes("web", "healthy").await;
    let path = "/services/web/maintenance";
    for body in [
        json!({}),
        json!({"reason": "no end"}),
        json!({"for": "soon"}),
        json!({"for": "0s"}),
        json!({"for": "400d"}),
        json!({"for": "1h", "until": "tomorrow"}),
        json!({"for": "1h", "reason": "a\nb"}),
        json!([]),
    ] {
        let (status, answer) = keyed.monitor.request(Method::POST, path, Some(body.clone())).await;
        assert_eq!(
            (status, &answer["status"]),
            (400, &json!("bad_request")),
            "{body}: {answer}"
        );
    }
    let (status, _) = keyed.monitor.request(Method::DELETE, path, None).await;
    assert_eq!(status, 409, "there is none to end");

    let order = json!({"for": "2h", "reason": "new disk"});
    let (status, answer) = keyed.monitor.request(Method::POST, path, Some(order)).await;
    assert_eq!((status, &answer["status"]), (200, &json!("maintenance")), "{answer}");
    assert_eq!(answer["maintenance"]["reason"], "new disk");
    assert_eq!(answer["maintenance"]["origin"], "key tests");
    assert!(answer["reason"].as_str().unwrap().contains("new disk"));
    drop(open);
    let metrics = keyed.monitor.text("/metrics").await;
    assert!(metrics.contains("service_maintenance{service=\"web\"} 1\n"));
    assert!(!metrics.contains("service_health_status{service=\"web\"}"));
    // A check that a person asks for runs, and changes nothing of it.
    let (_, answer) = keyed.monitor.request(Method::POST, "/services/web/check", None).await;
    assert_eq!(answer["status"], "maintenance");
    assert!(
        answer["health_check"]["result"].as_str().unwrap().contains("refused"),
        "{answer}"
    );

    let (status, answer) = keyed.monitor.request(Method::DELETE, path, None).await;
    assert_eq!((status, &answer["maintenance"]), (200, &Value::Null));
    keyed.becomes("web", "unhealthy").await;
}

#[actix_web::test]
async fn a_window_of_maintenance_holds_by_itself() {
    let (_open, address) = listener();
    let always = "[maintenance.always]\nstart = \"00:00\"\nfor = \"26h\"\ntime_zone = \"America/New_York\"\nreason = \"for the test\"\n";
    let keyed = Keyed::start(&format!("{}{always}", tcp("web", address, ""))).await;
    keyed.becomes("web", "maintenance").await;
    let document = keyed.monitor.get("/health/web").await;
    assert_eq!(document["maintenance"]["origin"], "window always");
    fs::write(keyed.monitor.file(), keyed.text(&tcp("web", address, ""))).unwrap();
    keyed.monitor.request(Method::POST, "/config/reload", None).await;
    keyed.becomes("web", "healthy").await;
}

#[actix_web::test]
async fn without_an_admin_key_nothing_can_be_ordered() {
    let (_open, address) = listener();
    let monitor = Binary::start(PROGRAM, &format!("{HEAD}{}", tcp("web", address, "")), None).await;
    for (method, path) in [
        (Method::POST, "/config/reload"),
        (Method::POST, "/services/web/check"),
        (Method::POST, "/services/web/maintenance"),
        (Method::DELETE, "/services/web/maintenance"),
        (Method::POST, "/services/nobody/check"),
    ] {
        let (status, answer) = monitor.request(method, path, None).await;
        assert_eq!((status, &answer["error"]), (401, &json!("Invalid API key")), "{path}");
        assert!(answer["reason"].as_str().unwrap().contains("admin"), "{answer}");
    }
    let (status, _) = monitor.request(Method::GET, "/services/web/check", None).await;
    assert_eq!(status, 405);
}

#[actix_web::test]
async fn maintenance_outlives_a_restart_and_ends_by_itself() {
    let (_open, address) = listener();
    let mut keyed = Keyed::start(&tcp("web", address, "interval = \"1s\"\ntimeout = \"500ms\"\n")).await;
    keyed.becomes("web", "healthy").await;
    let path = "/services/web/maintenance";
    let order = json!({"for": "1h", "reason": "new disk"});
    let (_, ordered) = keyed.monitor.request(Method::POST, path, Some(order)).await;
    assert_eq!(ordered["status"], "maintenance", "{ordered}");

    keyed.monitor.restart().await;
    keyed.becomes("web", "maintenance").await;
    let kept = keyed.monitor.get("/health/web").await;
    assert_eq!(kept["maintenance"], ordered["maintenance"]);

    // A later order takes the place of the one before.
    let (_, shorter) = keyed
        .monitor
        .request(Method::POST, path, Some(json!({"for": "1s"})))
        .await;
    assert_eq!(shorter["status"], "maintenance", "{shorter}");
    keyed.becomes("web", "healthy").await;
    assert_eq!(keyed.monitor.get("/health/web").await["maintenance"], Value::Null);
    let (status, _) = keyed.monitor.request(Method::DELETE, path, None).await;
    assert_eq!(status, 409, "there is none any more");

    let (_, _) = keyed
        .monitor
        .request(Method::POST, path, Some(json!({"for": "1h"})))
        .await;
    keyed.monitor.request(Method::DELETE, path, None).await;
    for message in ["maintenance ordered", "end of maintenance ordered"] {
        let is_told = |line: &str| line.contains(&format!("\"{message}\"")) && line.contains("\"key\":\"tests\"");
        // A thread of its own writes the log.
        until(message, SEEN, async || {
            let log = keyed.monitor.log();
            if log.lines().any(is_told) { Ok(()) } else { Err(log) }
        })
        .await;
    }
}
