use super::super::tests::{Peer, attempt_of, free_port, run};
use super::*;

const SOON: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_secs(10);
const OK: &[u8] =
    b"HTTP/1.1 200 OK\r\nServer: test\r\nContent-Length: 15\r\nConnection: close\r\n\r\n{\"status\":\"ok\"}";

fn values(address: impl ToString) -> Values {
    Values::default().with("url", format!("http://{}/status?token=hunter2", address.to_string()))
}

async fn answer(values: Values, timeout: Duration) -> Result<Finding, CheckFailure> {
    run(build(&values).unwrap(), &attempt_of(timeout)).await
}

#[tokio::test]
async fn a_good_answer_passes_and_the_server_sees_an_orderly_close() {
    let (address, mut peer) = Peer::answers(OK).await;
    let values = values(address)
        .with("expect_body", "\"ok\"")
        .with("expect_json", serde_json::json!({ "/status": "ok" }));
    let finding = answer(values, LONG).await.unwrap();
    let reason = format!("GET /status at {address} answers 200 OK with the expected values");
    assert_eq!(finding.reason, reason);
    assert_eq!(finding.info["status"], 200);
    assert_eq!(finding.info["server"], "test");
    assert!(peer.saw_orderly_close().await);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_an_error_status_is_none() {
    let (moved, _peer) = Peer::answers(b"HTTP/1.1 302 Found\r\nLocation: http://nowhere.invalid/\r\n\r\n").await;
    assert_eq!(answer(values(moved), LONG).await.unwrap().info["status"], 302);

    let (broken, _peer) = Peer::answers(b"HTTP/1.1 503 Service Unavailable\r\n\r\ndatabase is away").await;
    let failure = answer(values(broken), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Assertion);
    let reason =
        format!("GET /status at {broken} answers 503 Service Unavailable, expected 200-399: \"database is away\"");
    assert_eq!(failure.reason, reason);
    assert_eq!(failure.info["status"], 503);

    let (wanted, _peer) = Peer::answers(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").await;
    answer(values(wanted).with("expect_status", vec!["503"]), LONG)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_body_without_the_text_fails_and_one_without_end_is_cut() {
    let (other, _peer) = Peer::answers(OK).await;
    let failure = answer(values(other).with("expect_body", "green"), LONG)
        .await
        .unwrap_err();
    assert!(
        failure
            .reason
            .ends_with("expected \"green\" in its body: \"{\\\"status\\\":\\\"ok\\\"}\""),
        "{failure}"
    );

    let (endless, _peer) = Peer::serve(|mut stream| async move {
        use tokio::io::AsyncWriteExt;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
        while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
        None
    })
    .await;
    let failure = answer(values(endless).with("expect_body", "green"), LONG)
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Assertion);
    assert!(failure.reason.len() < 300, "{failure}");
}

#[tokio::test]
async fn another_protocol_is_told() {
    let (ssh, _peer) = Peer::says(b"SSH-2.0-OpenSSH_9.2\r\n").await;
    let failure = answer(values(ssh), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongProtocol, "{failure}");
    assert!(
        failure.reason.starts_with(&format!("{ssh} does not speak HTTP: ")),
        "{failure}"
    );

    let (garbage, _peer) = Peer::endless(&[0xfe; 64]).await;
    let failure = answer(values(garbage), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongProtocol, "{failure}");

    let (head, _peer) = Peer::endless(b"HTTP/1.1 200 OK\r\nx: y\r\nx: ").await;
    let failure = answer(values(head), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongProtocol, "{failure}");
}

#[tokio::test]
async fn mute_slow_closing_resetting_and_absent_servers_are_told_apart() {
    let (mute, _peer) = Peer::silent().await;
    let failure = answer(values(mute), SOON).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert_eq!(
        failure.reason,
        format!("connected to {mute}, but no answer to GET /status within 400ms")
    );

    let (slow, _peer) = Peer::slow(OK, Duration::from_millis(150)).await;
    assert_eq!(answer(values(slow), SOON).await.unwrap_err().kind, FailureKind::Timeout);

    let (short, _peer) = Peer::serve(|mut stream| async move {
        use tokio::io::AsyncWriteExt;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
            .await
            .ok()?;
        Some(stream)
    })
    .await;
    let failure = answer(values(short), SOON).await.unwrap_err();
    let reason = format!("GET /status at {short} answers 200 OK, but its body did not end within 400ms");
    assert_eq!(failure.reason, reason);

    let (closing, _peer) = Peer::answers(b"").await;
    let failure = answer(values(closing), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Reset);
    assert!(
        failure.reason.ends_with("the other side closed the connection"),
        "{failure}"
    );

    let (resetting, _peer) = Peer::resets().await;
    let failure = answer(values(resetting), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Reset);

    let absent = format!("127.0.0.1:{}", free_port().await);
    let failure = answer(values(absent), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(!failure.reason.contains("hunter2"), "{failure}");
}

#[tokio::test]
async fn the_request_is_what_was_configured() {
    let (seen, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let (address, _peer) = Peer::serve(move |mut stream| {
        let seen = seen.clone();
        async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut request = Vec::new();
            while !request.ends_with(b"ping") {
                stream.read_buf(&mut request).await.ok()?;
            }
            seen.send(String::from_utf8(request).unwrap()).ok()?;
            stream.write_all(OK).await.ok()?;
            stream.shutdown().await.ok()?;
            Some(stream)
        }
    })
    .await;
    let values = values(address)
        .with("method", "POST")
        .with("headers", serde_json::json!({ "Authorization": "Bearer hunter2" }))
        .with("body", "ping");
    answer(values, LONG).await.unwrap();
    let request = requests.recv().await.unwrap();
    assert!(
        request.starts_with("POST /status?token=hunter2 HTTP/1.1\r\n"),
        "{request}"
    );
    for header in [
        "authorization: Bearer hunter2".to_owned(),
        format!("host: {address}"),
        "content-length: 4".to_owned(),
        "connection: close".to_owned(),
    ] {
        assert!(request.contains(&format!("{header}\r\n")), "{header} in {request}");
    }
}

#[test]
fn what_cannot_work_is_told_at_once() {
    let problem = |values: Values| build(&values).err().unwrap().to_string();
    let url = |url: &str| problem(Values::default().with("url", url));
    assert_eq!(
        url("http://u:p@x/"),
        "url must not hold a user or password: use headers.Authorization"
    );
    assert_eq!(url("ftp://x/"), "url `ftp://x/` must begin with http:// or https://");
    assert_eq!(
        problem(values("x").with("method", "B AD")),
        "method `B AD` is no request method"
    );
    let header = problem(values("x").with("headers", serde_json::json!({ "X-Key": "hunter2\n" })));
    assert_eq!(header, "headers.X-Key holds characters that a header cannot");
}

#[test]
fn ports_and_paths_have_the_usual_defaults() {
    let read = |url| {
        let (address, encrypted, path) = read_url(url).unwrap();
        (address.to_string(), encrypted, path.to_string())
    };
    assert_eq!(read("http://web"), ("web:80".to_owned(), false, "/".to_owned()));
    assert_eq!(
        read("https://web/a?b=c"),
        ("web:443".to_owned(), true, "/a?b=c".to_owned())
    );
    assert_eq!(
        read("http://[::1]:8080/"),
        ("[::1]:8080".to_owned(), false, "/".to_owned())
    );
}

#[tokio::test]
async fn a_server_with_a_long_name_is_cut_short() {
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: {}\r\nContent-Length: 0\r\n\r\n",
        "x".repeat(20_000)
    );
    let (address, _peer) = Peer::answers(head.into_bytes().leak()).await;
    let finding = answer(values(address), LONG).await.unwrap();
    assert_eq!(finding.info["server"], format!("{}…", "x".repeat(200)));
}
