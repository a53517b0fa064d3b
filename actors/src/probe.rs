//! The actor that runs one service's check on its own schedule.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::task::JoinError;
use tokio::time::Instant;

use crate::check::{Check, CheckFailure};
use crate::model::{FailureKind, Moment, Outcome, ServiceName, ServiceSpec};
use crate::policy::{Admission, PolicyState, Urgency, attribute, preflight, schedule};
use crate::registry::{Attach, Briefing, Checked, Order, Registry, Report, Surroundings, TrialBegan};
use crate::supervisor::{ChildContext, ChildName, ChildSpec, MailboxDepth, panic_message};

mod cycle;
mod fate;
mod lateness;
mod wording;

use cycle::{Cycle, without_attempt};
pub use lateness::Lateness;

/// What the names of probes begin with, among the supervisor's children.
const NAME_PREFIX: &str = "probe:";

/// Added to every promise of a beat, for a busy machine.
const GRACE: Duration = Duration::from_secs(5);

/// What every probe is given beside its service.
#[derive(Clone)]
pub struct ProbeTools {
    /// Where results go.
    pub registry: Addr<Registry>,
    /// Counts the reports that wait for the registry.
    pub mailbox: MailboxDepth,
    /// Where late and skipped cycles are counted.
    pub lateness: Arc<Lateness>,
}

/// How often a paused probe beats, at most: its interval may be a day, and a clock that is set changes its end.
const PAUSED_AGAIN: Duration = Duration::from_secs(60);

/// Runs one service's check, one cycle at a time, and reports each outcome to the registry.
pub struct Probe {
    spec: Arc<ServiceSpec>,
    check: Arc<dyn Check>,
    tools: ProbeTools,
    child: ChildContext,
    /// Working copy; the registry has the one that counts after each report.
    policy: PolicyState,
    /// `None` until the registry ordered to begin.
    surroundings: Option<Surroundings>,
    /// When the next cycle is due.
    next_due: Instant,
    timer: Option<SpawnHandle>,
    /// The generation of stalls in which the timer was set.
    armed_in: u64,
    under_way: Option<UnderWay>,
    /// Something came up during a cycle that wants another one right after it.
    is_rushed: bool,
    /// In maintenance: only what a person asks for is run.
    is_paused: bool,
    /// The last request of a person's that no cycle has answered.
    requested: Option<u64>,
    has_result: bool,
    sequence: u64,
    attempts: u64,
}

/// The cycle that runs now.
#[derive(Debug, Clone, Copy)]
struct UnderWay {
    /// When it was due.
    due: Instant,
    /// The generation of stalls that it began in.
    stalls: u64,
    /// The request that it answers.
    ticket: Option<u64>,
}

impl Probe {
    /// The name under which the supervisor knows a service's probe.
    pub fn child_name(service: &ServiceName) -> ChildName {
        format!("{NAME_PREFIX}{service}").into()
    }

    /// The service whose probe has this name; `None` for a child that is no probe.
    pub fn service_of(child: &ChildName) -> Option<ServiceName> {
        ServiceName::new(child.as_str().strip_prefix(NAME_PREFIX)?).ok()
    }

    /// A probe for one run, which begins when the registry answers it.
    pub fn new(spec: Arc<ServiceSpec>, check: Arc<dyn Check>, tools: ProbeTools, child: ChildContext) -> Self {
        Self {
            spec,
            check,
            tools,
            child,
            policy: PolicyState::new(),
            surroundings: None,
            next_due: Instant::now(),
            timer: None,
            armed_in: 0,
            under_way: None,
            is_rushed: false,
            is_paused: false,
            requested: None,
            has_result: false,
            sequence: 0,
            attempts: 0,
        }
    }

    /// How the supervisor starts a service's probe. The registry must know the service before.
    pub fn child_spec(spec: Arc<ServiceSpec>, check: Arc<dyn Check>, tools: ProbeTools) -> ChildSpec {
        let name = Self::child_name(&spec.name);
        ChildSpec::new(name, move |child, _: &mut Context<Self>| {
            Self::new(spec.clone(), check.clone(), tools.clone(), child)
        })
        // It stops by itself only when it is told to retire.
        .transient()
        .overdue_after(GRACE)
    }

