use std::sync::Arc;

use crate::model::{
    Container, ContainerStatus, DockerHealth, EngineState, FailureKind, HealthVerdict, ServiceSpec, Status, Thresholds,
    Verdict, compose_labels,
};

use super::super::fixtures::*;
use super::super::{Matching, PolicyState, Urgency, schedule};

fn away(world: &World) -> EngineState {
    EngineState::Down {
        since: world.now.wall,
        reason: "connection refused".to_owned(),
    }
}

fn assert_says(world: &World, status: Status, part: &str) {
    let decision = world.decide();
    assert_eq!(decision.status, status, "{decision:?}");
    assert!(decision.reason.contains(part), "'{part}' is not in {decision:?}");
}

// --- containers first

#[test]
fn a_container_that_does_not_run_is_unhealthy_at_once_whatever_the_check_said() {
    let mut world = World::settled(spec());
    world.passes();
    let dead = |status| move |world: &World| with_status(&world.container(), status);
    for (status, word) in [
        (ContainerStatus::Exited, "Container status: exited"),
        (ContainerStatus::Paused, "Container status: paused"),
        (ContainerStatus::Restarting, "Container status: restarting"),
        (ContainerStatus::Removing, "Container status: removing"),
        (ContainerStatus::Dead, "Container status: dead"),
    ] {
        world.has(vec![dead(status)(&world)]);
        let decision = world.decide();
        assert_eq!(decision.status, Status::Unhealthy);
        assert!(decision.reason.starts_with(word), "{decision:?}");
        assert_eq!(decision.pending, None);
    }
}

#[test]
fn an_exit_is_told_with_its_code_with_memory_and_with_its_age() {
    let mut world = World::settled(spec());
    let mut container = exited(&world.container(), 137, world.now.wall);
    container.oom_killed = true;
    world.has(vec![container]);
    assert_says(
        &world,
        Status::Unhealthy,
        "Container status: exited (exit code 137, out of memory, just now)",
    );
    world.pass(seconds(200));
    assert_says(
        &world,
        Status::Unhealthy,
        "Container status: exited (exit code 137, out of memory, 3 min ago)",
    );
}

#[test]
fn a_created_container_is_starting() {
    let mut world = World::new(spec());
    world.has(vec![created("kafka", world.now)]);
    assert_says(&world, Status::Starting, "Container status: created");
}

#[test]
fn being_replaced_by_compose_is_starting_for_a_minute() {
    let mut world = World::settled(spec());
    world.passes();
    world.has(vec![with_label(
        created("new_kafka", world.now),
        compose_labels::REPLACE,
        "kafka",
    )]);
    assert_says(&world, Status::Starting, "being replaced");
    world.pass(seconds(59));
    assert_says(&world, Status::Starting, "being replaced");
    world.pass(seconds(1));
    assert_says(&world, Status::Unhealthy, "Container status: created");
}

#[test]
fn a_label_of_an_earlier_replacement_means_nothing_while_the_container_runs() {
    let mut world = World::new(spec());
    let replaced = running("kafka", seconds(20), world.now);
    world.has(vec![with_label(replaced, compose_labels::REPLACE, "kafka")]);
    world.passes();
    assert_says(&world, Status::Healthy, "3 brokers");
}

#[test]
fn where_no_container_was_ever_seen_the_address_decides() {
    let mut world = World::new(spec());
    assert_says(&world, Status::Unknown, "no result yet");
    world.passes();
    assert_says(
        &world,
        Status::Healthy,
        "3 brokers (answers although container 'kafka' does not exist)",
    );
    world.fails();
    let pending = world.decide().pending.unwrap();
    assert_eq!((pending.status, pending.seen, pending.needed), (Status::NotFound, 1, 2));
    world.fails();
    assert_says(&world, Status::NotFound, "container 'kafka' does not exist");
    assert_says(&world, Status::NotFound, "connection refused");
}

#[test]
fn a_container_that_was_seen_and_is_gone_is_not_found_although_its_address_answers() {
    let mut world = World::settled(spec());
    world.passes();
    world.has(vec![]);
    assert_says(&world, Status::NotFound, "container 'kafka' does not exist");
}

#[test]
fn a_service_without_address_whose_container_was_never_seen_is_not_found() {
    assert_says(&World::new(container_spec()), Status::NotFound, "does not exist");
}

