//! The API's description, held against the routes and against real answers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[cfg(test)]
mod support {
    pub(crate) mod python;
    pub(crate) mod server;
    pub(crate) mod snapshot;
}

#[cfg(test)]
#[expect(dead_code, reason = "a part of it is enough here")]
#[path = "history/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use health_monitor::access::key::{ApiKey, KeyHash, KeyName, Scope, Scopes};
use health_monitor::access::{Access, AccessSettings};
use health_monitor::api::{ApiState, Settings};
use health_monitor::history::handle::{History, HistoryFigures};
use health_monitor::history::model::{ContainerEventKind, Evidence, HOUR, IncidentKind, LogExcerpt, MINUTE};
use health_monitor::history::sqlite::Sqlite;
use health_monitor::history::store::{Decided, Store};
use health_monitor_actors::model::{BreakerView, FailureKind, HealthVerdict, Pending, Snapshot, Status, Verdict};
use serde_json::{Value, json};
use support::python::Validation;
use support::server::{TestServer, silent, telling};
use support::snapshot::{container, service, snapshot, time, usage};
use world::{Writes as _, at, batch, change, event, incident, keep_all, passed, sample};

/// What `/openapi.json` answers.
struct Description(Value);

impl Description {
    async fn get() -> Self {
        let (status, document) = TestServer::of(snapshot().build()).json("/openapi.json").await;
        assert_eq!(status, 200);
        Self(document)
    }

    /// Each operation with its path and method.
    fn operations(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        let paths = self.0["paths"].as_object().unwrap().iter();
        paths.flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
        })
    }

    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self.0.pointer(reference.trim_start_matches('#')).unwrap(),
            None => value,
        }
    }

    /// A document that an answer must be, with no field that is not described.
    fn hold(&self, validation: &mut Validation, path: &str, status: u16, document: &Value) {
        let response = &self.0["paths"][path]["get"]["responses"][status.to_string()];
        assert!(response.is_object(), "{path} is not said to answer {status}");
        let schema = &self.resolved(response)["content"]["application/json"]["schema"];
        assert!(!schema.is_null(), "{path} {status} has no schema");
        let whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [schema],
            "unevaluatedProperties": false,
            "components": self.0["components"],
        });
        validation.add(format!("{path} {status}"), whole, document.clone());
    }
}

#[actix_web::test]
async fn every_endpoint_is_described() {
    let description = Description::get().await;
    assert_eq!(description.0["openapi"], "3.1.0");
    let server = TestServer::of(snapshot().build());
    let (_, index) = server.json("/").await;
    let mut described = 0;
    for (path, method, operation) in description.operations() {
        described += 1;
        assert!(operation["summary"].is_string(), "{method} {path}");
        let answers = operation["responses"].as_object().unwrap();
        assert!(
            !answers.values().any(|answer| answer["description"] == "not described"),
            "{method} {path} stands in the table of endpoints, but not in src/api/openapi/operations.rs"
        );
        let parts = path.matches('{').count();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path");
        assert_eq!(in_path.count(), parts, "{method} {path}");
    }
    assert_eq!(
        described,
        index["endpoints"].as_object().unwrap().len() + 1,
        "all, and /"
    );
}

#[actix_web::test]
async fn every_reference_leads_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let description = Description::get().await;
    let mut found = Vec::new();
    references(&description.0, &mut found);
    assert!(found.len() > 50, "{}", found.len());
    for reference in found {
        let target = description.0.pointer(reference.trim_start_matches('#'));
        assert!(target.is_some(), "{reference} leads nowhere");
    }
}

#[actix_web::test]
async fn every_example_is_what_it_is_an_example_of() {
    let description = Description::get().await;
    let mut validation = Validation::default();
    let mut examples = 0;
    for (path, method, operation) in description.operations() {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let example = &description.resolved(response)["content"]["application/json"]["example"];
            if !example.is_null() {
                assert_eq!(method, "get");
                description.hold(&mut validation, path, status.parse().unwrap(), example);
                examples += 1;
            }
        }
    }
    assert!(examples >= 4, "the four documents of the specification");
    validation.assert();
}