    fn begin(&mut self, briefing: Briefing, ctx: &mut Context<Self>) {
        let now = Moment::now();
        self.policy = *briefing.policy;
        self.surroundings = Some(briefing.surroundings);
        self.has_result = briefing.has_result;
        self.is_paused = briefing.is_paused;
        self.next_due = match briefing.next_due {
            Some(due) => schedule::resume(&self.spec, &self.policy, due, now),
            None => schedule::first_due(&self.spec, now, fastrand::f64()),
        };
        self.arm(ctx);
    }

    /// Sets the timer for the next cycle, and promises to beat when it is due.
    fn arm(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        self.child.heart.expect_by(self.next_due + GRACE);
        self.armed_in = self.child.stalls.generation();
        let wait = self.next_due.saturating_duration_since(Instant::now());
        self.timer = Some(ctx.run_later(wait, Self::start_cycle));
    }

    /// Runs a cycle within this time, or right after the one under way.
    fn hurry(&mut self, within: Duration, ctx: &mut Context<Self>) {
        if self.under_way.is_some() {
            self.is_rushed = true;
        } else {
            self.next_due = self.next_due.min(Instant::now() + within);
            self.arm(ctx);
        }
    }

    fn start_cycle(&mut self, ctx: &mut Context<Self>) {
        let now = Moment::now();
        self.timer = None;
        if self.child.stalls.generation() != self.armed_in {
            // Everybody's timer fires at the end of a stall. What was missed is skipped, so that nobody rushes.
            let missed = self.next_due;
            self.next_due = schedule::next_due(&self.spec, &self.policy, missed, now);
            let skipped = schedule::skipped(&self.spec, &self.policy, missed, self.next_due);
            self.tools.lateness.skip(skipped + 1);
            self.arm(ctx);
            return;
        }
        if self.is_paused && self.requested.is_none() {
            self.next_due = now.mono + self.spec.interval.min(PAUSED_AGAIN);
            self.arm(ctx);
            return;
        }
        self.tools
            .lateness
            .observe(now.mono.saturating_duration_since(self.next_due));
        self.child.heart.expect_by(now.mono + self.spec.timeout + GRACE);
        let under_way = UnderWay {
            due: self.next_due,
            stalls: self.child.stalls.generation(),
            ticket: self.requested.take(),
        };
        let Some(surroundings) = &self.surroundings else { return };
        let Surroundings { containers, engine } = surroundings;
        if let Some(failure) = preflight(&self.spec, containers, &self.policy, engine, now) {
            self.under_way = Some(under_way);
            self.finish(Some(without_attempt(failure)), ctx);
            return;
        }
        let admission = self.policy.admit(&self.spec, now);
        if let Admission::NotBefore(at) = admission {
            self.requested = under_way.ticket;
            self.next_due = at;
            self.arm(ctx);
            return;
        }
        if admission == Admission::Trial {
            self.tools.registry.do_send(TrialBegan {
                service: self.spec.name.clone(),
                run: self.child.run,
            });
        }
        let cycle = Cycle {
            spec: self.spec.clone(),
            check: self.check.clone(),
            containers: containers.containers(),
            // Nobody should wait for the first answer.
            retries: if self.has_result && self.policy.may_retry() {
                self.spec.retries
            } else {
                0
            },
            first_attempt: self.attempts,
        };
        self.under_way = Some(under_way);
        // In a task of its own, so that a panic ends the cycle and not the probe.
        let task = self.child.lane.spawn(cycle.run());
        ctx.spawn(
            task.into_actor(self)
                .map(|ended, probe, ctx| probe.finish(outcome_of(ended), ctx)),
        );
    }

