//! Actors that end or go deaf: a bug in one of their own handlers, on their own threads.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::*;
use health_monitor::app::Running;
use health_monitor::settings::ServiceDefinition;
use health_monitor_actors::probe::Probe;
use health_monitor_actors::registry::Registry;
use health_monitor_actors::supervisor::{ChildSpec, Replace, Supervisor};
use tokio::time::sleep;

use super::Switch;

/// From one look at the switch to the next.
const LOOK: Duration = Duration::from_millis(50);

/// What a handler does that has a bug.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
enum Bug {
    Panic,
    Block,
    /// Waits for something that never comes, and takes no message meanwhile.
    Deafen,
}

impl Bug {
    #[expect(
        clippy::disallowed_methods,
        clippy::panic,
        reason = "to block and to panic is the bug"
    )]
    fn strike<A: Actor<Context = Context<A>>>(self, actor: &A, ctx: &mut Context<A>) {
        match self {
            Bug::Panic => panic!("injected into a handler"),
            Bug::Block => loop {
                std::thread::sleep(LOOK);
            },
            Bug::Deafen => ctx.wait(std::future::pending().into_actor(actor)),
        }
    }
}

impl Handler<Bug> for Registry {
    type Result = ();

    fn handle(&mut self, bug: Bug, ctx: &mut Context<Self>) {
        bug.strike(self, ctx);
    }
}

impl Handler<Bug> for Supervisor {
    type Result = ();

    fn handle(&mut self, bug: Bug, ctx: &mut Context<Self>) {
        bug.strike(self, ctx);
    }
}

impl Handler<Bug> for Probe {
    type Result = ();

    fn handle(&mut self, bug: Bug, ctx: &mut Context<Self>) {
        bug.strike(self, ctx);
    }
}

/// Breaks an actor once for every time that it is told so.
pub(super) fn break_when_told(running: &Running, faulty: ServiceDefinition, switch: Switch) {
    let (registry, supervisor) = (running.tools.registry.clone(), running.supervisor.clone());
    let probe = publish_probe(running, faulty);
    // On a thread of its own, so that a blocked one does not matter.
    Arbiter::new().spawn(async move {
        let mut before = None;
        loop {
            let fault = switch.fault();
            if fault != before {
                match fault.as_deref() {
                    Some("registry panics") => registry.do_send(Bug::Panic),
                    Some("registry blocks") => registry.do_send(Bug::Block),
                    Some("supervisor panics") => supervisor.do_send(Bug::Panic),
                    Some("supervisor blocks") => supervisor.do_send(Bug::Block),
                    Some("probe panics") => probe.send(Bug::Panic),
                    Some("probe goes deaf") => probe.send(Bug::Deafen),
                    _ => {}
                }
            }
            before = fault;
            sleep(LOOK).await;
        }
    });
}

/// The address of the probe's present run.
#[derive(Clone, Default)]
struct Published(Arc<Mutex<Option<Addr<Probe>>>>);

impl Published {
    fn publish(&self, address: Addr<Probe>) {
        *self.0.lock().expect("nobody panics with it") = Some(address);
    }

    fn send(&self, bug: Bug) {
        let address = self.0.lock().expect("nobody panics with it");
        address.as_ref().expect("a probe that runs").do_send(bug);
    }
}

/// Has the service's probe started anew, and its address published with every run.
fn publish_probe(running: &Running, faulty: ServiceDefinition) -> Published {
    let published = Published::default();
    let (publish, tools) = (published.clone(), running.tools.clone());
    let name = Probe::child_name(&faulty.spec.name);
    let probe = ChildSpec::new(name, move |child, ctx: &mut Context<Probe>| {
        publish.publish(ctx.address());
        Probe::new(faulty.spec.clone(), faulty.check.clone(), tools.clone(), child)
    });
    let probe = probe.transient().overdue_after(Duration::from_secs(5));
    running.supervisor.do_send(Replace(probe));
    published
}
