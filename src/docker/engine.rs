//! The client of one container engine.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bollard::errors::Error as ClientError;
use bollard::models::{ContainerInspectResponse, ContainerStatsResponse, ContainerSummary, Network};
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptions, ListNetworksOptions, LogsOptions, StatsOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::{Stream, StreamExt};
use hyper::Uri;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::timeout;

use super::event::{self, Event};
use super::own::{self, Own};
use super::redact;
use super::running::RunningTeller;
use super::tail::Tail;
use super::version::{Agreed, agree};
use super::{ApiVersion, Counters, Endpoint, EngineError, Listed, RequestResult, Settings};

/// The client library's own timeout. It counts whole seconds and ends with the response's header, so every call has a
/// total timeout around it and this one only has to be longer.
const CLIENT_TIMEOUT_SECONDS: u64 = 3600;

/// Bytes of a log that are kept at most, however long its lines are.
const LOG_BYTES: usize = 256 * 1024;

/// A container engine: its client, what is counted of it, and what was learned of the monitor's own place in it.
///
/// Cheap to clone; clones share everything. A connection is made for each call, so an engine that comes back is found
/// again without further ado.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    /// Made at the first call that can make it: the constructor fails while the socket does not exist.
    client: Mutex<Option<Docker>>,
    /// The version that was agreed on, packed; 0 before.
    version: Arc<AtomicU32>,
    counters: Counters,
    /// What last answered, so that only another answer is news; `None` before the first contact and after an outage.
    contact: Mutex<Option<Contact>>,
    own: watch::Sender<Option<Arc<Own>>>,
    running: RunningTeller,
}

/// What an engine said of itself at a contact.
#[derive(Debug, PartialEq)]
struct Contact {
    engine_version: String,
    agreed: Agreed,
}

/// Events as they come; ends with the connection.
pub(super) type EventStream = Pin<Box<dyn Stream<Item = Result<Event, EngineError>> + Send>>;

// === impl Engine ===

