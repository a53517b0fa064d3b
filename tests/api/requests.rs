//! Requests that are wrong, large, slow or unusual, whatever they are for.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use health_monitor::api::{ApiState, Limits, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::server::{TestServer, telling};
use crate::support::snapshot::{container, service, snapshot};

#[actix_web::test]
async fn what_is_not_there_is_a_404_with_a_reason() {
    let server = TestServer::of(
        snapshot()
            .service(service("kafka"))
            .container(container("kafka"))
            .build(),
    );
    let long = "x".repeat(1_500);
    for (path, named) in [
        ("/health/kafak", "service 'kafak'"),
        ("/containers/kafak", "container 'kafak'"),
        ("/nothing", "'/nothing'"),
        ("/health/", "'/health/'"),
        ("/health/kafka/more", "'/health/kafka/more'"),
        ("/health/a%2Fb%00%22%0A", "service"),
        ("/containers/%F0%9F%90%B3", "container '🐳'"),
        ("/health/..%2f..%2fetc%2fpasswd", "service"),
        (&format!("/health/{long}"), "service 'xxx"),
    ] {
        let (status, document) = server.json(path).await;
        assert_eq!((status, &document["status"]), (404, &json!("not_found")), "{path}");
        let reason = document["reason"].as_str().unwrap();
        assert!(reason.contains(named) && reason.len() < 300, "{path}: {reason}");
    }
}

#[actix_web::test]
async fn what_is_malformed_or_too_long_is_refused_and_never_a_5xx() {
    let server = TestServer::of(snapshot().service(service("kafka")).build());
    let long = "x".repeat(3_000);
    for (path, expected) in [
        (format!("/health/{long}"), 414),
        (format!("/health?{long}"), 414),
        ("/health/%ff".to_owned(), 404),
        ("/health?strict=%ff".to_owned(), 400),
        ("/health?%".to_owned(), 200),
        ("/health?&&=&".to_owned(), 200),
    ] {
        let (status, document) = server.json(&path).await;
        assert_eq!(status, expected, "{path}: {document}");
    }
    let response = server
        .client
        .get(server.url("/health"))
        .header("X-Long", "x".repeat(20_000));
    let response = response.send().await.unwrap();
    assert_eq!(response.status(), 431);
    let document: Value = response.json().await.unwrap();
    assert!(
        document["reason"].as_str().unwrap().contains("at most 16384"),
        "{document}"
    );
    let response = server
        .client
        .get(server.url("/health"))
        .header("Accept-Encoding", "br;q=1, *;q=0");
    let response = response.send().await.unwrap();
    assert_eq!(response.status(), 406);
    assert_eq!(response.json::<Value>().await.unwrap()["status"], "not_acceptable");
}

#[actix_web::test]
async fn what_is_no_http_is_a_4xx_and_the_server_lives() {
    let server = TestServer::of(snapshot().build());
    let address = server.address;
    for head in [
        "GET /health HTTP/9.9\r\n\r\n".to_owned(),
        "nonsense\r\n\r\n".to_owned(),
        "GET  HTTP/1.1\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\nbad header\r\n\r\n".to_owned(),
        format!("GET /health HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200)),
        format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000)),
        format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(140_000)),
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n".to_owned(),
    ] {
        let begin: String = head.chars().take(30).collect();
        let answer = actix_web::rt::task::spawn_blocking(move || {
            let mut connection = TcpStream::connect(address).unwrap();
            connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            // The server may close before it has read all of it.
            let sent = connection.write_all(head.as_bytes());
            let mut answer = [0; 12];
            let received = connection.read_exact(&mut answer);
            (sent, received.map(|()| String::from_utf8_lossy(&answer).into_owned()))
        });
        match answer.await.unwrap() {
            (_, Ok(status)) => assert!(status.starts_with("HTTP/1.1 4"), "{begin}: {status}"),
            // Closed while it was still sending, which can lose the answer on the way.
            (Err(_), Err(_)) => assert!(begin.contains("xxx"), "no answer: {begin}"),
            (Ok(()), Err(error)) => panic!("no answer: {begin}: {error}"),
        }
    }
    assert_eq!(server.json("/livez").await.0, 200);
}

