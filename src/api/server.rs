//! The HTTP server and its limits.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::header::{self, HeaderName};
use actix_web::middleware::{Compress, DefaultHeaders, from_fn};
use actix_web::{App, HttpServer, web};
use rustls::ServerConfig;

use super::{ApiState, access, guard, routes};

/// How much a client may ask of the server.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Threads that answer requests.
    pub workers: usize,
    /// Connections at a time, over all workers; further ones wait until one is free.
    pub connections: usize,
    /// How long a connection without a request is kept. Longer than a usual scrape interval, so that Prometheus keeps
    /// its connection.
    pub keep_alive: Duration,
    /// How long a client may take to send a request's head.
    pub request_timeout: Duration,
    /// How long a client may take to close a connection.
    pub disconnect_timeout: Duration,
    /// How long requests under way may take to end at shutdown, in whole seconds.
    pub shutdown_timeout: Duration,
    /// Longest path with its query, in bytes.
    pub uri: usize,
    /// Longest headers, names and values together, in bytes.
    pub headers: usize,
    /// Longest body, in bytes.
    pub body: usize,
    /// How long a client may take to send it.
    pub body_timeout: Duration,
}

/// Said with every answer: it is what its type says and nothing else, no other page shows or reads it, nobody keeps it.
const SECURITY_HEADERS: [(HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
];

/// Who came by TLS shall come by TLS for a year.
const STRICT_TRANSPORT: (HeaderName, &str) = (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");

/// Serves the API on a bound listener until it is stopped by its handle, with TLS where that is configured; it listens to
/// no signals itself.
///
/// # Errors
///
/// Where the listener cannot be used.
pub fn serve(listener: TcpListener, limits: Limits, state: ApiState, tls: Option<ServerConfig>) -> io::Result<Server> {
    let state = web::Data::new(state);
    let shared_limits = web::Data::new(limits.clone());
    let with_tls = tls.is_some();
    let app = move || {
        // The last one wrapped is the first to see a request.
        App::new()
            .app_data(state.clone())
            .app_data(shared_limits.clone())
            .configure(routes::configure)
            .wrap(Compress::default())
            .wrap(from_fn(guard::receive))
            .wrap(from_fn(guard::limit))
            .wrap(from_fn(access::identify))
            .wrap(security_headers(with_tls))
            .wrap(from_fn(guard::log))
    };
    let workers = limits.workers.max(1);
    let server = HttpServer::new(app)
        .workers(workers)
        .max_connections(limits.connections.div_ceil(workers))
        // Else a compressed answer, which goes out in several pieces, waits 40 ms for the client to acknowledge the first.
        .tcp_nodelay(true)
        .keep_alive(limits.keep_alive)
        .client_request_timeout(limits.request_timeout)
        .client_disconnect_timeout(limits.disconnect_timeout)
        .shutdown_timeout(limits.shutdown_timeout.as_secs())
        .tls_handshake_timeout(limits.request_timeout)
        .disable_signals();
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(listener, tls)?,
        None => server.listen(listener)?,
    };
    Ok(server.run())
}

fn security_headers(with_tls: bool) -> DefaultHeaders {
    let headers = SECURITY_HEADERS.into_iter().chain(with_tls.then_some(STRICT_TRANSPORT));
    headers.fold(DefaultHeaders::new(), DefaultHeaders::add)
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            workers: 2,
            connections: 512,
            keep_alive: Duration::from_secs(75),
            request_timeout: Duration::from_secs(5),
            disconnect_timeout: Duration::from_secs(1),
            shutdown_timeout: Duration::from_secs(5),
            uri: 2_048,
            headers: 16_384,
            body: 16_384,
            body_timeout: Duration::from_secs(5),
        }
    }
}