impl Engine {
    /// Prepares the client; asks nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            inner: Arc::new(Inner {
                settings,
                client: Mutex::new(None),
                version: Arc::new(AtomicU32::new(0)),
                counters: Counters::default(),
                contact: Mutex::new(None),
                own: watch::Sender::new(None),
                running: RunningTeller::new(),
            }),
        }
    }

    /// How it is reached and what is shown of it.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// What is counted of its use.
    pub fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    /// The API version that was agreed on; `None` before the first contact.
    pub fn api_version(&self) -> Option<ApiVersion> {
        ApiVersion::unpacked(self.inner.version.load(Ordering::Relaxed))
    }

    /// The Compose project that the monitor belongs to, once it is known.
    pub(super) fn own_project(&self) -> Option<String> {
        self.inner.own.borrow().as_ref()?.project.clone()
    }

    /// The monitor's own place in the engine, as it becomes known; `None` before the first contact.
    pub fn own(&self) -> watch::Receiver<Option<Arc<Own>>> {
        self.inner.own.subscribe()
    }

    pub(super) fn running(&self) -> &RunningTeller {
        &self.inner.running
    }

    /// Agrees on a version. To be called at first and after every loss: another engine may answer then.
    pub async fn connect(&self) -> Result<ApiVersion, EngineError> {
        self.inner.version.store(0, Ordering::Relaxed);
        let answer = self
            .call(Endpoint::Version, |client| async move { client.version().await })
            .await?;
        let read = |text: Option<String>| text.as_deref().and_then(|text| text.parse::<ApiVersion>().ok());
        let newest = read(answer.api_version).ok_or_else(|| EngineError::Malformed {
            endpoint: Endpoint::Version,
            why: "it names no API version; is this a container engine?".to_owned(),
        })?;
        let oldest = read(answer.min_api_version).unwrap_or(newest).min(newest);
        let agreed = agree(self.inner.settings.api_version, oldest, newest);
        let version = agreed.version;
        self.inner.version.store(version.packed(), Ordering::Relaxed);
        self.inner.met(Contact {
            engine_version: answer.version.unwrap_or_default(),
            agreed,
        });
        Ok(version)
    }

    /// Notes that the engine is away: that it answers will be news again.
    pub(super) fn lost(&self) {
        *self.inner.contact.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Asks for a sign of life.
    pub async fn ping(&self) -> Result<(), EngineError> {
        let answer = self.call(Endpoint::Ping, |client| async move { client.ping().await });
        answer.await.map(drop)
    }

    /// Every container, running or not, as `health-monitor init` wants them. Labels are as they are, not redacted.
    pub async fn list_containers(&self) -> Result<Vec<Listed>, EngineError> {
        let rows = self.list().await?;
        Ok(rows.into_iter().filter_map(Listed::read).collect())
    }

    /// Finds the container that the monitor itself runs in, for those who need it before the inventory has begun.
    pub async fn find_own(&self) -> Result<Arc<Own>, EngineError> {
        let rows = self.list().await?;
        self.find_own_among(&rows).await
    }

    pub(super) async fn find_own_among(&self, rows: &[ContainerSummary]) -> Result<Arc<Own>, EngineError> {
        let own = Arc::new(own::find(self, rows).await?);
        self.inner.own.send_if_modified(|known| {
            let is_news = known.as_ref() != Some(&own);
            *known = Some(own.clone());
            is_news
        });
        Ok(own)
    }

    pub(super) async fn list(&self) -> Result<Vec<ContainerSummary>, EngineError> {
        let options = ListContainersOptions {
            all: true,
            ..Default::default()
        };
        self.call(Endpoint::List, |client| async move {
            client.list_containers(Some(options)).await
        })
        .await
    }

    pub(super) async fn networks(&self) -> Result<Vec<Network>, EngineError> {
        self.call(Endpoint::Networks, |client| async move {
            client.list_networks(None::<ListNetworksOptions>).await
        })
        .await
    }

    pub(super) async fn inspect(&self, id: &str) -> Result<ContainerInspectResponse, EngineError> {
        let id = id.to_owned();
        self.call(Endpoint::Inspect, |client| async move {
            client.inspect_container(&id, None::<InspectContainerOptions>).await
        })
        .await
    }

    /// One sample, without the second one that engines otherwise take a second later.
    pub(super) async fn sample(&self, id: &str) -> Result<ContainerStatsResponse, EngineError> {
        let id = id.to_owned();
        let options = StatsOptions {
            stream: false,
            one_shot: true,
        };
        self.call(Endpoint::Stats, |client| async move {
            let mut samples = Box::pin(client.stats(&id, Some(options)));
            let nothing = ClientError::IOError {
                err: std::io::ErrorKind::UnexpectedEof.into(),
            };
            samples.next().await.unwrap_or(Err(nothing))
        })
        .await
    }

    /// The last lines that a container logged, at most `lines`, the oldest first, secrets hidden.
    pub async fn log_tail(&self, id: &str, lines: usize) -> Result<Vec<String>, EngineError> {
        let id = id.to_owned();
        let options = LogsOptions {
            stdout: true,
            stderr: true,
            tail: lines.to_string(),
            ..Default::default()
        };
        let said = self.call(Endpoint::Logs, |client| async move {
            let mut pieces = Box::pin(client.logs(&id, Some(options)));
            let mut tail = Tail::of(LOG_BYTES);
            while let Some(piece) = pieces.next().await {
                tail.push(&piece?.into_bytes());
            }
            Ok(tail.lines())
        });
        Ok(redact::log_lines(&said.await?, lines))
    }

    /// What happens from now on, and from `since` where it is given, as far as the engine remembers (256 events).
    pub(super) fn events(&self, since: Timestamp) -> Result<EventStream, EngineError> {
        let client = self.client(Endpoint::Events)?;
        let engine = self.clone();
        let messages = client.events(Some(event::options(since)));
        let events = messages.filter_map(move |message| {
            let event = match message {
                Ok(message) => Event::read(message).map(Ok),
                Err(error) => Some(Err(engine.read_error(Endpoint::Events, &error))),
            };
            std::future::ready(event)
        });
        Ok(Box::pin(events))
    }

    /// Makes one call with a total timeout, and counts it.
    async fn call<T, F>(&self, endpoint: Endpoint, request: impl FnOnce(Docker) -> F) -> Result<T, EngineError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let client = self.client(endpoint)?;
        let limit = self.inner.settings.request_timeout;
        let answer = match timeout(limit, request(client)).await {
            Ok(answer) => answer.map_err(|error| self.read_error(endpoint, &error)),
            Err(_elapsed) => Err(EngineError::Timeout {
                host: self.inner.settings.host.clone(),
                endpoint,
                after: limit,
            }),
        };
        let result = answer.as_ref().map_or_else(EngineError::result, |_| RequestResult::Ok);
        self.inner.counters.count_request(endpoint, result);
        answer
    }

    fn read_error(&self, endpoint: Endpoint, error: &ClientError) -> EngineError {
        let Settings {
            host, request_timeout, ..
        } = &self.inner.settings;
        EngineError::from_client(host, endpoint, *request_timeout, error)
    }

    /// The client, made on demand.
    fn client(&self, endpoint: Endpoint) -> Result<Docker, EngineError> {
        let mut kept = self.inner.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = kept.as_ref() {
            return Ok(client.clone());
        }
        let made = make_client(&self.inner.settings).map_err(|error| {
            let error = self.read_error(endpoint, &error);
            self.inner.counters.count_request(endpoint, error.result());
            error
        })?;
        let client = speak(made, self.inner.version.clone());
        *kept = Some(client.clone());
        Ok(client)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("host", &self.inner.settings.host)
            .field("api_version", &self.api_version())
            .finish_non_exhaustive()
    }
}

