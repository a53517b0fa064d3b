//! A registry, a supervisor and probes as the program has them, to be watched through the public surface.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use health_monitor_actors::check::Check;
use health_monitor_actors::model::{EngineState, ServiceName, ServiceSpec, ServiceState, Snapshot, Status};
use health_monitor_actors::probe::{Probe, ProbeTools};
use health_monitor_actors::registry::{Define, Forget, GetSnapshot, Registry, Subscribe};
use health_monitor_actors::supervisor::{
    self, Add, ChildEvent, ChildSpec, MailboxDepth, Remove, Replace, Shutdown, Supervisor, SupervisorOptions,
    SupervisorState,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Nothing that a test waits for takes longer than this, on the slowest machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// What a test works on.
pub(crate) struct Bench {
    pub(crate) registry: Addr<Registry>,
    pub(crate) supervisor: Addr<Supervisor>,
}

impl Bench {
    pub(crate) fn start() -> Self {
        let registry = Registry::new(None, EngineState::Disabled).start();
        let options = SupervisorOptions {
            tick: Duration::from_millis(50),
            ..SupervisorOptions::default()
        };
        let supervisor = Supervisor::new(options).notify(registry.clone().recipient()).start();
        Self { registry, supervisor }
    }

    pub(crate) async fn monitor(&self, spec: ServiceSpec, check: Arc<dyn Check>) {
        let spec = Arc::new(spec);
        self.registry.send(Define(spec.clone())).await.unwrap();
        self.supervisor
            .send(Add(self.child(spec, check)))
            .await
            .unwrap()
            .unwrap();
    }

    /// The service's settings or check are others from now on.
    pub(crate) async fn change(&self, spec: ServiceSpec, check: Arc<dyn Check>) {
        let spec = Arc::new(spec);
        self.registry.send(Define(spec.clone())).await.unwrap();
        let existed = self.supervisor.send(Replace(self.child(spec, check))).await.unwrap();
        assert_eq!(existed, Ok(true));
    }

    /// The service is not monitored any more.
    pub(crate) async fn remove(&self, name: &str) {
        let name = ServiceName::new(name).unwrap();
        let existed = self.supervisor.send(Remove(Probe::child_name(&name))).await.unwrap();
        assert!(existed);
        self.registry.send(Forget(name)).await.unwrap();
    }

    fn child(&self, spec: Arc<ServiceSpec>, check: Arc<dyn Check>) -> ChildSpec {
        let tools = ProbeTools {
            registry: self.registry.clone(),
            mailbox: MailboxDepth::default(),
            lateness: Arc::default(),
        };
        Probe::child_spec(spec, check, tools)
    }

    pub(crate) async fn snapshot(&self) -> Arc<Snapshot> {
        self.registry.send(GetSnapshot).await.unwrap()
    }

    pub(crate) async fn service(&self, name: &str) -> Arc<ServiceState> {
        self.snapshot().await.services[name].clone()
    }

    /// Waits until the service has this status.
    pub(crate) async fn until(&self, name: &str, status: Status) -> Arc<ServiceState> {
        self.until_that(name, |service| service.status == status).await
    }

    /// Waits until this is true of the service; looks again at every change that the registry tells of.
    pub(crate) async fn until_that(&self, name: &str, is_true: impl Fn(&ServiceState) -> bool) -> Arc<ServiceState> {
        let mut last = None;
        let waiting = async {
            loop {
                let mut subscription = self.registry.send(Subscribe { capacity: 1_024 }).await.unwrap();
                loop {
                    let service = self.service(name).await;
                    if is_true(&service) {
                        return service;
                    }
                    last = Some(service);
                    if subscription.changes.recv().await.is_none() {
                        break;
                    }
                }
            }
        };
        match timeout(LIMIT, waiting).await {
            Ok(service) => service,
            Err(_elapsed) => panic!("'{name}' is still {last:#?}"),
        }
    }

    /// Waits until the supervisor abandoned a lane; looks again at every event of a child.
    pub(crate) async fn until_lane_abandoned(&self) {
        let (sender, mut events) = mpsc::unbounded_channel();
        let listener = Listener(sender).start();
        self.supervisor
            .send(supervisor::Subscribe(listener.recipient()))
            .await
            .unwrap();
        let waiting = async {
            while self.supervision().await.totals.lanes_abandoned == 0 {
                events.recv().await.unwrap();
            }
        };
        timeout(LIMIT, waiting).await.expect("no lane was abandoned");
    }

    /// Ends all children and lanes.
    pub(crate) async fn stop(self, limit: Duration) {
        let report = self.supervisor.send(Shutdown { limit }).await.unwrap();
        assert!(report.unfinished.is_empty(), "{report:?}");
    }

    pub(crate) async fn supervision(&self) -> SupervisorState {
        self.supervisor.send(supervisor::Observe).await.unwrap()
    }

    /// Restarts that the service's probe was charged for.
    pub(crate) async fn restarts(&self, name: &str) -> u64 {
        let child = Probe::child_name(&ServiceName::new(name).unwrap());
        let state = self.supervision().await;
        state
            .children
            .iter()
            .find(|state| state.name == child)
            .unwrap()
            .restarts
    }
}

/// Passes on what the supervisor tells.
struct Listener(mpsc::UnboundedSender<ChildEvent>);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<ChildEvent> for Listener {
    type Result = ();

    fn handle(&mut self, event: ChildEvent, _: &mut Self::Context) {
        // The test may have seen enough already.
        let _is_heard = self.0.send(event).is_ok();
    }
}
