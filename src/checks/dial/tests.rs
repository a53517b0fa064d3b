use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use health_monitor_actors::check::Finding;
use health_monitor_actors::model::{ContainerState, Network};
use tokio::net::TcpListener;

use super::super::tests::{attempt_of, attempt_with_container, container, free_port};
use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);

#[test]
fn addresses_are_read_and_shown_as_people_write_them() {
    let parts = |text: &str| {
        let address: Address = text.parse().unwrap();
        assert_eq!(address.to_string(), text);
        (
            address.host.to_string(),
            address.port,
            matches!(address.place, Place::Ip(_)),
        )
    };
    assert_eq!(parts("kafka:29092"), ("kafka".to_owned(), 29092, false));
    assert_eq!(parts("10.0.0.7:1"), ("10.0.0.7".to_owned(), 1, true));
    assert_eq!(parts("[::1]:1883"), ("::1".to_owned(), 1883, true));
    for text in [
        "kafka",
        "kafka:",
        ":1",
        "kafka:0",
        "kafka:65536",
        "::1:1883",
        "[kafka]:1",
        "http://x:1",
        "a b:1",
    ] {
        assert!(text.parse::<Address>().is_err(), "{text}");
    }
}

#[tokio::test]
async fn a_closed_port_is_refused_by_name_and_by_address() {
    let port = free_port().await;
    let attempt = attempt_of(TIMEOUT);
    for (host, shown) in [("127.0.0.1", ""), ("localhost", " (")] {
        let address = Address::new(host, port);
        let failure = dial(&address, &attempt, Deadline::of(&attempt)).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused);
        let begin = format!("cannot connect to {host}:{port}{shown}");
        assert!(failure.reason.starts_with(&begin), "{}", failure.reason);
        assert!(
            failure.reason.ends_with("nothing listens on that port"),
            "{}",
            failure.reason
        );
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_found_where_docker_says() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // No resolver answers for it: the label is too long.
    let host = "k".repeat(64);
    let address = Address::new(&host, port);

    let nobody = attempt_of(TIMEOUT);
    let failure = dial(&address, &nobody, Deadline::of(&nobody)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::NameNotFound);

    let attempt = attempt_with_container(TIMEOUT, &host, Ipv4Addr::LOCALHOST.into());
    let dialed = dial(&address, &attempt, Deadline::of(&attempt)).await.unwrap();
    let finding = with_name_trouble(Finding::pass("works"), dialed.unresolved);
    let told = finding.info["name_resolution"].as_str().unwrap();
    assert!(
        told.ends_with("does not exist; asked at the address Docker gives"),
        "{told}"
    );
}

/// As while the resolver is silent, and a lookup lasts.
#[tokio::test]
async fn a_container_in_no_network_is_not_waited_for() {
    let address = Address::new("kafka", free_port().await);
    let _turn = address.clone().looks_up();
    let mut kafka = container("kafka");
    let attempt = |kafka: &ContainerState| Attempt {
        containers: Arc::new([Arc::new(kafka.clone())]),
        ..attempt_of(TIMEOUT)
    };
    let alone = attempt(&kafka);
    let failure = dial(&address, &alone, Deadline::of(&alone)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::NameNotFound);
    assert!(
        failure.reason.contains("its container runs, but shares no network"),
        "{}",
        failure.reason
    );

    let elsewhere = Network {
        ip_address: "192.0.2.7".to_owned(),
        gateway: "192.0.2.1".to_owned(),
        aliases: Vec::new(),
    };
    kafka.networks.insert("elsewhere".to_owned(), elsewhere);
    let elsewhere = attempt(&kafka);
    let failure = dial(&address, &elsewhere, Deadline::of(&elsewhere)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::StillRunning);
}

#[tokio::test]
async fn an_address_that_fails_does_not_hide_one_that_works() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let good = listener.local_addr().unwrap();
    let bad = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), free_port().await);
    let attempt = attempt_of(TIMEOUT);
    let address = Address::new("replicated", good.port());
    let stream = connect_any(&address, &[bad, good], Deadline::of(&attempt))
        .await
        .unwrap();
    assert_eq!(stream.peer_addr().unwrap(), good);
}

#[tokio::test]
async fn a_lookup_that_hangs_is_not_joined_by_another() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = Address::new("localhost", listener.local_addr().unwrap().port());
    // Whoever has a clone of the address has the same lookups.
    let turn = address.clone().looks_up();
    let nobody = attempt_of(TIMEOUT);
    let failure = dial(&address, &nobody, Deadline::of(&nobody)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::StillRunning);
    assert_eq!(
        failure.reason,
        "cannot look up localhost: an earlier name lookup has not returned yet"
    );

    let attempt = attempt_with_container(TIMEOUT, "localhost", Ipv4Addr::LOCALHOST.into());
    let dialed = dial(&address, &attempt, Deadline::of(&attempt)).await.unwrap();
    assert_eq!(dialed.unresolved, Some(failure.reason));

    drop(turn);
    let dialed = dial(&address, &nobody, Deadline::of(&nobody)).await.unwrap();
    assert_eq!(dialed.unresolved, None);
}

#[tokio::test]
async fn leaving_a_server_that_spoke_first_is_no_reset() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let attempt = attempt_of(TIMEOUT);
    let address = Address::new("127.0.0.1", listener.local_addr().unwrap().port());
    let dialed = dial(&address, &attempt, Deadline::of(&attempt)).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    server.write_all(b"220 mail ESMTP\r\n").await.unwrap();
    dialed.stream.readable().await.unwrap();
    leave(dialed.stream);
    // Else the read fails with ECONNRESET, and so does the next word.
    assert_eq!(server.read(&mut [0; 16]).await.unwrap(), 0);
    assert!(server.take_error().unwrap().is_none());
}