#[test]
fn ambiguous_containers_are_an_error_that_names_them() {
    let mut world = World::settled(spec());
    world.containers = Matching::Ambiguous(vec!["a-kafka-1".to_owned(), "b-kafka-1".to_owned()]);
    assert_says(&world, Status::Error, "2 containers fit 'kafka': a-kafka-1, b-kafka-1");
}

#[test]
fn the_containers_own_healthcheck_decides_warns_or_is_ignored() {
    use DockerHealth::{Decide, Ignore, Warn};
    use HealthVerdict::{Healthy, Starting, Unhealthy};
    for (setting, verdict, status) in [
        (Decide, Unhealthy, Status::Unhealthy),
        (Decide, Starting, Status::Starting),
        (Decide, Healthy, Status::Healthy),
        (Warn, Unhealthy, Status::Degraded),
        (Warn, Starting, Status::Healthy),
        (Warn, Healthy, Status::Healthy),
        (Ignore, Unhealthy, Status::Healthy),
        (Ignore, Starting, Status::Healthy),
    ] {
        let mut world = World::settled(ServiceSpec {
            docker_health: setting,
            ..spec()
        });
        world.passes();
        world.has(vec![with_health(&world.container(), verdict, "curl: (7) refused\n")]);
        let decision = world.decide();
        assert_eq!(decision.status, status, "{setting:?} {verdict:?}: {decision:?}");
        let tells = matches!(status, Status::Unhealthy | Status::Degraded);
        assert_eq!(decision.reason.ends_with("curl: (7) refused"), tells, "{decision:?}");
    }
}

#[test]
fn a_healthcheck_is_not_heard_while_the_container_is_paused() {
    let mut world = World::settled(container_spec());
    world.passes();
    let unhealthy = with_health(&world.container(), HealthVerdict::Unhealthy, "no");
    world.has(vec![with_status(&unhealthy, ContainerStatus::Paused)]);
    let decision = world.decide();
    assert!(decision.reason.starts_with("Container status: paused"), "{decision:?}");
    assert!(!decision.reason.contains("HEALTHCHECK"), "{decision:?}");
}

#[test]
fn a_failing_check_is_not_softened_by_a_warning() {
    let mut world = World::settled(spec());
    world.fails();
    world.has(vec![with_health(&world.container(), HealthVerdict::Unhealthy, "no")]);
    assert_says(
        &world,
        Status::Unhealthy,
        "connection refused; the container's HEALTHCHECK",
    );
}

#[test]
fn a_crash_loop_is_unhealthy_although_the_check_passes_until_it_stays_up() {
    let mut world = World::settled(spec());
    for _ in 0..3 {
        world.pass(seconds(30));
        world.has(vec![restarted(&world.container(), world.now.wall, true)]);
    }
    world.cycle(Verdict::Pass, "3 brokers");
    assert_says(
        &world,
        Status::Unhealthy,
        "restarting repeatedly (3 starts in 60 s, last exit 137, out of memory)",
    );
    world.pass(seconds(110));
    world.cycle(Verdict::Pass, "3 brokers");
    assert_says(&world, Status::Unhealthy, "restarting repeatedly");
    world.pass(seconds(10));
    assert_says(&world, Status::Healthy, "3 brokers");
}

// --- starting

#[test]
fn the_result_of_an_earlier_run_is_held_neither_against_nor_for_the_new_one() {
    for verdict in [Verdict::Pass, Verdict::Fail(FailureKind::Refused)] {
        let mut world = World::settled(spec());
        world.next_cycle(verdict, "of before");
        world.pass(seconds(3));
        let urgency = world.has(vec![restarted(&world.container(), world.now.wall, false)]);
        assert_eq!(urgency, Urgency::RunNow);
        assert_says(&world, Status::Starting, "no result yet");
        world.cycle(Verdict::Pass, "of now");
        assert_says(&world, Status::Healthy, "of now");
    }
}

#[test]
fn unpausing_waits_for_a_result_and_the_first_one_decides() {
    let mut world = World::settled(spec());
    world.passes();
    let container = world.container();
    world.has(vec![with_status(&container, ContainerStatus::Paused)]);
    assert_says(&world, Status::Unhealthy, "paused");
    assert_eq!(world.has(vec![container]), Urgency::RunNow);
    assert_says(&world, Status::Starting, "no result yet");
    world.cycle(Verdict::Fail(FailureKind::Timeout), "no answer");
    assert_says(&world, Status::Unhealthy, "no answer");
}

