//! How much of what a client sends is let in: a few requests that wait for their answers, and no more.
//!
//! Clients may send requests without waiting for answers. `actix-http` takes apart all that it has read at once, up to
//! 128 KiB, and keeps thousands of small requests from one connection in the hundredfold memory, for as long as the
//! client does not read. So its connection is one that stops reading where enough requests wait: what comes after them
//! stays with the operating system, and then with the client.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::crowd::Place;

/// Requests of one connection that may wait, beside the one that is being answered: each takes about 6 KB. Clients that
/// send ahead further only find their own buffer full.
const MOST: usize = 4;

/// Counts the requests of one connection that were let in and not yet taken up.
pub(super) struct Turnstile {
    waiting: Cell<usize>,
    reader: Cell<Option<Waker>>,
    /// The connection's place among the others, for as long as it lasts.
    place: Place,
}

/// A client's connection behind its turnstile.
pub(super) struct Guarded<S> {
    stream: S,
    turnstile: Rc<Turnstile>,
    /// Read, and not let in yet.
    held: BytesMut,
    line: Line,
    /// How long the client may take nothing of an answer.
    patience: Duration,
    /// Runs while the client takes nothing.
    deaf_until: Option<Pin<Box<Sleep>>>,
}

/// Where in a line the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// It begins one.
    Begin,
    /// It begins one, but for a carriage return.
    Return,
    /// Further on.
    Inside,
}

// === impl Turnstile ===

