//! Check `http`: one request over a connection of its own, and what the answer must be. Redirects are answers, and not
//! followed: a service that answers at all is told by what it answers itself.

mod expect;

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::FusedFuture;
use health_monitor_actors::check::{Attempt, Check, CheckFailure, Finding};
use health_monitor_actors::model::FailureKind;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::{PathAndQuery, Scheme};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::Deserialize;

use self::expect::{Expectations, Statuses};
use super::deadline::Deadline;
use super::dial::{self, Address};
use super::drive::drive;
use super::failure;
use super::tls::{self, Stream, Tls};
use crate::secret::{Secret, shown_url};
use crate::settings::key::{Key, KeyKind};
use crate::settings::values::{InvalidValue, Values};

/// Most that is read of a body, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// Most that the head of an answer may take, in bytes.
const HEAD_LIMIT: usize = 64 * 1024;

/// How long a server may take to close after its answer.
const CLOSE_PATIENCE: Duration = Duration::from_millis(250);

/// Who asks, for the server's log.
const USER_AGENT: &str = concat!("health-monitor/", env!("CARGO_PKG_VERSION"));

/// What may be set.
pub(super) const SCHEMA: &[Key] = &[
    Key::new("url", KeyKind::Url(&["http", "https"]), "what to ask for").required(),
    Key::new("method", KeyKind::Text, "request method").default("GET"),
    Key::new("headers", KeyKind::SecretMap, "request headers, such as Authorization"),
    Key::new("body", KeyKind::Text, "request body"),
    Key::new(
        "expect_status",
        KeyKind::TextList,
        "statuses that are good: numbers and ranges such as 200-399",
    )
    .default("200-399"),
    Key::new(
        "expect_body",
        KeyKind::Text,
        "text that the first 64 KiB of the body must hold",
    ),
    Key::new(
        "expect_json",
        KeyKind::TextMap,
        "JSON pointers into the body, and the value that each must have: { \"/status\" = \"ok\" }",
    ),
    tls::CA_FILE,
    tls::CERTIFICATE_FILE,
    tls::KEY_FILE,
    tls::SERVER_NAME,
    tls::CERTIFICATE_WARNING,
];

/// It cannot be printed: URLs and bodies hold secrets.
#[derive(Deserialize)]
struct Settings {
    /// What to ask for.
    url: String,
    /// Request method.
    #[serde(default = "get")]
    method: String,
    /// Request headers.
    #[serde(default)]
    headers: BTreeMap<String, Secret>,
    /// Request body; empty where it is left out.
    body: Option<String>,
    /// Statuses that are good.
    #[serde(default)]
    expect_status: Statuses,
    /// Text that the body must hold.
    expect_body: Option<String>,
    /// JSON pointers into the body, and the value that each must have.
    #[serde(default)]
    expect_json: BTreeMap<String, String>,
    #[serde(flatten)]
    tls_settings: tls::Settings,
}

struct HttpCheck {
    address: Address,
    tls: Option<Tls>,
    method: Method,
    path: PathAndQuery,
    headers: HeaderMap,
    body: Bytes,
    expectations: Expectations,
}

fn get() -> String {
    "GET".to_owned()
}

/// Makes the check.
pub(super) fn build(values: &Values) -> Result<Arc<dyn Check>, InvalidValue> {
    let settings: Settings = values.read()?;
    let (address, encrypted, path) = read_url(&settings.url)?;
    let method = Method::from_bytes(settings.method.as_bytes())
        .ok()
        .filter(|method| *method != Method::CONNECT)
        .ok_or_else(|| InvalidValue::new("method", format!("`{}` is no request method", settings.method)))?;
    let tls = match encrypted {
        true => Some(Tls::new(&settings.tls_settings, address.host())?),
        false => None,
    };
    Ok(Arc::new(HttpCheck {
        headers: read_headers(&settings.headers, &settings.url)?,
        address,
        tls,
        method,
        path,
        body: settings.body.unwrap_or_default().into(),
        expectations: Expectations::new(settings.expect_status, settings.expect_body, settings.expect_json)?,
    }))
}

fn read_url(url: &str) -> Result<(Address, bool, PathAndQuery), InvalidValue> {
    let invalid = |problem: &str| InvalidValue::new("url", format!("`{}` {problem}", shown_url(url)));
    let uri: Uri = url.parse().map_err(|error| invalid(&format!("is no URL: {error}")))?;
    let encrypted = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => false,
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        _ => return Err(invalid("must begin with http:// or https://")),
    };
    let authority = uri.authority().ok_or_else(|| invalid("names no host"))?;
    if authority.as_str().contains('@') {
        return Err(InvalidValue::new(
            "url",
            "must not hold a user or password: use headers.Authorization",
        ));
    }
    let port = authority.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let path = uri
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    Ok((Address::new(authority.host(), port), encrypted, path))
}

