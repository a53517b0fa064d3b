//! What the registry is told and asked.

use std::sync::Arc;

use actix::Message;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::model::{
    Change, ContainerKey, ContainerState, EngineState, Outcome, ResourceUsage, ServiceName, ServiceSpec, Snapshot,
};

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
    /// When the next cycle is due.
    pub next_due: Instant,
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
