//! The real API server on a port of its own, with small actors in the place of those that it asks.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::marker::PhantomData;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix::prelude::*;
use actix_web::dev::ServerHandle;
use health_monitor::api::{self, ApiState, Limits, Settings};
use health_monitor_actors::model::Snapshot;
use serde_json::Value;

/// In the place of an actor: answers always the same.
struct Telling<M: Message>(M::Result);

/// In the place of an actor: never answers.
struct Silent<M>(PhantomData<M>);

/// A running server; it stops when this is dropped.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) client: reqwest::Client,
    handle: ServerHandle,
}

impl<M> Actor for Telling<M>
where
    M: Message + 'static,
    M::Result: Unpin,
{
    type Context = Context<Self>;
}

impl<M> Handler<M> for Telling<M>
where
    M: Message + 'static,
    M::Result: Clone + Unpin,
{
    type Result = MessageResult<M>;

    fn handle(&mut self, _: M, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.0.clone())
    }
}

impl<M: Unpin + 'static> Actor for Silent<M> {
    type Context = Context<Self>;
}

impl<M: Message + Unpin + 'static> Handler<M> for Silent<M> {
    type Result = ResponseFuture<M::Result>;

    fn handle(&mut self, _: M, _: &mut Self::Context) -> Self::Result {
        Box::pin(std::future::pending())
    }
}

/// In the place of the actor that is asked `M`: one that answers always this.
pub(crate) fn telling<M>(answer: M::Result) -> Recipient<M>
where
    M: Message + Send + 'static,
    M::Result: Clone + Unpin + Send,
{
    Telling(answer).start().recipient()
}

/// In the place of the actor that is asked `M`: one that never answers.
pub(crate) fn silent<M>() -> Recipient<M>
where
    M: Message + Send + Unpin + 'static,
    M::Result: Send,
{
    Silent(PhantomData).start().recipient()
}

impl TestServer {
    /// Serves this snapshot with the usual settings.
    pub(crate) fn of(snapshot: Arc<Snapshot>) -> Self {
        Self::with(snapshot, Settings::default())
    }

    pub(crate) fn with(snapshot: Arc<Snapshot>, settings: Settings) -> Self {
        Self::start(ApiState::new(settings, telling(snapshot)))
    }

    pub(crate) fn start(state: ApiState) -> Self {
        Self::limited(state, Limits::default())
    }

    pub(crate) fn limited(state: ApiState, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = api::serve(listener, limits, state, None).unwrap();
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
