//! The history over HTTP.

use std::sync::Arc;

use health_monitor::access::key::{ApiKey, KeyHash, KeyName, Scope, Scopes};
use health_monitor::access::{Access, AccessSettings};
use health_monitor::api::{ApiState, Settings};
use health_monitor::history::handle::{History, HistoryFigures};
use health_monitor::history::model::{
    ContainerEventKind, Evidence, HOUR, IncidentKind, LogExcerpt, MINUTE, ResultKind,
};
use health_monitor::history::sqlite::Sqlite;
use health_monitor::history::store::{Decided, Retention, Store};
use health_monitor_actors::model::Status;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::{TestServer, telling};
use crate::snapshot::{container, service, snapshot};
use crate::world::{Writes as _, at, batch, change, days, event, incident, passed, result, sample};

/// The two hours that are kept, as parameters.
const BOTH_HOURS: &str = "from=2023-12-09T00:00:00Z&to=2023-12-09T02:00:00Z";

/// Kafka through two hours: it answers every 10 s, is down from 0:30 to 0:31, and from 1:00 to 1:10 nobody looks.
async fn kept(folder: &TempDir) -> Arc<dyn Store> {
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&folder.path().join("history.db")).await.unwrap());
    let (down, up) = (30 * MINUTE, 31 * MINUTE);
    let results = (0..720_i64).map(|number| number * 10_000).filter(|millis| {
        // Nobody looked.
        !(HOUR..HOUR + 10 * MINUTE).contains(millis)
    });
    let results = results.map(|millis| {
        if (down..up).contains(&millis) {
            result("kafka", millis, ResultKind::Fail, Some(5_000_000), "connection refused")
        } else {
            passed("kafka", millis, 1_000 + u64::try_from(millis / 10_000).unwrap())
        }
    });
    let (before, after): (Vec<_>, Vec<_>) = results.partition(|result| result.result.at < at(HOUR));
    store.put(batch(0, HOUR, before)).await;
    let mut second = batch(HOUR + 10 * MINUTE, 2 * HOUR, after);
    second.usage = (0..10)
        .map(|number| sample("kafka", HOUR + 10 * MINUTE + number * 15_000, 250, 1 << 20))
        .collect();
    second.events = vec![
        event("kafka", down - 100, ContainerEventKind::Exited),
        event("kafka", up - 5_000, ContainerEventKind::Started),
    ];
    let outage = incident("kafka", down, Some(up), IncidentKind::Crash);
    let logs = LogExcerpt {
        at: at(down + 50),
        container: "kafka".to_owned(),
        lines: vec!["out of memory".to_owned()],
        missing: None,
    };
    second.evidence = vec![
        (outage.id, Evidence::Logs(logs)),
        (outage.id, Evidence::Container(second.events[0].clone())),
    ];
    store
        .settle(vec![
            change("kafka", 0, Status::Unknown, Status::Healthy),
            Decided {
                incident: Some(outage),
                ..change("kafka", down, Status::Healthy, Status::Unhealthy)
            },
            change("kafka", up, Status::Unhealthy, Status::Healthy),
            change("gone", 0, Status::Unknown, Status::Healthy),
        ])
        .await;
    store.put(second).await;
    store
}

fn state() -> ApiState {
    let known = snapshot()
        .container(container("kafka"))
        .service(service("kafka").on(&["kafka"]))
        .service(service("web").status(Status::NotFound, "gone"));
    ApiState::new(Settings::default(), telling(known.build()))
}

/// Everything is kept long enough for times that are so long ago.
fn history(store: Option<Arc<dyn Store>>) -> History {
    let retention = Retention {
        minutes: days(36_500),
        events: days(36_500),
        ..Retention::default()
    };
    let figures = HistoryFigures {
        problem: Some("the disk is full".to_owned()),
        ..HistoryFigures::default()
    };
    History::new(store, figures, retention)
}

async fn serving(folder: &TempDir) -> TestServer {
    TestServer::start(state().with_history(history(Some(kept(folder).await))))
}

