//! Which path is which resource, and which key it needs.

use actix_web::body::BoxBody;
use actix_web::dev::{HttpServiceFactory, ServiceRequest};
use actix_web::http::Method;
use actix_web::middleware::{Next, from_fn};
use actix_web::{HttpRequest, HttpResponse, Route, guard, web};

use super::error::shown;
use super::{
    ApiError, ApiState, access, actions, badge, config, containers, docs, exposition, health, history, index,
    internals, livez, openapi, readyz, services,
};
use crate::access::key::Scope;

/// What may be asked of one path with one method.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) path: &'static str,
    pub(super) method: Method,
    /// The scope that a key must have; `None` where no key is needed.
    pub(super) needs: Option<Scope>,
    /// What it is for, in one sentence for a person.
    pub(super) summary: &'static str,
    route: fn() -> Route,
}

/// Every endpoint; those of one path stand together.
pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "/",
        method: Method::GET,
        needs: Some(Scope::Read),
        summary: "what there is",
        route: || web::to(index::get),
    },
    Endpoint {
        path: "/health",
        method: Method::GET,
        needs: Some(Scope::Read),
        summary: "status of the whole and of every service; ?strict=true answers 503 when it is down",
        route: || web::to(health::get),
    },
    Endpoint {
        path: "/health/{service_name}",
        method: Method::GET,
        needs: Some(Scope::Read),
        summary: "one service: its check, its container, the reason for its status",
        route: || web::to(health::get_service),
    },
    Endpoint {
        path: "/containers",
        method: Method::GET,
        needs: Some(Scope::Read),
        summary: "every container",
        route: || web::to(containers::get),
    },
    Endpoint {
        path: "/containers/{container_name}",
        method: Method::GET,
        needs: Some(Scope::Read),
        summary: "one container with its resource usage",
        route: || web::to(containers::get_container),
    },
    Endpoint {
        path: "/services",
        method: Method::GET,
        needs: Some(Scope::Read),
        summary: "what is watched, where each service comes from, and what holds for it",
        route: || web::to(services::get),
    },
    Endpoint {
        path: "/services/{service_name}/check",
        method: Method::POST,
        needs: Some(Scope::Admin),
        summary: "checks the service now and answers as /health/{service_name} does after it",
        route: || web::to(actions::check),
    },
    Endpoint {
        path: "/services/{service_name}/maintenance",
        method: Method::POST,
        needs: Some(Scope::Admin),
        summary: "puts the service into maintenance: {\"for\": \"2h\", \"reason\": \"…\"}",
        route: || web::to(actions::begin_maintenance),
    },
    Endpoint {
        path: "/services/{service_name}/maintenance",
        method: Method::DELETE,
        needs: Some(Scope::Admin),
        summary: "ends the service's maintenance",
        route: || web::to(actions::end_maintenance),
    },
    Endpoint {
        path: "/config",
        method: Method::GET,
        needs: Some(Scope::Read),
        summary: "the configuration that holds, secrets hidden, with the origin of every value",
        route: || web::to(config::get),
    },
    Endpoint {
        path: "/config/reload",
        method: Method::POST,
        needs: Some(Scope::Admin),
        summary: "reads the configuration again; a bad one changes nothing",
        route: || web::to(config::reload),
    },
    Endpoint {
        path: "/containers/{container_name}/history",
        method: Method::GET,
        needs: Some(Scope::Read),
        summary: "what a container used and what happened to it, ?from=&to=&step=",
        route: || web::to(history::get_container),
    },
    Endpoint {
        path: "/services/{service_name}/history",
        method: Method::GET,
        needs: Some(Scope::Read),
        summary: "one service's counts, uptime and percentiles in steps, ?from=&to=&step=",
        route: || web::to(history::get_series),
    },
    Endpoint {
        path: "/services/{service_name}/uptime",
        method: Method::GET,
        needs: Some(Scope::Read),
        summary: "how much of the time it was up, ?window=24h,7d,30d,1y",
        route: || web::to(history::get_uptime),
    },
    Endpoint {
        path: "/history",
        method: Method::GET,
        needs: Some(Scope::Read),
        summary: "several services in steps, ?services=&fields=&from=&to=&step=",
        route: || web::to(history::get_many),
    },
    Endpoint {
        path: "/incidents",
        method: Method::GET,
        needs: Some(Scope::Read),
        summary: "outages, ?service=&open=&kind=&from=&to=&limit=&cursor=",
        route: || web::to(history::get_incidents),
    },
    Endpoint {
        path: "/incidents/{incident_id}",
        method: Method::GET,
        needs: Some(Scope::Read),
        summary: "one outage with what was found around it",
        route: || web::to(history::get_incident),
    },
    Endpoint {
        path: "/badge/{service_name}.svg",
        method: Method::GET,
        needs: Some(Scope::Read),
        summary: "a picture of its status or uptime for a README, ?type=status|uptime&window=",
        route: || web::to(badge::get),
    },
    Endpoint {
        path: "/metrics",
        method: Method::GET,
        needs: Some(Scope::Metrics),
        summary: "all of it for Prometheus",
        route: || web::to(exposition::get),
    },
    Endpoint {
        path: "/livez",
        method: Method::GET,
        needs: None,
        summary: "200 while the monitor's process answers",
        route: || web::to(livez::get),
    },
    Endpoint {
        path: "/readyz",
        method: Method::GET,
        needs: None,
        summary: "200 once every service has a first result",
        route: || web::to(readyz::get),
    },
    Endpoint {
        path: "/internals",
        method: Method::GET,
        needs: Some(Scope::Read),
        summary: "the monitor's own actors",
        route: || web::to(internals::get),
    },
    Endpoint {
        path: "/openapi.json",
        method: Method::GET,
        needs: Some(Scope::Read),
        summary: "the description of this API, OpenAPI 3.1",
        route: || web::to(openapi::get),
    },
    Endpoint {
        path: "/docs",
        method: Method::GET,
        needs: None,
        summary: "a page that shows the description",
        route: || web::to(docs::get),
    },
    Endpoint {
        path: "/docs/page.js",
        method: Method::GET,
        needs: None,
        summary: "its program",
        route: || web::to(docs::get_program),
    },
    Endpoint {
        path: "/docs/page.css",
        method: Method::GET,
        needs: None,
        summary: "its looks",
        route: || web::to(docs::get_looks),
    },
];