impl Turnstile {
    /// A request was taken up, so another one may come in.
    pub(super) fn taken(&self) {
        self.waiting.set(self.waiting.get().saturating_sub(1));
        self.place.touch();
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// A request with a body was answered. What its body had of empty lines was taken for requests.
    pub(super) fn recount(&self) {
        self.waiting.set(0);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn is_closed(&self) -> bool {
        self.waiting.get() >= MOST
    }
}

// === impl Guarded ===

impl<S> Guarded<S> {
    pub(super) fn new(stream: S, patience: Duration, place: Place) -> Self {
        Self {
            stream,
            turnstile: Rc::new(Turnstile {
                waiting: Cell::default(),
                reader: Cell::default(),
                place,
            }),
            held: BytesMut::new(),
            line: Line::Begin,
            patience,
            deaf_until: None,
        }
    }

    pub(super) fn turnstile(&self) -> Rc<Turnstile> {
        self.turnstile.clone()
    }

    /// How many of these bytes may come in. A request's head ends with an empty line; whatever else has empty lines (a
    /// body) is counted as well, until the request is answered.
    fn admit(&mut self, bytes: &[u8]) -> usize {
        for (index, byte) in bytes.iter().enumerate() {
            if self.turnstile.is_closed() {
                return index;
            }
            self.line = match (byte, self.line) {
                (b'\n', Line::Inside) => Line::Begin,
                (b'\n', Line::Begin | Line::Return) => {
                    self.turnstile.waiting.set(self.turnstile.waiting.get() + 1);
                    Line::Begin
                }
                (b'\r', Line::Begin) => Line::Return,
                _ => Line::Inside,
            };
        }
        bytes.len()
    }

    /// Fails once the client has taken nothing for too long; otherwise it is asked again when that time is over.
    fn poll_deaf(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let patience = self.patience;
        let timer = self.deaf_until.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(timer.as_mut().poll(cx));
        self.turnstile.place.counts().left_deaf();
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing"))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.turnstile.place.holds()?;
        this.turnstile.place.waits(cx);
        if this.turnstile.is_closed() {
            this.turnstile.reader.set(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        if !this.held.is_empty() {
            let mut held = std::mem::take(&mut this.held);
            let next = held.len().min(buf.remaining());
            let admitted = this.admit(held.get(..next).unwrap_or_default());
            buf.put_slice(&held.split_to(admitted));
            this.held = held;
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let came = buf.filled().get(before..).unwrap_or_default();
        let admitted = this.admit(came);
        this.held.extend_from_slice(came.get(admitted..).unwrap_or_default());
        buf.set_filled(before + admitted);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.turnstile.place.holds()?;
        match Pin::new(&mut this.stream).poll_write(cx, bytes) {
            Poll::Ready(written) => {
                this.deaf_until = None;
                this.turnstile.place.touch();
                Poll::Ready(written)
            }
            Poll::Pending => {
                this.turnstile.place.waits(cx);
                this.poll_deaf(cx).map(Err)
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::task::unconstrained;

    use super::*;
    use crate::api::crowd::Crowd;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn place() -> Place {
        Crowd::new(8, Arc::default()).enter()
    }

    /// What is let in before the reader has to wait.
    fn let_in(guarded: &mut Guarded<tokio::io::DuplexStream>) -> String {
        let mut read = vec![0; 100_000];
        let mut all = Vec::new();
        while let Some(length) = unconstrained(guarded.read(&mut read)).now_or_never() {
            match length.unwrap() {
                0 => break,
                length => all.extend_from_slice(&read[..length]),
            }
        }
        String::from_utf8(all).unwrap()
    }

    #[tokio::test]
    async fn so_many_heads_come_in_and_each_that_is_taken_up_lets_another_in() {
        for head in [
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\n\n",
            "GET / HTTP/1.1\r\n\n",
        ] {
            let (mut client, server) = duplex(1 << 20);
            let mut guarded = Guarded::new(server, PATIENCE, place());
            client.write_all(head.repeat(1_000).as_bytes()).await.unwrap();
            assert_eq!(let_in(&mut guarded), head.repeat(MOST));
            assert_eq!(let_in(&mut guarded), "");
            for _ in 0..2 {
                guarded.turnstile().taken();
            }
            assert_eq!(let_in(&mut guarded), head.repeat(2));
        }
    }

    #[tokio::test]
    async fn what_was_sent_comes_in_to_the_letter_however_it_is_read() {
        let heads: String = (0..50).map(|n| format!("GET /{n} HTTP/1.1\r\nA: b\r\n\r\n")).collect();
        for size in [1, 7, 64, 4_096] {
            let (mut client, server) = duplex(1 << 20);
            let mut guarded = Guarded::new(server, PATIENCE, place());
            client.write_all(heads.as_bytes()).await.unwrap();
            drop(client);
            let mut read = vec![0; size];
            let mut all = Vec::new();
            loop {
                match unconstrained(guarded.read(&mut read)).now_or_never() {
                    Some(length) => match length.unwrap() {
                        0 => break,
                        length => all.extend_from_slice(&read[..length]),
                    },
                    None => guarded.turnstile().taken(),
                }
            }
            assert_eq!(String::from_utf8(all).unwrap(), heads, "read by {size}");
        }
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken() {
        let (mut client, server) = duplex(1 << 20);
        let mut guarded = Guarded::new(server, PATIENCE, place());
        client.write_all("a\n\n".repeat(MOST + 1).as_bytes()).await.unwrap();
        let_in(&mut guarded);
        let turnstile = guarded.turnstile();
        let mut read = [0; 9];
        let (length, ()) = tokio::join!(guarded.read(&mut read), async { turnstile.taken() });
        assert_eq!(length.unwrap(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_for_too_long_is_left() {
        let (mut client, server) = duplex(64);
        let mut guarded = Guarded::new(server, PATIENCE, place());
        guarded.write_all(&[b'a'; 64]).await.unwrap();
        let began = tokio::time::Instant::now();
        // One byte that it takes shows that it lives.
        let (wrote, ()) = tokio::join!(guarded.write_all(b"b"), async {
            sleep(PATIENCE - Duration::from_secs(1)).await;
            client.read_u8().await.unwrap();
        });
        wrote.unwrap();
        let error = guarded.write_all(b"c").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), 2 * PATIENCE - Duration::from_secs(1));
    }
    #[tokio::test]
    async fn who_waits_for_its_client_goes_when_its_place_is_needed() {
        let crowd = Crowd::new(2, Arc::default());
        let (_idle, server) = duplex(64);
        let mut idle = Guarded::new(server, PATIENCE, crowd.enter());
        let (_deaf, server) = duplex(64);
        let mut deaf = Guarded::new(server, PATIENCE, crowd.enter());
        // The first goes at once, for there is one place only.
        assert_eq!(
            idle.read_u8().await.unwrap_err().kind(),
            io::ErrorKind::ConnectionAborted
        );
        let (wrote, _newcomer) = tokio::join!(deaf.write_all(&[b'a'; 65]), async { crowd.enter() });
        assert_eq!(wrote.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }
}
