use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::tests::{Peer, attempt_of, free_port, run};
use super::*;

const SOON: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_secs(10);

async fn answer(address: impl ToString, timeout: Duration) -> Result<Finding, CheckFailure> {
    let values = Values::default().with("address", address.to_string());
    run(build(&values).unwrap(), &attempt_of(timeout)).await
}

/// A server that refuses `srvr` and grants sessions, with this error code for what is asked in them.
async fn session_server(code: i32) -> (std::net::SocketAddr, Peer) {
    Peer::serve(move |mut stream| async move {
        let first = stream.read_u32().await.ok()?;
        if first == u32::from_be_bytes(*b"srvr") {
            let refusal = b"srvr is not executed because it is not in the whitelist.\n";
            stream.write_all(refusal).await.ok()?;
            stream.shutdown().await.ok()?;
            return Some(stream);
        }
        let mut request = vec![0; first as usize];
        stream.read_exact(&mut request).await.ok()?;
        let mut granted = vec![
            0, 0, 0, 37, 0, 0, 0, 0, 0, 0, 0x0f, 0xa0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 16,
        ];
        granted.extend([7; 16]);
        granted.push(0);
        stream.write_all(&granted).await.ok()?;
        // exists, then closeSession: the same header, with the number of the request.
        for _ in 0..2 {
            let length = stream.read_u32().await.ok()?;
            let mut request = vec![0; length as usize];
            stream.read_exact(&mut request).await.ok()?;
            let mut reply = vec![0, 0, 0, 16];
            reply.extend(request.get(..4)?);
            reply.extend([0; 8]);
            reply.extend(code.to_be_bytes());
            stream.write_all(&reply).await.ok()?;
        }
        stream.shutdown().await.ok()?;
        Some(stream)
    })
    .await
}

#[tokio::test]
async fn where_srvr_is_refused_a_session_tells() {
    let (address, mut peer) = session_server(0).await;
    let finding = answer(address, LONG).await.unwrap();
    assert!(
        finding.reason.contains("granted a session; it does not allow srvr"),
        "{}",
        finding.reason
    );
    assert_eq!(finding.info["session_timeout_ms"], 4_000);
    assert!(peer.saw_orderly_close().await && peer.saw_orderly_close().await);
}

#[tokio::test]
async fn a_session_in_which_reading_fails_is_no_success() {
    let (address, _peer) = session_server(-7).await;
    let failure = answer(address, LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Rejected);
    assert!(
        failure.reason.ends_with("reading / fails with error -7"),
        "{}",
        failure.reason
    );
}

#[tokio::test]
async fn a_server_without_quorum_fails() {
    let (address, _peer) = Peer::answers(b"This ZooKeeper instance is not currently serving requests\n").await;
    let failure = answer(address, LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Rejected);
    assert!(failure.reason.contains("it has no quorum"), "{}", failure.reason);
}

#[tokio::test]
async fn another_protocol_is_told_with_what_it_said() {
    let (address, _peer) = Peer::answers(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let failure = answer(address, LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongProtocol);
    let reason = format!("{address} is no ZooKeeper: it answers \"HTTP/1.1 400 Bad Request\\r\\n\\r\\n\" to srvr");
    assert_eq!(failure.reason, reason);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_other_protocol() {
    let (address, _peer) = Peer::answers(b"Zookeeper version: 3.8.0\nLatency").await;
    let failure = answer(address, LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Reset);
    let said =
        "broke off its answer to srvr (\"Zookeeper version: 3.8.0\\nLatency\"): the other side closed the connection";
    assert_eq!(failure.reason, format!("{address} {said}"));
}

#[tokio::test]
async fn an_answer_without_end_is_told_to_have_none() {
    let (address, _peer) = Peer::endless(b"Zookeeper version: 3.8.0").await;
    let failure = answer(address, LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongProtocol);
    assert!(
        failure.reason.ends_with("has no end within 8 KiB"),
        "{}",
        failure.reason
    );
}

#[tokio::test]
async fn garbage_without_end_is_cut() {
    let (address, _peer) = Peer::endless(&[0xfe; 64]).await;
    let failure = answer(address, LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongProtocol);
    assert!(failure.reason.len() < 500, "{}", failure.reason);
}

#[tokio::test]
async fn mute_slow_resetting_and_absent_servers_are_told_apart() {
    let (mute, _peer) = Peer::silent().await;
    let failure = answer(mute, SOON).await.unwrap_err();
    assert_eq!(
        failure.reason,
        format!("connected to {mute}, but no answer to srvr within 400ms")
    );

    let (slow, _peer) = Peer::slow(b"Zookeeper version: 3", Duration::from_millis(150)).await;
    let failure = answer(slow, SOON).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert!(failure.reason.contains("did not end (\"Z"), "{}", failure.reason);

    let (resetting, _peer) = Peer::resets().await;
    let failure = answer(resetting, LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Reset);

    let failure = answer(format!("127.0.0.1:{}", free_port().await), LONG)
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
}
