//! The policies under random and under all short histories, held against a [`reference`] that works everything out anew
//! from the whole history, and against what must hold whatever happens.

mod exhaustive;
pub(super) mod random;
mod reference;
mod restored;

use std::time::Duration;

use tokio::time::Instant;

use super::fixtures::*;
use super::thresholds::Standing;
use super::{Admission, schedule};
use crate::model::{
    Container, ContainerState, ContainerStatus, FailureKind, Moment, Outcome, ServiceSpec, Thresholds, Verdict,
};

use reference::{Breaker, Reference};

/// What can happen to a service.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Event {
    /// So many seconds pass.
    Wait(u64),
    /// Time passes until the next cycle is due, as the schedule says.
    Due,
    /// A cycle asks to run, and where it may, it ends so at once.
    Cycle(Verdict),
    /// A cycle that the containers or the engine end before it asks.
    Preflight(FailureKind),
    /// A cycle that is admitted, and discarded because the monitor stood still.
    Discarded,
    /// A cycle that is admitted, and lost with its probe.
    Lost,
    /// A cycle that is admitted, runs for so many seconds while the container starts again, and ends so.
    Outlived(Verdict, u64),
    /// The container starts again, after an exit that nobody asked for or by request.
    Restart {
        unplanned: bool,
    },
    /// The container ends.
    Stop,
    Pause,
    Unpause,
    /// The container's networks change.
    Reconnect,
    /// A second container runs beside the first, or no longer does.
    Replica(bool),
    /// What the service depends on works again, or a person asks.
    Mended,
}

/// The machine and the reference side by side.
struct Histories {
    world: World,
    reference: Reference,
    begin: Moment,
    /// How the first container is; the second only runs or is not there.
    first: ContainerStatus,
    has_second: bool,
    /// The trial that is under way ends, or is given up as lost, at this time.
    trial_until: Option<u64>,
}

impl Histories {
    /// A service whose container has been running for an hour.
    fn new(spec: ServiceSpec) -> Self {
        let world = World::settled(spec);
        Self {
            reference: Reference::new(&world.spec),
            begin: world.now,
            first: ContainerStatus::Running,
            has_second: false,
            trial_until: None,
            world,
        }
    }

    /// A copy, to follow two ways from here.
    fn fork(&self) -> Self {
        let World {
            now,
            spec,
            containers,
            engine,
            policy,
            last,
            next_due,
            given_up,
        } = &self.world;
        Self {
            world: World {
                now: *now,
                spec: spec.clone(),
                containers: containers.clone(),
                engine: engine.clone(),
                policy: policy.clone(),
                last: last.clone(),
                next_due: *next_due,
                given_up: given_up.clone(),
            },
            reference: self.reference.clone(),
            begin: self.begin,
            first: self.first,
            has_second: self.has_second,
            trial_until: self.trial_until,
        }
    }

    /// Milliseconds since the begin.
    fn now(&self) -> u64 {
        u64::try_from((self.world.now.mono - self.begin.mono).as_millis()).unwrap()
    }

    /// Lets one event happen to both. `draw` is the random number that comes with it.
    fn happen(&mut self, event: Event, draw: f64) {
        match event {
            Event::Wait(by) => self.world.pass(seconds(by)),
            Event::Due => {
                let due = self.world.next_due.unwrap_or(self.world.now.mono);
                let wait = due.saturating_duration_since(self.world.now.mono);
                // In whole milliseconds, as the reference counts.
                self.world.pass(Duration::from_millis(
                    wait.as_nanos().div_ceil(1_000_000).try_into().unwrap(),
                ));
            }
            Event::Cycle(verdict) => {
                if self.admit() {
                    self.end_cycle(verdict, self.world.now, draw);
                }
            }
            Event::Preflight(kind) => self.end_cycle(Verdict::Fail(kind), self.world.now, draw),
            Event::Discarded => {
                if self.admit() {
                    let not_before = self.world.policy.breaker.not_before();
                    self.world.policy.abandon_cycle(&self.world.spec, self.world.now, draw);
                    self.reference.measured_nothing(self.now(), draw);
                    self.trial_until = None;
                    self.schedule(not_before);
                }
            }
            Event::Lost => {
                self.admit();
            }
            Event::Outlived(verdict, length) => {
                if self.first == ContainerStatus::Running && !self.has_second && self.admit() {
                    let began = self.world.now;
                    self.world.pass(seconds(length));
                    self.restart(true);
                    self.trial_until = None;
                    self.end_cycle(verdict, began, draw);
                }
            }
            Event::Restart { unplanned } => self.restart(unplanned),
            Event::Stop => self.halt(ContainerStatus::Exited),
            Event::Pause => {
                if self.first == ContainerStatus::Running {
                    self.halt(ContainerStatus::Paused);
                }
            }
            Event::Unpause => {
                if self.first == ContainerStatus::Paused {
                    self.first = ContainerStatus::Running;
                    self.show(|_| {});
                    if self.has_second {
                        self.reference.joined();
                    } else {
                        self.reference.resumed();
                    }
                }
            }
            Event::Reconnect => {
                if self.first == ContainerStatus::Running {
                    self.show(|container| {
                        let networks = std::mem::take(&mut container.networks);
                        if networks.is_empty() {
                            *container = in_network(container.clone(), "iot", &[]);
                        }
                    });
                    self.reference.mended(self.now());
                }
            }
            Event::Replica(runs) => self.replica(runs),
            Event::Mended => {
                self.world.policy.mended(self.world.now);
                self.reference.mended(self.now());
            }
        }
    }

