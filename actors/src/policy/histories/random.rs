//! Random histories.

use proptest::prelude::*;

use super::*;

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        3 => Just(Verdict::Pass),
        6 => Just(Verdict::Fail(FailureKind::Refused)),
        3 => prop::sample::select(&VERDICTS[..]),
    ]
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    let preflight = prop::sample::select(vec![
        FailureKind::Container,
        FailureKind::DockerUnavailable,
        FailureKind::Ambiguous,
    ]);
    prop_oneof![
        3 => (0..90_u64).prop_map(Event::Wait),
        8 => Just(Event::Due),
        12 => verdict().prop_map(Event::Cycle),
        1 => preflight.prop_map(Event::Preflight),
        1 => Just(Event::Discarded),
        1 => Just(Event::Lost),
        1 => (verdict(), 1..20_u64).prop_map(|(verdict, length)| Event::Outlived(verdict, length)),
        1 => any::<bool>().prop_map(|unplanned| Event::Restart { unplanned }),
        1 => Just(Event::Stop),
        1 => Just(Event::Pause),
        1 => Just(Event::Unpause),
        1 => Just(Event::Reconnect),
        1 => any::<bool>().prop_map(Event::Replica),
        1 => Just(Event::Mended),
    ]
}

pub(super) fn spec() -> impl Strategy<Value = ServiceSpec> {
    let interval = prop::sample::select(vec![1_u64, 10, 30, 60, 300, 3_600]);
    let thresholds = (1..5_u32, 1..5_u32).prop_map(|(failure, success)| Thresholds { failure, success });
    (interval, thresholds).prop_map(|(interval, thresholds)| service(interval, thresholds))
}

/// Events with their random numbers, at most so many.
pub(super) fn history(longest: usize) -> impl Strategy<Value = Vec<(Event, f64)>> {
    prop::collection::vec((event(), 0.0..1.0), 0..longest)
}

/// So many cases, or as many as `PROPTEST_CASES` says, for a longer run.
pub(in crate::policy) fn cases(usual: u32) -> ProptestConfig {
    match std::env::var("PROPTEST_CASES") {
        Ok(_) => ProptestConfig::default(),
        Err(_) => ProptestConfig::with_cases(usual),
    }
}

proptest! {
    #![proptest_config(cases(1_500))]

    /// After every event the machine says what the reference works out from the whole history, and every invariant of
    /// [`Histories`] holds.
    #[test]
    fn the_machine_is_the_reference(spec in spec(), history in history(120)) {
        let mut histories = Histories::new(spec);
        histories.check();
        for (event, draw) in history {
            histories.happen(event, draw);
            histories.check();
        }
    }
}
