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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use health_monitor_actors::registry::GetSnapshot;
    use health_monitor_actors::supervisor::Exit;

    use super::*;

    fn exited(name: &str, next: Next) -> ChildEvent {
        ChildEvent {
            name: name.into(),
            run: 7,
            kind: ChildEventKind::Exited {
                exit: Exit::Panicked("boom".to_owned()),
                next,
            },
        }
    }

    #[actix::test]
    async fn an_inventory_that_is_given_up_makes_the_engine_down_and_nothing_else_does() {
        let registry = Registry::new(None, EngineState::Up).start();
        let watch = InventoryWatch(registry.clone()).start();
        let (restart, give_up) = (
            Next::Restart { after: Duration::ZERO },
            Next::GiveUp {
                retry_after: Duration::from_secs(300),
            },
        );
        for harmless in [exited(INVENTORY, restart), exited("docker/stats", give_up)] {
            watch.send(harmless).await.unwrap();
            let engine = registry.send(GetSnapshot).await.unwrap().engine.clone();
            assert_eq!(engine, EngineState::Up);
        }
        watch.send(exited(INVENTORY, give_up)).await.unwrap();
        match &registry.send(GetSnapshot).await.unwrap().engine {
            EngineState::Down { reason, .. } => assert_eq!(
                reason,
                "the inventory fails again and again: it panicked: boom; the next try is in 300 s"
            ),
            other => panic!("the engine is {other:?}"),
        }
    }
}
