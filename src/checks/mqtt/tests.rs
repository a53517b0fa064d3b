use std::time::Duration;

use super::super::tests::{Peer, attempt_of, free_port, run};
use super::*;

const SOON: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_secs(10);

fn values(address: impl ToString) -> Values {
    Values::default().with("address", address.to_string())
}

async fn answer(values: Values, timeout: Duration) -> Result<Finding, CheckFailure> {
    run(build(&values).unwrap(), &attempt_of(timeout)).await
}

#[test]
fn a_client_id_fits_every_broker_and_is_this_monitors_own() {
    let service = ServiceName::new("mqtt-kafka-connector.east").unwrap();
    let id = client_id(&service, 0xbeef);
    assert_eq!(id, "hm-mqttkafkaco-0000beef");
    assert!(id.len() <= 23);
    assert_ne!(id, client_id(&service, 0xbeee));
}

#[test]
fn what_cannot_work_is_told_at_once() {
    let problem = |values: Values| build(&values).err().unwrap().to_string();
    assert_eq!(
        problem(values("x:1").with("password", "p")),
        "user is missing beside password"
    );
    let wildcard = problem(values("x:1").with("topic", "a/#"));
    assert!(wildcard.starts_with("topic `a/#` cannot be published to"), "{wildcard}");
    let file = problem(values("x:1").with("tls", true).with("ca_file", "/nowhere/ca.pem"));
    assert!(file.starts_with("ca_file cannot be read: /nowhere/ca.pem"), "{file}");
    let half = problem(values("x:1").with("tls", true).with("key_file", "/nowhere/key.pem"));
    assert_eq!(half, "certificate_file is missing beside key_file");
}

#[tokio::test]
async fn refusals_are_told_by_their_code() {
    for (connack, kind, words) in [
        (
            b"\x20\x02\x00\x01",
            FailureKind::Rejected,
            "does not take clients of MQTT 3.1.1",
        ),
        (b"\x20\x02\x00\x02", FailureKind::Rejected, "refuses the client id"),
        (
            b"\x20\x02\x00\x03",
            FailureKind::Rejected,
            "says that its service is unavailable",
        ),
        (
            b"\x20\x02\x00\x04",
            FailureKind::LoginRefused,
            "refuses an anonymous login: bad user name or password",
        ),
        (
            b"\x20\x02\x00\x05",
            FailureKind::LoginRefused,
            "refuses an anonymous login: not authorised: set user and password",
        ),
        (
            b"\x20\x02\x00\x84",
            FailureKind::Rejected,
            "refuses clients of MQTT 3.1.1 (code 132)",
        ),
    ] {
        let (address, _peer) = Peer::answers(connack).await;
        let failure = answer(values(address), LONG).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{words}");
        assert_eq!(failure.reason, format!("{address} {words}"));
    }
}

#[tokio::test]
async fn another_protocol_is_told_with_what_it_said() {
    let (http, _peer) = Peer::answers(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let failure = answer(values(http), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongProtocol);
    let reason = format!("{http} is no MQTT broker: it says \"HTTP/1.1 400 Bad Request\\r\\n\\r\\n\"");
    assert_eq!(failure.reason, reason);

    let (banner, _peer) = Peer::says(b"SSH-2.0-OpenSSH_9.2\r\n").await;
    let failure = answer(values(banner), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongProtocol);

    // A CONNACK of 268,435,455 bytes is not read.
    let (huge, _peer) = Peer::answers(b"\x20\xff\xff\xff\x7f").await;
    let failure = answer(values(huge), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongProtocol);
}

#[tokio::test]
async fn mute_slow_closing_resetting_and_absent_brokers_are_told_apart() {
    let (mute, _peer) = Peer::silent().await;
    let failure = answer(values(mute), SOON).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert_eq!(
        failure.reason,
        format!("connected to {mute}, but no CONNACK within 400ms")
    );

    let (slow, _peer) = Peer::slow(b"\x20\x02\x00\x00", Duration::from_millis(150)).await;
    let failure = answer(values(slow), SOON).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);

    let (closing, _peer) = Peer::answers(b"").await;
    let failure = answer(values(closing), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Reset);
    assert!(
        failure.reason.contains("no CONNACK, it closed the connection"),
        "{}",
        failure.reason
    );

    let (resetting, _peer) = Peer::resets().await;
    let failure = answer(values(resetting), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Reset);

    let absent = format!("127.0.0.1:{}", free_port().await);
    assert_eq!(
        answer(values(absent), LONG).await.unwrap_err().kind,
        FailureKind::Refused
    );
}

#[tokio::test]
async fn a_broker_without_tls_is_told_when_tls_is_asked_for() {
    let (plain, _peer) = Peer::answers(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let failure = answer(values(plain).with("tls", true), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongProtocol);
    assert_eq!(failure.reason, format!("{plain} does not speak TLS on this port"));

    let (mute, _peer) = Peer::silent().await;
    let failure = answer(values(mute).with("tls", true), SOON).await.unwrap_err();
    assert_eq!(
        failure.reason,
        format!("connected to {mute}, but no TLS handshake within 400ms")
    );

    let (closing, _peer) = Peer::answers(b"").await;
    let failure = answer(values(closing).with("tls", true), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls);
}

#[tokio::test]
async fn a_packet_out_of_turn_is_told_by_its_name_alone() {
    // CONNACK, then a PUBLISH of 20,000 bytes where a SUBACK is due.
    let mut said = b"\x20\x02\x00\x00\x30\xa0\x9c\x01\x00\x01a".to_vec();
    said.extend([b'x'; 19_997]);
    let (address, _peer) = Peer::answers(said.leak()).await;
    let failure = answer(values(address).with("topic", "t"), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongProtocol);
    assert_eq!(
        failure.reason,
        format!("{address} sent a PUBLISH where a SUBACK was due")
    );
}