#[test]
fn failures_in_the_start_period_are_not_held_against_the_service() {
    let mut world = World::settled(spec());
    world.passes();
    world.has(vec![restarted(&world.container(), world.now.wall, false)]);
    let begin = world.now;
    while world.now.mono.duration_since(begin.mono) < seconds(58) {
        world.fails();
        assert_says(&world, Status::Starting, "connection refused");
        assert_eq!(world.policy.streaks.failures(), 0);
    }
    world.pass(seconds(3));
    world.cycle(Verdict::Fail(FailureKind::Refused), "connection refused");
    assert_says(&world, Status::Unhealthy, "connection refused");
}

#[test]
fn the_first_success_ends_the_start_period() {
    let mut world = World::settled(spec());
    world.has(vec![restarted(&world.container(), world.now.wall, false)]);
    world.fails();
    world.passes();
    assert_says(&world, Status::Healthy, "3 brokers");
    world.fails();
    world.fails();
    assert_says(&world, Status::Unhealthy, "connection refused");
}

#[test]
fn a_container_that_crashed_has_no_start_period() {
    let mut world = World::settled(spec());
    world.passes();
    world.has(vec![restarted(&world.container(), world.now.wall, true)]);
    assert_says(&world, Status::Starting, "no result yet");
    world.cycle(Verdict::Fail(FailureKind::Refused), "connection refused");
    assert_says(&world, Status::Unhealthy, "connection refused");
}

#[test]
fn a_server_that_says_it_starts_is_believed_in_the_start_period_only() {
    let starting_up = Verdict::Fail(FailureKind::StartingUp);
    let mut world = World::new(spec());
    world.has(vec![running("kafka", seconds(5), world.now)]);
    world.next_cycle(starting_up, "the database system is starting up");
    assert_says(&world, Status::Starting, "the database system is starting up");
    let mut world = World::settled(spec());
    world.next_cycle(starting_up, "the database system is starting up");
    assert_says(&world, Status::Unhealthy, "the database system is starting up");
}

// --- then the protocol

#[test]
fn nothing_is_known_before_the_first_result() {
    assert_says(&World::settled(spec()), Status::Unknown, "no result yet");
}

#[test]
fn without_an_earlier_verdict_the_first_failing_cycle_decides() {
    let mut world = World::settled(spec());
    world.fails();
    assert_says(&world, Status::Unhealthy, "connection refused");
    assert_eq!(world.decide().pending, None);
}

#[test]
fn below_the_threshold_the_status_stays_and_the_change_is_pending() {
    let mut world = World::settled(spec());
    world.next_cycle(Verdict::Warn, "1 of 3 brokers is down");
    world.fails();
    let decision = world.decide();
    assert_eq!(
        (decision.status, decision.reason.as_str()),
        (Status::Degraded, "1 of 3 brokers is down")
    );
    let pending = decision.pending.unwrap();
    assert_eq!(
        (pending.status, pending.reason.as_str(), pending.seen, pending.needed),
        (Status::Unhealthy, "connection refused", 1, 2)
    );
    world.fails();
    assert_says(&world, Status::Unhealthy, "connection refused");
    assert_eq!(world.decide().pending, None);
}

#[test]
fn a_recovery_is_pending_below_its_threshold() {
    let mut world = World::settled(ServiceSpec {
        thresholds: Thresholds { failure: 1, success: 2 },
        ..spec()
    });
    world.fails();
    world.passes();
    assert_says(&world, Status::Unhealthy, "connection refused");
    let pending = world.decide().pending.unwrap();
    assert_eq!((pending.status, pending.seen, pending.needed), (Status::Healthy, 1, 2));
    world.passes();
    assert_says(&world, Status::Healthy, "3 brokers");
}

#[test]
fn the_monitors_faults_show_as_error_and_move_nothing() {
    for kind in [
        FailureKind::LocalResources,
        FailureKind::NetworkUnreachable,
        FailureKind::Resolver,
        FailureKind::StillRunning,
        FailureKind::Panicked,
    ] {
        let mut world = World::settled(spec());
        world.passes();
        world.fails();
        let (streaks, flapping) = (world.policy.streaks.clone(), world.policy.flapping.clone());
        world.next_cycle(Verdict::Fail(kind), "the monitor's fault");
        assert_says(&world, Status::Error, "the monitor's fault");
        assert_eq!(world.policy.streaks, streaks);
        assert_eq!(world.policy.flapping, flapping);
        world.fails();
        assert_says(&world, Status::Unhealthy, "connection refused");
    }
}

