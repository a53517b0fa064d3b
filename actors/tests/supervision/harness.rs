//! Puppets, whose every move a test decides, and a world to supervise them in. Nothing here sleeps: what a test waits for
//! is an event or an answer, and a limit turns a hang into a failure.

use std::collections::VecDeque;
use std::sync::mpsc as blocking;
use std::time::Duration;

use actix::prelude::*;
use health_monitor_actors::policy::backoff::Backoff;
use health_monitor_actors::policy::intensity::Intensity;
use health_monitor_actors::supervisor::{
    Add, ChildContext, ChildEvent, ChildEventKind, ChildName, ChildSpec, ChildState, Exit, Fatal, Next, Observe,
    Supervisor, SupervisorOptions, SupervisorState,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Far longer than anything here takes, even on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) async fn within_limit<T>(future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future)
        .await
        .expect("what the test waits for should happen in time")
}

/// Quick restarts, and limits that nobody meets by chance.
pub(crate) fn options() -> SupervisorOptions {
    SupervisorOptions {
        tick: Duration::from_millis(20),
        lane_limit: LIMIT,
        stall_limit: LIMIT,
        intensity: Intensity {
            restarts: 100,
            window: LIMIT,
        },
        backoff: Backoff::new(Duration::from_millis(1), Duration::from_millis(1)),
        slow_retry: LIMIT * 60,
        ..SupervisorOptions::default()
    }
}

// === World ===

/// A supervisor and all that it says.
pub(crate) struct World {
    pub(crate) supervisor: Addr<Supervisor>,
    pub(crate) fatal: oneshot::Receiver<Fatal>,
    events: mpsc::UnboundedReceiver<ChildEvent>,
    /// Events of other children than the one that was asked for.
    put_by: VecDeque<ChildEvent>,
}

impl World {
    pub(crate) fn new(options: SupervisorOptions) -> Self {
        Self::started_by(options, Supervisor::start)
    }

    pub(crate) fn started_by(options: SupervisorOptions, start: impl FnOnce(Supervisor) -> Addr<Supervisor>) -> Self {
        let (listener, events) = Listener::start_new();
        let (fatal_in, fatal) = oneshot::channel();
        let supervisor = Supervisor::new(options).notify(listener).on_fatal(move |fatal| {
            fatal_in.send(fatal).ok();
        });
        Self {
            supervisor: start(supervisor),
            fatal,
            events,
            put_by: VecDeque::new(),
        }
    }

    /// Adds a puppet and waits for its first run.
    pub(crate) async fn add(&mut self, puppet: &mut Puppet) -> Strings {
        self.supervisor.send(Add(puppet.spec())).await.unwrap().unwrap();
        self.started(puppet.name).await;
        puppet.next_run().await
    }

    /// The next event of that child.
    pub(crate) async fn event(&mut self, name: &str) -> ChildEvent {
        if let Some(at) = self.put_by.iter().position(|event| event.name.as_str() == name) {
            return self.put_by.remove(at).unwrap();
        }
        loop {
            let event = within_limit(self.events.recv()).await.unwrap();
            if event.name.as_str() == name {
                return event;
            }
            self.put_by.push_back(event);
        }
    }

    /// The next event of that child, which must be a start; yields the run.
    pub(crate) async fn started(&mut self, name: &str) -> u64 {
        let event = self.event(name).await;
        assert_eq!(event.kind, ChildEventKind::Started, "of {name}");
        event.run
    }

    /// The next event of that child, which must be an exit.
    pub(crate) async fn exited(&mut self, name: &str) -> (Exit, Next) {
        match self.event(name).await.kind {
            ChildEventKind::Exited { exit, next } => (exit, next),
            ChildEventKind::Started => panic!("{name} started, where it should have ended"),
        }
    }

    /// Whether nothing more has been heard of that child so far.
    pub(crate) fn is_quiet(&mut self, name: &str) -> bool {
        while let Ok(event) = self.events.try_recv() {
            self.put_by.push_back(event);
        }
        !self.put_by.iter().any(|event| event.name.as_str() == name)
    }

    pub(crate) async fn observe(&self) -> SupervisorState {
        within_limit(self.supervisor.send(Observe)).await.unwrap()
    }

    pub(crate) async fn child(&self, name: &str) -> Option<ChildState> {
        self.observe()
            .await
            .children
            .into_iter()
            .find(|child| child.name.as_str() == name)
    }

