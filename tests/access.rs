//! Who may ask what of the API, over HTTP from the real server: with and without keys, with good and with wrong ones.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[cfg(test)]
mod support {
    pub(crate) mod server;
    pub(crate) mod snapshot;
}

use std::sync::Arc;
use std::time::Duration;

use health_monitor::access::client::TrustedProxies;
use health_monitor::access::key::{ApiKey, KeyHash, KeyName, Scope, Scopes, new_key};
use health_monitor::access::{Access, AccessSettings};
use health_monitor::api::{ApiState, Limits, Settings};
use health_monitor::secret::Secret;
use reqwest::Method;
use serde_json::{Value, json};
use support::server::{TestServer, telling};
use support::snapshot::{container, service, snapshot};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// In every name, image and reason of the snapshot, so that any of them would show.
const CANARY: &str = "kanarienvogel";

/// Paths that are there, paths that are not, and requests that are bad.
const PATHS: [&str; 22] = [
    "/",
    "/health",
    "/health?strict=true",
    "/health?strict=maybe",
    "/health/kanarienvogel",
    "/health/nobody",
    "/health/%6banarienvogel",
    "/%68ealth",
    "/health/",
    "/health/%ff",
    "/containers",
    "/containers/kanarienvogel",
    "/containers/nobody",
    "/metrics",
    "/%6detrics",
    "/internals",
    "/%6civez",
    "/livez/",
    "//livez",
    "/nowhere",
    "/nowhere?kanarienvogel=1",
    "/..%2fhealth",
];

struct Keys {
    read: Secret,
    metrics: Secret,
    admin: Secret,
}

fn keys() -> (Keys, AccessSettings) {
    let (read, metrics, admin) = (new_key().unwrap(), new_key().unwrap(), new_key().unwrap());
    let configured = |name: &str, key: &Secret, scope| {
        Arc::new(ApiKey {
            name: KeyName::new(name).unwrap(),
            hash: KeyHash::of(key.expose().as_bytes()),
            scopes: Scopes::from_iter([scope]),
        })
    };
    let settings = AccessSettings {
        keys: vec![
            configured("grafana", &read, Scope::Read),
            configured("prometheus", &metrics, Scope::Metrics),
            configured("ops", &admin, Scope::Admin),
        ],
        ..AccessSettings::default()
    };
    (Keys { read, metrics, admin }, settings)
}

fn server(settings: AccessSettings) -> TestServer {
    let canary = service(CANARY).unchecked().on(&[CANARY]);
    let snapshot = snapshot().container(container(CANARY)).service(canary).build();
    let state = ApiState::new(Settings::default(), telling(snapshot));
    TestServer::start(state.with_access(Arc::new(Access::new(settings))))
}

