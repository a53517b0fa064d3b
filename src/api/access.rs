//! Who may ask for what: the key of a request is looked at before anything else of it is, so that without one there is no
//! telling which paths, services and parameters there are.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::{ConnectionType, header};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, ResponseError, web};
use tokio::time::{Instant, sleep};

use super::guard::refuse;
use super::routes::{Endpoint, OPEN};
use super::{ApiError, ApiState};
use crate::access::key::Scope;
use crate::access::{AccessSettings, Caller};

/// The header that the specification gives the key.
const KEY_HEADER: &str = "X-API-Key";

/// Before a key in `Authorization`, which is where Prometheus can send one.
const BEARER: &str = "Bearer ";

/// What the paths of all badges begin with.
const BADGES: &str = "/badge/";

/// Finds out who asks, and turns away who sends a wrong key, or none where one is needed.
pub(super) async fn identify(
    state: web::Data<ApiState>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let settings = state.access.settings();
    let Ok(caller) = settings.identify(key_of(request.request())) else {
        return Ok(turn_away(&state, &settings, request).await);
    };
    let path = request.path();
    if caller == Caller::Stranger && !OPEN.contains(&path) && !is_opened(&settings, path) {
        return Ok(refuse(request, &ApiError::InvalidKey));
    }
    request.extensions_mut().insert(caller);
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// Lets pass who may do what the method does here. A method that the path does not have is told apart later.
pub(super) async fn authorise(
    endpoints: &'static [Endpoint],
    state: web::Data<ApiState>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let caller = Caller::of(request.request());
    let endpoint = endpoints.iter().find(|endpoint| endpoint.answers(request.method()));
    let refusal = match endpoint.map(|endpoint| endpoint.needs) {
        None => (caller == Caller::Stranger).then_some(ApiError::InvalidKey),
        Some(None) => None,
        Some(Some(_)) if is_opened(&state.access.settings(), request.path()) => None,
        Some(Some(scope)) => refusal(&caller, scope),
    };
    match refusal {
        None => next.call(request).await,
        Some(refusal) => {
            tracing::debug!(caller = caller.name(), path = request.path(), %refusal, "request refused");
            Ok(request.into_response(refusal.error_response()))
        }
    }
}

/// A setting opens this path to everybody.
fn is_opened(settings: &AccessSettings, path: &str) -> bool {
    (settings.open_metrics && path == "/metrics") || (settings.open_badges && path.starts_with(BADGES))
}

/// Why this caller may not do what needs this scope.
fn refusal(caller: &Caller, scope: Scope) -> Option<ApiError> {
    if caller.may(scope) {
        return None;
    }
    Some(match caller {
        Caller::Anybody => ApiError::NoAdminKey,
        Caller::Stranger => ApiError::InvalidKey,
        Caller::Holder(key) => ApiError::Forbidden {
            key: key.name.to_string(),
            scope,
        },
    })
}

/// The answer to a wrong key: late, if this client has sent some before.
async fn turn_away(state: &ApiState, settings: &AccessSettings, request: ServiceRequest) -> ServiceResponse<BoxBody> {
    let client = client_of(settings, request.request());
    let consequence = state.access.attempts.failed(client, Instant::now());
    if consequence.is_news() {
        tracing::warn!(%client, failures = consequence.failures, "a wrong API key was sent");
    }
    let mut answer = refuse(request, &ApiError::InvalidKey);
    if !consequence.delay.is_zero() {
        match state.access.attempts.room_to_wait() {
            Some(_room) => sleep(consequence.delay).await,
            None => answer
                .response_mut()
                .head_mut()
                .set_connection_type(ConnectionType::Close),
        }
    }
    answer
}

/// The key that a request brings.
fn key_of(request: &HttpRequest) -> Option<&[u8]> {
    let headers = request.headers();
    let own = headers.get(KEY_HEADER).map(header::HeaderValue::as_bytes);
    let bearer = || {
        let value = headers.get(header::AUTHORIZATION)?.as_bytes();
        let (scheme, key) = value.split_at_checked(BEARER.len())?;
        scheme.eq_ignore_ascii_case(BEARER.as_bytes()).then_some(key)
    };
    let key = own.or_else(bearer)?.trim_ascii();
    (!key.is_empty()).then_some(key)
}

fn client_of(settings: &AccessSettings, request: &HttpRequest) -> IpAddr {
    let peer = request
        .peer_addr()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let forwarded: Vec<&str> = request
        .headers()
        .get_all("X-Forwarded-For")
        .filter_map(|value| value.to_str().ok())
        .collect();
    settings.trusted_proxies.client(peer, forwarded.into_iter())
}

// === impl Caller ===

impl Caller {
    fn of(request: &HttpRequest) -> Self {
        request.extensions().get().cloned().unwrap_or(Caller::Stranger)
    }
}

/// A handler may ask who calls: what a stranger is told is less, and who changed something is logged.
impl FromRequest for Caller {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}
