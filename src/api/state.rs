//! What the handlers ask.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::dev::{Message, Recipient};
use futures_util::future::{BoxFuture, FutureExt};
use health_monitor_actors::model::Snapshot;
use health_monitor_actors::registry::GetSnapshot;
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::ApiError;
use crate::metrics::{self, Counters, SelfFigures};

/// How the API answers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long the registry may take to answer before a request fails with 503.
    pub registry_timeout: Duration,
    /// How long every other actor may take before its part is left out.
    pub section_timeout: Duration,
    /// The services are the built-in ones: no configuration names any.
    pub built_in_services: bool,
    /// What `/metrics` shows.
    pub metrics: metrics::Settings,
}

/// What all handlers share.
pub struct ApiState {
    pub(super) settings: Settings,
    pub(super) started: Instant,
    pub(super) sections: Vec<Section>,
    pub(super) counters: Counters,
    registry: Recipient<GetSnapshot>,
    figures: Option<Ask<SelfFigures>>,
}

/// A part of `/internals`: what one actor, or one counter, shows of itself.
#[derive(Clone)]
pub struct Section {
    pub(super) name: &'static str,
    pub(super) ask: Ask<Value>,
}

/// A question that is asked anew for each request.
type Ask<T> = Arc<dyn Fn() -> BoxFuture<'static, Result<T, String>> + Send + Sync>;

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            registry_timeout: Duration::from_secs(2),
            section_timeout: Duration::from_millis(500),
            built_in_services: false,
            metrics: metrics::Settings::default(),
        }
    }
}

// === impl ApiState ===

impl ApiState {
    /// Answers from this registry and shows these counters; nothing else is known yet.
    pub fn new(settings: Settings, registry: Recipient<GetSnapshot>, counters: Counters) -> Self {
        Self {
            settings,
            started: Instant::now(),
            sections: Vec::new(),
            counters,
            registry,
            figures: None,
        }
    }

    /// Shows one more part in `/internals`.
    #[must_use]
    pub fn with_section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// Shows these figures in `/metrics`: `ask` is called for each scrape and may itself ask actors.
    #[must_use]
    pub fn with_figures<F>(mut self, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = SelfFigures> + Send + 'static,
    {
        self.figures = Some(Arc::new(move || ask().map(Ok).boxed()));
        self
    }

    /// What the registry knows now.
    pub(super) async fn snapshot(&self) -> Result<Arc<Snapshot>, ApiError> {
        let limit = self.settings.registry_timeout;
        let answer = self.registry.send(GetSnapshot).timeout(limit).await;
        answer.map_err(|error| ApiError::from_registry(error, limit))
    }

    /// What the actors report of themselves; nothing where they take too long.
    pub(super) async fn figures(&self) -> SelfFigures {
        match &self.figures {
            Some(ask) => in_time(ask, self.settings.section_timeout).await.unwrap_or_default(),
            None => SelfFigures::default(),
        }
    }
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState")
            .field("settings", &self.settings)
            .field("sections", &self.sections)
            .finish_non_exhaustive()
    }
}

// === impl Section ===

impl Section {
    /// Shows what an actor answers to `message`.
    pub fn asking<M>(name: &'static str, actor: Recipient<M>, message: fn() -> M) -> Self
    where
        M: Message + Send + 'static,
        M::Result: Serialize + Send + 'static,
    {
        let ask = move || {
            let answer = actor.send(message());
            async move {
                let answer = answer.await.map_err(|_closed| "has ended".to_owned())?;
                serde_json::to_value(answer).map_err(|error| format!("cannot be shown: {error}"))
            }
            .boxed()
        };
        Self {
            name,
            ask: Arc::new(ask),
        }
    }

    /// Shows what can be read at any time, such as counters.
    pub fn reading<T: Serialize>(name: &'static str, read: impl Fn() -> T + Send + Sync + 'static) -> Self {
        let ask = move || {
            let shown = serde_json::to_value(read()).map_err(|error| format!("cannot be shown: {error}"));
            std::future::ready(shown).boxed()
        };
        Self {
            name,
            ask: Arc::new(ask),
        }
    }

    /// What it shows now, or in place of it the reason why there is nothing to show.
    pub(super) async fn show(&self, limit: Duration) -> Result<Value, String> {
        in_time(&self.ask, limit).await
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

async fn in_time<T>(ask: &Ask<T>, limit: Duration) -> Result<T, String> {
    match timeout(limit, ask()).await {
        Ok(answer) => answer,
        Err(_elapsed) => Err(format!("did not answer within {} ms", limit.as_millis())),
    }
}
