//! What the registry holds of one service.

use std::sync::Arc;

use actix::Recipient;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Briefing, Identity, Order, SavedService, Surroundings};
use crate::model::{
    BreakerView, ContainerState, DurationHistogram, EngineState, Fault, Maintenance, Moment, Outcome, ServiceSpec,
    ServiceState, Status, Totals,
};
use crate::policy::{Matching, PolicyState, Situation, decide, maintenance, schedule};

/// Intervals for which a status from before the process began holds without a result of its own: as long as any result
/// holds without a next one.
const HELD_FOR: u32 = 3;

/// One service: the policies' memory, its probe, and the state that is shown.
pub(super) struct Entry {
    pub(super) state: Arc<ServiceState>,
    pub(super) policy: PolicyState,
    pub(super) next_due: Option<Instant>,
    surroundings: Surroundings,
    /// Why nobody probes it any more.
    given_up: Option<String>,
    probe: Option<AttachedProbe>,
    /// Its status is the last process's, and holds until this one has found something out, or until then.
    restored_until: Option<Instant>,
    /// People who wait for the result of a check that they asked for.
    waiting: Vec<Waiting>,
    /// The last of their tickets.
    tickets: u64,
}

/// Somebody who waits for a cycle that began after the request.
struct Waiting {
    ticket: u64,
    reply: oneshot::Sender<Arc<ServiceState>>,
}

/// The run of a probe that is listened to.
struct AttachedProbe {
    run: u64,
    sequence: u64,
    orders: Recipient<Order>,
}

/// What a new decision did to the status.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shift {
    /// Nothing that is shown.
    None,
    /// Something that is shown, and not the status.
    Detail,
    /// The status.
    Status {
        /// What it was.
        from: Status,
    },
}

impl Entry {
    /// A service that nothing is known of.
    pub(super) fn new(spec: Arc<ServiceSpec>, engine: EngineState, now: Moment) -> Self {
        let state = ServiceState {
            spec,
            status: Status::Unknown,
            reason: "no result yet".to_owned(),
            since: now.wall,
            pending: None,
            flapping: false,
            breaker: BreakerView::Closed,
            dependency_unhealthy: false,
            containers: Vec::new(),
            last: None,
            next_due: None,
            totals: Totals::default(),
            durations: DurationHistogram::default(),
            last_verdict: None,
            maintenance: None,
            is_remembered: false,
        };
        Self {
            state: Arc::new(state),
            policy: PolicyState::new(),
            next_due: None,
            surroundings: Surroundings {
                containers: Matching::None,
                engine,
            },
            given_up: None,
            probe: None,
            restored_until: None,
            waiting: Vec::new(),
            tickets: 0,
        }
    }

    /// A service of which this is known from before the process began. Its first cycle comes as soon as anybody's.
    pub(super) fn restored(spec: Arc<ServiceSpec>, engine: EngineState, saved: SavedService, now: Moment) -> Self {
        let mut entry = Self::new(spec, engine, now);
        let first_due = schedule::first_due(&entry.state.spec, now, fastrand::f64());
        entry.next_due = Some(first_due);
        entry.remember(saved, first_due, now);
        entry
    }

    /// Nothing was found out yet, and it is told late what was known before the process began. False where that does not
    /// matter any more. The probe begins anew with it, unless its first cycle is under way.
    pub(super) fn remember_late(&mut self, saved: SavedService, now: Moment) -> bool {
        let knows_nothing = self.state.last.is_none()
            && self.state.status == Status::Unknown
            && self.given_up.is_none()
            && self.restored_until.is_none();
        if !knows_nothing || Identity::of(&self.state.spec) != saved.about {
            return false;
        }
        let due = self.next_due.unwrap_or(now.mono);
        self.remember(saved, due, now);
        self.observe_containers(now);
        self.order(Order::Remember(self.briefing()));
        true
    }

    fn remember(&mut self, saved: SavedService, first_due: Instant, now: Moment) {
        let spec = self.state.spec.clone();
        self.policy = PolicyState::restore(saved.policy, now);
        if let Some(phase) = saved.phase {
            self.policy.keep_phase(phase, &spec, now);
        }
        self.restored_until = Some(first_due + spec.interval.saturating_mul(HELD_FOR));
        let state = Arc::make_mut(&mut self.state);
        state.status = saved.status;
        state.reason = saved.reason;
        state.since = saved.since;
        state.last_verdict = saved.last_verdict;
        state.is_remembered = true;
        state.flapping = self.policy.is_flapping();
        state.breaker = self.policy.breaker_view(now);
    }

    /// What a restart needs to know.
    pub(super) fn save(&self, now: Moment) -> SavedService {
        let state = &self.state;
        SavedService {
            service: state.spec.name.clone(),
            saved_at: now.wall,
            status: state.status,
            reason: state.reason.clone(),
            since: state.since,
            last_verdict: state.last_verdict,
            phase: self.policy.phase(now),
            policy: self.policy.save(now),
            about: Identity::of(&state.spec),
        }
    }

    /// The containers that bear it now.
    pub(super) fn containers(&self) -> Arc<[Arc<ContainerState>]> {
        self.surroundings.containers.containers()
    }

