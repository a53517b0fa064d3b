use proptest::prelude::*;

use super::*;

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + milliseconds).unwrap()
}

fn running(started: i64, restart_count: u64) -> Vitals {
    Vitals {
        status: ContainerStatus::Running,
        started_at: Some(at(started)),
        finished_at: None,
        exit_code: None,
        oom_killed: false,
        restart_count,
        stop_timeout: None,
        stop_signal: None,
    }
}

fn exited(started: i64, finished: i64, exit_code: i64) -> Vitals {
    Vitals {
        status: ContainerStatus::Exited,
        finished_at: Some(at(finished)),
        exit_code: Some(exit_code),
        ..running(started, 0)
    }
}

fn kill(signal: i64) -> EventKind {
    EventKind::Kill { signal: Some(signal) }
}

fn die(exit_code: i64) -> EventKind {
    EventKind::Die {
        exit_code: Some(exit_code),
    }
}

/// A container that was found running since 0.
fn found_running() -> Lifecycle {
    let mut lifecycle = Lifecycle::default();
    lifecycle.inspected(&running(0, 0));
    lifecycle
}

fn told(lifecycle: &mut Lifecycle, events: &[(i64, EventKind)]) {
    for (when, kind) in events {
        lifecycle.event(kind, at(*when));
    }
}

#[test]
fn a_container_found_running_has_one_start_that_was_not_seen() {
    let lifecycle = found_running();
    assert_eq!(lifecycle.starts().len(), 1);
    assert_eq!(lifecycle.starts_total(), 0);
    assert!(!lifecycle.exit_unplanned());
}

#[test]
fn a_restart_by_a_person_is_planned() {
    let mut lifecycle = found_running();
    // The order in which Engine 20.10 tells of `docker restart`.
    let events = [
        (100, kill(15)),
        (10_100, kill(9)),
        (10_150, die(137)),
        (10_160, EventKind::Stop),
        (10_300, EventKind::Start),
        (10_301, EventKind::Restart),
    ];
    told(&mut lifecycle, &events);
    lifecycle.inspected(&running(10_290, 0));
    let last = *lifecycle.starts().last().unwrap();
    assert!(!last.unplanned);
    assert_eq!((last.at, last.exit_code), (at(10_290), Some(137)));
    assert_eq!((lifecycle.starts_total(), lifecycle.exit_unplanned()), (1, false));
}

#[test]
fn kill_and_stop_are_planned_and_the_start_after_them_too() {
    for events in [
        vec![(50, kill(9)), (60, die(137))],
        vec![(50, kill(15)), (60, die(143)), (61, EventKind::Stop)],
        // A person who waits longer than anybody should: only the stop event tells.
        vec![(50, kill(15)), (900_000, die(0)), (900_001, EventKind::Stop)],
    ] {
        let mut lifecycle = found_running();
        told(&mut lifecycle, &events);
        assert!(!lifecycle.exit_unplanned(), "{events:?}");
        lifecycle.event(&EventKind::Start, at(950_000));
        assert!(!lifecycle.starts().last().unwrap().unplanned, "{events:?}");
    }
}

#[test]
fn an_exit_of_its_own_is_unplanned() {
    for code in [0, 1, 137] {
        let mut lifecycle = found_running();
        told(&mut lifecycle, &[(500, die(code)), (700, EventKind::Start)]);
        assert!(lifecycle.exit_unplanned());
        let last = *lifecycle.starts().last().unwrap();
        assert_eq!((last.unplanned, last.exit_code), (true, Some(code)));
    }
}

#[test]
fn a_signal_that_asks_for_no_end_plans_no_exit() {
    for (signal, pause) in [(1, 10), (10, 10), (15, 3_600_000)] {
        let mut lifecycle = found_running();
        told(&mut lifecycle, &[(100, kill(signal)), (100 + pause, die(1))]);
        assert!(lifecycle.exit_unplanned(), "signal {signal}, {pause} ms before");
    }
}

#[test]
fn a_containers_own_stop_signal_and_patience_count() {
    let mut lifecycle = Lifecycle::default();
    lifecycle.inspected(&Vitals {
        stop_signal: Some(10),
        stop_timeout: Some(Duration::from_secs(300)),
        ..running(0, 0)
    });
    told(&mut lifecycle, &[(100, kill(10)), (250_000, die(0))]);
    assert!(!lifecycle.exit_unplanned());
}

