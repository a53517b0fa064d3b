//! Tells the registry what becomes of probes, so that a service that nobody probes any more says so.

use actix::prelude::*;

use super::Probe;
use crate::model::ServiceName;
use crate::registry::{ProbeFate, Registry};
use crate::supervisor::{ChildEvent, ChildEventKind, Next};

impl Handler<ChildEvent> for Registry {
    type Result = ();

    fn handle(&mut self, event: ChildEvent, ctx: &mut Self::Context) {
        let Some(service) = Probe::service_of(&event.name) else {
            return;
        };
        if let Some(fate) = fate(service, event.kind) {
            Handler::<ProbeFate>::handle(self, fate, ctx);
        }
    }
}

/// What an event means for its service; `None` for a restart that follows at once.
fn fate(service: ServiceName, kind: ChildEventKind) -> Option<ProbeFate> {
    let given_up = match kind {
        ChildEventKind::Started => None,
        ChildEventKind::Exited {
            exit,
            next: Next::GiveUp { retry_after },
        } => Some(format!(
            "its probe fails again and again: it {exit}; the next try is in {} s",
            retry_after.as_secs()
        )),
        ChildEventKind::Exited { .. } => return None,
    };
    Some(ProbeFate { service, given_up })
}
