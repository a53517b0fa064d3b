//! Anything at all is sent to the API, with and without a key: it answers, never fails, and tells nothing to who has no key.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[cfg(test)]
mod support {
    pub(crate) mod server;
    pub(crate) mod snapshot;
}

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use health_monitor::access::key::{ApiKey, KeyHash, KeyName, Scope, Scopes};
use health_monitor::access::{Access, AccessSettings};
use health_monitor::api::{ApiState, Limits, Settings};
use support::server::{TestServer, telling};
use support::snapshot::{container, service, snapshot};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Requests of each kind.
const REQUESTS: usize = 1_500;

/// In every name of the snapshot.
const CANARY: &str = "kanarienvogel";

const KEY: &str = "hm_the_key_of_this_test";

/// Pieces that requests are put together from.
const METHODS: [&str; 10] = [
    "GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "BREW",
];
const PATHS: [&str; 26] = [
    "/",
    "/health",
    "/health/",
    "/containers",
    "/containers/",
    "/metrics",
    "/livez",
    "/readyz",
    "/internals",
    "/openapi.json",
    "/docs",
    "/docs/page.js",
    "kanarienvogel",
    "..",
    "//",
    "%2f",
    "%00",
    "%ff",
    "%6b",
    "?strict=",
    "?strict=true",
    "&",
    "#",
    "{service_name}",
    "http://other/health",
    "*",
];
/// So many of them are whole paths.
const ABSOLUTE: usize = 12;
const HEADERS: [&str; 13] = [
    "Host:",
    "Accept-Encoding: gzip",
    "Accept-Encoding: identity;q=0, *;q=0",
    "Connection: close",
    "Connection: upgrade\r\nUpgrade: websocket",
    "Content-Length: 5",
    "Content-Length: 99999999999999999999",
    "Transfer-Encoding: chunked",
    "Expect: 100-continue",
    "X-Forwarded-For: 1.2.3.4, nonsense",
    "Authorization: Basic aGVsbG8=",
    "Cookie: a=b",
    "Range: bytes=0-5",
];

fn pick<'a>(random: &mut fastrand::Rng, among: &[&'a str]) -> &'a str {
    among[random.usize(..among.len())]
}

/// A request that a server may well dislike.
fn request(random: &mut fastrand::Rng, key: Option<&str>) -> Vec<u8> {
    // Nearly all begin as a path does; what else there is would be refused before anything looks at it.
    let mut path = String::from(if random.u8(..) < 16 {
        ""
    } else {
        PATHS[random.usize(..ABSOLUTE)]
    });
    for _ in 0..random.usize(..3) {
        path.push_str(pick(random, &PATHS));
    }
    if random.u8(..) < 20 {
        path.push_str(&"x".repeat(random.usize(..4_000)));
    }
    let method = pick(random, &METHODS);
    let version = pick(random, &["1.1", "1.1", "1.1", "1.1", "1.1", "1.1", "1.0", "9"]);
    let mut text = format!("{method} {path} HTTP/{version}\r\n");
    if random.u8(..) > 16 {
        text.push_str("Host: x\r\n");
    }
    for _ in 0..random.usize(..3) {
        text.push_str(pick(random, &HEADERS));
        text.push_str("\r\n");
    }
    if let Some(key) = key {
        text.push_str(&format!("X-API-Key: {key}\r\n"));
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    if random.bool() {
        bytes.extend_from_slice(b"hello");
    }
    if random.u8(..) < 25 {
        // Some bytes are none that it meant.
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
    }
    bytes
}

/// All that comes back until the connection ends; our side says at once that nothing more comes.
async fn exchange(server: &TestServer, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut answer = Vec::new();
    let exchanged = async {
        // A server that has read enough may close first.
        stream.write_all(bytes).await.ok();
        stream.shutdown().await.ok();
        stream.read_to_end(&mut answer).await.ok();
    };
    let ended = timeout(Duration::from_secs(20), exchanged).await;
    assert!(ended.is_ok(), "no end of {:?}", String::from_utf8_lossy(bytes));
    String::from_utf8_lossy(&answer).into_owned()
}

fn server() -> TestServer {
    let canary = service(CANARY).on(&[CANARY]);
    let snapshot = snapshot().container(container(CANARY)).service(canary);
    let state = ApiState::new(Settings::default(), telling(snapshot.build()));
    let keys = vec![Arc::new(ApiKey {
        name: KeyName::new("test").unwrap(),
        hash: KeyHash::of(KEY.as_bytes()),
        scopes: Scopes::from_iter([Scope::Admin]),
    })];
    let access = Access::new(AccessSettings {
        keys,
        ..AccessSettings::default()
    });
    let limits = Limits {
        body_timeout: Duration::from_millis(500),
        ..Limits::default()
    };
    TestServer::limited(state.with_access(Arc::new(access)), limits)
}

/// The statuses of an exchange: a request may hold what looks like a second one.
fn statuses(answer: &str) -> impl Iterator<Item = u16> {
    let heads = answer.split("HTTP/1.").skip(1);
    heads.filter_map(|head| head.get(2..5)?.parse().ok())
}

#[actix_web::test]
async fn with_a_key_anything_is_answered_and_nothing_fails() {
    let server = server();
    let mut random = fastrand::Rng::with_seed(7);
    let mut answered = 0;
    for _ in 0..REQUESTS {
        let bytes = request(&mut random, Some(KEY));
        let answer = exchange(&server, &bytes).await;
        for status in statuses(&answer) {
            answered += 1;
            assert!(status < 500, "{:?}\n{answer}", String::from_utf8_lossy(&bytes));
        }
    }
    assert!(answered > REQUESTS / 2, "{answered}");
    assert_eq!(server.get("/livez").await.status(), 200);
}

#[actix_web::test]
async fn without_a_key_nothing_is_told() {
    let server = server();
    let mut random = fastrand::Rng::with_seed(11);
    let mut told = BTreeMap::new();
    for _ in 0..REQUESTS {
        let bytes = request(&mut random, None);
        let sent = String::from_utf8_lossy(&bytes);
        let answer = exchange(&server, &bytes).await;
        assert!(!answer.contains(CANARY), "{sent:?}\n{answer}");
        assert!(!answer.contains(env!("CARGO_PKG_VERSION")), "{sent:?}\n{answer}");
        for status in statuses(&answer) {
            assert!(status < 500, "{sent:?}\n{answer}");
            let is_open = ["/livez", "/readyz", "/docs"].iter().any(|path| sent.contains(path));
            // 400 and 408 are said of what is no request at all.
            assert!(is_open || [100, 400, 401, 408].contains(&status), "{sent:?}\n{answer}");
            *told.entry(status).or_insert(0) += 1;
        }
    }
    assert!(told[&401] > REQUESTS / 4, "{told:?}");
}

#[actix_web::test]
async fn what_is_no_http_at_all_hurts_nobody() {
    let server = server();
    let mut random = fastrand::Rng::with_seed(13);
    for _ in 0..200 {
        let bytes: Vec<u8> = (0..random.usize(1..3_000)).map(|_| random.u8(..)).collect();
        let answer = exchange(&server, &bytes).await;
        assert!(statuses(&answer).all(|status| status < 500), "{bytes:?}\n{answer}");
    }
    assert_eq!(server.get("/livez").await.status(), 200);
}