    /// The settings changed. What was learned stays, unless it was learned of something else.
    pub(super) fn redefine(&mut self, spec: Arc<ServiceSpec>, now: Moment) {
        let old = &self.state.spec;
        if old.container != spec.container || old.check != spec.check || old.address != spec.address {
            // What was counted and shown stays until something is known of the new one.
            let state = ServiceState {
                spec,
                pending: None,
                flapping: false,
                breaker: BreakerView::Closed,
                containers: Vec::new(),
                last: None,
                next_due: None,
                maintenance: None,
                ..ServiceState::clone(&self.state)
            };
            let engine = self.surroundings.engine.clone();
            let ordered = self.policy.ordered_maintenance().cloned();
            *self = Self::new(state.spec.clone(), engine, now);
            self.policy.order_maintenance(ordered);
            self.state = Arc::new(state);
        } else {
            Arc::make_mut(&mut self.state).spec = spec;
        }
    }

    /// This run of a probe is listened to from now on, and begins with what is known.
    pub(super) fn attach(&mut self, run: u64, orders: Recipient<Order>) {
        orders.do_send(Order::Begin(self.briefing()));
        self.probe = Some(AttachedProbe {
            run,
            sequence: 0,
            orders,
        });
        self.given_up = None;
        // What its predecessor was asked and did not answer.
        if !self.waiting.is_empty() {
            self.order(Order::CheckNow { ticket: self.tickets });
        }
    }

    /// Why nobody can check it now; `None` where its probe can.
    pub(super) fn cannot_be_checked(&self) -> Option<String> {
        match &self.given_up {
            Some(reason) => Some(reason.clone()),
            None if self.probe.is_none() => Some("its probe has not begun yet; try again".to_owned()),
            None => None,
        }
    }

    /// Orders a cycle now. What is yielded is the service after the report of a cycle that began after this request.
    pub(super) fn check_now(&mut self) -> oneshot::Receiver<Arc<ServiceState>> {
        let (reply, answer) = oneshot::channel();
        self.tickets += 1;
        self.waiting.retain(|waiting| !waiting.reply.is_closed());
        self.waiting.push(Waiting {
            ticket: self.tickets,
            reply,
        });
        self.order(Order::CheckNow { ticket: self.tickets });
        answer
    }

    /// A cycle that answers requests up to this ticket has been reported.
    pub(super) fn checked(&mut self, ticket: u64) {
        for waiting in self.waiting.extract_if(.., |waiting| waiting.ticket <= ticket) {
            // Whoever asked may have left.
            let _is_heard = waiting.reply.send(self.state.clone()).is_ok();
        }
    }

    /// A person orders maintenance, or takes back what was ordered.
    pub(super) fn order_maintenance(&mut self, ordered: Option<Maintenance>) {
        self.policy.order_maintenance(ordered);
    }

    /// A person has ordered maintenance that has not ended yet.
    pub(super) fn has_ordered_maintenance(&self, now: Moment) -> bool {
        let ordered = self.policy.ordered_maintenance();
        ordered.is_some_and(|ordered| now.wall < ordered.until)
    }

    /// Follows the beginning and end of maintenance: the probe pauses and resumes. True where what is shown changed.
    fn follow_maintenance(&mut self, now: Moment) -> bool {
        let found = maintenance(&self.state.spec, &self.policy, now);
        if found == self.state.maintenance {
            return false;
        }
        match (&self.state.maintenance, &found) {
            (None, Some(_)) => self.order(Order::Pause),
            (Some(_), None) => {
                self.policy.leave_maintenance(now);
                self.next_due = None;
                self.restored_until = None;
                self.order(Order::Resume);
            }
            _ => {}
        }
        Arc::make_mut(&mut self.state).maintenance = found;
        true
    }

    fn briefing(&self) -> Briefing {
        Briefing {
            policy: Box::new(self.policy.clone()),
            surroundings: self.surroundings.clone(),
            next_due: self.next_due,
            has_result: self.state.last.is_some() || self.restored_until.is_some(),
            is_paused: self.state.maintenance.is_some(),
        }
    }

    /// The supervisor gave its probe up, or started it again.
    pub(super) fn set_given_up(&mut self, reason: Option<String>) {
        self.given_up = reason;
    }

    /// The run of the probe that is listened to.
    pub(super) fn run(&self) -> Option<u64> {
        self.probe.as_ref().map(|probe| probe.run)
    }

    /// Tells the probe, where there is one.
    pub(super) fn order(&self, order: Order) {
        if let Some(probe) = &self.probe {
            probe.orders.do_send(order);
        }
    }

    /// Takes a report of `run`, unless a later one was taken already.
    pub(super) fn admit(&mut self, run: u64, sequence: u64) -> bool {
        match &mut self.probe {
            Some(probe) if probe.run == run && probe.sequence < sequence => {
                probe.sequence = sequence;
                true
            }
            _ => false,
        }
    }

    /// The probe's trial has begun, so the breaker is half-open.
    pub(super) fn admit_trial(&mut self, now: Moment) {
        let _the_probe_knows = self.policy.admit(&self.state.spec, now);
    }

