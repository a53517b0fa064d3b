use std::sync::Arc;

use proptest::prelude::*;

use crate::model::{BreakerView, ContainerState, ContainerStatus, Status};

use super::super::fixtures::*;
use super::super::retry;
use super::*;

#[test]
fn the_first_look_leaves_the_schedule_and_what_works_alone() {
    let mut world = World::new(spec());
    world.passes();
    assert_eq!(world.has(vec![running("kafka", seconds(5), world.now)]), Urgency::Keep);
    assert!(world.decide().status.is_up());
}

#[test]
fn a_container_that_appears_where_the_check_failed_begins_its_start_period() {
    let mut world = World::new(spec());
    world.fails();
    assert_eq!(world.decide().status, Status::NotFound);
    assert_eq!(
        world.has(vec![running("kafka", seconds(0), world.now)]),
        Urgency::RunNow
    );
    assert_eq!(world.decide().status, Status::Starting);
}

#[test]
fn nothing_listed_is_not_yet_a_look() {
    let mut policy = PolicyState::new();
    assert_eq!(policy.observe_containers(&spec(), &[], start()), Urgency::Keep);
    assert_eq!(policy, PolicyState::new());
}

#[test]
fn a_restart_closes_the_breaker_and_forgets_the_streaks() {
    let mut world = World::settled(spec());
    for _ in 0..6 {
        world.fails();
    }
    assert!(matches!(world.policy.breaker_view(world.now), BreakerView::Open { .. }));
    world.has(vec![restarted(&world.container(), world.now.wall, true)]);
    assert_eq!(world.policy.breaker_view(world.now), BreakerView::Closed);
    assert_eq!(world.policy.streaks, Streaks::default());
}

#[test]
fn a_network_that_changes_makes_an_open_breakers_trial_due() {
    let mut world = World::settled(spec());
    for _ in 0..5 {
        world.fails();
    }
    let connected = in_network(world.container(), "iot-network", &[]);
    assert_eq!(world.has(vec![connected]), Urgency::RunNow);
    assert_eq!(world.policy.admit(&world.spec, world.now), Admission::Trial);
}

#[test]
fn a_dependency_that_recovers_makes_an_open_breakers_trial_due_once() {
    let mut world = World::settled(spec());
    assert!(!world.policy.mended(world.now), "a closed breaker has no trial");
    for _ in 0..5 {
        world.fails();
    }
    assert!(matches!(
        world.policy.admit(&world.spec, world.now),
        Admission::NotBefore(_)
    ));
    assert!(world.policy.mended(world.now));
    assert_eq!(world.policy.admit(&world.spec, world.now), Admission::Trial);
    assert!(!world.policy.mended(world.now), "the trial is under way");
    assert!(matches!(
        world.policy.admit(&world.spec, world.now),
        Admission::NotBefore(_)
    ));
}

#[test]
fn container_findings_and_the_monitors_faults_never_open_the_breaker() {
    let mut world = World::settled(spec());
    for _ in 0..4 {
        world.fails();
    }
    for kind in [FailureKind::Container, FailureKind::LocalResources] {
        for _ in 0..9 {
            world.next_cycle(Verdict::Fail(kind), "not the service's");
        }
    }
    assert_eq!(world.policy.breaker_view(world.now), BreakerView::Closed);
    world.fails();
    assert!(matches!(world.policy.breaker_view(world.now), BreakerView::Open { .. }));
}

#[test]
fn a_trial_that_measured_nothing_is_repeated_and_not_counted() {
    let mut world = World::settled(spec());
    for _ in 0..5 {
        world.fails();
    }
    for _ in 0..3 {
        let before = world.next_due.unwrap();
        world.next_cycle(Verdict::Fail(FailureKind::LocalResources), "no file descriptors");
        let pause = world.next_due.unwrap() - before;
        assert_eq!(pause, seconds(15));
    }
    let before = world.next_due.unwrap();
    world.fails();
    assert_eq!(world.next_due.unwrap() - before, seconds(30));
}

