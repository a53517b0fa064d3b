//! What the handlers ask.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::dev::{Message, Recipient};
use futures_util::future::{BoxFuture, FutureExt, join};
use health_monitor_actors::model::{ServiceState, Snapshot};
use health_monitor_actors::probe::Lateness;
use health_monitor_actors::registry::{self, CheckNow, GetSnapshot, OrderMaintenance, Refusal};
use health_monitor_actors::supervisor;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::ApiError;
use super::crowd::Connections;
use super::health::HealthTail;
use super::rendered::Rendered;
use crate::access::Access;
use crate::history::handle::History;
use crate::metrics::{self, DockerFigures, Process, SelfFigures};
use crate::roster::Desk;
use crate::roster::reload::ReloadStatus;
use crate::telemetry;

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
    pub(super) access: Arc<Access>,
    pub(super) sections: Vec<Section>,
    pub(super) process: Arc<Process>,
    pub(super) health: Rendered<HealthTail>,
    pub(super) connections: Arc<Connections>,
    snapshots: Recipient<GetSnapshot>,
    supervisor: Option<Recipient<supervisor::Observe>>,
    registry: Option<Recipient<registry::Observe>>,
    lateness: Option<Arc<Lateness>>,
    docker: Option<ReadDocker>,
    desk: Option<Arc<Desk>>,
    orders: Option<Orders>,
    pub(super) history: Option<History>,
}

/// Who carries out what people order.
struct Orders {
    check: Recipient<CheckNow>,
    maintenance: Recipient<OrderMaintenance>,
}

/// Reads what the Docker side counts.
type ReadDocker = Arc<dyn Fn() -> DockerFigures + Send + Sync>;

/// A part of `/internals`: what one actor, or one counter, shows of itself.
#[derive(Clone)]
pub struct Section {
    pub(super) name: &'static str,
    ask: Ask,
}