#[test]
fn running_out_of_memory_is_told_with_the_next_start() {
    let mut lifecycle = found_running();
    told(
        &mut lifecycle,
        &[(500, EventKind::Oom), (510, die(137)), (700, EventKind::Start)],
    );
    assert!(lifecycle.starts().last().unwrap().oom_killed);
    told(&mut lifecycle, &[(900, die(1)), (950, EventKind::Start)]);
    assert!(
        !lifecycle.starts().last().unwrap().oom_killed,
        "that was the run before"
    );
}

/// A busy engine tells of the exit first, and its flag then stays unset for good.
#[test]
fn running_out_of_memory_may_be_told_after_the_exit() {
    let mut lifecycle = found_running();
    told(&mut lifecycle, &[(500, die(137)), (510, EventKind::Oom)]);
    lifecycle.inspected(&exited(0, 499, 137));
    assert!(lifecycle.ended_out_of_memory());
    told(&mut lifecycle, &[(700, EventKind::Start)]);
    assert!(lifecycle.starts().last().unwrap().oom_killed);
    told(&mut lifecycle, &[(900, die(1))]);
    assert!(!lifecycle.ended_out_of_memory(), "that was the run before");
}

#[test]
fn the_flag_alone_tells_it_too() {
    let mut lifecycle = found_running();
    lifecycle.event(&die(137), at(500));
    lifecycle.inspected(&Vitals {
        oom_killed: true,
        ..exited(0, 499, 137)
    });
    lifecycle.event(&EventKind::Start, at(700));
    assert!(lifecycle.starts().last().unwrap().oom_killed);
}

#[test]
fn a_crash_loop_counts_each_start_once_however_inspects_fall_between() {
    let mut lifecycle = found_running();
    for round in 1..=5_u64 {
        let from = i64::try_from(round).unwrap() * 1000;
        lifecycle.event(&die(1), at(from));
        // Ahead of the event that tells of it.
        lifecycle.inspected(&running(from + 100, round));
        lifecycle.event(&EventKind::Start, at(from + 105));
        lifecycle.inspected(&running(from + 100, round));
    }
    assert_eq!(lifecycle.starts_total(), 5);
    assert_eq!(lifecycle.starts().len(), 6);
    assert!(
        lifecycle
            .starts()
            .iter()
            .skip(1)
            .all(|start| start.unplanned && start.exit_code == Some(1))
    );
}

#[test]
fn an_inspect_far_ahead_of_the_events_is_explained_by_them() {
    let mut lifecycle = found_running();
    lifecycle.event(&kill(15), at(400));
    lifecycle.inspected(&running(600, 0));
    told(
        &mut lifecycle,
        &[
            (500, die(143)),
            (501, EventKind::Stop),
            (605, EventKind::Start),
            (606, EventKind::Restart),
        ],
    );
    assert_eq!(lifecycle.starts_total(), 1);
    let last = *lifecycle.starts().last().unwrap();
    assert_eq!((last.unplanned, last.exit_code, last.at), (false, Some(143), at(600)));

    lifecycle.inspected(&running(900, 1));
    told(&mut lifecycle, &[(800, die(1)), (905, EventKind::Start)]);
    assert_eq!(lifecycle.starts_total(), 2);
    let last = *lifecycle.starts().last().unwrap();
    assert_eq!((last.unplanned, last.exit_code), (true, Some(1)));
    assert!(lifecycle.exit_unplanned());
}

#[test]
fn an_inspect_behind_the_events_changes_nothing() {
    let mut lifecycle = found_running();
    told(&mut lifecycle, &[(500, die(1)), (700, EventKind::Start)]);
    let before = lifecycle.starts();
    lifecycle.inspected(&running(0, 0));
    assert_eq!(lifecycle.starts(), before);
    lifecycle.inspected(&exited(0, 499, 1));
    assert_eq!(lifecycle.starts(), before);
    assert_eq!(lifecycle.starts_total(), 1);
}

#[test]
fn restarts_during_an_outage_are_counted_from_dockers_own_count() {
    let mut lifecycle = found_running();
    lifecycle.inspected(&running(40_000, 4));
    assert_eq!(lifecycle.starts_total(), 4);
    let starts = lifecycle.starts();
    assert_eq!(
        starts.iter().skip(1).map(|start| start.at).collect::<Vec<_>>(),
        [at(10_000), at(20_000), at(30_000), at(40_000)]
    );
    assert!(starts.iter().skip(1).all(|start| start.unplanned));
    assert!(lifecycle.exit_unplanned());
}

