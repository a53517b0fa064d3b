//! What the supervisor must know to start a child, and what a child gets to know when it is started.

use std::borrow::Borrow;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use actix::dev::ContextFut;
use actix::{Actor, Addr, AsyncContext, Context};
use futures_util::future::LocalBoxFuture;
use serde::Serialize;

use super::clock::Clock;
use super::heart::Heart;
use super::lane::{LaneCell, LaneHandle};
use super::polled::Tag;
use super::stall::Stalls;

/// The name of a child, unique within its supervisor. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ChildName(Arc<str>);

impl ChildName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: Into<Arc<str>>> From<T> for ChildName {
    fn from(name: T) -> Self {
        Self(name.into())
    }
}

impl Borrow<str> for ChildName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChildName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// On which thread a child runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Placement {
    /// On one of the shared lanes, beside many others.
    #[default]
    Lanes,
    /// On an arbiter of its own, which costs a thread.
    OwnArbiter,
}

/// After which exits a child is restarted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Restart {
    /// After every exit.
    #[default]
    Permanent,
    /// After every exit but a normal one.
    Transient,
}

/// Makes the actor on its lane and yields the future of its whole life. Panics are the caller's to catch.
pub(super) type StartLife = Arc<dyn Fn(ChildContext) -> LocalBoxFuture<'static, ()> + Send + Sync>;

/// How a child is started, where it runs and when it is restarted.
#[derive(Clone)]
pub struct ChildSpec {
    pub(super) name: ChildName,
    pub(super) start: StartLife,
    pub(super) placement: Placement,
    pub(super) restart: Restart,
    pub(super) overdue_after: Option<Duration>,
}

impl ChildSpec {
    /// A permanent child on the shared lanes whose heart is at rest until it makes a promise.
    ///
    /// The factory runs on the child's lane, once for every run. It may publish the new address (`ctx.address()`), spawn
    /// into the context and panic: all of that belongs to the run. The actor lives until it stops itself, even when
    /// nobody holds its address.
    pub fn new<A, F>(name: impl Into<ChildName>, factory: F) -> Self
    where
        A: Actor<Context = Context<A>>,
        F: Fn(ChildContext, &mut Context<A>) -> A + Send + Sync + 'static,
    {
        let start = move |child: ChildContext| -> LocalBoxFuture<'static, ()> {
            let mut context = Context::<A>::new();
            let address = context.address();
            let actor = factory(child, &mut context);
            Box::pin(Life {
                actor: context.into_future(actor),
                _address: address,
            })
        };
        Self {
            name: name.into(),
            start: Arc::new(start),
            placement: Placement::default(),
            restart: Restart::default(),
            overdue_after: None,
        }
    }

    /// Where the child runs.
    #[must_use]
    pub fn placement(mut self, placement: Placement) -> Self {
        self.placement = placement;
        self
    }

    /// Not restarted after a normal exit.
    #[must_use]
    pub fn transient(mut self) -> Self {
        self.restart = Restart::Transient;
        self
    }

    /// Watched from its start: the first beat of every run must come within `time`, so that a child that never gets to
    /// its first promise is noticed too.
    #[must_use]
    pub fn overdue_after(mut self, time: Duration) -> Self {
        self.overdue_after = Some(time);
        self
    }

    /// The child's name.
    pub fn name(&self) -> &ChildName {
        &self.name
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec")
            .field("name", &self.name)
            .field("placement", &self.placement)
            .field("restart", &self.restart)
            .field("overdue_after", &self.overdue_after)
            .finish_non_exhaustive()
    }
}

/// The future of an actor's life.
struct Life<A: Actor<Context = Context<A>>> {
    actor: ContextFut<A, Context<A>>,
    /// actix ends an idle actor when its last address is dropped; a supervised one lives on.
    _address: Addr<A>,
}

impl<A: Actor<Context = Context<A>>> Future for Life<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<()> {
        Pin::new(&mut self.get_mut().actor).poll(cx)
    }
}

/// What a run of a child is given by its supervisor.
///
/// It stays on the child's thread (it is not `Send`).
#[derive(Debug, Clone)]
pub struct ChildContext {
    /// The child's name.
    pub name: ChildName,
    /// The number of this run. It grows with every start of any child of the supervisor, so a later run of one child has
    /// a higher number, even after the child was removed and added again. What an earlier run publishes is stale.
    pub run: u64,
    /// Where the child promises its next beat.
    pub heart: Heart,
    /// Runs the child's side tasks.
    pub lane: LaneHandle,
    /// Tells whether the process stood still meanwhile.
    pub stalls: Stalls,
}

impl ChildContext {
    /// A context for an actor that runs on this thread without a supervisor, as under a paused clock in a test: nobody
    /// watches its heart, nothing ever stalls, and its side tasks end when they end.
    pub fn unsupervised(name: impl Into<ChildName>) -> Self {
        let (name, run, clock) = (name.into(), 1, Clock::start());
        let tag = Tag {
            name: name.clone(),
            run,
            cell: Arc::new(LaneCell::new(clock.now())),
        };
        Self {
            name,
            run,
            heart: Heart::new(clock, None),
            lane: LaneHandle::new(tag, Rc::default()),
            stalls: Stalls::new(clock, Duration::MAX),
        }
    }
}
