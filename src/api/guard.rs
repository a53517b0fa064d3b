//! What every request passes before it reaches its resource, and every answer on its way out.

use std::future::ready;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::{ConnectionType, StatusCode, header};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{Error, HttpMessage, HttpRequest, ResponseError, web};
use futures_util::stream::{self, LocalBoxStream, StreamExt};
use tokio::time::{Instant, timeout};
use tracing::debug;

use super::pieces::in_pieces;
use super::turnstile::Turnstile;
use super::{ApiError, Limits};

/// Lets the connection's next request in, and writes one line for each.
pub(super) async fn log(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let began = Instant::now();
    let turnstile = request.conn_data::<Rc<Turnstile>>().cloned();
    if let Some(turnstile) = &turnstile {
        turnstile.taken();
    }
    let has_body = announces_body(&request);
    let response = next.call(request).await?;
    if let Some(turnstile) = turnstile.filter(|_| has_body) {
        turnstile.recount();
    }
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

/// Refuses what is too long, gives the refusals of the layers below the form that all errors have, and hands out in pieces
/// what they answer.
pub(super) async fn limit(
    limits: web::Data<Limits>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Err(error) = check(&request, &limits) {
        return Ok(refuse(request, &error));
    }
    let response = next.call(request).await?.map_body(|_head, body| in_pieces(body));
    if response.status() == StatusCode::NOT_ACCEPTABLE {
        return Ok(response.into_response(ApiError::NotAcceptable.error_response()));
    }
    Ok(response)
}

/// Receives the body before anything is done for the request, so that no handler waits for a client.
pub(super) async fn receive(
    limits: web::Data<Limits>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if !announces_body(&request) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let mut payload = request.take_payload();
    let receiving = body_of(request.request(), &mut payload, limits.body);
    let refusal = match timeout(limits.body_timeout, receiving).await {
        Ok(Ok(body)) => {
            let body: LocalBoxStream<'static, _> = Box::pin(stream::once(ready(Ok(body))));
            request.set_payload(Payload::from(body));
            return Ok(next.call(request).await?.map_into_boxed_body());
        }
        Ok(Err(error)) => error,
        Err(_elapsed) => ApiError::BodyTooSlow {
            limit: limits.body_timeout,
        },
    };
    request.set_payload(payload);
    Ok(refuse(request, &refusal))
}

async fn body_of(request: &HttpRequest, payload: &mut Payload, limit: usize) -> Result<Bytes, ApiError> {
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(ApiError::BodyTooLong { limit });
    }
    let mut body = BytesMut::new();
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|error| ApiError::BadBody {
            problem: error.to_string(),
        })?;
        if body.len() + piece.len() > limit {
            return Err(ApiError::BodyTooLong { limit });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// Answers without reading the body.
pub(super) fn refuse(request: ServiceRequest, error: &ApiError) -> ServiceResponse<BoxBody> {
    let has_body = announces_body(&request);
    let (request, unread) = request.into_parts();
    let mut response = error.error_response();
    if has_body {
        response.head_mut().set_connection_type(ConnectionType::Close);
        response = response.map_body(|_, body| BoxBody::new(Refusal { body, _unread: unread }));
    }
    ServiceResponse::new(request, response)
}

fn announces_body(request: &ServiceRequest) -> bool {
    let headers = request.headers();
    headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING)
}

/// An answer to a request whose body nobody reads. What the client sends is kept until the answer is out, because the server
/// reads on for as long as a client likes to send where it finds that it was dropped, and ends the connection where it
/// finds that it was not.
struct Refusal {
    body: BoxBody,
    _unread: Payload,
}

impl MessageBody for Refusal {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(cx)
    }
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
