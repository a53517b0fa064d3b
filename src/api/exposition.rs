//! `GET /metrics`: see [`crate::metrics`].

use std::convert::Infallible;

use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use futures_util::future::join;
use futures_util::stream;

use super::{ApiError, ApiState};
use crate::metrics::{self, Exposition};

pub(super) async fn get(state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let (snapshot, figures) = join(state.snapshot(), state.figures()).await;
    let exposition = Exposition::new(snapshot?, figures, state.process.clone(), state.settings.metrics);
    let pieces = exposition.map(|piece| Ok::<_, Infallible>(Bytes::from(piece)));
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, metrics::CONTENT_TYPE))
        .streaming(stream::iter(pieces)))
}
