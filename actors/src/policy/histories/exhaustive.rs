//! All histories up to some length over a small alphabet.

use super::*;

/// Follows every history of so many events, and checks after each.
fn explore(histories: &Histories, alphabet: &[Event], left: usize) -> u64 {
    let mut seen = 1;
    if left == 0 {
        return seen;
    }
    for event in alphabet {
        let mut next = histories.fork();
        next.happen(*event, MIDDLE);
        next.check();
        seen += explore(&next, alphabet, left - 1);
    }
    seen
}

/// Of cycles alone, with every pair of small thresholds: 3 to the power of 8 histories for each.
#[test]
fn every_history_of_eight_cycles() {
    let cycles = [Verdict::Pass, Verdict::Warn, Verdict::Fail(FailureKind::Refused)].map(Event::Cycle);
    for failure in 1..=3 {
        for success in 1..=3 {
            let histories = Histories::new(service(10, Thresholds { failure, success }));
            assert_eq!(explore(&histories, &cycles, 8), (3_u64.pow(9) - 1) / 2);
        }
    }
}

/// Around an open breaker: nine events in every order, five of them, after the five failures that opened it.
#[test]
fn every_history_of_five_events_around_an_open_breaker() {
    let alphabet = [
        Event::Due,
        Event::Cycle(Verdict::Pass),
        Event::Cycle(Verdict::Fail(FailureKind::Refused)),
        Event::Cycle(Verdict::Fail(FailureKind::LocalResources)),
        Event::Preflight(FailureKind::Container),
        Event::Lost,
        Event::Mended,
        Event::Restart { unplanned: true },
        Event::Replica(true),
    ];
    let mut histories = Histories::new(service(10, Thresholds { failure: 2, success: 2 }));
    for _ in 0..5 {
        histories.happen(Event::Due, MIDDLE);
        histories.happen(Event::Cycle(Verdict::Fail(FailureKind::Refused)), MIDDLE);
        histories.check();
    }
    assert!(!histories.world.policy.may_retry(), "the breaker is open");
    explore(&histories, &alphabet, 5);
}

/// What befalls containers, in every order, between cycles that pass and fail.
#[test]
fn every_history_of_five_events_of_two_containers() {
    let alphabet = [
        Event::Cycle(Verdict::Pass),
        Event::Cycle(Verdict::Fail(FailureKind::Refused)),
        Event::Restart { unplanned: false },
        Event::Stop,
        Event::Pause,
        Event::Unpause,
        Event::Replica(true),
        Event::Replica(false),
        Event::Outlived(Verdict::Pass, 2),
    ];
    explore(
        &Histories::new(service(10, Thresholds { failure: 2, success: 1 })),
        &alphabet,
        5,
    );
}
