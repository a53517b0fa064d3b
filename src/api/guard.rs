//! What every request passes before it reaches its resource, and every answer on its way out.

use std::rc::Rc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError, web};
use tokio::time::Instant;
use tracing::debug;

use super::turnstile::Turnstile;
use super::{ApiError, Limits};

/// Lets the connection's next request in, and writes one line for each.
pub(super) async fn log(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let began = Instant::now();
    if let Some(turnstile) = request.conn_data::<Rc<Turnstile>>() {
        turnstile.taken();
    }
    let response = next.call(request).await?;
    let request = response.request();
    debug!(
        method = %request.method(),
        path = %request.path(),
        status = response.status().as_u16(),
        micros = began.elapsed().as_micros(),
        peer = ?request.peer_addr(),
        "request answered"
    );
    Ok(response)
}

/// Refuses what is too long, and gives the refusals of the layers below the form that all errors have.
pub(super) async fn limit(
    limits: web::Data<Limits>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Err(error) = check(&request, &limits) {
        return Ok(request.into_response(error.error_response()));
    }
    let response = next.call(request).await?.map_into_boxed_body();
    if response.status() == StatusCode::NOT_ACCEPTABLE {
        return Ok(response.into_response(ApiError::NotAcceptable.error_response()));
    }
    Ok(response)
}

fn check(request: &ServiceRequest, limits: &Limits) -> Result<(), ApiError> {
    let length = request.uri().path_and_query().map_or(0, |text| text.as_str().len());
    if length > limits.uri {
        return Err(ApiError::UriTooLong {
            length,
            limit: limits.uri,
        });
    }
    let headers = request.headers().iter();
    let length = headers.map(|(name, value)| name.as_str().len() + value.len()).sum();
    if length > limits.headers {
        return Err(ApiError::HeadersTooLong {
            length,
            limit: limits.headers,
        });
    }
    Ok(())
}
