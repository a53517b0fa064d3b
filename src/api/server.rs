//! The HTTP server and its limits.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, map_config};
use actix_web::dev::{AppConfig, Extensions, Server, fn_service};
use actix_web::http::header::{self, HeaderName};
use actix_web::middleware::{Compress, DefaultHeaders, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::{App, web};
use rustls::ServerConfig;
use socket2::SockRef;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::crowd::{Crowd, Place};
use super::turnstile::Guarded;
use super::{ApiState, access, guard, pieces, routes};

/// What the operating system may hold of a connection's answer, in bytes (it counts its own needs in, and takes twice as
/// much). Left to itself it takes megabytes for a client that reads nothing.
const SEND_BUFFER: usize = 64 * 1024;

/// Threads of each worker that compress. More would not do more at a time.
const COMPRESSORS: usize = 2;

/// A client's connection, as plain text comes out of it.
type Socket = Either<TcpStream, TlsStream<TcpStream>>;

/// How much a client may ask of the server.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Threads that answer requests.
    pub workers: usize,
    /// Connections at a time, over all workers. An eighth of them is kept free: where a newcomer would take of it, the
    /// idlest connection goes.
    pub connections: usize,
    /// How long a connection without a request is kept. Longer than a usual scrape interval, so that Prometheus keeps
    /// its connection.
    pub keep_alive: Duration,
    /// How long a client may take to send a request's head.
    pub request_timeout: Duration,
    /// How long a client may take nothing of an answer.
    pub write_timeout: Duration,
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
    // Its connections inherit it.
    SockRef::from(&listener).set_send_buffer_size(SEND_BUFFER)?;
    let connections = state.connections.clone();
    let state = web::Data::new(state);
    let shared_limits = web::Data::new(limits.clone());
    let with_tls = tls.is_some();
    let tls = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
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
    let server = Server::build()
        .workers(workers)
        .worker_max_blocking_threads(COMPRESSORS)
        .max_concurrent_connections(limits.connections.div_ceil(workers))
        .shutdown_timeout(limits.shutdown_timeout.as_secs())
        .disable_signals();
    let shutdown = server.graceful_shutdown_signal();
    // Put together by hand, for `HttpServer` would not let the turnstile stand between the socket and the protocol.
    let server = server.listen("api", listener, move || {
        let limits = limits.clone();
        let shutdown = shutdown.clone();
        let crowd = Crowd::new(limits.connections.div_ceil(workers), connections.clone());
        let http = HttpService::build()
            .h1_write_buffer_size(pieces::PIECE)
            .keep_alive(limits.keep_alive)
            .client_request_timeout(limits.request_timeout)
            .client_disconnect_timeout(limits.disconnect_timeout)
            .graceful_shutdown_signal(move || {
                let shutdown = shutdown.clone();
                async move { shutdown.notified().await }
            })
            .on_connect_ext(|stream: &Guarded<Socket>, data: &mut Extensions| {
                data.insert(stream.turnstile());
            });
        let app = app().into_factory().map_err(|error| error.error_response());
        let tls = tls.clone();
        let guarded = move |stream: TcpStream| {
            let (tls, crowd) = (tls.clone(), crowd.clone());
            async move {
                let peer = stream.peer_addr().ok();
                // Else a compressed answer, which goes out in several pieces, waits 40 ms for the client to acknowledge the
                // first. A connection that cannot be told so is only slower.
                let _is_told = stream.set_nodelay(true).is_ok();
                let place = crowd.enter();
                let stream = open(stream, tls, limits.request_timeout, &place).await?;
                Ok((Guarded::new(stream, limits.write_timeout, place), peer))
            }
        };
        fn_service(guarded).and_then(http.h1(map_config(app, |()| AppConfig::default())))
    })?;
    Ok(server.run())
}

/// Where TLS is spoken, the connection is one once hands are shaken.
async fn open(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    limit: Duration,
    place: &Place,
) -> Result<Socket, DispatchError> {
    let Some(tls) = tls else {
        return Ok(Either::Left(stream));
    };
    let shaken = tokio::select! {
        shaken = timeout(limit, tls.accept(stream)) => shaken,
        error = place.is_needed() => return Err(DispatchError::Io(error)),
    };
    let shaken = shaken.map_err(|_elapsed| io::Error::from(io::ErrorKind::TimedOut));
    let stream = shaken.and_then(|shaken| shaken).map_err(DispatchError::Io)?;
    Ok(Either::Right(stream))
}

fn security_headers(with_tls: bool) -> DefaultHeaders {
    let headers = SECURITY_HEADERS.into_iter().chain(with_tls.then_some(STRICT_TRANSPORT));
    headers.fold(DefaultHeaders::new(), DefaultHeaders::add)
}

// === impl Limits ===

impl Limits {
    /// For a process that may open so many descriptors. Clients get half of them at most: the rest is for checks, which
    /// would find nothing else than that there are none.
    #[must_use]
    pub fn within(self, descriptors: usize) -> Self {
        Self {
            connections: self.connections.min(descriptors / 2).max(1),
            ..self
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workers: 2,
            connections: 1_536,
            keep_alive: Duration::from_secs(75),
            request_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(10),
            disconnect_timeout: Duration::from_secs(1),
            shutdown_timeout: Duration::from_secs(5),
            uri: 2_048,
            headers: 16_384,
            body: 16_384,
            body_timeout: Duration::from_secs(5),
        }
    }
}