#[test]
fn a_start_during_an_outage_that_docker_does_not_count_was_somebodys_wish() {
    let mut lifecycle = found_running();
    lifecycle.inspected(&running(40_000, 0));
    assert_eq!(lifecycle.starts_total(), 1);
    assert!(!lifecycle.starts().last().unwrap().unplanned);
}

#[test]
fn an_exit_during_an_outage_is_judged_by_what_it_left() {
    for (code, oom_killed, unplanned) in [
        (1, false, true),
        (143, false, false),
        (137, false, false),
        (137, true, true),
    ] {
        let mut lifecycle = found_running();
        lifecycle.inspected(&Vitals {
            oom_killed,
            ..exited(0, 5_000, code)
        });
        assert_eq!(lifecycle.exit_unplanned(), unplanned, "{code} {oom_killed}");
    }
}

#[test]
fn the_event_corrects_what_an_inspect_let_guess() {
    let mut lifecycle = found_running();
    lifecycle.inspected(&exited(0, 5_000, 137));
    assert!(!lifecycle.exit_unplanned());
    lifecycle.event(&die(137), at(5_001));
    assert!(lifecycle.exit_unplanned(), "nobody sent a signal");
}

#[test]
fn a_container_seen_from_its_creation_counts_its_first_start() {
    let mut looked_at = Lifecycle::default();
    looked_at.inspected(&Vitals {
        status: ContainerStatus::Created,
        started_at: None,
        ..running(0, 0)
    });
    looked_at.event(&EventKind::Start, at(20));
    looked_at.inspected(&running(10, 0));

    // The engine may hold back the first inspect until the container has crashed for the first time.
    let mut heard_of = Lifecycle::default();
    told(&mut heard_of, &[(1, EventKind::Create), (20, EventKind::Start)]);
    heard_of.inspected(&running(10, 1));

    let mut ahead = Lifecycle::default();
    ahead.event(&EventKind::Create, at(1));
    ahead.inspected(&running(10, 0));
    ahead.event(&EventKind::Start, at(20));

    for lifecycle in [looked_at, heard_of, ahead] {
        let starts = lifecycle.starts();
        assert_eq!((starts.len(), lifecycle.starts_total()), (1, 1));
        assert_eq!((starts[0].at, starts[0].unplanned), (at(10), false));
    }
}

#[test]
fn a_container_met_in_the_middle_of_a_crash_loop_shows_it_at_once() {
    let mut found = Lifecycle::default();
    found.inspected(&running(0, 7));
    let mut heard = Lifecycle::default();
    heard.event(&EventKind::Start, at(5));
    heard.inspected(&running(0, 7));
    for lifecycle in [found, heard] {
        assert!(lifecycle.starts()[0].unplanned);
    }
    let mut seen_from_the_first = Lifecycle::default();
    told(
        &mut seen_from_the_first,
        &[(5, EventKind::Start), (100, die(1)), (200, EventKind::Start)],
    );
    seen_from_the_first.inspected(&running(195, 1));
    let unplanned: Vec<_> = seen_from_the_first
        .starts()
        .iter()
        .map(|start| start.unplanned)
        .collect();
    assert_eq!(unplanned, [false, true]);
}

#[test]
fn keeps_the_last_sixteen() {
    let mut lifecycle = found_running();
    for round in 1..=40 {
        told(
            &mut lifecycle,
            &[(round * 1000, die(1)), (round * 1000 + 500, EventKind::Start)],
        );
    }
    let starts = lifecycle.starts();
    assert_eq!((starts.len(), lifecycle.starts_total()), (16, 40));
    assert_eq!(starts[15].at, at(40_500));
}

proptest! {
    /// However often and late events come again, and whenever inspects fall between, a start is counted once.
    #[test]
    fn replayed_events_count_nothing_twice(rounds in 1_i64..8, inspects in proptest::collection::vec(any::<bool>(), 64)) {
        let mut lifecycle = found_running();
        let mut inspects = inspects.into_iter();
        for round in 1..=rounds {
            let count = u64::try_from(round).unwrap();
            let story = [(round * 1000, die(1)), (round * 1000 + 110, EventKind::Start)];
            for (when, kind) in story.iter().chain(&story) {
                lifecycle.event(kind, at(*when));
                if inspects.next() == Some(true) {
                    lifecycle.inspected(&running(round * 1000 + 100, count));
                }
            }
        }
        prop_assert_eq!(lifecycle.starts_total(), count_of(rounds));
        prop_assert!(lifecycle.starts().windows(2).all(|pair| pair[0].at <= pair[1].at));
    }
}

fn count_of(rounds: i64) -> u64 {
    u64::try_from(rounds).unwrap()
}