    /// Counts a finished cycle.
    pub(super) fn count(&mut self, outcome: Arc<Outcome>) {
        let state = Arc::make_mut(&mut self.state);
        match outcome.verdict.fault() {
            None => state.totals.success += 1,
            Some(Fault::Monitor) => state.totals.error += 1,
            Some(Fault::Service | Fault::Startup) => state.totals.failure += 1,
        }
        if let Some(duration) = outcome.measured() {
            state.durations.observe(duration);
        }
        state.last = Some(outcome);
    }

    /// Its containers are now these; the probe is told.
    /// True where they are others than before.
    pub(super) fn set_containers(&mut self, containers: Matching, now: Moment) -> bool {
        if self.surroundings.containers.is_like(&containers) {
            return false;
        }
        let found = containers.containers();
        Arc::make_mut(&mut self.state).containers = found.iter().map(|container| container.key.clone()).collect();
        self.surroundings.containers = containers;
        self.observe_containers(now);
        self.order(Order::Surroundings(self.surroundings.clone()));
        true
    }

    /// The process stood still until now. A cycle that was due meanwhile is late from now on.
    pub(super) fn stood_still_until(&mut self, now: Instant) {
        self.next_due = self.next_due.map(|due| due.max(now));
    }

    /// What it depends on works again. Where it does not work itself, its probe looks whether that mended it.
    pub(super) fn dependency_mended(&mut self, now: Moment) {
        if self.state.is_held_down() || self.state.pending.is_some() {
            self.policy.mended(now);
            self.order(Order::TryNow);
        }
    }

    /// The container engine came or went; the probe is told.
    pub(super) fn set_engine(&mut self, engine: EngineState, now: Moment) {
        self.surroundings.engine = engine;
        // Only now is it certain that a service without containers has none.
        self.observe_containers(now);
        self.order(Order::Surroundings(self.surroundings.clone()));
    }

    /// The probe learns of its containers from here and applies the same to its own copy, so it is told already of
    /// whatever is urgent.
    fn observe_containers(&mut self, now: Moment) {
        if let Some(containers) = self.surroundings.known_containers() {
            let _told_already = self.policy.observe_containers(&self.state.spec, &containers, now);
        }
    }

    /// The policies' memory is now the probe's. What the registry knows of containers is newer, and applied again. True
    /// where a restart would have to know.
    pub(super) fn set_policy(&mut self, policy: PolicyState, now: Moment) -> bool {
        let before = std::mem::replace(&mut self.policy, policy);
        // People give their orders to the registry, so its word is the newer one.
        self.policy.order_maintenance(before.ordered_maintenance().cloned());
        self.observe_containers(now);
        self.policy.needs_saving_after(&before)
    }

    /// Decides anew, and writes down what is shown.
    pub(super) fn decide(&mut self, now: Moment) -> Shift {
        let maintenance_changed = self.follow_maintenance(now);
        let mut decision = decide(&Situation {
            spec: &self.state.spec,
            containers: &self.surroundings.containers,
            engine: &self.surroundings.engine,
            policy: &self.policy,
            last: self.state.last.as_deref(),
            next_due: self.next_due,
            given_up: self.given_up.as_deref(),
            now,
        });
        // A maintenance that ended while no process ran is over, and holds nothing.
        let is_over = self.state.status == Status::Maintenance;
        let is_remembered = decision.status == Status::Unknown && !is_over && self.is_held(now);
        if is_remembered {
            decision.status = self.state.status;
            decision.reason.clone_from(&self.state.reason);
        }
        let breaker = self.policy.breaker_view(now);
        let flapping = self.policy.is_flapping();
        let shown = &self.state;
        let from = shown.status;
        if from == decision.status
            && shown.reason == decision.reason
            && shown.pending == decision.pending
            && shown.breaker.as_str() == breaker.as_str()
            && shown.flapping == flapping
            && !maintenance_changed
            && shown.is_remembered == is_remembered
        {
            return Shift::None;
        }
        let state = Arc::make_mut(&mut self.state);
        state.reason = decision.reason;
        state.pending = decision.pending;
        state.breaker = breaker;
        state.flapping = flapping;
        state.is_remembered = is_remembered;
        if decision.status.is_up() || decision.status.is_down() {
            state.last_verdict = Some(decision.status.is_up());
        }
        if from == decision.status {
            return Shift::Detail;
        }
        state.status = decision.status;
        state.since = now.wall;
        Shift::Status { from }
    }

    /// Nothing was found out since the process began, and what was known before is not too old yet.
    fn is_held(&self, now: Moment) -> bool {
        let is_in_time = |until| now.mono < until || !self.policy.may_retry();
        self.state.last.is_none() && self.given_up.is_none() && self.restored_until.is_some_and(is_in_time)
    }

    /// Time alone can change what is shown of it.
    pub(super) fn ages(&self, now: Moment) -> bool {
        let is_settled = self.state.status == Status::Healthy
            && self.state.pending.is_none()
            && !self.state.flapping
            && self.state.spec.maintenance.is_empty();
        !is_settled || self.next_due.is_none_or(|due| due < now.mono)
    }
}
