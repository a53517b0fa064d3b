use std::time::Duration;

use rdkafka::mocking::MockCluster;
use tokio::time::{Instant, timeout};

use super::super::tests::{Peer, attempt_of, free_port, run};
use super::*;

const SOON: Duration = Duration::from_millis(700);
const LONG: Duration = Duration::from_secs(10);

fn values(servers: &str) -> Values {
    let servers: Vec<_> = servers.split(',').map(str::to_owned).collect();
    Values::default().with("address", servers)
}

async fn answer(values: Values, timeout: Duration) -> Result<Finding, CheckFailure> {
    run(build(&values).unwrap(), &attempt_of(timeout)).await
}

#[tokio::test]
async fn a_cluster_passes_with_its_brokers_controller_and_topics() {
    let cluster = MockCluster::new(3).unwrap();
    cluster.create_topic("orders", 4, 3).unwrap();
    let finding = answer(values(&cluster.bootstrap_servers()), LONG).await.unwrap();
    assert!(!finding.warning, "{}", finding.reason);
    assert!(
        finding.reason.contains(": 3 brokers, controller "),
        "{}",
        finding.reason
    );
    assert_eq!(finding.info["brokers"], 3);
    assert_eq!(finding.info["topics"], 1);
    assert_eq!(finding.info["partitions"], 4);
    assert!(finding.info.contains_key("cluster_id"), "{:?}", finding.info);
}

#[tokio::test]
async fn partitions_without_a_leader_are_a_warning() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("orders", 2, 1).unwrap();
    cluster.partition_leader("orders", 1, None).unwrap();
    let finding = answer(values(&cluster.bootstrap_servers()), LONG).await.unwrap();
    assert!(finding.warning);
    assert!(
        finding.reason.ends_with("; 1 of 2 partitions offline (orders/1)"),
        "{}",
        finding.reason
    );
}

#[tokio::test]
async fn the_first_server_that_takes_a_connection_is_asked() {
    let cluster = MockCluster::new(1).unwrap();
    let servers = format!("127.0.0.1:{},{}", free_port().await, cluster.bootstrap_servers());
    answer(values(&servers), LONG).await.unwrap();
}

#[tokio::test]
async fn closed_ports_fail_at_once_and_are_all_named() {
    let servers = format!("127.0.0.1:{},127.0.0.1:{}", free_port().await, free_port().await);
    let begin = Instant::now();
    let failure = answer(values(&servers), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
    for server in servers.split(',') {
        assert!(
            failure.reason.contains(&format!("cannot connect to {server}")),
            "{failure}"
        );
    }
    assert!(begin.elapsed() < LONG / 4);
}

#[tokio::test]
async fn another_protocol_is_told_well_before_the_time_is_over() {
    for (said, kind, words) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            FailureKind::WrongProtocol,
            "it answers \"HTTP\"…",
        ),
        (
            &[0xfe; 64],
            FailureKind::WrongProtocol,
            "it answers \"\\xfe\\xfe\\xfe\\xfe\"…",
        ),
        (b"", FailureKind::Reset, "Disconnected: connection closed by peer"),
    ] {
        let (address, _peer) = Peer::answers(said).await;
        let begin = Instant::now();
        let failure = answer(values(&address.to_string()), LONG).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{failure}");
        let reason = format!(
            "no cluster metadata from {address}: {words} (is this a Kafka listener, and does it want what `tls` and \
             `user` say?)"
        );
        assert_eq!(failure.reason, reason);
        assert!(begin.elapsed() < LONG / 2, "{failure}");
    }
}

#[tokio::test]
async fn mute_and_slow_servers_time_out_within_the_attempt() {
    let (mute, _peer) = Peer::silent().await;
    let begin = Instant::now();
    let failure = answer(values(&mute.to_string()), SOON).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout, "{failure}");
    assert_eq!(
        failure.reason,
        format!("connected to {mute}, but no cluster metadata within 700ms")
    );
    assert!(begin.elapsed() < SOON * 3);

    let (slow, _peer) = Peer::slow(&[0, 0, 0, 64], Duration::from_millis(150)).await;
    let failure = answer(values(&slow.to_string()), SOON).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout, "{failure}");
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_blocks_the_next_and_then_ends() {
    let (mute, mut peer) = Peer::silent().await;
    let values = values(&mute.to_string());
    let settings: Settings = values.read().unwrap();
    let check = Arc::new(KafkaCheck {
        tls: false,
        servers: settings.address,
        client: ClientConfig::new(),
        calls: Calls::new(&CALLS),
    });
    let attempt = attempt_of(Duration::from_secs(60));
    let first = tokio::spawn({
        let (check, attempt) = (Arc::clone(&check), attempt.clone());
        async move { check.attempt(&attempt).await }
    });
    // The bare connection has come and gone: the call itself is under way.
    assert!(peer.saw_orderly_close().await);
    first.abort();
    first.await.unwrap_err();
    let failure = check.attempt(&attempt).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::StillRunning);
    let ended = timeout(Duration::from_secs(20), check.calls.ended()).await;
    ended.expect("the call goes on although nobody waits");
}

#[test]
fn what_cannot_work_is_told_at_once() {
    let problem = |values: Values| build(&values).err().unwrap().to_string();
    assert_eq!(
        problem(values("k:1").with("user", "u")),
        "password is missing beside user"
    );
    assert_eq!(
        problem(values("k:1").with("password", "p")),
        "user is missing beside password"
    );
    let file = problem(values("k:1").with("tls", true).with("ca_file", "/nowhere/ca.pem"));
    assert!(file.starts_with("ca_file cannot be read: /nowhere/ca.pem"), "{file}");
}

/// Of several servers that fail, one that is at fault itself counts before the monitor's own trouble with another.
#[tokio::test]
async fn a_server_that_refuses_counts_before_a_name_that_cannot_be_looked_up() {
    let values = values(&format!("kafka-1:9092,127.0.0.1:{}", free_port().await));
    let settings: Settings = values.read().unwrap();
    let _turn = settings.address[0].looks_up();
    let check = KafkaCheck {
        tls: false,
        servers: settings.address,
        client: ClientConfig::new(),
        calls: Calls::new(&CALLS),
    };
    let failure = check.attempt(&attempt_of(LONG)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
    assert!(
        failure
            .reason
            .contains("an earlier name lookup has not returned yet; cannot connect to"),
        "{failure}"
    );
}

/// What librdkafka would end the process at.
#[tokio::test]
async fn a_server_that_answers_zeros_is_no_broker() {
    let (address, _peer) = Peer::answers(b"\x00\x00\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00").await;
    let failure = answer(values(&address.to_string()), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongProtocol);
    assert_eq!(
        failure.reason,
        format!("{address} is no Kafka broker: it answers zeros")
    );
    let (zeros, _peer) = Peer::endless(&[0; 64]).await;
    let failure = answer(values(&zeros.to_string()), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongProtocol);
}

#[tokio::test]
async fn garbage_without_end_is_no_broker() {
    let (garbage, _peer) = Peer::endless(&[0xfe; 64]).await;
    let failure = answer(values(&garbage.to_string()), LONG).await.unwrap_err();
    assert_ne!(failure.kind, FailureKind::LocalResources, "{}", failure.reason);
}
