//! Clients that misbehave, against the stack's monitor: refused with a 4xx, never a 5xx, and nobody else is hurt.

use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use health_monitor_test_support::stack::Stack;
use health_monitor_test_support::stack::wait::{seconds, until};

/// Clients that hold a connection at once: one half sends no whole request, the other reads no answer.
const SLOW_CLIENTS: usize = 200;

#[tokio::test]
async fn requests_that_are_too_long_or_malformed_get_a_4xx() {
    let long = "x".repeat(3_000);
    let cases = [
        (Method::GET, format!("/health/{long}"), StatusCode::URI_TOO_LONG),
        (Method::GET, format!("/containers?{long}"), StatusCode::URI_TOO_LONG),
        (
            Method::GET,
            "/health?strict=perhaps".to_owned(),
            StatusCode::BAD_REQUEST,
        ),
        (Method::GET, "/health?strict=%ff".to_owned(), StatusCode::BAD_REQUEST),
        (Method::GET, "/health/%00".to_owned(), StatusCode::NOT_FOUND),
        (
            Method::GET,
            "/health/..%2f..%2fetc%2fpasswd".to_owned(),
            StatusCode::NOT_FOUND,
        ),
        (
            Method::GET,
            "/containers/%f0%9f%90%b3".to_owned(),
            StatusCode::NOT_FOUND,
        ),
        (Method::GET, "/health/kafka/more".to_owned(), StatusCode::NOT_FOUND),
        (Method::GET, "/no-such-path".to_owned(), StatusCode::NOT_FOUND),
        (Method::POST, "/health".to_owned(), StatusCode::METHOD_NOT_ALLOWED),
        (
            Method::DELETE,
            "/containers/kafka".to_owned(),
            StatusCode::METHOD_NOT_ALLOWED,
        ),
        (
            Method::from_bytes(b"BREW").unwrap(),
            "/metrics".to_owned(),
            StatusCode::METHOD_NOT_ALLOWED,
        ),
    ];
    let url = Stack::get().variable("STACK_HEALTH_MONITOR_URL");
    let client = reqwest::Client::new();
    for (method, path, expected) in cases {
        let response = client
            .request(method.clone(), format!("{url}{path}"))
            .send()
            .await
            .unwrap();
        let shown = path.get(..40).unwrap_or(&path);
        assert_eq!(response.status(), expected, "{method} {shown}");
        let body = response.text().await.unwrap();
        assert!(
            body.starts_with(r#"{"status":""#) && body.len() < 1_000,
            "{method} {shown}: {body}"
        );
    }
    let response = client.get(format!("{url}/health")).header("x-long", "x".repeat(20_000));
    let response = response.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let big = client
        .post(format!("{url}/health"))
        .body(vec![b'x'; 4_000_000])
        .send()
        .await;
    // A server may close the connection before it has read all of a body that it refuses.
    assert!(big.is_err() || big.is_ok_and(|response| response.status() == StatusCode::PAYLOAD_TOO_LARGE));
    alive().await;
}

#[tokio::test]
async fn bytes_that_are_no_http_get_a_4xx_or_a_closed_connection() {
    let head = |header: &str| format!("GET /health HTTP/1.1\r\nHost: monitor\r\n{header}\r\n\r\n").into_bytes();
    let cases = [
        ("nothing", Vec::new()),
        (
            "noise",
            (0..4_096_u32)
                .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
                .collect(),
        ),
        (
            "a TLS greeting",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(50),
        ),
        ("an HTTP/2 greeting", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("a method of NUL bytes", b"\0\0\0 /health HTTP/1.1\r\n\r\n".to_vec()),
        ("no version", b"GET /health\r\n\r\n".to_vec()),
        ("HTTP/9.9", b"GET /health HTTP/9.9\r\n\r\n".to_vec()),
        (
            "a path without a slash",
            b"GET health HTTP/1.1\r\nHost: monitor\r\n\r\n".to_vec(),
        ),
        ("a header without a colon", head("nonsense")),
        ("a negative length", head("Content-Length: -1")),
        ("two lengths", head("Content-Length: 1\r\nContent-Length: 2")),
        (
            "a length and chunks",
            head("Content-Length: 5\r\nTransfer-Encoding: chunked"),
        ),
        (
            "a bad chunk",
            [head("Transfer-Encoding: chunked"), b"zz\r\n".to_vec()].concat(),
        ),
        ("a thousand headers", head(&vec!["a: b"; 1_000].join("\r\n"))),
        ("a head without end", b"a: b\r\n".repeat(50_000)),
    ];
    for (what, bytes) in cases {
        let answer = talk(&bytes).await;
        let text = String::from_utf8_lossy(&answer);
        let status = text
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| text.strip_prefix("HTTP/1.0 "));
        match status {
            Some(status) => assert!(!status.starts_with('5'), "{what}: {text}"),
            None => assert!(text.is_empty(), "{what}: {text}"),
        }
        println!("{what}: {}", text.lines().next().unwrap_or("closed"));
    }
    alive().await;
}

/// Sends bytes, ends the sending half and answers what comes back until the connection is closed.
async fn talk(bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect().await;
    let mut answer = Vec::new();
    let exchange = async {
        // The server may have closed before it was told all.
        stream.write_all(bytes).await.ok();
        stream.shutdown().await.ok();
        stream.read_to_end(&mut answer).await.ok();
    };
    timeout(seconds(15), exchange)
        .await
        .expect("the server neither answers nor closes");
    answer
}

#[tokio::test]
async fn many_slow_clients_hold_nobody_up_and_are_turned_out() {
    let (mut slow, mut deaf) = (Vec::new(), Vec::new());
    for _ in 0..SLOW_CLIENTS / 2 {
        let mut client = connect().await;
        client.write_all(b"GET /metrics HTTP/1.1\r\nHost: mon").await.unwrap();
        slow.push(client);
        // Asks as often as the server reads ahead, and reads no answer.
        let mut client = connect().await;
        client
            .write_all(&b"GET /metrics HTTP/1.1\r\nHost: monitor\r\n\r\n".repeat(16))
            .await
            .unwrap();
        deaf.push(client);
    }
    let began = Instant::now();
    alive().await;
    println!(
        "with {SLOW_CLIENTS} slow clients /health and /readyz answer within {:?}",
        began.elapsed()
    );

    // Each is refused for its slowness, not served and not forgotten.
    for mut client in slow {
        let mut answer = Vec::new();
        let closed = timeout(seconds(15), client.read_to_end(&mut answer)).await;
        closed.expect("a slow client is turned out").ok();
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 408"), "{text}");
    }
    drop(deaf);
    alive().await;
}

async fn connect() -> TcpStream {
    let url = reqwest::Url::parse(Stack::get().variable("STACK_HEALTH_MONITOR_URL")).unwrap();
    let address = (url.host_str().unwrap(), url.port_or_known_default().unwrap());
    TcpStream::connect(address).await.unwrap()
}

/// The monitor answers, and has lost no part of itself.
async fn alive() {
    let monitor = Stack::get().monitor();
    let (status, health) = monitor.get("/health").await;
    assert_eq!((status, &health["total_services"]), (StatusCode::OK, &9.into()));
    until("a monitor that is ready", seconds(5), async || {
        match monitor.try_get("/readyz").await {
            Ok((StatusCode::OK, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}
