//! The two actors that must not fail: where one of them ends, the process does.

use actix::dev::channel;
use actix::prelude::*;
use health_monitor_actors::model::EngineState;
use health_monitor_actors::registry::Registry;
use health_monitor_actors::supervisor::{MailboxDepth, Supervisor, SupervisorOptions};
use tokio::sync::mpsc::UnboundedSender;

use super::Failure;
use super::inventory_watch::InventoryWatch;
use crate::docker::Engine;
use crate::settings::Settings;

/// Room of the registry's mailbox before senders would have to wait; probes and handlers do not.
const MAILBOX: usize = 1_024;

/// Starts the registry on a thread of its own, so that nothing delays an answer.
/// Beside its address it yields the count of what waits for it.
pub(super) fn start_registry(
    engine: Option<&Engine>,
    fatal: &UnboundedSender<Failure>,
) -> (Addr<Registry>, MailboxDepth) {
    let project = engine.and_then(|engine| engine.settings().project.clone());
    let state = if engine.is_some() {
        EngineState::Connecting
    } else {
        EngineState::Disabled
    };
    let registry = Registry::new(project, state);
    let mailbox = registry.mailbox();
    let (sender, receiver) = channel::channel(MAILBOX);
    let fatal = fatal.clone();
    Arbiter::new().spawn(async move {
        let life = Context::with_receiver(receiver).into_future(registry);
        let ended = actix::spawn(life).await;
        // Nobody listens any more where the process ends already.
        let _is_heard = fatal.send(Failure::registry_ended(ended)).is_ok();
    });
    (Addr::new(sender), mailbox)
}

/// Starts the supervisor on this thread, which runs nothing else that could block it.
pub(super) fn start_supervisor(
    settings: &Settings,
    registry: &Addr<Registry>,
    fatal: UnboundedSender<Failure>,
) -> Addr<Supervisor> {
    let options = SupervisorOptions {
        lanes: settings.supervision.lanes,
        ..SupervisorOptions::default()
    };
    Supervisor::new(options)
        .notify(registry.clone().recipient())
        .notify(InventoryWatch(registry.clone()).start().recipient())
        .on_fatal(move |reason| {
            let _is_heard = fatal.send(Failure::Supervision(reason)).is_ok();
        })
        .start()
}