#[test]
fn a_cycle_that_began_before_the_restart_counts_for_nothing() {
    let mut world = World::settled(spec());
    world.pass(seconds(1));
    let began = world.now.wall;
    world.pass(seconds(2));
    world.has(vec![restarted(&world.container(), world.now.wall, true)]);
    world.pass(seconds(3));
    let late = Outcome {
        started: began,
        ..outcome(Verdict::Fail(FailureKind::Timeout), "no answer", world.now)
    };
    let before = world.policy.clone();
    world.policy.record(&world.spec, &late, world.now, MIDDLE);
    world.last = Some(late);
    assert_eq!(world.policy.streaks, before.streaks);
    assert_eq!(world.decide().status, Status::Starting);
}

#[test]
fn a_wall_clock_that_is_set_back_voids_nothing() {
    let mut world = World::settled(spec());
    world.has(vec![restarted(&world.container(), world.now.wall, true)]);
    world.pass(seconds(1));
    world.now.wall -= seconds(3_600);
    world.passes();
    assert_eq!(world.decide().status, Status::Healthy);
}

#[test]
fn flapping_begins_and_ends() {
    let mut world = World::settled(spec());
    world.passes();
    assert!(!world.policy.is_flapping());
    for _ in 0..4 {
        world.fails();
        world.fails();
        world.passes();
    }
    assert!(world.policy.is_flapping());
    for _ in 0..20 {
        world.passes();
    }
    assert!(!world.policy.is_flapping());
}

#[test]
fn failures_below_the_threshold_are_not_flapping() {
    let mut world = World::settled(spec());
    for _ in 0..20 {
        world.passes();
        world.fails();
    }
    assert!(!world.policy.is_flapping());
}

#[test]
fn a_container_that_stops_and_starts_again_and_again_flaps() {
    let mut world = World::settled(spec());
    world.passes();
    for _ in 0..5 {
        let container = world.container();
        world.has(vec![exited(&container, 0, world.now.wall)]);
        world.pass(seconds(5));
        world.has(vec![restarted(&container, world.now.wall, false)]);
        world.cycle(Verdict::Pass, "3 brokers");
    }
    assert!(world.policy.is_flapping());
}

#[test]
fn retries_are_allowed_while_the_breaker_is_closed() {
    let mut world = World::settled(spec());
    for _ in 0..5 {
        assert!(world.policy.may_retry());
        world.fails();
    }
    assert!(!world.policy.may_retry());
    assert_eq!(
        retry::pause(&world.spec, 0, 1, FailureKind::Refused, seconds(0), MIDDLE),
        None
    );
}

#[test]
fn what_is_restored_a_day_later_has_its_trial_due() {
    let mut world = World::settled(spec());
    for _ in 0..5 {
        world.fails();
    }
    let saved = world.policy.save(world.now);
    let later = Moment {
        mono: world.now.mono + seconds(1),
        wall: world.now.wall + seconds(86_400),
    };
    let mut restored = PolicyState::restore(saved, later);
    assert_eq!(restored.admit(&world.spec, later), Admission::Trial);
}

/// What can happen to a service.
#[derive(Debug, Clone)]
enum Event {
    Wait(u64),
    Cycle(Verdict, f64),
    /// A cycle that the containers or the engine end before it begins.
    Preflight(FailureKind, f64),
    Containers(Vec<(u8, u8, ContainerStatus)>),
    Mended,
    /// A trial whose probe died.
    Lost,
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        3 => Just(Verdict::Pass),
        1 => Just(Verdict::Warn),
        5 => Just(Verdict::Fail(FailureKind::Refused)),
        1 => Just(Verdict::Fail(FailureKind::StartingUp)),
        1 => Just(Verdict::Fail(FailureKind::Container)),
        1 => Just(Verdict::Fail(FailureKind::LocalResources)),
        1 => Just(Verdict::Fail(FailureKind::NameNotFound)),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let status = prop::sample::select(&ContainerStatus::ALL[..]);
    let containers = prop::collection::vec((0..3_u8, 0..3_u8, status), 0..3);
    let preflight = prop::sample::select(vec![
        FailureKind::Container,
        FailureKind::DockerUnavailable,
        FailureKind::Ambiguous,
    ]);
    prop_oneof![
        2 => (0..40_u64).prop_map(Event::Wait),
        6 => (verdict(), 0.0..1.0).prop_map(|(verdict, random)| Event::Cycle(verdict, random)),
        1 => (preflight, 0.0..1.0).prop_map(|(kind, random)| Event::Preflight(kind, random)),
        1 => containers.prop_map(Event::Containers),
        1 => Just(Event::Mended),
        1 => Just(Event::Lost),
    ]
}