/// The answer's HTTP status, and all of it as text: status line, headers and body.
async fn ask(server: &TestServer, method: Method, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut request = server.client.request(method, server.url(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let head = format!("{status} {:?}\n", response.headers());
    (status, head + &response.text().await.unwrap())
}

async fn get(server: &TestServer, path: &str, key: &Secret) -> (u16, String) {
    ask(server, Method::GET, path, &[("X-API-Key", key.expose())]).await
}

fn methods() -> [Method; 7] {
    let methods = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
    ];
    let [get, head, post, put, delete, options] = methods;
    [
        get,
        head,
        post,
        put,
        delete,
        options,
        Method::from_bytes(b"BREW").unwrap(),
    ]
}

#[actix_web::test]
async fn without_a_key_nothing_is_told_but_401_whatever_is_asked() {
    let (_, settings) = keys();
    let server = server(settings);
    for path in PATHS {
        for method in methods() {
            let (status, answer) = ask(&server, method.clone(), path, &[]).await;
            assert_eq!(status, 401, "{method} {path}: {answer}");
            assert!(!answer.contains(CANARY), "{method} {path}: {answer}");
            assert!(!answer.contains(env!("CARGO_PKG_VERSION")), "{method} {path}: {answer}");
            if method != Method::HEAD {
                let (_, body) = answer.split_once('\n').unwrap();
                assert_eq!(body, r#"{"error":"Invalid API key"}"#, "{method} {path}");
            }
        }
    }
}

#[actix_web::test]
async fn livez_and_readyz_tell_a_stranger_one_word() {
    let (keys, settings) = keys();
    let server = server(settings);
    for (path, status, word) in [("/livez", 200, "ok"), ("/readyz", 503, "not_ready")] {
        let response = server.get(path).await;
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(
            response.json::<Value>().await.unwrap(),
            json!({ "status": word }),
            "{path}"
        );
        let (status, _) = ask(&server, Method::POST, path, &[]).await;
        assert_eq!(status, 401, "{path}");
    }
    let (_, answer) = get(&server, "/readyz", &keys.read).await;
    assert!(
        answer.contains("waiting for the first result of kanarienvogel"),
        "{answer}"
    );
    let (_, answer) = get(&server, "/readyz", &keys.metrics).await;
    assert!(
        !answer.contains(CANARY),
        "a key without the scope is told no more: {answer}"
    );
    let wrong = [("X-API-Key", "hm_wrong")];
    assert_eq!(
        ask(&server, Method::GET, "/livez", &wrong).await.0,
        401,
        "a wrong key opens nothing"
    );
}

#[actix_web::test]
async fn a_key_opens_what_its_scopes_say() {
    let (keys, settings) = keys();
    let server = server(settings);
    for (path, read, metrics, admin) in [
        ("/health", 200, 403, 200),
        ("/health/kanarienvogel", 200, 403, 200),
        ("/%68ealth", 200, 403, 200),
        ("/containers", 200, 403, 200),
        ("/internals", 200, 403, 200),
        ("/metrics", 403, 200, 200),
        ("/%6detrics", 403, 200, 200),
        ("/health/nobody", 404, 403, 404),
        ("/health?strict=maybe", 400, 403, 400),
        ("/nowhere", 404, 404, 404),
    ] {
        for (key, expected) in [(&keys.read, read), (&keys.metrics, metrics), (&keys.admin, admin)] {
            let (status, answer) = get(&server, path, key).await;
            assert_eq!(status, expected, "{path}: {answer}");
        }
    }
    let (_, answer) = get(&server, "/health", &keys.metrics).await;
    assert!(
        answer.contains("the key 'prometheus' does not have the scope 'read', which this needs"),
        "{answer}"
    );
}

#[actix_web::test]
async fn the_key_may_stand_in_either_header() {
    let (keys, settings) = keys();
    let server = server(settings);
    let key = keys.metrics.expose();
    let (bearer, lower) = (format!("Bearer {key}"), format!("bearer  {key}"));
    let basic = format!("Basic {key}");
    for (headers, expected) in [
        (vec![("X-API-Key", key)], 200),
        (vec![("x-api-key", key)], 200),
        (vec![("Authorization", bearer.as_str())], 200),
        (vec![("Authorization", lower.as_str())], 200),
        (vec![("X-API-Key", key), ("Authorization", basic.as_str())], 200),
        (vec![("X-API-Key", "hm_wrong"), ("Authorization", bearer.as_str())], 401),
        (vec![("Authorization", basic.as_str())], 401),
        (vec![("Authorization", key)], 401),
        (vec![("Cookie", key)], 401),
        (vec![("X-API-Key", "")], 401),
    ] {
        let (status, _) = ask(&server, Method::GET, "/metrics", &headers).await;
        assert_eq!(status, expected, "{headers:?}");
    }
    let (status, _) = ask(&server, Method::GET, &format!("/metrics?X-API-Key={key}"), &[]).await;
    assert_eq!(status, 401, "no key in an address, which ends in logs");
}

#[actix_web::test]
async fn metrics_are_open_where_a_setting_says_so() {
    let (_, settings) = keys();
    let open = AccessSettings {
        open_metrics: true,
        ..settings
    };
    let server = server(open);
    assert_eq!(ask(&server, Method::GET, "/metrics", &[]).await.0, 200);
    assert_eq!(ask(&server, Method::GET, "/health", &[]).await.0, 401);
    assert_eq!(ask(&server, Method::POST, "/metrics", &[]).await.0, 401);
}

#[actix_web::test]
async fn badges_are_open_where_a_setting_says_so() {
    let (_, settings) = keys();
    let ask_badge = async |open_badges| {
        let server = server(AccessSettings {
            open_badges,
            ..settings.clone()
        });
        assert_eq!(ask(&server, Method::GET, "/health", &[]).await.0, 401);
        assert_eq!(ask(&server, Method::GET, "/badge", &[]).await.0, 401);
        assert_eq!(ask(&server, Method::POST, "/badge/nobody.svg", &[]).await.0, 401);
        ask(&server, Method::GET, "/badge/nobody.svg", &[]).await.0
    };
    assert_eq!(ask_badge(false).await, 401);
    assert_eq!(
        ask_badge(true).await,
        404,
        "a stranger may ask, and there is no such service"
    );
}

#[actix_web::test]
async fn without_keys_whatever_only_reads_is_open() {
    let server = server(AccessSettings::default());
    for headers in [vec![], vec![("X-API-Key", "anything")]] {
        for path in ["/", "/health", "/metrics", "/internals", "/readyz"] {
            let (status, answer) = ask(&server, Method::GET, path, &headers).await;
            assert!([200, 503].contains(&status), "{path}: {answer}");
        }
        assert_eq!(ask(&server, Method::GET, "/nowhere", &headers).await.0, 404);
        assert_eq!(ask(&server, Method::POST, "/health", &headers).await.0, 405);
    }
}

#[actix_web::test]
async fn wrong_keys_are_slowed_down_and_nobody_else_is() {
    let (keys, settings) = keys();
    let server = server(AccessSettings {
        trusted_proxies: TrustedProxies::parse(["127.0.0.0/8"]).unwrap(),
        ..settings
    });
    let timed = async |key: &str, client: &str| {
        let began = Instant::now();
        let headers = [("X-API-Key", key), ("X-Forwarded-For", client)];
        let (status, _) = ask(&server, Method::GET, "/health", &headers).await;
        (status, began.elapsed())
    };
    for _ in 0..5 {
        assert_eq!(timed("hm_wrong", "198.51.100.7").await.0, 401);
    }
    let (status, took) = timed("hm_wrong", "198.51.100.7").await;
    assert_eq!(status, 401);
    assert!(took >= Duration::from_millis(250), "{took:?}");

    let ((slow, slow_took), (status, took)) = futures_util::future::join(
        timed("hm_wrong", "198.51.100.7"),
        timed(keys.read.expose(), "198.51.100.7"),
    )
    .await;
    assert_eq!((slow, status), (401, 200));
    assert!(took < slow_took, "a good key waits for nobody: {took:?} {slow_took:?}");
    let (status, took) = timed("hm_wrong", "203.0.113.5").await;
    assert_eq!(status, 401);
    assert!(took < Duration::from_millis(250), "another client's first: {took:?}");
}

#[actix_web::test]
async fn however_many_send_wrong_keys_a_good_one_is_answered() {
    let (keys, settings) = keys();
    let server = server(settings);
    let wrong = || ask(&server, Method::GET, "/health", &[("X-API-Key", "hm_wrong")]);
    let flood = futures_util::future::join_all((0..200).map(|_| wrong()));
    let good = async {
        let began = Instant::now();
        for _ in 0..20 {
            assert_eq!(get(&server, "/health", &keys.read).await.0, 200);
        }
        began.elapsed()
    };
    let (answers, took) = futures_util::future::join(flood, good).await;
    assert!(answers.iter().all(|(status, _)| *status == 401));
    let closed = answers
        .iter()
        .filter(|(_, answer)| answer.contains("\"connection\": \"close\""));
    assert!(closed.count() >= 100, "too many to let them all wait");
    assert!(took < Duration::from_secs(4), "{took:?}");
}

// === Limits and headers ===

#[actix_web::test]
async fn every_answer_bears_the_security_headers() {
    let (keys, settings) = keys();
    let server = server(settings);
    for (path, key) in [
        ("/health", Some(&keys.read)),
        ("/nowhere", Some(&keys.read)),
        ("/health", None),
        ("/livez", None),
    ] {
        let mut request = server.client.get(server.url(path));
        if let Some(key) = key {
            request = request.header("X-API-Key", key.expose());
        }
        let response = request.send().await.unwrap();
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(response.headers()[name], value, "{path}");
        }
        for name in ["server", "x-powered-by", "strict-transport-security"] {
            assert_eq!(response.headers().get(name), None, "{path}");
        }
    }
}

#[actix_web::test]
async fn bodies_are_bounded_in_size_and_time_for_who_may_send_one() {
    let (keys, settings) = keys();
    let state = ApiState::new(Settings::default(), telling(snapshot().build()));
    let limits = Limits {
        body: 1_000,
        body_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let server = TestServer::limited(state.with_access(Arc::new(Access::new(settings))), limits);
    let send = async |key: Option<&Secret>, body: reqwest::Body| {
        let mut request = server.client.post(server.url("/health")).body(body);
        if let Some(key) = key {
            request = request.header("X-API-Key", key.expose());
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let (status, _) = send(Some(&keys.admin), "x".repeat(1_000).into()).await;
    assert_eq!(status, 405, "short enough to be read, and then not wanted");
    let (status, document) = send(Some(&keys.admin), "x".repeat(1_001).into()).await;
    assert_eq!((status, &document["status"]), (413, &json!("body_too_long")));
    let (status, document) = send(None, "x".repeat(1_001).into()).await;
    assert_eq!((status, document), (401, json!({ "error": "Invalid API key" })));

    // Without a length, and then nothing more.
    let head = format!(
        "POST /health HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        keys.admin.expose()
    );
    let without_key = head.replace(keys.admin.expose(), "");
    let endless = format!("{head}{}", format!("3e8\r\n{}\r\n", "x".repeat(1_000)).repeat(2));
    for (sent, expected) in [
        (format!("{head}1\r\nx\r\n"), "408"),
        (format!("{without_key}1\r\nx\r\n"), "401"),
        (endless, "413"),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut answer));
        let read = read.await;
        assert!(read.is_ok(), "the connection does not end with {expected}: {answer}");
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{answer}");
    }
}