/// A snapshot in which as much as possible is there.
fn rich() -> Arc<Snapshot> {
    let kafka = service("kafka")
        .checked(Verdict::Fail(FailureKind::Refused), "connection refused")
        .depends_on(&["zookeeper"])
        .on(&["kafka"])
        .with(|state| {
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
    let all = Status::ALL.into_iter().fold(snapshot(), |all, status| {
        all.service(service(status.as_str()).status(status, "for the test"))
    });
    all.service(kafka)
        .service(service("zookeeper").unchecked())
        .container(
            container("kafka")
                .health(HealthVerdict::Healthy, "ok")
                .port("9092/tcp", Some(9092))
                .port("9093/tcp", None)
                .network("iot-network", "172.18.0.3", "172.18.0.1")
                .usage(usage()),
        )
        .container(container("old").exited(137))
        .build()
}

/// An hour of kafka, with an outage and all that can be found around one.
async fn history(folder: &tempfile::TempDir) -> History {
    let file = folder.path().join("history.db");
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&file).await.unwrap());
    let outage = incident("kafka", 0, Some(MINUTE), IncidentKind::Crash);
    let logs = LogExcerpt {
        at: at(1),
        container: "kafka".to_owned(),
        lines: vec!["out of memory".to_owned()],
        missing: None,
    };
    let event = event("kafka", 0, ContainerEventKind::Exited);
    store
        .settle(vec![Decided {
            incident: Some(outage.clone()),
            ..change("kafka", 0, Status::Healthy, Status::Unhealthy)
        }])
        .await;
    let mut written = batch(0, HOUR, vec![passed("kafka", MINUTE, 1_000)]);
    written.usage = vec![sample("kafka", MINUTE, 250, 1 << 20)];
    written.events = vec![event.clone()];
    written.evidence = vec![
        (outage.id, Evidence::Logs(logs)),
        (outage.id, Evidence::Container(event)),
    ];
    store.put(written).await;
    History::new(Some(store), HistoryFigures::default(), keep_all())
}

#[actix_web::test]
async fn real_answers_are_what_is_described() {
    let description = Description::get().await;
    let away = || {
        snapshot()
            .container(container("kafka"))
            .service(service("kafka"))
            .docker_away()
    };
    let hasty = Settings {
        registry_timeout: Duration::from_millis(100),
        ..Settings::default()
    };
    let folder = tempfile::TempDir::new().unwrap();
    let states = [
        (
            "rich",
            TestServer::start(ApiState::new(Settings::default(), telling(rich())).with_history(history(&folder).await)),
        ),
        ("empty", TestServer::of(snapshot().build())),
        ("away", TestServer::of(away().build())),
        ("silent", TestServer::start(ApiState::new(hasty, silent()))),
    ];
    let mut seen = BTreeSet::new();
    let mut validation = Validation::default();
    for (name, server) in states {
        for (path, template) in [
            ("/", "/"),
            ("/health", "/health"),
            ("/health?strict=true", "/health"),
            ("/health?strict=maybe", "/health"),
            ("/health/kafka", "/health/{service_name}"),
            ("/health/zookeeper", "/health/{service_name}"),
            ("/health/unhealthy?strict=true", "/health/{service_name}"),
            ("/health/nobody", "/health/{service_name}"),
            ("/health/%ff", "/health/{service_name}"),
            ("/containers", "/containers"),
            ("/containers/kafka", "/containers/{container_name}"),
            ("/containers/old", "/containers/{container_name}"),
            ("/containers/nobody", "/containers/{container_name}"),
            ("/livez", "/livez"),
            ("/readyz", "/readyz"),
            ("/internals", "/internals"),
            ("/openapi.json", "/openapi.json"),
            (
                "/services/kafka/history?from=2023-12-09T00:00:00Z&to=2023-12-09T01:00:00Z",
                "/services/{service_name}/history",
            ),
            ("/services/kafka/history?from=soon", "/services/{service_name}/history"),
            ("/services/nobody/history", "/services/{service_name}/history"),
            ("/services/kafka/uptime?window=2y", "/services/{service_name}/uptime"),
            (
                "/history?services=kafka&fields=uptime,checks,failures,unmeasured,p50_ms,p95_ms,p99_ms,min_ms,mean_ms,max_ms,gap",
                "/history",
            ),
            ("/incidents", "/incidents"),
            ("/incidents?limit=many", "/incidents"),
            ("/incidents/18c4bdfb00000007", "/incidents/{incident_id}"),
            (
                "/containers/kafka/history?from=2023-12-09T00:00:00Z&to=2023-12-09T01:00:00Z",
                "/containers/{container_name}/history",
            ),
        ] {
            let (status, document) = server.json(path).await;
            let without_history = document["reason"]
                .as_str()
                .is_some_and(|reason| reason.starts_with("no history"));
            assert!(
                name != "silent" || [200, 400, 503].contains(&status) || without_history,
                "{path}: {status}"
            );
            description.hold(&mut validation, template, status, &document);
            seen.insert((template, status));
        }
    }
    for expected in [
        ("/health", 200),
        ("/health", 400),
        ("/health", 503),
        ("/health/{service_name}", 404),
        ("/health/{service_name}", 503),
        ("/containers", 503),
        ("/containers/{container_name}", 200),
        ("/containers/{container_name}", 404),
        ("/containers/{container_name}", 503),
        ("/services/{service_name}/history", 200),
        ("/services/{service_name}/history", 400),
        ("/services/{service_name}/history", 404),
        ("/services/{service_name}/uptime", 200),
        ("/history", 200),
        ("/incidents", 200),
        ("/incidents/{incident_id}", 200),
        ("/containers/{container_name}/history", 200),
    ] {
        assert!(seen.contains(&expected), "{expected:?} was not seen: {seen:?}");
    }
    validation.assert();
}