/// Paths that need no key: their endpoints tell a stranger no more than a word, or what is the same for everybody.
pub(super) const OPEN: [&str; 5] = ["/livez", "/readyz", "/docs", "/docs/page.js", "/docs/page.css"];

/// Every resource, and what answers for all other paths.
pub(super) fn configure(services: &mut web::ServiceConfig) {
    let path = web::PathConfig::default().error_handler(|error, _request| {
        let problem = error.to_string();
        ApiError::BadPath { problem }.into()
    });
    services.app_data(path);
    for endpoints in ENDPOINTS.chunk_by(|one, next| one.path == next.path) {
        services.service(resource(endpoints));
    }
    services.default_service(web::to(no_such_endpoint));
}

/// All that may be asked of one path.
fn resource(endpoints: &'static [Endpoint]) -> impl HttpServiceFactory {
    let path = endpoints.first().map_or("", |endpoint| endpoint.path);
    let mut resource = web::resource(path).default_service(web::to(move |request: HttpRequest| async move {
        Err::<HttpResponse, _>(method_not_allowed(&request, endpoints))
    }));
    for endpoint in endpoints {
        let answers = guard::fn_guard(|context| endpoint.answers(&context.head().method));
        resource = resource.route((endpoint.route)().guard(answers));
    }
    resource.wrap(from_fn(
        move |state: web::Data<ApiState>, request: ServiceRequest, next: Next<BoxBody>| {
            access::authorise(endpoints, state, request, next)
        },
    ))
}

fn method_not_allowed(request: &HttpRequest, endpoints: &[Endpoint]) -> ApiError {
    let mut allowed = Vec::new();
    for endpoint in endpoints {
        allowed.push(endpoint.method.as_str());
        if endpoint.method == Method::GET {
            allowed.push(Method::HEAD.as_str());
        }
    }
    ApiError::MethodNotAllowed {
        method: shown(request.method().as_str()),
        allowed: allowed.join(", "),
    }
}

async fn no_such_endpoint(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::NoSuchEndpoint {
        path: shown(request.path()),
    })
}

// === impl Endpoint ===

impl Endpoint {
    /// Whether this endpoint answers requests of this method: what answers GET answers HEAD.
    pub(super) fn answers(&self, method: &Method) -> bool {
        self.method == *method || (self.method == Method::GET && *method == Method::HEAD)
    }
}
