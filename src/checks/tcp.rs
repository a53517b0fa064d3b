//! Check `tcp`: the port takes a connection, and answers as expected where something is expected.

use std::sync::Arc;

use async_trait::async_trait;
use health_monitor_actors::check::{Attempt, Check, CheckFailure, Finding};
use health_monitor_actors::model::FailureKind;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::deadline::Deadline;
use super::dial::{self, Address};
use super::failure;
use super::tls::{self, Stream, Tls};
use crate::settings::key::{Key, KeyKind};
use crate::settings::values::{InvalidValue, Values};

/// Most that is read in search of the expected text, in bytes.
const ANSWER_LIMIT: usize = 16 * 1024;

/// What may be set.
pub(super) const SCHEMA: &[Key] = tls::with_keys![
    Key::new("address", KeyKind::HostPort, "where to connect to, as host:port").required(),
    Key::new("send", KeyKind::Text, "text to send once connected, line ends included"),
    Key::new(
        "expect",
        KeyKind::Text,
        "text that must come back, anywhere in the first 16 KiB",
    ),
];

#[derive(Debug, Deserialize)]
struct Settings {
    /// Where to connect to.
    address: Address,
    /// Text to send once connected; nothing is sent where it is left out.
    send: Option<String>,
    /// Text that must come back; nothing is read where it is left out.
    expect: Option<String>,
    #[serde(flatten)]
    tls: tls::Wanted,
}

struct TcpCheck {
    address: Address,
    send: Option<String>,
    expect: Option<String>,
    tls: Option<Box<Tls>>,
    /// The reason of a pass, made once: this is the check of which there may be ten thousand.
    accepts: String,
}

/// Makes the check.
pub(super) fn build(values: &Values) -> Result<Arc<dyn Check>, InvalidValue> {
    let settings: Settings = values.read()?;
    let accepts = format!("{} accepts connections", settings.address);
    let tls = settings.tls.connector(settings.address.host())?;
    Ok(Arc::new(TcpCheck {
        address: settings.address,
        send: settings.send,
        expect: settings.expect,
        tls: tls.map(Box::new),
        accepts,
    }))
}

#[async_trait]
impl Check for TcpCheck {
    async fn attempt(&self, attempt: &Attempt) -> Result<Finding, CheckFailure> {
        let deadline = Deadline::of(attempt);
        let dialed = dial::dial(&self.address, attempt, deadline).await?;
        let says_nothing = self.send.is_none() && self.expect.is_none();
        let finding = if says_nothing && self.tls.is_none() {
            dial::leave(dialed.stream);
            Finding::pass(self.accepts.clone())
        } else {
            // By itself on the heap: its buffers would make the task of every check, ten thousand of which may only connect,
            // several KiB.
            Box::pin(self.agree_and_converse(dialed.stream, deadline)).await?
        };
        Ok(dial::with_name_trouble(finding, dialed.unresolved))
    }
}

impl TcpCheck {
    async fn agree_and_converse(&self, stream: TcpStream, deadline: Deadline) -> Result<Finding, CheckFailure> {
        let tls = self.tls.as_deref();
        let stream = tls::secure(tls, stream, &self.address, deadline).await?;
        let shown = stream.shown();
        let finding = self.converse(stream, deadline).await?;
        Ok(tls::judge(tls, finding, shown.as_ref()))
    }

    async fn converse(&self, mut stream: Stream, deadline: Deadline) -> Result<Finding, CheckFailure> {
        let address = &self.address;
        if let Some(text) = &self.send {
            let sent = async {
                stream.write_all(text.as_bytes()).await?;
                // TLS keeps back what does not fill a record.
                stream.flush().await
            };
            deadline
                .within(|| format!("connected to {address}, but it takes no data"), sent)
                .await?
                .map_err(|error| failure::of_io(&format!("cannot send to {address}"), &error))?;
        }
        let Some(text) = &self.expect else {
            dial::close(stream, deadline).await;
            return Ok(Finding::pass(self.accepts.clone()));
        };
        let mut answer = Vec::new();
        let reading = search(&mut stream, text.as_bytes(), &mut answer);
        let found = deadline.cut(reading).await;
        match found {
            Some(Ok(true)) => {
                dial::close(stream, deadline).await;
                Ok(Finding::pass(format!("{address} answers as expected")))
            }
            Some(Ok(false)) => Err(CheckFailure::new(
                FailureKind::Assertion,
                format!("{address} answers {}, expected {text:?} in it", shorten(&answer)),
            )),
            Some(Err(error)) => Err(failure::of_io(&format!("cannot read from {address}"), &error)),
            None if answer.is_empty() => Err(deadline.elapsed(&format!("connected to {address}, but no answer"))),
            None => Err(deadline.elapsed(&format!(
                "connected to {address}, but of {text:?} only {} came",
                shorten(&answer)
            ))),
        }
    }
}

