//! Everything about one service that its policies remember between cycles.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::{
    BreakerView, ContainerState, FailureKind, Fault, Maintenance, Moment, Outcome, ServiceSpec, Verdict,
};

use super::breaker::{Admission, Breaker};
use super::flapping::FlapWindow;
use super::incarnation::{Incarnation, Turn};
use super::schedule;
use super::start_period::StartPeriod;
use super::thresholds::{Standing, Streaks};

/// What one service's policies remember between cycles.
///
/// The probe works on its own copy and publishes it with each outcome; the registry keeps the last one. Both apply
/// container changes to their copy: the same input makes the same state.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PolicyState {
    /// `None` until a container was seen for the first time.
    pub(super) incarnation: Option<Incarnation>,
    /// A cycle that began before this measured an earlier run of the containers, and counts for nothing.
    pub(super) counts_from: Option<Instant>,
    /// The containers started, or were resumed, under the monitor's eyes, and no result has come since.
    pub(super) fresh: bool,
    pub(super) start_period: StartPeriod,
    pub(super) streaks: Streaks,
    pub(super) breaker: Breaker,
    pub(super) flapping: FlapWindow,
    /// When the last cycle that counts ended; `None` before the first of this run of the containers.
    pub(super) last_heard: Option<Instant>,
    /// The last cycle did not measure the service, by the monitor's fault.
    pub(super) was_unmeasured: bool,
    /// Cycles on schedule fall on this time and whole intervals from it; `None` before the first cycle has ended.
    pub(super) anchor: Option<Instant>,
    /// What a person ordered, until it is taken back or another takes its place; it may be over.
    pub(super) maintenance: Option<Maintenance>,
}

/// Whether a cycle should run before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// The schedule stands.
    Keep,
    /// A cycle should run at once: what it finds may well differ from what is known.
    RunNow,
}

// === impl PolicyState ===

impl PolicyState {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The service's containers are these now, as a list of the engine's says; not to be called with what is merely
    /// unknown. Idempotent.
    ///
    /// A new id or start time resets streaks, closes the breaker and begins a start period (none after an unplanned
    /// exit); what was settled before is void, unless another replica ran on. The first look at a container that ran
    /// before the monitor resets nothing that is known to work.
    pub fn observe_containers(
        &mut self,
        spec: &ServiceSpec,
        containers: &[Arc<ContainerState>],
        now: Moment,
    ) -> Urgency {
        let Some(before) = &self.incarnation else {
            return self.first_look(spec, containers, now);
        };
        if before.is_of(containers) {
            return Urgency::Keep;
        }
        let current = Incarnation::of(containers);
        let turn = current.turn_since(before);
        self.incarnation = Some(current);
        match turn {
            Turn::Started { index } => {
                self.begin_anew(now);
                if let Some(container) = containers.get(index) {
                    self.start_period = StartPeriod::after_start(spec, container, now);
                }
            }
            Turn::Resumed => self.begin_anew(now),
            Turn::Joined => {
                self.streaks.restart();
                self.breaker = Breaker::Closed;
            }
            Turn::Reconnected => {
                self.breaker.mended(now);
            }
            Turn::Stopped => {
                self.start_period.end();
                self.flapping.push(Standing::Down);
                return Urgency::Keep;
            }
            Turn::Nothing => return Urgency::Keep,
        }
        Urgency::RunNow
    }

    /// A person orders maintenance, or takes back what was ordered.
    pub fn order_maintenance(&mut self, maintenance: Option<Maintenance>) {
        self.maintenance = maintenance;
    }

    /// What a person ordered; it may be over. [`maintenance`](super::maintenance()) tells whether the service is in any.
    pub fn ordered_maintenance(&self) -> Option<&Maintenance> {
        self.maintenance.as_ref()
    }

    /// A maintenance has ended: what was known before it is old. The service may be another one now, so the first cycle
    /// after it decides.
    pub fn leave_maintenance(&mut self, now: Moment) {
        let start_period = self.start_period;
        self.begin_anew(now);
        // A container that started meanwhile keeps its time.
        self.start_period = start_period;
        self.fresh = false;
        self.maintenance = None;
    }

    /// A container of the service was seen at some time.
    pub fn ever_seen(&self) -> bool {
        self.incarnation.is_some()
    }

    /// Asks whether a cycle may run now. Every cycle asks first; an admitted one ends with [`PolicyState::record`].
    pub fn admit(&mut self, spec: &ServiceSpec, now: Moment) -> Admission {
        self.breaker.admit(spec, now)
    }

