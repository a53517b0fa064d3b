//! The two actors that must not fail: where one of them ends, the process does.

use actix::dev::channel;
use actix::prelude::*;
use health_monitor_actors::model::EngineState;
use health_monitor_actors::registry::Registry;
use health_monitor_actors::supervisor::{MailboxDepth, Pulse, Supervisor, SupervisorOptions};
use tokio::sync::mpsc::UnboundedSender;

use super::Failure;
use super::inventory_watch::InventoryWatch;
use crate::docker::Engine;
use crate::settings::Settings;

/// Room of the registry's mailbox before senders would have to wait; probes and handlers do not.
const MAILBOX: usize = 1_024;

/// Starts the registry on a thread of its own, so that nothing delays an answer.
/// Beside its address it yields the count of what waits for it, and its pulse.
pub(super) fn start_registry(
    engine: Option<&Engine>,
    fatal: &UnboundedSender<Failure>,
) -> (Addr<Registry>, MailboxDepth, Pulse) {
    let project = engine.and_then(|engine| engine.settings().project.clone());
    let state = if engine.is_some() {
        EngineState::Connecting
    } else {
        EngineState::Disabled
    };
    let registry = Registry::new(project, state);
    let (mailbox, pulse) = (registry.mailbox(), registry.pulse());
    let (sender, receiver) = channel::channel(MAILBOX);
    let end = RegistryEnd {
        fatal: fatal.clone(),
        failure: Some(Failure::Registry("its thread ended".to_owned())),
    };
    Arbiter::new().spawn(async move {
        let life = Context::with_receiver(receiver).into_future(registry);
        let ended = actix::spawn(life).await;
        end.has_come(Failure::registry_ended(ended));
    });
    (Addr::new(sender), mailbox, pulse)
}

/// Tells of the registry's end when it is dropped, which the end of its thread does, too.
struct RegistryEnd {
    fatal: UnboundedSender<Failure>,
    failure: Option<Failure>,
}

impl RegistryEnd {
    /// The registry has ended in this way.
    fn has_come(mut self, failure: Failure) {
        self.failure = Some(failure);
    }
}

impl Drop for RegistryEnd {
    fn drop(&mut self) {
        if let Some(failure) = self.failure.take() {
            // Nobody listens any more where the process ends already.
            let _is_heard = self.fatal.send(failure).is_ok();
        }
    }
}

/// Starts the supervisor on this thread, which runs nothing else that could block it. Yields its address and its pulse.
pub(super) fn start_supervisor(
    settings: &Settings,
    registry: &Addr<Registry>,
    fatal: UnboundedSender<Failure>,
) -> (Addr<Supervisor>, Pulse) {
    let options = SupervisorOptions {
        lanes: settings.supervision.lanes,
        ..SupervisorOptions::default()
    };
    let supervisor = Supervisor::new(options)
        .notify(registry.clone().recipient())
        .notify(InventoryWatch(registry.clone()).start().recipient())
        .on_fatal(move |reason| {
            let _is_heard = fatal.send(Failure::Supervision(reason)).is_ok();
        });
    let pulse = supervisor.pulse();
    (supervisor.start(), pulse)
}