/// Reads until the text has come (true), or the other side is done or has said too much without it (false).
async fn search(stream: &mut Stream, text: &[u8], answer: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut part = [0; 2048];
    while answer.len() < ANSWER_LIMIT {
        let read = stream.read(&mut part).await?;
        if read == 0 {
            return Ok(false);
        }
        // The text may begin in what came before.
        let from = answer.len().saturating_sub(text.len());
        answer.extend_from_slice(part.get(..read).unwrap_or_default());
        let unseen = answer.get(from..).unwrap_or_default();
        if text.is_empty() || unseen.windows(text.len()).any(|window| window == text) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The beginning of an answer, for a person to read.
fn shorten(answer: &[u8]) -> String {
    if answer.is_empty() {
        return "nothing".to_owned();
    }
    failure::quote(answer)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::super::tests::{Peer, attempt_of, free_port, run};
    use super::*;

    fn values(address: impl ToString) -> Values {
        Values::default().with("address", address.to_string())
    }

    async fn answer(values: Values, timeout: Duration) -> Result<Finding, CheckFailure> {
        run(build(&values).unwrap(), &attempt_of(timeout)).await
    }

    const SOON: Duration = Duration::from_millis(300);
    const LONG: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_listener_passes_and_sees_an_orderly_close() {
        let (address, mut peer) = Peer::silent().await;
        let finding = answer(values(address), LONG).await.unwrap();
        assert_eq!(finding.reason, format!("{address} accepts connections"));
        assert!(peer.saw_orderly_close().await);
    }

    #[tokio::test]
    async fn a_server_that_speaks_first_sees_an_orderly_close() {
        let (address, mut peer) = Peer::says(b"220 mail ESMTP\r\n").await;
        answer(values(address), LONG).await.unwrap();
        assert!(peer.saw_orderly_close().await);
    }

    #[tokio::test]
    async fn a_closed_port_is_refused() {
        let address = format!("127.0.0.1:{}", free_port().await);
        let failure = answer(values(address), LONG).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused);
    }

    #[tokio::test]
    async fn an_expected_answer_is_found_even_when_it_comes_in_pieces() {
        let (address, _peer) = Peer::slow(b"+PONG\r\n", Duration::from_millis(5)).await;
        let values = values(address).with("send", "PING\r\n").with("expect", "PONG");
        let finding = answer(values, LONG).await.unwrap();
        assert_eq!(finding.reason, format!("{address} answers as expected"));
    }

    #[tokio::test]
    async fn another_answer_fails_and_is_shown() {
        let (address, _peer) = Peer::answers(b"-ERR unknown command\r\n").await;
        let values = values(address).with("send", "PING\r\n").with("expect", "PONG");
        let failure = answer(values, LONG).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Assertion);
        assert_eq!(
            failure.reason,
            format!("{address} answers \"-ERR unknown command\\r\\n\", expected \"PONG\" in it")
        );
    }

    #[tokio::test]
    async fn a_mute_server_is_told_from_one_that_is_too_slow() {
        let (address, _peer) = Peer::silent().await;
        let failure = answer(values(address).with("expect", "PONG"), SOON).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Timeout);
        assert_eq!(
            failure.reason,
            format!("connected to {address}, but no answer within 300ms")
        );

        let (address, _peer) = Peer::slow(b"+PONG", Duration::from_millis(250)).await;
        let failure = answer(values(address).with("expect", "PONG"), SOON).await.unwrap_err();
        assert!(
            failure.reason.contains("but of \"PONG\" only \"+"),
            "{}",
            failure.reason
        );
    }

    #[tokio::test]
    async fn an_endless_answer_is_cut() {
        let (address, _peer) = Peer::endless(b"garbage ").await;
        let begin = Instant::now();
        let failure = answer(values(address).with("expect", "PONG"), LONG).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Assertion);
        assert!(failure.reason.len() < 400, "{}", failure.reason);
        assert!(begin.elapsed() < LONG / 2);
    }
}