    /// A cycle ended with this outcome; `None` where it was cut off, which only a run that itself ends sees.
    fn finish(&mut self, outcome: Option<Outcome>, ctx: &mut Context<Self>) {
        let (Some(under_way), Some(mut outcome)) = (self.under_way.take(), outcome) else {
            return;
        };
        let Some(surroundings) = &self.surroundings else { return };
        let now = Moment::now();
        self.attempts += u64::from(outcome.attempts);
        let is_measured = self.child.stalls.generation() == under_way.stalls;
        if is_measured {
            attribute(&self.spec, &surroundings.engine, &mut outcome);
            self.policy.record(&self.spec, &outcome, now, fastrand::f64());
            self.has_result = true;
        } else {
            tracing::debug!(service = %self.spec.name, "outcome discarded: the monitor stood still meanwhile");
            self.policy.abandon_cycle(&self.spec, now, fastrand::f64());
            // Nothing was measured for the person who asked; the next cycle answers.
            if under_way.ticket.is_some() {
                self.requested = self.requested.max(under_way.ticket);
                self.is_rushed = true;
            }
        }
        self.next_due = if std::mem::take(&mut self.is_rushed) {
            now.mono
        } else {
            let next = schedule::next_due(&self.spec, &self.policy, under_way.due, now);
            let skipped = schedule::skipped(&self.spec, &self.policy, under_way.due, next);
            self.tools.lateness.skip(skipped);
            next
        };
        if is_measured {
            self.report(outcome);
            if let Some(ticket) = under_way.ticket {
                self.tools.registry.do_send(Checked {
                    service: self.spec.name.clone(),
                    run: self.child.run,
                    ticket,
                });
            }
        }
        self.arm(ctx);
    }

    fn report(&mut self, outcome: Outcome) {
        self.sequence += 1;
        let report = Report {
            service: self.spec.name.clone(),
            run: self.child.run,
            sequence: self.sequence,
            outcome: Arc::new(outcome),
            policy: Box::new(self.policy.clone()),
            next_due: self.next_due,
        };
        self.tools.registry.do_send(self.tools.mailbox.envelope(report));
    }
}

/// What a cycle's task yielded. A panic of the check is the monitor's failure, and says so.
fn outcome_of(ended: Result<Outcome, JoinError>) -> Option<Outcome> {
    match ended {
        Ok(outcome) => Some(outcome),
        Err(error) if error.is_panic() => {
            let message = panic_message(error.into_panic());
            let reason = format!("the check panicked: {message}; this is a bug in the monitor");
            Some(Outcome {
                attempts: 1,
                ..without_attempt(CheckFailure::new(FailureKind::Panicked, reason))
            })
        }
        Err(_cancelled) => None,
    }
}

impl Actor for Probe {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (service, run) = (self.spec.name.clone(), self.child.run);
        self.tools.registry.do_send(Attach {
            service,
            run,
            orders: ctx.address().recipient(),
        });
    }
}

impl Handler<Order> for Probe {
    type Result = ();

    fn handle(&mut self, order: Order, ctx: &mut Self::Context) {
        let now = Moment::now();
        match order {
            Order::Begin(briefing) => self.begin(briefing, ctx),
            Order::Remember(briefing) if self.under_way.is_none() => self.begin(briefing, ctx),
            Order::Remember(_) => {}
            Order::Retire => ctx.stop(),
            Order::Surroundings(surroundings) => {
                let urgency = match surroundings.known_containers() {
                    Some(containers) => self.policy.observe_containers(&self.spec, &containers, now),
                    None => Urgency::Keep,
                };
                self.surroundings = Some(surroundings);
                if urgency == Urgency::RunNow {
                    self.hurry(Duration::ZERO, ctx);
                }
            }
            Order::TryNow => {
                let is_trial = self.policy.mended(now);
                // Many may depend on what is mended, so those that need no trial come one after the other.
                let spread = if is_trial {
                    Duration::ZERO
                } else {
                    self.spec.retry_interval
                };
                self.hurry(spread.mul_f64(fastrand::f64()), ctx);
            }
            Order::Pause => self.is_paused = true,
            Order::Resume => {
                self.is_paused = false;
                self.policy.leave_maintenance(now);
                // Many may leave it together.
                let spread = self.spec.retry_interval.mul_f64(fastrand::f64());
                self.hurry(spread, ctx);
            }
            Order::CheckNow { ticket } => {
                self.requested = Some(ticket);
                self.policy.mended(now);
                self.hurry(Duration::ZERO, ctx);
            }
        }
    }
}
