//! `GET /metrics`: see [`crate::metrics`].

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};

use super::{ApiError, ApiState};
use crate::metrics;

/// Bytes handed to the connection at once.
const PIECE: usize = 64 * 1024;

/// A body that is handed over in pieces, as the client takes them: given whole, the connection would copy all of it into
/// its own buffer, tens of megabytes with ten thousand services.
struct Pieces {
    rest: Bytes,
}

pub(super) async fn get(state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let (snapshot, figures) = futures_util::future::join(state.snapshot(), state.figures()).await;
    let snapshot = snapshot?;
    let text = metrics::render(&snapshot, &figures, &state.process, state.settings.metrics);
    let body = Pieces {
        rest: Bytes::from(text),
    };
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, metrics::CONTENT_TYPE))
        .body(body))
}

// === impl Pieces ===

impl MessageBody for Pieces {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.rest.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let next = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(self.rest.split_to(next))))
    }
}