fn read_headers(settings: &BTreeMap<String, Secret>, url: &str) -> Result<HeaderMap, InvalidValue> {
    let mut headers = HeaderMap::new();
    for (name, value) in settings {
        let key = format!("headers.{name}");
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(InvalidValue::new(key, "is no header name"));
        };
        let Ok(mut value) = HeaderValue::from_str(value.expose()) else {
            return Err(InvalidValue::new(key, "holds characters that a header cannot"));
        };
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    let authority = url.split('/').nth(2).unwrap_or_default();
    let authority = authority.split(['?', '#']).next().unwrap_or_default();
    let host = HeaderValue::from_str(authority).map_err(|_invalid| {
        InvalidValue::new(
            "url",
            format!("`{}` names a host that a header cannot hold", shown_url(url)),
        )
    })?;
    headers.entry(header::HOST).or_insert(host);
    let defaults = [
        (header::USER_AGENT, USER_AGENT),
        (header::ACCEPT, "*/*"),
        (header::CONNECTION, "close"),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    Ok(headers)
}

#[async_trait]
impl Check for HttpCheck {
    async fn attempt(&self, attempt: &Attempt) -> Result<Finding, CheckFailure> {
        let deadline = Deadline::of(attempt);
        let dialed = dial::dial(&self.address, attempt, deadline).await?;
        let stream = match &self.tls {
            Some(tls) => tls.connect(dialed.stream, &self.address, deadline).await?,
            None => Stream::Plain(dialed.stream),
        };
        let shown = stream.shown();
        let answer = self.exchange(stream, deadline).await?;
        let finding = self.expectations.judge(&self.asked_at(), answer.status, &answer.body)?;
        let finding = finding.with("status", answer.status.as_u16());
        let finding = match answer.server {
            Some(server) => finding.with("server", server),
            None => finding,
        };
        let finding = match (&self.tls, shown) {
            (Some(tls), Some(shown)) => tls.judge(finding, &shown),
            _ => finding,
        };
        Ok(dial::with_name_trouble(finding, dialed.unresolved))
    }
}

/// What of an answer matters.
struct Answer {
    status: StatusCode,
    server: Option<String>,
    body: Vec<u8>,
}

impl HttpCheck {
    /// How the request is shown to people: the query may hold a secret, so it is not shown.
    fn asked(&self) -> String {
        format!("{} {}", self.method, self.path.path())
    }

    fn asked_at(&self) -> String {
        format!("{} at {}", self.asked(), self.address)
    }

    async fn exchange(&self, stream: Stream, deadline: Deadline) -> Result<Answer, CheckFailure> {
        let starting = http1::Builder::new()
            .max_buf_size(HEAD_LIMIT)
            .handshake(TokioIo::new(stream));
        let (mut sender, connection) = starting.await.map_err(|error| self.broken(&error))?;
        let mut connection = pin!(connection.fuse());
        let asking = drive(connection.as_mut(), sender.send_request(self.request()));
        let waiting = || format!("connected to {}, but no answer to {}", self.address, self.asked());
        let response = deadline.within(waiting, asking).await?;
        let response = response.map_err(|error| self.broken(&error))?;
        let status = response.status();
        let reading = drive(connection.as_mut(), self.read(response));
        let waiting = || format!("{} answers {status}, but its body did not end", self.asked_at());
        let answer = deadline.within(waiting, reading).await?;
        // Lets the server close after its answer, for an orderly end.
        if !connection.is_terminated() {
            deadline.step(CLOSE_PATIENCE).cut(connection).await;
        }
        answer.map_err(|error| self.broken(&error))
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = Uri::from(self.path.clone());
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// Reads what is needed of an answer: no body where nothing is expected of it, never more than the limit.
    async fn read(&self, response: Response<Incoming>) -> Result<Answer, hyper::Error> {
        let status = response.status();
        let server = response.headers().get(header::SERVER);
        let server = server.map(|server| failure::said(&String::from_utf8_lossy(server.as_bytes())));
        let mut body = Vec::new();
        let mut incoming = response.into_body();
        while body.len() < BODY_LIMIT && !incoming.is_end_stream() {
            let Some(frame) = incoming.frame().await else { break };
            if let Ok(data) = frame?.into_data() {
                let room = BODY_LIMIT - body.len();
                body.extend_from_slice(data.get(..room).unwrap_or(&data));
            }
        }
        Ok(Answer { status, server, body })
    }

    /// The failure of an exchange that ended with this error.
    fn broken(&self, error: &hyper::Error) -> CheckFailure {
        let asked = self.asked_at();
        if let Some(error) = io_error(error) {
            return failure::of_io(&format!("{asked} got no complete answer"), error);
        }
        if error.is_parse() || error.is_parse_too_large() {
            return CheckFailure::new(
                FailureKind::WrongProtocol,
                format!("{} does not speak HTTP: {error}", self.address),
            );
        }
        let reason = if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            format!("{asked} got no complete answer: the other side closed the connection")
        } else {
            format!("{asked} got no complete answer: {error}")
        };
        CheckFailure::new(FailureKind::Reset, reason)
    }
}

fn io_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error);
        }
        source = error.source();
    }
    None
}

#[cfg(test)]
mod tests;
