//! What the registry is told and asked.

use std::sync::Arc;

use actix::{Message, Recipient};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::model::{
    Change, ContainerKey, ContainerState, EngineState, Maintenance, Outcome, ResourceUsage, ServiceName, ServiceSpec,
    ServiceState, Snapshot,
};
use crate::policy::{Matching, PolicyState};

use super::SavedService;

/// Asks for everything that is known. Made on demand, shared, and not older than 100 ms.
#[derive(Debug, Message)]
#[rtype(result = "Arc<Snapshot>")]
pub struct GetSnapshot;

/// This service is monitored from now on, or its settings are now these.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Define(pub Arc<ServiceSpec>);

/// This service is no longer monitored.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Forget(pub ServiceName);

/// A probe's finished cycle.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Report {
    /// Of which service.
    pub service: ServiceName,
    /// Which run of the probe says so; an older run's report is dropped.
    pub run: u64,
    /// Grows by one with every report of a run; an older one is dropped.
    pub sequence: u64,
    /// What the cycle found.
    pub outcome: Arc<Outcome>,
    /// What the policies remember after it.
    pub policy: Box<PolicyState>,
    /// When the next cycle is due.
    pub next_due: Instant,
}

/// A run of a probe begins. It is ordered to begin with what its predecessor left, or to retire.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Attach {
    /// Which service it probes.
    pub service: ServiceName,
    /// Which run it is; reports of others are dropped from now on.
    pub run: u64,
    /// Where it takes orders.
    pub orders: Recipient<Order>,
}

/// What a probe that begins is told.
#[derive(Debug)]
pub struct Briefing {
    /// What the policies remember.
    pub policy: Box<PolicyState>,
    /// What stands around the service.
    pub surroundings: Surroundings,
    /// When the predecessor's next cycle was due; `None` where there was no predecessor.
    pub next_due: Option<Instant>,
    /// The service has a result already.
    pub has_result: bool,
    /// The service is in maintenance: no cycle runs on schedule.
    pub is_paused: bool,
}

/// What a probe is told, all on one way, so that it learns of its containers in the order in which they changed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum Order {
    /// Begin, from here.
    Begin(Briefing),
    /// This was known before the process began, which was found out late: begin anew from here, unless a cycle is under
    /// way.
    Remember(Briefing),
    /// Stop: the service is not monitored any more, or a later run has taken over.
    Retire,
    /// What stands around the service is now this.
    Surroundings(Surroundings),
    /// Something happened that may have mended the service: an open breaker gets its trial at once.
    TryNow,
    /// The service is in maintenance from now on: no cycle runs on schedule.
    Pause,
    /// The maintenance has ended. What was known before is void, and a cycle runs at once.
    Resume,
    /// Run a cycle at once, in maintenance too, and say when it has been reported.
    CheckNow {
        /// Which request this is; grows from one to the next.
        ticket: u64,
    },
}

/// A person wants the service checked now.
#[derive(Debug, Message)]
#[rtype(result = "Result<oneshot::Receiver<Arc<ServiceState>>, Refusal>")]
pub struct CheckNow(pub ServiceName);

/// A cycle that began after a request has been reported. Sent after its report.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Checked {
    /// Of which service.
    pub service: ServiceName,
    /// Which run of the probe says so.
    pub run: u64,
    /// The last request that the cycle answers.
    pub ticket: u64,
}

/// A person puts a service into maintenance, or, with `None`, takes back what was ordered. The answer is the service as it
/// is then.
#[derive(Debug, Message)]
#[rtype(result = "Result<Arc<ServiceState>, Refusal>")]
pub struct OrderMaintenance {
    /// Which service.
    pub service: ServiceName,
    /// From now on, with its end; `None` to end it.
    pub maintenance: Option<Maintenance>,
}

/// Why a person's order was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such service.
    #[error("service '{0}' is not monitored")]
    NoSuchService(ServiceName),
    /// Nobody probes it at present.
    #[error("service '{service}' cannot be checked now: {reason}")]
    NotProbed {
        /// Which service.
        service: ServiceName,
        /// Why.
        reason: String,
    },
    /// No person has ordered any.
    #[error("service '{0}' is in no maintenance that a person ordered; windows end by the configuration")]
    NotInMaintenance(ServiceName),
}

/// What stands around a service, and decides whether a check makes sense.
#[derive(Debug, Clone, PartialEq)]
pub struct Surroundings {
    /// Its containers.
    pub containers: Matching,
    /// What is known of the container engine.
    pub engine: EngineState,
}

impl Surroundings {
    /// Its containers where they are known, if only from before: not while the engine has not told of any yet.
    pub fn known_containers(&self) -> Option<Arc<[Arc<ContainerState>]>> {
        let containers = self.containers.containers();
        (self.engine.is_up() || !containers.is_empty()).then_some(containers)
    }
}

/// A probe's breaker is half-open: its one trial has begun.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct TrialBegan {
    /// Of which service.
    pub service: ServiceName,
    /// Which run of the probe says so.
    pub run: u64,
}

/// What became of a service's probe.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ProbeFate {
    /// Of which service.
    pub service: ServiceName,
    /// Why nobody probes it any more; `None` when it is probed again.
    pub given_up: Option<String>,
}

/// What the inventory learned of containers.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum Containers {
    /// These are all; what is not among them is gone.
    All(Vec<ContainerState>),
    /// This one is new or changed.
    One(Box<ContainerState>),
    /// This one is gone.
    Gone(ContainerKey),
}

/// New samples of containers' resources.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Usage(pub Vec<(ContainerKey, ResourceUsage)>);

/// The container engine came or went.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct EngineChanged(pub EngineState);

/// Services are looked for in this Compose project, the monitor's own, where none was configured.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct InProject(pub String);

/// Begin with what was known of these services when the process before ended. Best sent before they are defined; what is
/// measured already is not touched.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Restore(pub Vec<SavedService>);

/// Asks for what a restart would need to know and was not handed out yet, of at most so many services.
#[derive(Debug, Message)]
#[rtype(result = "Vec<SavedService>")]
pub struct TakeUnsaved {
    /// Of how many services.
    pub limit: usize,
}

/// Asks for the registry's own figures.
#[derive(Debug, Message)]
#[rtype(result = "RegistryFigures")]
pub struct Observe;

/// The registry's own figures, for `GET /internals` and the metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RegistryFigures {
    /// Version of what is known.
    pub version: u64,
    /// Services that are monitored.
    pub services: usize,
    /// Containers that are known.
    pub containers: usize,
    /// Subscribers that keep up.
    pub subscribers: usize,
    /// Reports of probes that wait for it.
    pub mailbox_depth: usize,
    /// Outcomes taken.
    pub outcomes: u64,
    /// Outcomes dropped because they came from an older run or out of order.
    pub outcomes_dropped: u64,
    /// Snapshots made.
    pub snapshots: u64,
}

/// Asks to be told of every change from now on.
#[derive(Debug, Message)]
#[rtype(result = "Subscription")]
pub struct Subscribe {
    /// How many changes may wait for this subscriber before it counts as lagging.
    pub capacity: usize,
}

/// The changes from `from` on, in order.
#[derive(Debug)]
pub struct Subscription {
    /// What was known when the subscription began; the first change comes after it.
    pub from: Arc<Snapshot>,
    /// The changes. Ends when the subscriber lagged: subscribe again and read the snapshot.
    pub changes: mpsc::Receiver<Change>,
}