    /// One cycle ended. `outcome` has been [attributed](super::attribute). `random` is in `[0, 1)`.
    pub fn record(&mut self, spec: &ServiceSpec, outcome: &Outcome, now: Moment, random: f64) {
        self.anchor.get_or_insert_with(|| schedule::anchor(spec, now));
        if self.is_void(outcome, now) {
            self.breaker.unmeasured(spec, now, random);
            return;
        }
        self.last_heard = Some(now.mono);
        self.was_unmeasured = outcome.verdict.fault() == Some(Fault::Monitor);
        match outcome.verdict {
            Verdict::Pass | Verdict::Warn => {
                self.fresh = false;
                self.start_period.end();
                self.breaker = Breaker::Closed;
                let warned = outcome.verdict == Verdict::Warn;
                self.streaks.passed(warned, &outcome.reason, spec.thresholds);
            }
            Verdict::Fail(FailureKind::Container) => {
                self.breaker.unmeasured(spec, now, random);
                self.flapping.push(Standing::Down);
                return;
            }
            Verdict::Fail(kind) => {
                let held_against_it = kind.fault() != Fault::Monitor && !self.start_period.is_active(now);
                if !held_against_it {
                    self.breaker.unmeasured(spec, now, random);
                    return;
                }
                self.fresh = false;
                self.streaks.failed(&outcome.reason, spec.thresholds);
                let (is_down, failures) = (self.streaks.is_down(), self.streaks.failures());
                self.breaker.failed(spec, is_down, failures, now, random);
            }
        }
        if let Some(settled) = self.streaks.settled()
            && !self.streaks.is_pending()
        {
            self.flapping.push(settled.standing);
        }
    }

    /// A cycle was discarded, or ended without an outcome: where it was a trial, another one takes its place.
    pub fn abandon_cycle(&mut self, spec: &ServiceSpec, now: Moment, random: f64) {
        self.was_unmeasured = true;
        self.breaker.unmeasured(spec, now, random);
    }

    /// Something happened that could have mended the service: a dependency recovered, or a person asks. An open
    /// breaker's trial is due at once; returns whether there is one.
    pub fn mended(&mut self, now: Moment) -> bool {
        self.breaker.mended(now)
    }

    /// A cycle may make retries: not while the breaker is open or half open.
    pub fn may_retry(&self) -> bool {
        self.breaker.is_closed()
    }

    /// The circuit breaker as it is shown.
    pub fn breaker_view(&self, now: Moment) -> BreakerView {
        self.breaker.view(now)
    }

    /// The service changes too often to be acted on.
    pub fn is_flapping(&self) -> bool {
        self.flapping.is_flapping()
    }

    /// The last cycles announce a change that is not decided, or the service is starting: it is worth a look soon.
    pub(super) fn is_unsettled(&self, now: Moment) -> bool {
        self.streaks.is_pending() || self.start_period.is_active(now)
    }

    /// The first container is seen. What is known to work without it goes on; what was failing gets its start period.
    fn first_look(&mut self, spec: &ServiceSpec, containers: &[Arc<ContainerState>], now: Moment) -> Urgency {
        if containers.is_empty() {
            return Urgency::Keep;
        }
        let current = Incarnation::of(containers);
        let started = current.last_started().and_then(|index| containers.get(index));
        self.incarnation = Some(current);
        let is_known_to_work = self.streaks.settled().is_some() && !self.streaks.is_down();
        let Some(container) = started.filter(|_| !is_known_to_work) else {
            return Urgency::Keep;
        };
        let was_asked = self.last_heard.is_some();
        let start_period = StartPeriod::after_start(spec, container, now);
        if start_period.is_active(now) {
            self.begin_anew(now);
            self.start_period = start_period;
        } else {
            self.breaker.mended(now);
        }
        // A first cycle that is still to come has its place in the schedule.
        if was_asked { Urgency::RunNow } else { Urgency::Keep }
    }

    fn begin_anew(&mut self, now: Moment) {
        self.counts_from = Some(now.mono);
        self.fresh = true;
        self.start_period.end();
        self.streaks = Streaks::default();
        self.breaker = Breaker::Closed;
        self.last_heard = None;
    }

    /// The cycle began before the present run of the containers. Its length is taken from the wall clock, its end from
    /// the monotonic one, so that a wall clock that was set back does not void every result for hours.
    fn is_void(&self, outcome: &Outcome, now: Moment) -> bool {
        let Some(counts_from) = self.counts_from else {
            return false;
        };
        let length = Duration::try_from(outcome.ended.duration_since(outcome.started)).unwrap_or(Duration::ZERO);
        now.mono.checked_sub(length).is_none_or(|began| began < counts_from)
    }
}

#[cfg(test)]
mod tests;
