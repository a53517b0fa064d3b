//! What is known of a service, in a form that outlives the process.

use actix::prelude::*;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Registry, Restore, TakeUnsaved};
use crate::model::{ChangeKind, Container, Moment, ServiceName, ServiceSpec, Status};
use crate::policy::SavedPolicy;

/// What is known of a service, for a registry that begins: see [`Restore`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedService {
    /// Which service.
    pub service: ServiceName,
    /// When it was saved.
    pub saved_at: Timestamp,
    /// Its status.
    pub status: Status,
    /// The evidence.
    pub reason: String,
    /// Since when it had this status.
    pub since: Timestamp,
    /// The last status that was measured: `true` up, `false` down.
    pub last_verdict: Option<bool>,
    /// A time at which a cycle on schedule is due.
    pub phase: Option<Timestamp>,
    /// What its policies remember.
    pub policy: SavedPolicy,
    /// What it was learned of.
    pub about: Identity,
}

/// What makes a service another one, though it has the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    check: String,
    address: Option<String>,
    container: Container,
}

impl Identity {
    /// Of a service with these settings.
    pub fn of(spec: &ServiceSpec) -> Self {
        Self {
            check: spec.check.clone(),
            address: spec.address.clone(),
            container: spec.container.clone(),
        }
    }
}

impl Handler<Restore> for Registry {
    type Result = ();

    fn handle(&mut self, Restore(saved): Restore, _: &mut Self::Context) {
        let now = Moment::now();
        for saved in saved {
            let name = saved.service.clone();
            match self.services.get_mut(&name) {
                None => {
                    self.restored.insert(name, saved);
                }
                Some(entry) => {
                    if entry.remember_late(saved, now) {
                        self.decide(&name, now);
                        self.tell(ChangeKind::ServiceDefined { service: name }, now);
                    }
                }
            }
        }
    }
}

impl Handler<TakeUnsaved> for Registry {
    type Result = Vec<SavedService>;

    fn handle(&mut self, take: TakeUnsaved, _: &mut Self::Context) -> Self::Result {
        let now = Moment::now();
        let mut saved = Vec::new();
        while saved.len() < take.limit
            && let Some(name) = self.unsaved.pop_first()
        {
            saved.extend(self.services.get(&name).map(|entry| entry.save(now)));
        }
        saved
    }
}