#[test]
fn a_refused_login_degrades_where_a_person_prefers_that() {
    for (degrades, status) in [(false, Status::Unhealthy), (true, Status::Degraded)] {
        let mut world = World::settled(ServiceSpec {
            auth_failure_degrades: degrades,
            ..spec()
        });
        world.next_cycle(Verdict::Fail(FailureKind::LoginRefused), "password refused");
        assert_says(&world, status, "password refused");
    }
}

#[test]
fn a_result_is_not_believed_three_intervals_past_its_due_time() {
    let mut world = World::settled(spec());
    world.passes();
    let due = world.next_due.unwrap();
    world.pass(due - world.now.mono + seconds(30));
    assert_says(&world, Status::Healthy, "3 brokers");
    world.pass(seconds(1));
    assert_says(&world, Status::Unknown, "a cycle was due less than 1 min ago");
}

#[test]
fn a_result_grows_stale_where_no_probe_has_the_service() {
    let mut world = World::settled(spec());
    world.passes();
    world.next_due = None;
    world.pass(seconds(40));
    assert_says(&world, Status::Healthy, "3 brokers");
    world.pass(seconds(1));
    assert_says(&world, Status::Unknown, "a cycle was due");
}

#[test]
fn an_open_breaker_is_told_of_and_exempt_from_staleness() {
    let mut world = World::settled(spec());
    for _ in 0..5 {
        world.fails();
    }
    let trial = world.now.wall_at(world.next_due.unwrap());
    let time = trial.strftime("%H:%M:%S").to_string();
    let reason = format!("connection refused (breaker open: 5 cycles in a row failed, next trial at {time} UTC)");
    assert_says(&world, Status::Unhealthy, &reason);
    world.pass(seconds(10));
    assert_says(&world, Status::Unhealthy, &reason);
    world.pass(seconds(600));
    assert_says(&world, Status::Unhealthy, "a trial is due");
    world.policy.admit(&world.spec, world.now);
    assert_says(&world, Status::Unhealthy, "a trial is under way");
    world.pass(seconds(600));
    assert_says(&world, Status::Unhealthy, "a trial is under way");
}

#[test]
fn a_service_whose_probe_was_given_up_is_an_error_unless_its_container_says_more() {
    let mut world = World::settled(spec());
    world.passes();
    world.given_up = Some("its probe ended 5 times in 30 s".to_owned());
    assert_says(&world, Status::Error, "its probe ended 5 times");
    world.has(vec![exited(&world.container(), 1, world.now.wall)]);
    assert_says(&world, Status::Unhealthy, "Container status: exited (exit code 1");
}

// --- Docker away

#[test]
fn while_docker_is_away_what_only_docker_can_tell_is_an_error() {
    let mut world = World::settled(container_spec());
    world.passes();
    world.engine = away(&world);
    world.pass(seconds(200));
    assert_says(
        &world,
        Status::Error,
        "Docker daemon unavailable: connection refused (lost 3 min ago)",
    );
    world.next_cycle(
        Verdict::Fail(FailureKind::DockerUnavailable),
        "Docker daemon unavailable",
    );
    world.engine = EngineState::Up;
    assert_says(&world, Status::Healthy, "3 brokers");
}

#[test]
fn before_dockers_first_answer_nothing_is_known() {
    let mut world = World::new(container_spec());
    world.engine = EngineState::Connecting;
    assert_says(&world, Status::Unknown, "Docker has not answered yet");
}

#[test]
fn while_docker_is_away_a_protocol_check_keeps_its_verdict() {
    let mut world = World::settled(spec());
    world.passes();
    world.engine = away(&world);
    assert_says(&world, Status::Healthy, "3 brokers");
    // What was last known of containers is old.
    world.containers = Matching::Found(Arc::from([Arc::new(exited(&world.container(), 1, world.now.wall))]));
    world.passes();
    assert_says(&world, Status::Healthy, "3 brokers");
    world.fails();
    world.fails();
    assert_says(&world, Status::Unhealthy, "connection refused");
}

#[test]
fn while_docker_is_away_a_name_that_does_not_resolve_says_nothing_of_the_service() {
    let no_name = Verdict::Fail(FailureKind::NameNotFound);
    let mut world = World::settled(spec());
    world.passes();
    world.engine = away(&world);
    world.next_cycle(no_name, "name 'kafka' does not exist");
    assert_says(&world, Status::Error, "name 'kafka' does not exist");
    world.passes();
    world.engine = EngineState::Up;
    world.next_cycle(no_name, "name 'kafka' does not exist");
    world.next_cycle(no_name, "name 'kafka' does not exist");
    assert_says(&world, Status::Unhealthy, "name 'kafka' does not exist");
}