// === impl Inner ===

impl Inner {
    /// Logs a contact, and says whether it was news. The event stream ends now and then, behind a proxy every few minutes,
    /// and the same engine answers again: that is none.
    fn met(&self, contact: Contact) -> bool {
        let mut last = self.contact.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref() == Some(&contact) {
            return false;
        }
        let Contact { engine_version, agreed } = &contact;
        let Agreed { version, warning } = agreed;
        if let Some(warning) = warning {
            tracing::warn!(%version, warning, "docker api version negotiated");
        }
        tracing::info!(host = self.settings.host, engine_version, api_version = %version, "docker engine answers");
        *last = Some(contact);
        true
    }
}

/// The client for the configured address. None of the library's own constructors takes a folder of certificates.
fn make_client(settings: &Settings) -> Result<Docker, ClientError> {
    let Settings { host, cert_path, .. } = settings;
    let scheme = host.split_once("://").map_or("", |(scheme, _)| scheme);
    match (scheme, cert_path) {
        ("unix", _) => Docker::connect_with_unix(host, CLIENT_TIMEOUT_SECONDS, API_DEFAULT_VERSION),
        ("tcp" | "https", Some(folder)) => connect_with_tls(host, folder),
        ("tcp" | "http", None) => Docker::connect_with_http(host, CLIENT_TIMEOUT_SECONDS, API_DEFAULT_VERSION),
        _ => Err(ClientError::UnsupportedURISchemeError { uri: host.clone() }),
    }
}

fn connect_with_tls(host: &str, folder: &Path) -> Result<Docker, ClientError> {
    let [key, cert, ca] = ["key.pem", "cert.pem", "ca.pem"].map(|name| folder.join(name));
    Docker::connect_with_ssl(host, &key, &cert, &ca, CLIENT_TIMEOUT_SECONDS, API_DEFAULT_VERSION)
}

/// Makes the client ask for the agreed version. The library leaves the version out of the path, and an engine that is
/// asked without one answers in its newest.
fn speak(client: Docker, version: Arc<AtomicU32>) -> Docker {
    client.with_request_modifier(move |mut request| {
        let version = ApiVersion::unpacked(version.load(Ordering::Relaxed));
        if let Some(uri) = version.and_then(|version| with_version(request.uri(), version)) {
            *request.uri_mut() = uri;
        }
        request
    })
}

fn with_version(uri: &Uri, version: ApiVersion) -> Option<Uri> {
    let path = uri.path_and_query()?.as_str();
    let is_versioned = path
        .strip_prefix("/v")
        .is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit()));
    if is_versioned {
        return None;
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("/v{version}{path}").parse().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_the_agreed_version_once() {
        let version = "1.41".parse().unwrap();
        let asked = |path: &str| with_version(&format!("http://engine{path}").parse().unwrap(), version);
        let uri = asked("/containers/json?all=true").unwrap();
        assert_eq!(uri.path_and_query().unwrap(), "/v1.41/containers/json?all=true");
        assert_eq!(asked("/v1.53/events"), None);
        assert!(asked("/volumes").is_some());
    }

    #[test]
    fn the_same_engine_is_news_once_and_again_after_an_outage() {
        let engine = Engine::new(Settings::default());
        let meets = |engine_version: &str| {
            engine.inner.met(Contact {
                engine_version: engine_version.to_owned(),
                agreed: agree(None, ApiVersion::NEWEST, ApiVersion::NEWEST),
            })
        };
        assert!(meets("28.0.1"));
        assert!(!meets("28.0.1"));
        assert!(meets("28.0.2"));
        assert!(!meets("28.0.2"));
        engine.lost();
        assert!(meets("28.0.2"));
    }

    #[tokio::test]
    async fn says_what_is_wrong_with_an_address() {
        for (host, expected) in [
            ("/var/run/docker.sock", "use unix://"),
            ("ssh://there", "use unix://"),
            ("https://127.0.0.1:1", "use unix://"),
            (
                "unix:///nowhere/docker.sock",
                "there is no socket at /nowhere/docker.sock",
            ),
            ("tcp://127.0.0.1:1", "onnection refused"),
        ] {
            let engine = Engine::new(Settings {
                host: host.to_owned(),
                ..Settings::default()
            });
            let error = engine.ping().await.unwrap_err();
            assert!(error.is_away(), "{error:?}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
