//! The real API server on a port of its own, with a small actor in the registry's place.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix::prelude::*;
use actix_web::dev::ServerHandle;
use health_monitor::api::{self, ApiState, Limits, Settings};
use health_monitor::metrics::Counters;
use health_monitor_actors::model::Snapshot;
use health_monitor_actors::registry::GetSnapshot;
use serde_json::Value;

/// Answers every question with one snapshot.
struct FixedRegistry(Arc<Snapshot>);

/// Never answers.
struct SilentRegistry;

/// A running server; it stops when this is dropped.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) client: reqwest::Client,
    handle: ServerHandle,
}

impl Actor for FixedRegistry {
    type Context = Context<Self>;
}

impl Handler<GetSnapshot> for FixedRegistry {
    type Result = MessageResult<GetSnapshot>;

    fn handle(&mut self, _: GetSnapshot, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.0.clone())
    }
}

impl Actor for SilentRegistry {
    type Context = Context<Self>;
}

impl Handler<GetSnapshot> for SilentRegistry {
    type Result = ResponseFuture<Arc<Snapshot>>;

    fn handle(&mut self, _: GetSnapshot, _: &mut Self::Context) -> Self::Result {
        Box::pin(std::future::pending())
    }
}

/// An actor in the registry's place that answers with this snapshot.
pub(crate) fn registry(snapshot: Arc<Snapshot>) -> Recipient<GetSnapshot> {
    FixedRegistry(snapshot).start().recipient()
}

/// An actor in the registry's place that never answers.
pub(crate) fn silent_registry() -> Recipient<GetSnapshot> {
    SilentRegistry.start().recipient()
}

/// The monitor's own counters, all at zero.
pub(crate) fn counters() -> Counters {
    Counters::new().unwrap()
}

impl TestServer {
    /// Serves this snapshot with the usual settings.
    pub(crate) fn of(snapshot: Arc<Snapshot>) -> Self {
        Self::with(snapshot, Settings::default())
    }

    pub(crate) fn with(snapshot: Arc<Snapshot>, settings: Settings) -> Self {
        Self::start(ApiState::new(settings, registry(snapshot), counters()))
    }

    pub(crate) fn start(state: ApiState) -> Self {
        Self::limited(state, Limits::default())
    }

    pub(crate) fn limited(state: ApiState, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = api::serve(listener, limits, state).unwrap();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self {
            address,
            client: reqwest::Client::new(),
            handle,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    /// The HTTP status and the body as it was sent.
    pub(crate) async fn text(&self, path: &str) -> (u16, String) {
        let response = self.get(path).await;
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// The HTTP status and the document, which must be announced as JSON.
    pub(crate) async fn json(&self, path: &str) -> (u16, Value) {
        let response = self.get(path).await;
        assert_eq!(response.headers()["content-type"], "application/json", "{path}");
        (response.status().as_u16(), response.json().await.unwrap())
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // The command is sent at once; nobody needs to wait for it.
        drop(self.handle.stop(false));
    }
}
