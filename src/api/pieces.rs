//! A document that is handed out in pieces: the connection's buffer, to which each piece is copied, holds a piece and not
//! the whole, and the document itself may be one that others are sent, too.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::{Bytes, BytesMut};

/// Longest piece, in bytes.
pub(super) const PIECE: usize = 16 * 1024;

/// Parts of a document, one after the other.
#[derive(Debug)]
pub(super) struct Pieces(VecDeque<Bytes>);

// === impl Pieces ===

impl Pieces {
    pub(super) fn of(parts: impl IntoIterator<Item = Bytes>) -> Self {
        Self(parts.into_iter().filter(|part| !part.is_empty()).collect())
    }

    fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }
}

/// A body in pieces, where it is known as a whole.
pub(super) fn in_pieces(body: impl MessageBody + 'static) -> BoxBody {
    match body.try_into_bytes() {
        Ok(bytes) => BoxBody::new(Pieces::of([bytes])),
        Err(body) => BoxBody::new(body),
    }
}

impl MessageBody for Pieces {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let Some(part) = self.0.front_mut() else {
            return Poll::Ready(None);
        };
        let piece = part.split_to(part.len().min(PIECE));
        if part.is_empty() {
            self.0.pop_front();
        }
        Poll::Ready(Some(Ok(piece)))
    }

    /// Where it is small: else whoever takes it apart would hold the whole again.
    fn try_into_bytes(self) -> Result<Bytes, Self> {
        if self.len() > PIECE {
            return Err(self);
        }
        let mut whole = BytesMut::with_capacity(self.len());
        for part in &self.0 {
            whole.extend_from_slice(part);
        }
        Ok(whole.freeze())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::poll_fn;

    use super::*;

    async fn handed_out(body: impl MessageBody<Error = Infallible>) -> Vec<Bytes> {
        let mut body = std::pin::pin!(body);
        let mut pieces = Vec::new();
        while let Some(piece) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
            pieces.push(piece.unwrap());
        }
        pieces
    }

    #[tokio::test]
    async fn what_is_handed_out_is_the_whole_in_pieces_that_are_not_copied() {
        let parts = [1, 0, PIECE + 3, 2 * PIECE].map(|length| Bytes::from(vec![b'x'; length]));
        let body = Pieces::of(parts.clone());
        assert_eq!(body.size(), BodySize::Sized(3 * PIECE as u64 + 4));
        let pieces = handed_out(body.try_into_bytes().unwrap_err()).await;
        assert_eq!(
            pieces.iter().map(Bytes::len).collect::<Vec<_>>(),
            [1, PIECE, 3, PIECE, PIECE]
        );
        assert_eq!(pieces[1].as_ptr(), parts[2].as_ptr());
    }

    #[tokio::test]
    async fn a_small_one_is_whole_where_it_is_asked_for() {
        let small = || Pieces::of(["a", "", "bc"].map(Bytes::from));
        assert_eq!(small().try_into_bytes().unwrap(), "abc");
        assert_eq!(handed_out(small()).await, ["a", "bc"]);
        assert_eq!(Pieces::of([]).size(), BodySize::Sized(0));
    }
}
