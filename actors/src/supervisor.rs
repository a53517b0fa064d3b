//! Keeps actors running: starts each from a factory, watches it, restarts it, and gives it up with a reason.
//!
//! `actix::Supervisor` revives an actor that stopped, not one that panicked, and the thread it ran on can be blocked by
//! any actor beside it. So this supervisor is our own:
//!
//! - A [`ChildSpec`] makes the actor anew for every run; a run ends in a typed [`Exit`], reported once in any case.
//! - Children run on *lanes*, arbiters of their own. A lane that a child blocks is abandoned: that child is charged and
//!   quarantined, the others move. A thread cannot be killed, so too many of them are [`Fatal`].
//! - A child promises in its [`Heart`] when it will beat next, and is restarted when it does not.
//! - Restarts back off; more than the intensity allows give the child up for a slow retry.
//! - A process that stood still ([`Stalls`]) judges nobody by that time.
//!
//! ```no_run
//! use actix::prelude::*;
//! use health_monitor_actors::supervisor::{Add, ChildContext, ChildSpec, Supervisor, SupervisorOptions};
//!
//! struct Ticker(ChildContext);
//! impl Actor for Ticker {
//!     type Context = Context<Self>;
//! }
//!
//! #[actix::main]
//! async fn main() {
//!     let supervisor = Supervisor::new(SupervisorOptions::default()).on_fatal(|_| std::process::exit(70)).start();
//!     supervisor.do_send(Add(ChildSpec::new("ticker", |child, _| Ticker(child))));
//! }
//! ```

mod child;
mod children;
mod clock;
mod event;
mod exit;
mod heart;
mod lane;
mod lanes;
mod lifecycle;
mod mailbox;
mod message;
mod options;
mod panic_hook;
mod polled;
mod pulse;
mod run;
mod shutdown;
mod side_tasks;
mod stall;
mod state;
mod watch;

use std::collections::HashMap;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, MessageResult, Recipient};
use tokio::time::Instant;

pub use child::{ChildContext, ChildName, ChildSpec, Placement};
pub use event::{ChildEvent, ChildEventKind, Fatal, Next};
pub use exit::{AbortCause, Exit};
pub use heart::Heart;
pub use lane::LaneHandle;
pub use mailbox::{Counted, MailboxDepth};
pub use message::{Add, AddError, Observe, Remove, Replace, Shutdown, ShutdownReport, Subscribe};
pub use options::SupervisorOptions;
pub use panic_hook::install_panic_hook;
pub use polled::{Polled, current_child};
pub use pulse::Pulse;
pub use run::panic_message;
pub use stall::Stalls;
pub use state::{ChildState, ExitTotals, LaneKind, LaneState, LastExit, PhaseState, SupervisorState, Totals};

use children::Child;
use clock::Clock;
use lanes::Lanes;
use shutdown::ShuttingDown;

/// The supervisor of any number of children, one for one: what befalls one is none of the others' business.
pub struct Supervisor {
    options: SupervisorOptions,
    children: HashMap<ChildName, Child>,
    /// Runs that have been sent to a lane and have neither reported their end nor been written off.
    live: usize,
    /// The number of the last run started.
    last_run: u64,
    lanes: Lanes,
    clock: Clock,
    stalls: Stalls,
    pulse: Pulse,
    /// When the next tick should come.
    tick_due: Instant,
    tick_late: Duration,
    tick_late_max: Duration,
    totals: Totals,
    subscribers: Vec<Recipient<ChildEvent>>,
    on_fatal: Option<Box<dyn FnOnce(Fatal) + Send>>,
    shutting_down: Option<ShuttingDown>,
}

impl Supervisor {
    /// A supervisor without children, to be started on an arbiter that nothing blocks. Where in doubt, on one of its own
    /// (`Supervisor::start_in_arbiter`).
    pub fn new(mut options: SupervisorOptions) -> Self {
        options.lanes = options.lanes.max(2);
        let clock = Clock::start();
        Self {
            children: HashMap::new(),
            live: 0,
            last_run: 0,
            lanes: Lanes::new(options.lanes, options.lane_limit, clock),
            clock,
            stalls: Stalls::new(clock, options.stall_limit),
            pulse: Pulse::default(),
            tick_due: Instant::now(),
            tick_late: Duration::ZERO,
            tick_late_max: Duration::ZERO,
            totals: Totals::default(),
            subscribers: Vec::new(),
            on_fatal: None,
            shutting_down: None,
            options,
        }
    }

    /// Beats with every tick: several times a second, unless its thread is blocked.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Tells the recipient of every start and exit.
    #[must_use]
    pub fn notify(mut self, recipient: Recipient<ChildEvent>) -> Self {
        self.subscribers.push(recipient);
        self
    }

    /// Calls back, at most once, when the supervisor cannot do its work any longer, its own end included. The call comes
    /// on the supervisor's thread; it should end the process.
    #[must_use]
    pub fn on_fatal(mut self, callback: impl FnOnce(Fatal) + Send + 'static) -> Self {
        self.on_fatal = Some(Box::new(callback));
        self
    }

    fn fatal(&mut self, fatal: Fatal) {
        tracing::error!(reason = %fatal, "supervisor cannot go on");
        if let Some(callback) = self.on_fatal.take() {
            callback(fatal);
        }
    }

    fn publish(&mut self, event: &ChildEvent) {
        self.subscribers.retain(|subscriber| {
            subscriber.do_send(event.clone());
            subscriber.connected()
        });
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if let Err(error) = self.lanes.open_shared(&ctx.address()) {
            self.fatal(Fatal::NoThread {
                reason: error.to_string(),
            });
        }
        // Says when the first tick is due, so that one that comes late is seen too.
        self.stalls.tick(Instant::now() + self.options.tick);
        self.arm_tick(ctx);
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if self.shutting_down.is_none() {
            self.fatal(Fatal::SupervisorEnded);
        }
    }
}

impl Handler<Add> for Supervisor {
    type Result = Result<(), AddError>;

    fn handle(&mut self, Add(spec): Add, ctx: &mut Context<Self>) -> Self::Result {
        self.add(spec, ctx)
    }
}

impl Handler<Replace> for Supervisor {
    type Result = Result<bool, AddError>;

    fn handle(&mut self, Replace(spec): Replace, ctx: &mut Context<Self>) -> Self::Result {
        self.replace(spec, ctx)
    }
}

impl Handler<Remove> for Supervisor {
    type Result = bool;

    fn handle(&mut self, Remove(name): Remove, _: &mut Context<Self>) -> bool {
        self.remove(&name)
    }
}

impl Handler<Subscribe> for Supervisor {
    type Result = ();

    fn handle(&mut self, Subscribe(recipient): Subscribe, _: &mut Context<Self>) {
        self.subscribers.push(recipient);
    }
}

impl Handler<Observe> for Supervisor {
    type Result = MessageResult<Observe>;

    fn handle(&mut self, _: Observe, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.observe())
    }
}