/// A question that is asked anew for each request.
type Ask = Arc<dyn Fn() -> BoxFuture<'static, Result<Value, String>> + Send + Sync>;

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
    /// Answers from these snapshots. Of the monitor's own parts nothing is shown until they are named.
    pub fn new(settings: Settings, snapshots: Recipient<GetSnapshot>) -> Self {
        let connections: Arc<Connections> = Arc::default();
        let counted = connections.clone();
        Self {
            settings,
            started: Instant::now(),
            access: Arc::default(),
            sections: vec![Section::reading("connections", move || counted.clone())],
            process: Arc::new(Process::of_self()),
            health: Rendered::default(),
            connections,
            snapshots,
            supervisor: None,
            registry: None,
            lateness: None,
            docker: None,
            desk: None,
            orders: None,
            history: None,
        }
    }

    /// Lets this decide who may ask what. Until it is named, whatever only reads is open to everybody.
    #[must_use]
    pub fn with_access(mut self, access: Arc<Access>) -> Self {
        self.access = access;
        self
    }

    /// Shows in `/internals` and `/metrics` how the history is written, and answers from it.
    #[must_use]
    pub fn with_history(mut self, history: History) -> Self {
        self.history = Some(history.clone());
        self.with_section(Section::reading("history", move || history.figures()))
    }

    /// Shows the supervisor in `/internals` and `/metrics`.
    #[must_use]
    pub fn with_supervisor(mut self, supervisor: Recipient<supervisor::Observe>) -> Self {
        self.supervisor = Some(supervisor.clone());
        self.with_section(Section::asking("supervisor", supervisor, || supervisor::Observe))
    }

    /// Shows the registry's own figures in `/internals` and `/metrics`.
    #[must_use]
    pub fn with_registry(mut self, registry: Recipient<registry::Observe>) -> Self {
        self.registry = Some(registry.clone());
        self.with_section(Section::asking("registry", registry, || registry::Observe))
    }

    /// Shows in `/metrics` how late cycles start.
    #[must_use]
    pub fn with_lateness(mut self, lateness: Arc<Lateness>) -> Self {
        self.lateness = Some(lateness);
        self
    }

    /// Shows in `/internals` and `/metrics` what the Docker side counts.
    #[must_use]
    pub fn with_docker(mut self, read: impl Fn() -> DockerFigures + Send + Sync + 'static) -> Self {
        let read: ReadDocker = Arc::new(read);
        self.docker = Some(read.clone());
        self.with_section(Section::reading("docker", move || read()))
    }

    /// Shows what is watched and the configuration, and has it read again.
    #[must_use]
    pub fn with_desk(mut self, desk: Arc<Desk>) -> Self {
        self.desk = Some(desk);
        self
    }

    /// Passes on what people order for single services.
    #[must_use]
    pub fn with_orders(mut self, check: Recipient<CheckNow>, maintenance: Recipient<OrderMaintenance>) -> Self {
        self.orders = Some(Orders { check, maintenance });
        self
    }

    /// Shows one more part in `/internals`.
    #[must_use]
    pub fn with_section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// What is known now.
    pub(super) async fn snapshot(&self) -> Result<Arc<Snapshot>, ApiError> {
        let limit = self.settings.registry_timeout;
        let answer = self.snapshots.send(GetSnapshot).timeout(limit).await;
        answer.map_err(|error| ApiError::from_registry(error, limit))
    }

    /// What knows what is watched.
    pub(super) fn desk(&self) -> Result<&Desk, ApiError> {
        self.desk.as_deref().ok_or(ApiError::NotOffered)
    }

    /// The services are the built-in ones: no configuration names any.
    pub(super) fn has_built_in_services(&self) -> bool {
        match &self.desk {
            Some(desk) => desk.settings().built_in_services,
            None => self.settings.built_in_services,
        }
    }

    /// The configuration that was read last was rejected, or some of it needs a restart; `None` where nobody knows.
    pub(super) fn reload_status(&self) -> Option<ReloadStatus> {
        self.desk.as_ref().map(|desk| desk.reload_status())
    }

    /// Orders a check now. What is yielded is the service after it.
    pub(super) async fn check_now(&self, order: CheckNow) -> Result<oneshot::Receiver<Arc<ServiceState>>, ApiError> {
        let orders = self.orders.as_ref().ok_or(ApiError::NotOffered)?;
        self.carried_out(&orders.check, order).await
    }

    /// Orders maintenance, or its end.
    pub(super) async fn order_maintenance(&self, order: OrderMaintenance) -> Result<Arc<ServiceState>, ApiError> {
        let orders = self.orders.as_ref().ok_or(ApiError::NotOffered)?;
        self.carried_out(&orders.maintenance, order).await
    }

    async fn carried_out<M, T>(&self, who: &Recipient<M>, order: M) -> Result<T, ApiError>
    where
        M: Message<Result = Result<T, Refusal>> + Send + 'static,
        T: Send,
    {
        let limit = self.settings.registry_timeout;
        let answer = who.send(order).timeout(limit).await;
        Ok(answer.map_err(|error| ApiError::from_registry(error, limit))??)
    }

    /// What the monitor's own parts tell of themselves now.
    pub(super) async fn figures(&self) -> SelfFigures {
        let limit = self.settings.section_timeout;
        let (supervisor, registry) = join(
            answer_of(self.supervisor.as_ref(), supervisor::Observe, limit),
            answer_of(self.registry.as_ref(), registry::Observe, limit),
        )
        .await;
        SelfFigures {
            supervisor,
            registry,
            lateness: self.lateness.clone(),
            docker: self.docker.as_ref().map(|read| read()),
            reload: self.reload_status(),
            label_problems: self.desk.as_ref().map(|desk| desk.problems()),
            history: self.history.as_ref().map(History::figures),
            log: Some(telemetry::figures()),
        }
    }
}

/// What an actor answers; nothing where there is none, where it has ended or where it takes too long.
async fn answer_of<M>(actor: Option<&Recipient<M>>, message: M, limit: Duration) -> Option<M::Result>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    actor?.send(message).timeout(limit).await.ok()
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
        match timeout(limit, (self.ask)()).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(format!("did not answer within {} ms", limit.as_millis())),
        }
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