fn containers(described: &[(u8, u8, ContainerStatus)], begin: Moment) -> Vec<ContainerState> {
    let one = |(name, run, status): &(u8, u8, ContainerStatus)| {
        let started_at = begin.wall + seconds(u64::from(*run) * 40);
        let base = running(&format!("kafka-{name}"), seconds(0), begin);
        with_status(&restarted(&base, started_at, *run == 2), *status)
    };
    let mut listed: Vec<_> = described.iter().map(one).collect();
    listed.sort_by(|a, b| a.key.cmp(&b.key));
    listed.dedup_by(|a, b| a.key == b.key);
    listed
}

/// Lets one event happen. Returns whether it was a trial of the breaker.
fn apply(world: &mut World, event: &Event, begin: Moment) -> bool {
    match event {
        Event::Wait(by) => world.pass(seconds(*by)),
        Event::Cycle(verdict, random) => match world.policy.admit(&world.spec, world.now) {
            Admission::NotBefore(_) => {}
            admission => {
                let outcome = outcome(*verdict, "reason", world.now);
                world.policy.record(&world.spec, &outcome, world.now, *random);
                world.last = Some(outcome);
                return admission == Admission::Trial;
            }
        },
        Event::Preflight(kind, random) => {
            let outcome = outcome(Verdict::Fail(*kind), "reason", world.now);
            world.policy.record(&world.spec, &outcome, world.now, *random);
            world.last = Some(outcome);
        }
        Event::Containers(described) => {
            world.has(containers(described, begin));
        }
        Event::Mended => {
            world.policy.mended(world.now);
        }
        Event::Lost => return world.policy.admit(&world.spec, world.now) == Admission::Trial,
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn observing_the_same_containers_again_changes_nothing(
        events in prop::collection::vec(event(), 0..40),
        last in prop::collection::vec((0..3_u8, 0..3_u8, prop::sample::select(&ContainerStatus::ALL[..])), 0..3),
        later in 0..100_u64,
    ) {
        let mut world = World::new(spec());
        let begin = world.now;
        for event in &events {
            apply(&mut world, event, begin);
        }
        world.has(containers(&last, begin));
        let before = world.policy.clone();
        world.pass(seconds(later));
        prop_assert_eq!(world.has(containers(&last, begin)), Urgency::Keep);
        prop_assert_eq!(&world.policy, &before);
    }

    #[test]
    fn an_open_breaker_runs_one_trial_at_a_time(events in prop::collection::vec(event(), 0..80)) {
        let mut world = World::new(spec());
        let begin = world.now;
        for event in &events {
            apply(&mut world, event, begin);
            let limit = world.spec.timeout + seconds(5);
            if world.policy.breaker_view(world.now) == BreakerView::HalfOpen
                && let Admission::NotBefore(at) = world.policy.admit(&world.spec, world.now)
            {
                prop_assert!(at > world.now.mono && at <= world.now.mono + limit);
            }
            if let BreakerView::Open { .. } = world.policy.breaker_view(world.now)
                && world.policy.admit(&world.spec, world.now) == Admission::Trial
            {
                let second = world.policy.admit(&world.spec, world.now);
                prop_assert!(matches!(second, Admission::NotBefore(_)), "{:?}", second);
            }
        }
    }

    #[test]
    fn after_a_cycle_the_next_one_is_in_the_future_and_in_time(events in prop::collection::vec(event(), 0..80)) {
        let mut world = World::new(spec());
        let begin = world.now;
        for event in &events {
            let is_cycle = matches!(event, Event::Preflight(..))
                || (matches!(event, Event::Cycle(..))
                    && !matches!(world.policy.clone().admit(&world.spec, world.now), Admission::NotBefore(_)));
            apply(&mut world, event, begin);
            if is_cycle {
                let wait = schedule::next_due(&world.spec, &world.policy, world.now.mono, world.now) - world.now.mono;
                let longest = if world.policy.may_retry() { world.spec.interval } else { seconds(72) };
                prop_assert!(wait > Duration::ZERO && wait <= longest, "{:?}", wait);
            }
        }
    }

    #[test]
    fn healthy_means_that_no_streak_of_failures_has_reached_the_threshold(
        events in prop::collection::vec(event(), 0..80),
    ) {
        let mut world = World::new(spec());
        let begin = world.now;
        for event in &events {
            apply(&mut world, event, begin);
            if world.decide().status.is_up() {
                prop_assert!(world.policy.streaks.failures() < world.spec.thresholds.failure);
            }
        }
    }

    #[test]
    fn a_breaker_is_open_only_for_a_service_that_is_down(events in prop::collection::vec(event(), 0..80)) {
        let mut world = World::new(spec());
        let begin = world.now;
        for event in &events {
            apply(&mut world, event, begin);
            if world.policy.breaker_view(world.now) != BreakerView::Closed {
                prop_assert!(world.policy.streaks.is_down());
                prop_assert!(!world.decide().status.is_up());
            }
        }
    }

    #[test]
    fn what_is_saved_and_restored_decides_the_same(
        events in prop::collection::vec(event(), 0..60),
        next_due in prop::option::of(0..100_u64),
    ) {
        let mut world = World::new(spec());
        let begin = world.now;
        for event in &events {
            apply(&mut world, event, begin);
        }
        world.next_due = next_due.map(|due| begin.mono + seconds(due));
        let before = world.decide();
        let json = serde_json::to_string(&world.policy.save(world.now)).unwrap();
        let was_half_open = world.policy.breaker_view(world.now) == BreakerView::HalfOpen;
        world.policy = PolicyState::restore(serde_json::from_str(&json).unwrap(), world.now);
        let after = world.decide();
        prop_assert_eq!(after.status, before.status);
        prop_assert_eq!(after.pending, before.pending);
        // A trial under way is lost with the process, and another one is due.
        if !was_half_open {
            prop_assert_eq!(after.reason, before.reason);
        }
    }

    #[test]
    fn deciding_is_deterministic_and_never_panics(
        events in prop::collection::vec(event(), 0..60),
        check in prop::sample::select(vec!["container", "kafka"]),
        engine in prop::sample::select(vec![EngineKind::Up, EngineKind::Down, EngineKind::Connecting, EngineKind::Disabled]),
        min_replicas in 0..4_u32,
        last in prop::option::of(verdict()),
    ) {
        let mut world = World::new(ServiceSpec { check: check.to_owned(), min_replicas, ..spec() });
        let begin = world.now;
        for event in &events {
            apply(&mut world, event, begin);
            world.engine = engine.state(world.now);
            // The registry may hold an outcome that the policy does not know.
            if let Some(verdict) = last {
                world.last = Some(outcome(verdict, "foreign", world.now));
            }
            let decision = world.decide();
            prop_assert_eq!(&decision, &world.decide());
            prop_assert!(!decision.reason.is_empty());
            prop_assert!(decision.status != Status::Maintenance);
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum EngineKind {
    Up,
    Down,
    Connecting,
    Disabled,
}

impl EngineKind {
    fn state(self, now: Moment) -> crate::model::EngineState {
        use crate::model::EngineState;
        match self {
            EngineKind::Up => EngineState::Up,
            EngineKind::Connecting => EngineState::Connecting,
            EngineKind::Disabled => EngineState::Disabled,
            EngineKind::Down => EngineState::Down {
                since: now.wall,
                reason: "gone".to_owned(),
            },
        }
    }
}

#[test]
fn both_copies_of_a_state_come_to_the_same() {
    let mut world = World::settled(spec());
    world.passes();
    let mut copy = world.policy.clone();
    let container = restarted(&world.container(), world.now.wall, false);
    world.has(vec![container.clone()]);
    copy.observe_containers(&world.spec, &[Arc::new(container)], world.now);
    assert_eq!(world.policy, copy);
}