    /// A cycle asks to run. True where it may.
    ///
    /// An open breaker never lets more than one trial run at a time, and both agree on when the next one may.
    fn admit(&mut self) -> bool {
        let now = self.now();
        let expected = self.reference.admits(now);
        match self.world.policy.admit(&self.world.spec, self.world.now) {
            Admission::Cycle => {
                assert_eq!(expected, Some(false), "a cycle is admitted at {now} ms");
                true
            }
            Admission::Trial => {
                assert_eq!(expected, Some(true), "a trial is admitted at {now} ms");
                assert!(
                    self.trial_until.is_none_or(|until| until <= now),
                    "a second trial at {now} ms while one is under way until {:?} ms",
                    self.trial_until
                );
                let patience = self.world.spec.timeout + seconds(5);
                self.trial_until = Some(now + u64::try_from(patience.as_millis()).unwrap());
                true
            }
            Admission::NotBefore(at) => {
                assert_eq!(expected, None, "nothing is admitted at {now} ms");
                assert!(at > self.world.now.mono, "what is put off is put off to the future");
                false
            }
        }
    }

    /// A cycle that began at `began` ends now.
    ///
    /// Findings of the containers and the monitor's own failures never move a streak, nor open or close the breaker.
    fn end_cycle(&mut self, verdict: Verdict, began: Moment, draw: f64) {
        let outcome = Outcome {
            started: began.wall,
            ..outcome(verdict, "reason", self.world.now)
        };
        let before = self.world.policy.clone();
        self.world
            .policy
            .record(&self.world.spec, &outcome, self.world.now, draw);
        let is_void = began != self.world.now;
        let is_nobodys = match verdict {
            Verdict::Fail(FailureKind::Container) => true,
            Verdict::Fail(kind) => kind.fault() == crate::model::Fault::Monitor,
            Verdict::Pass | Verdict::Warn => false,
        };
        if is_void || is_nobodys {
            let after = &self.world.policy;
            assert_eq!(after.streaks, before.streaks, "{verdict:?} moves no streak");
            assert_eq!(
                after.breaker.is_closed(),
                before.breaker.is_closed(),
                "{verdict:?} leaves the breaker"
            );
            assert_eq!(
                after.start_period, before.start_period,
                "{verdict:?} leaves the start period"
            );
        }
        if is_void {
            self.reference.measured_nothing(self.now(), draw);
        } else {
            self.reference.cycle(verdict, self.now(), draw);
        }
        self.world.last = Some(outcome);
        self.trial_until = None;
        self.schedule(before.breaker.not_before());
    }

    /// After every cycle the next one is due in the future and in time: within an interval, within 30 s where nothing was
    /// measured, and a trial within 60 s and a fifth, or an interval. A pause that begins here is no shorter than 15 s less a
    /// fifth, nor than the interval. `not_before` is when a trial was due before.
    fn schedule(&mut self, not_before: Option<Instant>) {
        let World { spec, policy, now, .. } = &self.world;
        let due = schedule::next_due(spec, policy, now.mono, *now);
        let wait = due.saturating_duration_since(now.mono);
        let longest = if !policy.may_retry() {
            seconds(72).max(spec.interval)
        } else if policy.was_unmeasured {
            seconds(30).min(spec.interval)
        } else {
            spec.interval
        };
        assert!(
            wait > Duration::ZERO && wait <= longest,
            "the next cycle is due in {wait:?} of {longest:?}"
        );
        if !policy.may_retry() && policy.breaker.not_before() != not_before {
            let soonest = seconds(12).max(spec.interval);
            assert!(
                wait >= soonest,
                "a trial is due in {wait:?}, no sooner than {soonest:?}"
            );
        }
        self.world.next_due = Some(due);
    }

    fn restart(&mut self, unplanned: bool) {
        self.tick();
        self.first = ContainerStatus::Running;
        let at = self.world.now.wall;
        self.show(|container| *container = restarted(container, at, unplanned));
        if self.has_second {
            self.reference.joined();
        } else {
            self.reference.started(unplanned, self.now());
        }
    }

