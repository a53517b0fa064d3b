//! Peers whose answers have no end.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use health_monitor_test_support::local::Launch;
use health_monitor_test_support::stack::wait::seconds;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::GROUP;
use crate::configuration;
use crate::fault::{Fault, Scene};
use crate::watch;

/// How long they are asked.
const STAY: Duration = seconds(20);

/// How much larger the monitor may become, in bytes. An answer that it kept would be larger after a second.
const ROOM: f64 = 16e6;

const DEFAULTS: &str = "[defaults]\ninterval = \"2s\"\ntimeout = \"1500ms\"\nretries = 0\nfailure_threshold = 1\n[docker]\nenabled = false\n";

/// A kind of peer: what it says first when it is asked, and then again and again.
struct Peer {
    name: &'static str,
    check: &'static str,
    /// Further lines of its section.
    lines: &'static str,
    head: &'static [u8],
    rest: &'static [u8],
}

const PEERS: [Peer; 10] = [
    Peer {
        name: "http-body",
        check: "http",
        lines: "expect_body = \"green\"",
        head: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        rest: b"00000010\r\nxxxxxxxxxxxxxxxx\r\n",
    },
    Peer {
        name: "http-head",
        check: "http",
        lines: "",
        head: b"HTTP/1.1 200 OK\r\n",
        rest: b"x-header: of a head that has no end\r\n",
    },
    Peer {
        name: "zookeeper-garbage",
        check: "zookeeper",
        lines: "",
        head: b"",
        rest: b"\xfe",
    },
    Peer {
        name: "zookeeper-line",
        check: "zookeeper",
        lines: "",
        head: b"Zookeeper version: 3.8\nLatency: ",
        rest: b"1",
    },
    Peer {
        name: "mqtt-long-packet",
        check: "mqtt",
        lines: "",
        head: b"\x20\xff\xff\xff\x7f",
        rest: b"\0",
    },
    Peer {
        name: "mqtt-garbage",
        check: "mqtt",
        lines: "",
        head: b"",
        rest: b"\xfe",
    },
    Peer {
        name: "kafka-long-frame",
        check: "kafka",
        lines: "",
        head: b"\x7f\xff\xff\xff\0\0\0\x01",
        rest: b"\0",
    },
    Peer {
        name: "kafka-zeros",
        check: "kafka",
        lines: "",
        head: b"",
        rest: b"\0",
    },
    Peer {
        name: "postgres-long-message",
        check: "postgres",
        lines: "user = \"monitor\"",
        head: b"R\x7f\xff\xff\xff",
        rest: b"\0",
    },
    Peer {
        name: "tcp",
        check: "tcp",
        lines: "send = \"?\"\nexpect = \"ready\"",
        head: b"",
        rest: b"N",
    },
];

pub(super) fn faults() -> Vec<Fault> {
    vec![Fault::new(
        GROUP,
        "ten peers that answer without end",
        answers_without_end,
    )]
}

async fn answers_without_end(scene: Scene) {
    let ports = configuration::listeners("port", 20).await;
    let mut floods = JoinSet::new();
    let sections = join_all(PEERS.iter().map(async |peer| {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        (listener, peer.section(address))
    }))
    .await;
    let mut configuration = format!("{DEFAULTS}{}", configuration::of_listeners(&ports, ""));
    for ((listener, section), peer) in sections.into_iter().zip(&PEERS) {
        floods.spawn(flood(listener, peer));
        configuration += &section;
    }
    let monitor = Launch::of(env!("CARGO_BIN_EXE_health-monitor"))
        .start(&configuration)
        .await;
    let began = Instant::now();
    let mut memory = Vec::new();
    let work = async {
        for peer in &PEERS {
            let reason = monitor.reaches(peer.name, "unhealthy", seconds(10)).await;
            scene.saw(format!("{}: {reason}", peer.name));
        }
        scene.saw_after(began, "every one of them is told to be unhealthy");
        while began.elapsed() < STAY {
            memory.push(monitor.figure("process_resident_memory_bytes").await);
            sleep(Duration::from_millis(250)).await;
        }
    };
    let ((), told) = watch::while_doing(&monitor, work).await;
    let names = PEERS.map(|peer| peer.name);
    told.assert_others(&names, &["unknown", "healthy"]);
    let first = memory.first().copied().unwrap_or_default();
    let most = memory.iter().copied().fold(first, f64::max);
    scene.saw(format!(
        "{:.1} MB of memory at first, {:.1} MB at most",
        first / 1e6,
        most / 1e6
    ));
    assert!(most - first < ROOM, "{first} to {most} bytes");
}

// === impl Peer ===

impl Peer {
    fn section(&self, address: SocketAddr) -> String {
        let Self { name, check, lines, .. } = self;
        let place = if *check == "http" {
            format!("url = \"http://{address}/\"")
        } else {
            format!("address = \"{address}\"")
        };
        format!("[services.{name}]\ncheck = \"{check}\"\n{place}\ncontainer = \"\"\n{lines}\n")
    }
}

/// Answers every client without end, for as long as it reads.
async fn flood(listener: TcpListener, peer: &'static Peer) {
    let mut clients = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        clients.spawn(answer(client, peer));
        while clients.try_join_next().is_some() {}
    }
}

async fn answer(mut client: TcpStream, peer: &Peer) -> std::io::Result<()> {
    let mut question = [0; 4096];
    let _length = client.read(&mut question).await?;
    client.write_all(peer.head).await?;
    let piece = peer.rest.repeat(65_536 / peer.rest.len());
    loop {
        client.write_all(&piece).await?;
    }
}
