//! The actor that writes the history.
//!
//! It is told of every result and change by the registry and hands them to the store, one write under way at a time. It
//! waits for the store and nobody waits for it: what the store does not take for now waits here within a bound. A change of
//! status is handed on at once, results twice a second.
//!
//! # Layout
//!
//! - `desk`: what outlives a run of the actor, and opens and closes the store.
//! - `papers`: what lies on it: what was told and is not written yet. `buffer` keeps that within a bound.
//! - `clerk`: the actor's task, and `work`: what it has the store do.
//! - `evidence`: what is kept with an incident.
//! - `watch`: what the clerk looks at by itself: the clocks, and what containers use.

mod buffer;
mod clerk;
mod desk;
mod evidence;
mod papers;
mod watch;
mod work;

use std::sync::Arc;

use actix::prelude::*;
use health_monitor_actors::registry::Registry;
use health_monitor_actors::supervisor::{ChildContext, Heart};

use self::clerk::Clerk;
pub use self::desk::Desk;
pub use self::evidence::Logs;
use super::place::Place;
use super::store::Retention;

/// Results that may wait between the registry and this actor.
const CAPACITY: usize = 65_536;

/// What the writer needs to know.
#[derive(Clone)]
pub struct WriterOptions {
    /// Where the store is.
    pub place: Place,
    /// How long things are kept.
    pub retention: Retention,
    /// Results and changes that may wait in memory.
    pub buffer: usize,
    /// Lines of a container's log that are kept with an incident.
    pub log_lines: usize,
    /// Where they come from; `None` without a container engine.
    pub logs: Option<Arc<dyn Logs>>,
}

/// The actor that writes the history.
pub struct Writer {
    desk: Desk,
    registry: Addr<Registry>,
    heart: Heart,
}

// === impl Writer ===

impl Writer {
    /// Writes down what the registry tells.
    pub fn new(desk: Desk, registry: Addr<Registry>, child: ChildContext) -> Self {
        Self {
            desk,
            registry,
            heart: child.heart,
        }
    }
}

impl Actor for Writer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let clerk = Clerk::new(self.desk.clone(), self.registry.clone(), self.heart.clone());
        // In the actor's own task: it ends with the actor, and a panic in it is the actor's.
        ctx.spawn(clerk.run().into_actor(self).map(|(), _, ctx| ctx.stop()));
    }
}