#[actix_web::test]
async fn refusals_are_what_is_described() {
    let description = Description::get().await;
    let key = |scope| {
        Arc::new(ApiKey {
            name: KeyName::new("test").unwrap(),
            hash: KeyHash::of(b"the key"),
            scopes: Scopes::from_iter([scope]),
        })
    };
    let settings = AccessSettings {
        keys: vec![key(Scope::Metrics)],
        ..AccessSettings::default()
    };
    let state = ApiState::new(Settings::default(), telling(snapshot().build()));
    let server = TestServer::start(state.with_access(Arc::new(Access::new(settings))));
    let long = "x".repeat(3_000);
    let mut validation = Validation::default();
    for (name, value, path, expected) in [
        ("Accept", "*/*", "/health".to_owned(), 401),
        ("X-API-Key", "wrong", "/health".to_owned(), 401),
        ("X-API-Key", "the key", "/health".to_owned(), 403),
        ("X-API-Key", "the key", format!("/health?{long}"), 414),
    ] {
        let response = server
            .client
            .get(server.url(&path))
            .header(name, value)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), expected, "{name}: {value}");
        description.hold(&mut validation, "/health", expected, &response.json().await.unwrap());
    }
    validation.assert();
}

#[actix_web::test]
async fn the_page_needs_no_other_host_and_no_key() {
    let settings = AccessSettings {
        keys: vec![Arc::new(ApiKey {
            name: KeyName::new("test").unwrap(),
            hash: KeyHash::of(b"the key"),
            scopes: Scopes::from_iter([Scope::Read]),
        })],
        ..AccessSettings::default()
    };
    let canary = snapshot().service(service("kanarienvogel"));
    let state = ApiState::new(Settings::default(), telling(canary.build()));
    let server = TestServer::start(state.with_access(Arc::new(Access::new(settings))));
    for (path, kind) in [
        ("/docs", "text/html"),
        ("/docs/page.js", "text/javascript"),
        ("/docs/page.css", "text/css"),
    ] {
        let response = server.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        let headers = response.headers().clone();
        assert!(headers["content-type"].to_str().unwrap().starts_with(kind), "{path}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        let text = response.text().await.unwrap();
        for told in ["://", "kanarienvogel", env!("CARGO_PKG_VERSION")] {
            assert!(!text.contains(told), "{path} has {told}");
        }
    }
    assert_eq!(server.get("/openapi.json").await.status(), 401);
}
