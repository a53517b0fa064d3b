use super::super::tests::{Peer, attempt_of, free_port, run};
use super::*;

const SOON: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_secs(10);

fn values(address: impl ToString) -> Values {
    Values::default()
        .with("address", address.to_string())
        .with("password", "hunter2")
}

async fn answer(values: Values, timeout: Duration) -> Result<Finding, CheckFailure> {
    run(build(&values).unwrap(), &attempt_of(timeout)).await
}

#[tokio::test]
async fn another_protocol_is_told() {
    for said in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe",
    ] {
        let (address, _peer) = Peer::answers(said).await;
        let failure = answer(values(address), LONG).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::WrongProtocol, "{failure}");
        assert!(
            failure
                .reason
                .starts_with(&format!("{address} is no PostgreSQL server: ")),
            "{failure}"
        );
    }
    let (endless, _peer) = Peer::endless(b"garbage ").await;
    let failure = answer(values(endless), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongProtocol, "{failure}");
}

#[tokio::test]
async fn mute_slow_closing_resetting_and_absent_servers_are_told_apart() {
    let (mute, _peer) = Peer::silent().await;
    let failure = answer(values(mute), SOON).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert_eq!(
        failure.reason,
        format!("connected to {mute}, but the login did not end within 400ms")
    );

    let (slow, _peer) = Peer::slow(b"R\0\0\0\x08\0\0\0\0", Duration::from_millis(150)).await;
    assert_eq!(answer(values(slow), SOON).await.unwrap_err().kind, FailureKind::Timeout);

    let (closing, _peer) = Peer::answers(b"").await;
    let failure = answer(values(closing), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Reset, "{failure}");

    let (resetting, _peer) = Peer::resets().await;
    let failure = answer(values(resetting), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Reset, "{failure}");

    let absent = format!("127.0.0.1:{}", free_port().await);
    assert_eq!(
        answer(values(absent), LONG).await.unwrap_err().kind,
        FailureKind::Refused
    );
}

#[tokio::test]
async fn without_tls_where_it_is_required_is_told() {
    let (without, _peer) = Peer::answers(b"N").await;
    let failure = answer(values(without).with("tls", "require"), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls);
    assert_eq!(
        failure.reason,
        format!("no TLS with {without}: server does not support TLS")
    );
}

#[tokio::test]
async fn a_server_that_is_starting_or_full_says_so() {
    for (said, kind, words) in [
        (
            &b"E\0\0\0\x3fSFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"[..],
            FailureKind::StartingUp,
            "says: FATAL 57P03: the database system is starting up (postgres on database postgres)",
        ),
        (
            b"E\0\0\0\x3dSFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0",
            FailureKind::Saturated,
            "says: FATAL 53300: sorry, too many clients already (postgres on database postgres)",
        ),
    ] {
        let mut said = said.to_vec();
        let length = u32::try_from(said.len() - 1).unwrap();
        said.splice(1..5, length.to_be_bytes());
        let (address, _peer) = Peer::answers(said.leak()).await;
        let failure = answer(values(address), LONG).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{failure}");
        assert_eq!(failure.reason, format!("{address} {words}"));
    }
}

#[tokio::test]
async fn a_server_that_says_too_much_is_cut_short() {
    let mut said = b"E\0\0\0\0SFATAL\0VFATAL\0C53300\0Mno\nroom\x1b".to_vec();
    said.extend(b"x".repeat(500_000));
    said.extend(b"\0Hhint");
    said.extend(b"y".repeat(400_000));
    said.extend(b"\0\0");
    let length = u32::try_from(said.len() - 1).unwrap();
    said.splice(1..5, length.to_be_bytes());
    let (address, _peer) = Peer::answers(said.leak()).await;
    let failure = answer(values(address), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Saturated, "{failure}");
    assert!(failure.reason.contains("FATAL 53300: no room xx"), "{failure}");
    assert!(failure.reason.contains("…; hinty"), "{failure}");
    assert!(failure.reason.len() < 600, "{failure}");
}