#[actix_web::test]
async fn a_series_counts_what_was_and_leaves_gaps_out() {
    let folder = TempDir::new().unwrap();
    let server = serving(&folder).await;
    let (status, document) = server
        .json(&format!("/services/KAFKA/history?{BOTH_HOURS}&step=1h"))
        .await;
    assert_eq!(status, 200);
    assert_eq!(
        (&document["service"], &document["step_seconds"]),
        (&json!("kafka"), &json!(3_600))
    );
    let points = document["points"].as_array().unwrap();
    assert_eq!(points.len(), 2);
    let first = &points[0];
    assert_eq!(first["at"], "2023-12-09T00:00:00.000Z");
    assert_eq!((&first["checks"], &first["failures"]), (&json!(360), &json!(6)));
    assert_eq!(
        (&first["uptime"], &first["down_seconds"]),
        (&json!(0.983_333), &json!(60.0))
    );
    let p50 = first["p50_ms"].as_f64().unwrap();
    assert!((p50 - 1.182).abs() < 0.012, "{p50}");
    assert_eq!(first["max_ms"], 5_000.0);
    assert_eq!(
        (&points[1]["gap_seconds"], &points[1]["uptime"]),
        (&json!(600.0), &json!(1.0))
    );
    let total = &document["total"];
    assert_eq!((&total["checks"], &total["gap_seconds"]), (&json!(660), &json!(600.0)));
    assert_eq!(total["uptime"], 0.990_909);
    assert!(total["p99_ms"].as_f64().unwrap() > 1.6, "{total}");

    let (_, document) = server
        .json(&format!("/services/kafka/history?{BOTH_HOURS}&step=1m"))
        .await;
    let points = document["points"].as_array().unwrap();
    assert_eq!(points.len(), 110, "ten minutes are a gap");
    assert_eq!(points[30]["uptime"], 0.0);
    assert!(
        points[0]["p95_ms"].is_number(),
        "read from the results while they are kept"
    );
    let (_, document) = server.json(&format!("/services/gone/history?{BOTH_HOURS}")).await;
    assert_eq!(
        document["total"]["checks"], 0,
        "not monitored any more, and still known"
    );
}

#[actix_web::test]
async fn several_services_come_by_columns() {
    let folder = TempDir::new().unwrap();
    let server = serving(&folder).await;
    let path = format!("/history?services=kafka,web&{BOTH_HOURS}&step=30m&fields=uptime,checks,gap");
    let (status, document) = server.json(&path).await;
    assert_eq!(status, 200);
    let kafka = &document["services"][0];
    assert_eq!(document["steps"], 4);
    assert_eq!(kafka["checks"], json!([180, 180, 120, 180]));
    assert_eq!(kafka["uptime"], json!([1.0, 0.966_666, 1.0, 1.0]));
    assert_eq!(kafka["gap"], json!([0.0, 0.0, 0.333_333, 0.0]));
    assert!(kafka["p95_ms"].is_null());
    assert_eq!(document["services"][1]["uptime"], json!([null, null, null, null]));
}

#[actix_web::test]
async fn uptime_is_told_for_each_window() {
    let folder = TempDir::new().unwrap();
    let server = serving(&folder).await;
    let (status, document) = server.json("/services/kafka/uptime?window=24h,99y").await;
    assert_eq!(status, 200);
    let windows = document["windows"].as_array().unwrap();
    assert_eq!(
        (&windows[0]["window"], &windows[0]["uptime"]),
        (&json!("24h"), &Value::Null)
    );
    assert_eq!(windows[0]["gap_seconds"], 86_400.0);
    assert_eq!(
        (&windows[1]["uptime"], &windows[1]["incidents"]),
        (&json!(0.990_909), &json!(1))
    );
    assert_eq!(
        (&windows[1]["up_seconds"], &windows[1]["down_seconds"]),
        (&json!(6_540.0), &json!(60.0))
    );
}

