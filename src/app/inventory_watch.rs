//! What follows when the actor that follows the containers is given up.

use actix::prelude::*;
use health_monitor_actors::model::EngineState;
use health_monitor_actors::registry::{EngineChanged, Registry};
use health_monitor_actors::supervisor::{ChildEvent, ChildEventKind, Next};
use jiff::Timestamp;

/// The name of the inventory among the supervisor's children.
pub(super) const INVENTORY: &str = "docker/inventory";

/// Tells the registry that nobody follows the containers any more, so that what it knows of them does not pass for now.
pub(super) struct InventoryWatch(pub(super) Addr<Registry>);

impl Actor for InventoryWatch {
    type Context = Context<Self>;
}

impl Handler<ChildEvent> for InventoryWatch {
    type Result = ();

    fn handle(&mut self, event: ChildEvent, _: &mut Self::Context) {
        let ChildEventKind::Exited {
            exit,
            next: Next::GiveUp { retry_after },
        } = event.kind
        else {
            return;
        };
        if event.name.as_str() == INVENTORY {
            let retry = retry_after.as_secs();
            let reason = format!("the inventory fails again and again: it {exit}; the next try is in {retry} s");
            self.0.do_send(EngineChanged(EngineState::Down {
                since: Timestamp::now(),
                reason,
            }));
        }
    }
}
