//! The four-letter word `srvr`: the only one that servers allow by default.

use std::io;

use health_monitor_actors::check::CheckFailure;
use health_monitor_actors::model::FailureKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::deadline::Deadline;
use super::super::dial::{self, Address};
use super::super::failure;
use super::super::tls::Stream;

/// Most that is read of an answer, in bytes; a real one has about 200.
const ANSWER_LIMIT: u64 = 8 * 1024;

/// What a server answers.
#[derive(Debug, PartialEq)]
pub(super) enum Srvr {
    /// Itself.
    Facts(Facts),
    /// That the word is not allowed, or nothing at all.
    Refused,
    /// That it does not serve requests.
    NotServing,
}

/// What a server says of itself.
#[derive(Debug, PartialEq)]
pub(super) struct Facts {
    /// `3.8.0-5a02a05eddb59aee6ac762f7ea82e92a68eb9c0f`.
    pub(super) version: String,
    /// `standalone`, `leader`, `follower`, `observer` or `read-only`.
    pub(super) mode: String,
    /// Mean latency since the start, in milliseconds.
    pub(super) latency_avg: Option<f64>,
    /// Highest latency since the start, in milliseconds.
    pub(super) latency_max: Option<f64>,
    /// Requests that wait.
    pub(super) outstanding: Option<f64>,
    /// Open client connections, this one included.
    pub(super) connections: Option<f64>,
    /// Nodes in the tree.
    pub(super) nodes: Option<f64>,
}

/// Asks over a connection of its own, which the server closes after its answer.
pub(super) async fn ask(mut stream: Stream, address: &Address, deadline: Deadline) -> Result<Srvr, CheckFailure> {
    let mut answer = Vec::new();
    let asking = async {
        stream.write_all(b"srvr").await?;
        stream.flush().await?;
        (&mut stream).take(ANSWER_LIMIT).read_to_end(&mut answer).await
    };
    let broken_off = match deadline.cut(asking).await {
        Some(ended) => ended.err(),
        None if answer.is_empty() => {
            return Err(deadline.elapsed(&format!("connected to {address}, but no answer to srvr")));
        }
        None => {
            let came = failure::quote(&answer);
            return Err(deadline.elapsed(&format!(
                "connected to {address}, but the answer to srvr did not end ({came})"
            )));
        }
    };
    dial::close(stream, deadline).await;
    // What came is told by what it is; a reset after it takes nothing away from it.
    match (read(&answer), broken_off) {
        (_, Some(error)) if answer.is_empty() => {
            Err(failure::of_io(&format!("{address} does not answer srvr"), &error))
        }
        (Some(said), _) => Ok(said),
        (None, None) if answer.len() as u64 >= ANSWER_LIMIT => Err(CheckFailure::new(
            FailureKind::WrongProtocol,
            format!(
                "{address} is no ZooKeeper: its answer to srvr ({}) has no end within {} KiB",
                failure::quote(&answer),
                ANSWER_LIMIT / 1024
            ),
        )),
        (None, ended) if is_begun(&answer) => {
            let step = format!("{address} broke off its answer to srvr ({})", failure::quote(&answer));
            let ended = ended.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
            Err(failure::of_io(&step, &ended))
        }
        (None, _) => Err(CheckFailure::new(
            FailureKind::WrongProtocol,
            format!(
                "{address} is no ZooKeeper: it answers {} to srvr",
                failure::quote(&answer)
            ),
        )),
    }
}

/// It begins as the answer of a ZooKeeper server does.
fn is_begun(answer: &[u8]) -> bool {
    let begins = b"Zookeeper version: ";
    answer.starts_with(begins) || begins.starts_with(answer)
}

/// Reads an answer; `None` where it is none of ZooKeeper's.
fn read(answer: &[u8]) -> Option<Srvr> {
    let text = String::from_utf8_lossy(answer);
    // A server that does not know the word closes without an answer: the session will tell.
    if answer.is_empty() || text.contains("is not executed because it is not in the whitelist") {
        return Some(Srvr::Refused);
    }
    if text.contains("is not currently serving requests") {
        return Some(Srvr::NotServing);
    }
    let value = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .map(str::trim)
    };
    let number = |name: &str| value(name)?.parse().ok();
    let version = value("Zookeeper version")?;
    let mut latency = value("Latency min/avg/max").into_iter().flat_map(|all| all.split('/'));
    Some(Srvr::Facts(Facts {
        version: failure::said(version.split(',').next().unwrap_or(version)),
        mode: failure::said(value("Mode")?),
        latency_avg: latency.nth(1).and_then(|number| number.parse().ok()),
        latency_max: latency.next().and_then(|number| number.parse().ok()),
        outstanding: number("Outstanding"),
        connections: number("Connections"),
        nodes: number("Node count"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_answer_is_read() {
        let answer = b"Zookeeper version: 3.8.0-5a02a05, built on 2022-02-25 08:49 UTC\nLatency min/avg/max: \
            0/0.5/12\nReceived: 2\nSent: 1\nConnections: 1\nOutstanding: 0\nZxid: 0x0\nMode: standalone\nNode count: 5\n";
        let facts = Facts {
            version: "3.8.0-5a02a05".to_owned(),
            mode: "standalone".to_owned(),
            latency_avg: Some(0.5),
            latency_max: Some(12.0),
            outstanding: Some(0.0),
            connections: Some(1.0),
            nodes: Some(5.0),
        };
        assert_eq!(read(answer), Some(Srvr::Facts(facts)));
    }

    #[test]
    fn what_is_shown_of_an_answer_is_short_and_plain() {
        let answer = format!("Zookeeper version: {}\nMode: lead\u{1b}er\n", "3".repeat(4_000));
        let Some(Srvr::Facts(facts)) = read(answer.as_bytes()) else {
            panic!("no facts in {answer}");
        };
        assert_eq!(facts.mode, "lead er");
        assert_eq!(facts.version, format!("{}…", "3".repeat(200)));
    }

    #[test]
    fn refusals_are_told_from_nonsense() {
        let refusal = b"srvr is not executed because it is not in the whitelist.\n";
        assert_eq!(read(refusal), Some(Srvr::Refused));
        assert_eq!(read(b""), Some(Srvr::Refused));
        let minority = b"This ZooKeeper instance is not currently serving requests\n";
        assert_eq!(read(minority), Some(Srvr::NotServing));
        assert_eq!(read(b"HTTP/1.1 400 Bad Request\r\n\r\n"), None);
        assert_eq!(read(b"Zookeeper version: 3.8.0\n"), None, "cut off before its mode");
        assert_eq!(read(&[0xff; 100]), None);
    }
}