    /// Asks again until the state is as it should be: for what no event tells.
    pub(crate) async fn eventually(&self, what: impl Fn(&SupervisorState) -> bool) -> SupervisorState {
        within_limit(async {
            loop {
                let state = self.observe().await;
                if what(&state) {
                    return state;
                }
            }
        })
        .await
    }
}

/// Passes the supervisor's events on.
pub(crate) struct Listener(mpsc::UnboundedSender<ChildEvent>);

impl Listener {
    pub(crate) fn start_new() -> (Recipient<ChildEvent>, mpsc::UnboundedReceiver<ChildEvent>) {
        let (events_in, events) = mpsc::unbounded_channel();
        (Self(events_in).start().recipient(), events)
    }
}

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<ChildEvent> for Listener {
    type Result = ();

    fn handle(&mut self, event: ChildEvent, _: &mut Context<Self>) {
        self.0.send(event).ok();
    }
}

// === Puppet ===

/// A child that does what a test tells it.
pub(crate) struct Puppet {
    pub(crate) name: &'static str,
    born_in: mpsc::UnboundedSender<Strings>,
    born: mpsc::UnboundedReceiver<Strings>,
}

/// One run of a puppet.
#[derive(Clone)]
pub(crate) struct Strings {
    pub(crate) run: u64,
    pub(crate) addr: Addr<Body>,
}

impl Puppet {
    pub(crate) fn new(name: &'static str) -> Self {
        let (born_in, born) = mpsc::unbounded_channel();
        Self { name, born_in, born }
    }

    pub(crate) fn spec(&self) -> ChildSpec {
        self.spec_with(|_| {})
    }

    /// A specification whose factory runs `first` before anything else.
    pub(crate) fn spec_with(&self, first: impl Fn(&ChildContext) + Send + Sync + 'static) -> ChildSpec {
        let born = self.born_in.clone();
        ChildSpec::new(self.name, move |child, ctx: &mut Context<Body>| {
            first(&child);
            born.send(Strings {
                run: child.run,
                addr: ctx.address(),
            })
            .ok();
            Body {
                child,
                never_stops: false,
                last_words: None,
            }
        })
    }

    pub(crate) async fn next_run(&mut self) -> Strings {
        within_limit(self.born.recv()).await.unwrap()
    }

    pub(crate) fn name(&self) -> ChildName {
        ChildName::from(self.name)
    }
}

impl Strings {
    /// Has the puppet do something in a handler, without waiting for it.
    pub(crate) fn pull(&self, what: impl FnOnce(&mut Body, &mut Context<Body>) + Send + 'static) {
        self.addr.do_send(Do(Box::new(what)));
    }

    /// Has the puppet do something in a handler and yields what came of it.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Body, &mut Context<Body>) -> T + Send + 'static,
    ) -> T {
        let (answer, answered) = oneshot::channel();
        self.pull(move |body, ctx| {
            answer.send(what(body, ctx)).ok();
        });
        within_limit(answered).await.expect("the puppet should live")
    }

    /// Has the puppet block its thread, from the return of this call until the rope is dropped.
    pub(crate) async fn block(&self) -> Rope {
        let (rope, end) = blocking::channel();
        let (blocked_in, blocked) = oneshot::channel();
        self.pull(move |_, _| {
            blocked_in.send(()).ok();
            end.recv().ok();
        });
        within_limit(blocked).await.expect("the puppet should live");
        Rope(rope)
    }
}

/// What holds a blocked thread.
pub(crate) struct Rope(#[expect(dead_code, reason = "dropped, it lets the thread go")] pub blocking::Sender<()>);

pub(crate) struct Body {
    pub(crate) child: ChildContext,
    /// Answers `Continue` when it is about to stop.
    pub(crate) never_stops: bool,
    /// Called when the actor is dropped.
    pub(crate) last_words: Option<Box<dyn FnOnce() + Send>>,
}

impl Actor for Body {
    type Context = Context<Self>;

    fn stopping(&mut self, _: &mut Context<Self>) -> Running {
        if self.never_stops {
            Running::Continue
        } else {
            Running::Stop
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(speak) = self.last_words.take() {
            speak();
        }
    }
}

type Move = Box<dyn FnOnce(&mut Body, &mut Context<Body>) + Send>;

#[derive(Message)]
#[rtype(result = "()")]
struct Do(Move);

impl Handler<Do> for Body {
    type Result = ();

    fn handle(&mut self, Do(what): Do, ctx: &mut Context<Self>) {
        what(self, ctx);
    }
}
