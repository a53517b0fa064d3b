//! Which path is which resource.

use actix_web::dev::Handler;
use actix_web::{FromRequest, HttpRequest, HttpResponse, Resource, Responder, guard, web};

use super::error::shown;
use super::{ApiError, containers, exposition, health, index, internals, livez, readyz};

/// Every resource, and what answers for all other paths.
pub(super) fn configure(services: &mut web::ServiceConfig) {
    let path = web::PathConfig::default().error_handler(|error, _request| {
        let problem = error.to_string();
        ApiError::BadPath { problem }.into()
    });
    services
        .app_data(path)
        .service(resource("/", index::get))
        .service(resource("/health", health::get))
        .service(resource("/health/{service_name}", health::get_service))
        .service(resource("/containers", containers::get))
        .service(resource("/containers/{container_name}", containers::get_container))
        .service(resource("/metrics", exposition::get))
        .service(resource("/livez", livez::get))
        .service(resource("/readyz", readyz::get))
        .service(resource("/internals", internals::get))
        .default_service(web::to(no_such_endpoint));
}

/// A resource that can be read and nothing else.
fn resource<F, Args>(path: &str, get: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let is_read = guard::Any(guard::Get()).or(guard::Head());
    web::resource(path)
        .route(web::route().guard(is_read).to(get))
        .default_service(web::to(method_not_allowed))
}

async fn method_not_allowed(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::MethodNotAllowed {
        method: shown(request.method().as_str()),
    })
}

async fn no_such_endpoint(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::NoSuchEndpoint {
        path: shown(request.path()),
    })
}