#[actix_web::test]
async fn incidents_come_in_pages() {
    let folder = TempDir::new().unwrap();
    let store = kept(&folder).await;
    let outages = (0..7).map(|hour| Decided {
        incident: Some(incident(
            "web",
            hour * HOUR,
            (hour < 6).then_some((hour + 1) * HOUR),
            IncidentKind::Protocol,
        )),
        ..change("web", hour * HOUR, Status::Healthy, Status::Unhealthy)
    });
    store.settle(outages.collect()).await;
    let server = TestServer::start(state().with_history(history(Some(store))));
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let (status, page) = server.json(&format!("/incidents?service=web&limit=3{cursor}")).await;
        assert_eq!(status, 200, "{page}");
        let incidents = page["incidents"].as_array().unwrap();
        seen.extend(
            incidents
                .iter()
                .map(|incident| incident["started"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 7);
    assert!(seen.is_sorted_by(|one, next| one > next), "{seen:?}");
    let (status, refused) = server.json(&format!("/incidents?service=kafka&limit=3{cursor}")).await;
    assert_eq!(status, 400);
    assert!(
        refused["reason"]
            .as_str()
            .unwrap()
            .contains("what an answer to the same question has"),
        "{refused}"
    );
    for (query, expected) in [
        ("open=true", 1),
        ("open=false", 7),
        ("kind=crash", 1),
        ("", 8),
        ("service=kafka&from=1h", 0),
    ] {
        let (_, page) = server.json(&format!("/incidents?{query}")).await;
        assert_eq!(page["incidents"].as_array().unwrap().len(), expected, "{query}");
    }
}

#[actix_web::test]
async fn an_incident_has_a_timeline() {
    let folder = TempDir::new().unwrap();
    let server = serving(&folder).await;
    let (_, page) = server.json("/incidents").await;
    let id = page["incidents"][0]["id"].as_str().unwrap();
    let (status, document) = server.json(&format!("/incidents/{id}")).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&document["kind"], &document["duration_seconds"]),
        (&json!("crash"), &json!(60))
    );
    let timeline = document["timeline"].as_array().unwrap();
    let types: Vec<&str> = timeline.iter().map(|found| found["type"].as_str().unwrap()).collect();
    for expected in ["container", "status", "logs", "result"] {
        assert!(types.contains(&expected), "{expected}: {types:?}");
    }
    let times: Vec<&str> = timeline.iter().map(|found| found["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    let exit = timeline.iter().find(|found| found["type"] == "container").unwrap();
    assert_eq!((&exit["event"], &exit["exit_code"]), (&json!("exited"), &json!(137)));
}

#[actix_web::test]
async fn a_container_has_a_history() {
    let folder = TempDir::new().unwrap();
    let server = serving(&folder).await;
    let (status, document) = server
        .json(&format!("/containers/kafka/history?{BOTH_HOURS}&step=1h"))
        .await;
    assert_eq!(status, 200);
    let point = &document["points"][0];
    assert_eq!(
        (&point["samples"], &point["cpu_cores_mean"]),
        (&json!(10), &json!(0.25))
    );
    assert_eq!(
        (&point["memory_max_bytes"], &point["network_received_bytes"]),
        (&json!(1 << 20), &json!(1_000))
    );
    let events = document["events"].as_array().unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["event"], "exited");
}

#[actix_web::test]
async fn what_cannot_be_asked_is_refused_with_what_can() {
    let folder = TempDir::new().unwrap();
    let server = serving(&folder).await;
    let many = vec!["kafka"; 201].join(",");
    for (path, expected, says) in [
        ("/services/kafka/history?from=1h&to=2h", 400, "must be before to"),
        ("/services/kafka/history?from=soon", 400, "use RFC 3339"),
        (
            "/services/kafka/history?from=2h&from=1h",
            400,
            "'from' may be given once",
        ),
        (
            "/services/kafka/history?from=2999-01-01T00:00:00Z&to=2999-01-02T00:00:00Z",
            400,
            "lies in the future",
        ),
        (
            "/services/kafka/history?from=30d&step=1m",
            400,
            "use a step of 4m or more",
        ),
        (
            "/services/kafka/history?step=10s",
            400,
            "use whole minutes below an hour",
        ),
        ("/services/nobody/history", 404, "GET /health lists"),
        ("/services/nobody/uptime", 404, "GET /health lists"),
        (
            "/services/kafka/uptime?window=24",
            400,
            "use lengths such as 24h,7d,30d,1y",
        ),
        ("/services/kafka/uptime?window=999y", 400, "none longer than 36500 days"),
        (
            "/services/kafka/uptime?window=1h,1h,1h,1h,1h,1h,1h,1h,1h,1h,1h",
            400,
            "at most 10",
        ),
        ("/history", 400, "'services' is needed"),
        (&format!("/history?services={many}"), 400, "at most 200"),
        ("/history?services=kafka,kafka", 400, "name each once"),
        ("/history?services=kafka,nobody", 404, "'nobody' is not monitored"),
        ("/history?services=kafka&fields=colour", 400, "of uptime, checks"),
        ("/incidents?limit=0", 400, "from 1 to 500"),
        ("/incidents?open=maybe", 400, "true or false"),
        ("/incidents?kind=bad", 400, "crash, protocol, deploy or operator"),
        ("/incidents?cursor=0193a5c1f2a4b01c00000000", 400, "next_cursor"),
        ("/incidents?service=nobody", 404, "GET /health lists"),
        ("/incidents/1", 400, "16 hexadecimal digits"),
        ("/incidents/0000000000000001", 404, "GET /incidents lists"),
        ("/containers/nobody/history", 404, "GET /containers lists"),
        ("/badge/nobody.svg", 404, "GET /health lists"),
        ("/badge/kafka.svg?type=mood", 400, "status or uptime"),
        ("/badge/kafka.svg?type=uptime&window=x", 400, "use lengths such as"),
    ] {
        let (status, document) = server.json(path).await;
        let reason = document["reason"].as_str().unwrap_or_default();
        assert!(status == expected && reason.contains(says), "{path}: {status} {reason}");
    }
}

#[actix_web::test]
async fn a_badge_is_cached_and_known_again() {
    let folder = TempDir::new().unwrap();
    let server = serving(&folder).await;
    let mut tags = Vec::new();
    for (path, shows) in [
        ("/badge/kafka.svg", ">healthy<"),
        ("/badge/Web.svg", ">not found<"),
        ("/badge/kafka.svg?type=uptime&window=99y", ">99.09 %<"),
        ("/badge/kafka.svg?type=uptime", ">unknown<"),
    ] {
        let response = server.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        let headers = response.headers().clone();
        assert_eq!(headers["content-type"], "image/svg+xml; charset=utf-8");
        assert_eq!(headers["cache-control"], "public, max-age=30");
        let text = response.text().await.unwrap();
        assert!(text.contains(shows), "{path}: {text}");
        let again = server
            .client
            .get(server.url(path))
            .header("If-None-Match", &headers["etag"]);
        let again = again.send().await.unwrap();
        assert_eq!(again.status(), 304, "{path}");
        assert_eq!(again.bytes().await.unwrap().len(), 0);
        tags.push(headers["etag"].clone());
    }
    let stale = server
        .client
        .get(server.url("/badge/kafka.svg"))
        .header("If-None-Match", &tags[1]);
    assert_eq!(stale.send().await.unwrap().status(), 200);
}

#[actix_web::test]
async fn without_a_store_it_says_why_and_a_badge_still_shows_the_status() {
    let disabled = TestServer::start(state());
    let (status, document) = disabled.json("/incidents").await;
    assert_eq!(status, 404);
    assert!(
        document["reason"]
            .as_str()
            .unwrap()
            .contains("[history] enabled = false"),
        "{document}"
    );
    let away = TestServer::start(state().with_history(history(None)));
    for path in ["/incidents", "/services/kafka/history", "/badge/kafka.svg?type=uptime"] {
        let (status, document) = away.json(path).await;
        assert_eq!(status, 503, "{path}");
        assert_eq!(document["reason"], "the history cannot be read: the disk is full");
    }
    for server in [disabled, away] {
        assert_eq!(server.text("/badge/kafka.svg").await.0, 200);
    }
}

#[actix_web::test]
async fn reading_needs_the_scope_read() {
    let folder = TempDir::new().unwrap();
    let key = ApiKey {
        name: KeyName::new("test").unwrap(),
        hash: KeyHash::of(b"the key"),
        scopes: Scopes::from_iter([Scope::Read]),
    };
    let access = Access::new(AccessSettings {
        keys: vec![Arc::new(key)],
        ..AccessSettings::default()
    });
    let state = state().with_history(history(Some(kept(&folder).await)));
    let server = TestServer::start(state.with_access(Arc::new(access)));
    for path in [
        "/services/kafka/history",
        "/services/kafka/uptime",
        "/history?services=kafka",
        "/incidents",
        "/incidents/0000000000000001",
        "/containers/kafka/history",
        "/badge/kafka.svg",
    ] {
        assert_eq!(server.get(path).await.status(), 401, "{path}");
        let with_key = server.client.get(server.url(path)).header("X-API-Key", "the key");
        assert_ne!(with_key.send().await.unwrap().status(), 401, "{path}");
    }
    let badge = server
        .client
        .get(server.url("/badge/kafka.svg"))
        .header("X-API-Key", "the key");
    assert_eq!(
        badge.send().await.unwrap().headers()["cache-control"],
        "private, max-age=30"
    );
}