#[actix_web::test]
async fn only_reading_is_allowed() {
    let server = TestServer::of(snapshot().service(service("kafka")).build());
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        for path in ["/health", "/health/kafka", "/containers", "/metrics", "/livez", "/"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let response = server
                .client
                .request(method.clone(), server.url(path))
                .body("{}")
                .send()
                .await
                .unwrap();
            assert_eq!(response.status(), 405, "{method} {path}");
            assert_eq!(response.headers()["allow"], "GET, HEAD");
            let document: Value = response.json().await.unwrap();
            assert_eq!(document["status"], "method_not_allowed", "{method} {path}");
        }
    }
}

#[actix_web::test]
async fn head_is_get_without_the_body() {
    let stack = snapshot().service(service("kafka")).container(container("kafka"));
    let server = TestServer::of(stack.build());
    for path in [
        "/health",
        "/health/kafka",
        "/containers/kafka",
        "/livez",
        "/readyz",
        "/",
    ] {
        let get = server.get(path).await;
        let head = server.client.head(server.url(path)).send().await.unwrap();
        assert_eq!(head.status(), get.status(), "{path}");
        assert_eq!(head.headers()["content-type"], get.headers()["content-type"], "{path}");
        assert_eq!(
            head.headers()["content-length"],
            get.headers()["content-length"],
            "{path}"
        );
        assert_eq!(head.headers()["cache-control"], "no-store");
        assert_eq!(head.text().await.unwrap(), "", "{path}");
    }
    let head = server.client.head(server.url("/metrics")).send().await.unwrap();
    assert_eq!(
        (head.status().as_u16(), head.text().await.unwrap()),
        (200, String::new())
    );
    let missing = server.client.head(server.url("/health/nobody")).send().await.unwrap();
    assert_eq!(missing.status(), 404);
}

#[actix_web::test]
async fn answers_are_compressed_where_asked() {
    let many = (0..50).fold(snapshot(), |all, n| all.service(service(&format!("service-{n}"))));
    let server = TestServer::of(many.build());
    let plain = server.text("/health").await.1;
    for path in ["/health", "/metrics"] {
        let asked = server.client.get(server.url(path)).header("Accept-Encoding", "gzip");
        let response = asked.send().await.unwrap();
        assert_eq!(response.headers()["content-encoding"], "gzip", "{path}");
        assert!(
            response.headers()["vary"].to_str().unwrap().contains("accept-encoding"),
            "{path}"
        );
        let body = response.bytes().await.unwrap();
        assert_eq!(body[..2], [0x1f, 0x8b], "{path}");
        assert!(
            path == "/metrics" || body.len() < plain.len() / 3,
            "{} of {}",
            body.len(),
            plain.len()
        );
    }
    assert_eq!(server.get("/health").await.headers().get("content-encoding"), None);
}

#[actix_web::test]
async fn clients_that_send_or_read_slowly_hurt_nobody_else() {
    let many = (0..2_000).fold(snapshot(), |all, n| all.service(service(&format!("service-{n}"))));
    let state = ApiState::new(Settings::default(), telling(many.build()));
    let limits = Limits {
        request_timeout: Duration::from_secs(1),
        ..Limits::default()
    };
    let server = TestServer::limited(state, limits);
    let mut slow_senders = Vec::new();
    let mut slow_readers = Vec::new();
    for _ in 0..50 {
        let mut sender = TcpStream::connect(server.address).unwrap();
        sender.write_all(b"GET /health HT").unwrap();
        slow_senders.push(sender);
        let mut reader = TcpStream::connect(server.address).unwrap();
        reader.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        slow_readers.push(reader);
    }
    for path in ["/livez", "/health", "/metrics"] {
        let answer = tokio::time::timeout(Duration::from_secs(10), server.text(path)).await;
        assert_eq!(answer.unwrap().0, 200, "{path}");
    }
    let cut_off = actix_web::rt::task::spawn_blocking(move || {
        let mut sender = slow_senders.remove(0);
        sender.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut answer = Vec::new();
        sender
            .read_to_end(&mut answer)
            .map(|_| String::from_utf8_lossy(&answer).into_owned())
    });
    let cut_off = cut_off.await.unwrap().unwrap();
    assert!(cut_off.starts_with("HTTP/1.1 408"), "{cut_off}");
}