    /// No two starts of a container have the same time.
    fn tick(&mut self) {
        self.world.pass(Duration::from_millis(1));
    }

    /// The first container stops running. Where it was, nothing changes.
    fn halt(&mut self, status: ContainerStatus) {
        let ran = std::mem::replace(&mut self.first, status) == ContainerStatus::Running;
        self.show(|_| {});
        if ran && !self.has_second {
            self.reference.stopped();
        }
    }

    fn replica(&mut self, runs: bool) {
        if self.has_second == runs {
            return;
        }
        self.tick();
        self.has_second = runs;
        self.show(|_| {});
        match (runs, self.first == ContainerStatus::Running) {
            (true, true) => self.reference.joined(),
            (true, false) => self.reference.started(false, self.now()),
            (false, true) => {}
            (false, false) => self.reference.stopped(),
        }
    }

    /// Shows the machine the containers, the first one changed so.
    fn show(&mut self, change: impl FnOnce(&mut ContainerState)) {
        let containers = self.world.containers.containers();
        let known = containers.iter().find(|container| container.name == "kafka");
        let mut first = ContainerState::clone(known.expect("the first container is always there"));
        change(&mut first);
        first = with_status(&first, self.first);
        let mut all = vec![first];
        if self.has_second {
            let known = containers.iter().find(|container| container.name == "second");
            let second = known.map(|container| ContainerState::clone(container));
            all.push(second.unwrap_or_else(|| running("second", Duration::ZERO, self.world.now)));
        }
        self.world.has(all);
    }

    /// The machine says what the reference says, and the invariants hold.
    fn check(&self) {
        let World { policy, spec, now, .. } = &self.world;
        let streaks = &policy.streaks;
        let standing = streaks.settled().map(|settled| match settled.standing {
            Standing::Up => reference::Standing::Up,
            Standing::Warned => reference::Standing::Warned,
            Standing::Down => reference::Standing::Down,
        });
        assert_eq!(standing, self.reference.settled(), "what is settled");
        assert_eq!(streaks.failures(), self.reference.failures(), "failures in a row");
        assert_eq!(streaks.successes(), self.reference.successes(), "successes in a row");
        assert_eq!(
            streaks.is_pending(),
            self.reference.is_pending(),
            "a change is announced"
        );
        assert_eq!(policy.is_flapping(), self.reference.is_flapping(), "it flaps");
        assert_eq!(
            policy.start_period.is_active(*now),
            self.reference.is_in_start_period(self.now()),
            "it is in its start period"
        );
        self.check_breaker();
        let decision = self.world.decide();
        if decision.status.is_up() {
            // Healthy means: no streak of `failure_threshold` failures since the last of `success_threshold` successes.
            assert!(streaks.failures() < spec.thresholds.failure, "{decision:?}");
            assert!(
                policy.may_retry(),
                "the breaker of a service that works is closed: {decision:?}"
            );
        }
        if !policy.may_retry() {
            assert!(streaks.is_down(), "a breaker opens for a service that is down");
        }
        assert!(decision.pending.is_none() || streaks.is_pending(), "{decision:?}");
    }

    fn check_breaker(&self) {
        let millis = |at: Instant| (at - self.begin.mono).as_secs_f64() * 1_000.0;
        let (is_open, due) = match self.reference.breaker {
            Breaker::Closed => (false, None),
            Breaker::Open(_, due) | Breaker::HalfOpen(_, due) => (true, Some(due)),
        };
        let policy = &self.world.policy;
        assert_eq!(!policy.may_retry(), is_open, "the breaker is open");
        match (policy.breaker.not_before().map(millis), due) {
            (None, None) => {}
            // One that is due is due, however long it has been.
            (Some(at), Some(due)) if at.max(due) <= self.now() as f64 + 0.01 => {}
            (Some(at), Some(due)) => assert!((at - due).abs() < 0.01, "a trial at {at} ms where {due} ms are due"),
            (at, due) => panic!("a trial at {at:?} where {due:?} is due"),
        }
    }
}

/// Everything that a cycle may find, one kind for each way in which it is treated.
const VERDICTS: [Verdict; 7] = [
    Verdict::Pass,
    Verdict::Warn,
    Verdict::Fail(FailureKind::Refused),
    Verdict::Fail(FailureKind::LoginRefused),
    Verdict::Fail(FailureKind::StartingUp),
    Verdict::Fail(FailureKind::Container),
    Verdict::Fail(FailureKind::LocalResources),
];

/// A service with these intervals and thresholds.
fn service(interval: u64, thresholds: Thresholds) -> ServiceSpec {
    ServiceSpec {
        interval: seconds(interval),
        timeout: seconds(interval.div_ceil(2).min(5)),
        retry_interval: seconds(interval.min(2)),
        thresholds,
        container: Container::Named("kafka".to_owned()),
        ..spec()
    }
}
