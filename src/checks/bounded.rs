//! A connection for client libraries that trust their server: it must begin as the protocol begins, and may not say more
//! than a limit. Without it a wrong server's first four letters are the length of a message, and gigabytes are awaited.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::failure;

/// See the module.
#[derive(Debug)]
pub(super) struct Bounded<S> {
    stream: S,
    /// The bytes with which the protocol may begin.
    begins: &'static [u8],
    begun: bool,
    /// Bytes that may still come.
    left: usize,
}

// === impl Bounded ===

impl<S> Bounded<S> {
    /// Lets the other side begin with one of these bytes and say so many in all.
    pub(super) fn new(stream: S, begins: &'static [u8], limit: usize) -> Self {
        Self {
            stream,
            begins,
            begun: false,
            left: limit,
        }
    }

    fn admit(&mut self, came: &[u8]) -> io::Result<()> {
        if let Some(first) = came.first()
            && !self.begun
        {
            if !self.begins.contains(first) {
                let problem = format!("it says {}", failure::quote(came));
                return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
            }
            self.begun = true;
        }
        let left = self.left.checked_sub(came.len());
        let excess = || io::Error::new(io::ErrorKind::InvalidData, "it says more than it may");
        self.left = left.ok_or_else(excess)?;
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let came = buf.filled().get(before..).unwrap_or_default();
        Poll::Ready(this.admit(came).inspect_err(|_refused| {
            // A read that fails has read nothing.
            buf.set_filled(before);
        }))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
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
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn lets_pass_what_begins_well_and_keeps_to_the_limit() {
        let mut read = String::new();
        let mut good = Bounded::new(&b"Right"[..], b"RE", 5);
        good.read_to_string(&mut read).await.unwrap();
        assert_eq!(read, "Right");
    }

    #[tokio::test]
    async fn stops_what_begins_otherwise_or_goes_on_too_long() {
        let mut wrong = Bounded::new(&b"HTTP/1.1 400"[..], b"RE", 1_000);
        let error = wrong.read_u8().await.unwrap_err();
        assert_eq!(error.to_string(), "it says \"H\"");
        let mut long = Bounded::new(tokio::io::repeat(b'R'), b"RE", 1_000);
        let error = long.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