#[test]
fn a_container_that_stops_while_its_breaker_is_open_is_looked_at_on_schedule() {
    let mut world = World::settled(spec());
    for _ in 0..5 {
        world.fails();
    }
    world.has(vec![exited(&world.container(), 1, world.now.wall)]);
    for _ in 0..3 {
        let due = world.next_due.unwrap();
        world.pass(due - world.now.mono);
        let finding = outcome(Verdict::Fail(FailureKind::Container), "exited", world.now);
        world.policy.record(&world.spec, &finding, world.now, MIDDLE);
        world.next_due = Some(schedule::next_due(&world.spec, &world.policy, due, world.now));
        assert_eq!(world.next_due.unwrap() - due, seconds(15));
    }
}

#[test]
fn a_container_finding_is_not_upheld_while_docker_is_away() {
    let mut world = World::settled(spec());
    world.has(vec![exited(&world.container(), 1, world.now.wall)]);
    world.next_cycle(Verdict::Fail(FailureKind::Container), "Container status: exited");
    world.engine = away(&world);
    assert_says(&world, Status::Error, "Docker daemon unavailable");
    assert_says(&world, Status::Error, "before that: Container status: exited");
}

#[test]
fn a_service_without_a_container_asks_docker_nothing() {
    let mut world = World::new(ServiceSpec {
        container: Container::None,
        ..spec()
    });
    for engine in [
        EngineState::Up,
        EngineState::Disabled,
        EngineState::Connecting,
        away(&world),
    ] {
        world.engine = engine;
        world.passes();
        assert_says(&world, Status::Healthy, "3 brokers");
        assert!(!world.decide().reason.contains("container"));
    }
}

#[test]
fn a_container_check_with_docker_disabled_says_what_to_change() {
    let mut world = World::new(container_spec());
    world.engine = EngineState::Disabled;
    assert_says(&world, Status::Error, "docker.enabled is false");
}

// --- replicas

#[test]
fn replicas_make_it_healthy_degraded_or_unhealthy() {
    for (good, min_replicas, status) in [
        (3, 1, Status::Healthy),
        (3, 3, Status::Healthy),
        (2, 1, Status::Degraded),
        (2, 2, Status::Degraded),
        (1, 2, Status::Unhealthy),
        (0, 1, Status::Unhealthy),
        (3, 4, Status::Unhealthy),
    ] {
        let mut world = World::new(ServiceSpec { min_replicas, ..spec() });
        let replica = |number: u32, now| {
            let container = running(&format!("app-{number}"), seconds(3_600), now);
            if number <= good {
                container
            } else {
                exited(&container, 1, now.wall)
            }
        };
        world.has((1..=3).map(|number| replica(number, world.now)).collect());
        world.cycle(Verdict::Pass, "3 brokers");
        let decision = world.decide();
        assert_eq!(
            decision.status, status,
            "{good} of 3, {min_replicas} needed: {decision:?}"
        );
        if good < 3 {
            assert!(
                decision.reason.contains("app-3: Container status: exited"),
                "{decision:?}"
            );
        }
    }
}

#[test]
fn replicas_that_are_about_to_run_are_waited_for() {
    let mut world = World::new(ServiceSpec {
        min_replicas: 2,
        ..spec()
    });
    let first = running("app-1", seconds(3_600), world.now);
    world.has(vec![first, created("app-2", world.now)]);
    world.cycle(Verdict::Pass, "3 brokers");
    assert_says(
        &world,
        Status::Starting,
        "1 of 2 containers work, 2 are needed; app-2: Container status: created",
    );
}

#[test]
fn one_more_replica_does_not_make_the_service_start_anew() {
    let mut world = World::settled(spec());
    world.passes();
    let second = running("app-2", seconds(0), world.now);
    assert_eq!(world.has(vec![world.container(), second]), Urgency::RunNow);
    assert_says(&world, Status::Healthy, "3 brokers");
}

#[test]
fn a_new_policy_state_decides_like_no_policy_at_all() {
    let mut world = World::settled(spec());
    world.passes();
    world.policy = PolicyState::new();
    assert_says(&world, Status::Unknown, "no result yet");
}
