//! When a service's cycles are due.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::{Moment, ServiceSpec};

use super::PolicyState;

/// First cycles are due within this time after start-up.
const FIRST_WITHIN: Duration = Duration::from_secs(2);

/// After a cycle that did not measure its service the next one is due within this time, however long the interval is. Not
/// sooner: where the monitor is short of something, asking more often does not help.
const UNMEASURED_AGAIN: Duration = Duration::from_secs(30);

/// When the first cycle is due: within 2 s (or one interval, if shorter), spread by `random`.
pub fn first_due(spec: &ServiceSpec, now: Moment, random: f64) -> Instant {
    now.mono + FIRST_WITHIN.min(spec.interval).mul_f64(random)
}

/// When the next cycle is due, after one that was due at `cycle_due` has ended. Never in the past: missed ticks are
/// skipped, not made up.
///
/// On schedule it is the next tick of the service's own phase, so that services that were started together are spread
/// over the interval from their second cycle on, and return to their places after a disturbance. While a change is
/// pending or the service is starting it is `retry_interval` after the last, or as many of them as it takes; after a cycle
/// that measured nothing it is 30 s, where the interval is longer. The trial of an open breaker has its own time.
pub fn next_due(spec: &ServiceSpec, policy: &PolicyState, cycle_due: Instant, now: Moment) -> Instant {
    if let Some(trial) = policy.breaker.not_before() {
        return trial.max(now.mono);
    }
    let last = cycle_due.max(now.mono);
    if policy.is_unsettled(now) {
        next_tick(cycle_due, spec.retry_interval.min(spec.interval), last)
    } else if policy.was_unmeasured && spec.interval > UNMEASURED_AGAIN {
        next_tick(cycle_due, UNMEASURED_AGAIN, last)
    } else {
        next_tick(policy.anchor.unwrap_or(cycle_due), spec.interval, last)
    }
}

/// How many ticks between a cycle that was due at `cycle_due` and the next are left out: it took too long, or the monitor stood
/// still. The pauses of a breaker that is not closed are meant, and none of these.
pub fn skipped(spec: &ServiceSpec, policy: &PolicyState, cycle_due: Instant, next: Instant) -> u64 {
    if !policy.may_retry() {
        return 0;
    }
    let ticks = next.saturating_duration_since(cycle_due).as_nanos() / spec.interval.as_nanos().max(1);
    u64::try_from(ticks.saturating_sub(1)).unwrap_or(u64::MAX)
}

/// When a probe that takes another's place runs its first cycle: at the other's due time, and where that has passed
/// meanwhile, as [`next_due`] says.
pub fn resume(spec: &ServiceSpec, policy: &PolicyState, due: Instant, now: Moment) -> Instant {
    if due > now.mono {
        due
    } else {
        next_due(spec, policy, due, now)
    }
}

/// A tick of the service's own phase: up to an interval from now, by its name.
pub(super) fn anchor(spec: &ServiceSpec, now: Moment) -> Instant {
    now.mono + spec.interval.mul_f64(share(spec.name.as_str()))
}

/// A number in `[0, 1)` that the name decides: FNV-1a, and since names of one pattern (`app-1`, `app-2`) come out close
/// together there, MurmurHash3's finaliser over it.
fn share(name: &str) -> f64 {
    let hashed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hashed ^ (hashed >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    f64::from((mixed >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
}

/// The first `anchor + n * step`, for a whole n of either sign, that comes after `last`.
fn next_tick(anchor: Instant, step: Duration, last: Instant) -> Instant {
    // The configuration refuses a step of nothing; here it must not divide.
    let step = step.max(Duration::from_millis(1)).as_nanos();
    let past_tick = if last >= anchor {
        last.duration_since(anchor).as_nanos() % step
    } else {
        (step - anchor.duration_since(last).as_nanos() % step) % step
    };
    last + Duration::from_nanos(u64::try_from(step - past_tick).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixtures::*;
    use super::*;
    use crate::model::{ServiceName, ServiceSpec, Verdict};

    #[test]
    fn first_cycles_are_due_within_two_seconds_or_an_interval() {
        let now = start();
        assert_eq!(first_due(&spec(), now, 0.0), now.mono);
        assert_eq!(first_due(&spec(), now, 0.5), now.mono + seconds(1));
        let hasty = ServiceSpec {
            interval: seconds(1),
            ..spec()
        };
        assert_eq!(first_due(&hasty, now, 0.5), now.mono + Duration::from_millis(500));
    }

    #[test]
    fn later_cycles_are_spread_evenly_over_the_interval() {
        let mut tenths = [0_u32; 10];
        for number in 0..1_000 {
            let mut world = World::settled(ServiceSpec {
                name: ServiceName::new(&format!("service-{number}")).unwrap(),
                ..spec()
            });
            world.passes();
            let wait = world.next_due.unwrap() - world.now.mono;
            assert!(wait > Duration::ZERO && wait <= seconds(10));
            tenths[usize::try_from(wait.as_nanos().saturating_sub(1) / 1_000_000_000).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|count| (60..140).contains(count)), "{tenths:?}");
    }

    #[test]
    fn cycles_come_an_interval_apart_and_missed_ones_are_skipped() {
        let mut world = World::settled(spec());
        world.passes();
        world.passes();
        let due = world.now.mono;
        assert_eq!(world.next_due, Some(due + seconds(10)));
        let after = |late| next_due(&world.spec, &world.policy, due, world.now + late);
        assert_eq!(after(seconds(9)), due + seconds(10));
        assert_eq!(after(seconds(10)), due + seconds(20));
        assert_eq!(after(seconds(34)), due + seconds(40));
    }

    #[test]
    fn ticks_that_were_left_out_are_counted_unless_the_breaker_meant_it() {
        let mut world = World::settled(spec());
        world.passes();
        world.passes();
        let due = world.now.mono;
        let left_out = |world: &World, late| {
            let next = next_due(&world.spec, &world.policy, due, world.now + late);
            skipped(&world.spec, &world.policy, due, next)
        };
        assert_eq!([0, 9, 10, 34].map(|late| left_out(&world, seconds(late))), [0, 0, 1, 3]);
        for _ in 0..5 {
            world.fails();
        }
        let trial = next_due(&world.spec, &world.policy, world.now.mono, world.now);
        assert_eq!(
            skipped(&world.spec, &world.policy, world.now.mono, trial + seconds(60)),
            0
        );
    }

    #[test]
    fn a_pending_change_is_looked_at_soon_and_the_phase_is_kept() {
        let mut world = World::settled(spec());
        world.passes();
        world.passes();
        let due = world.now.mono;
        world.fails();
        let failed = world.now.mono;
        assert_eq!(failed, due + seconds(10));
        assert_eq!(world.next_due, Some(failed + seconds(2)));
        let after_timeout = next_due(&world.spec, &world.policy, failed, world.now + seconds(5));
        assert_eq!(after_timeout, failed + seconds(6));
        world.passes();
        assert_eq!(world.next_due, Some(failed + seconds(10)));
    }

    #[test]
    fn a_starting_service_is_looked_at_soon() {
        let mut world = World::new(spec());
        world.has(vec![running("kafka", seconds(0), world.now)]);
        world.fails();
        assert_eq!(world.next_due, Some(world.now.mono + seconds(2)));
        world.passes();
        world.passes();
        let due = world.now.mono;
        world.passes();
        assert_eq!(world.now.mono, due + seconds(10));
    }

    #[test]
    fn an_open_breakers_trial_has_its_own_time() {
        let mut world = World::settled(spec());
        for _ in 0..5 {
            world.fails();
        }
        assert_eq!(world.next_due, Some(world.now.mono + seconds(15)));
        world.pass(seconds(99));
        let due = next_due(&world.spec, &world.policy, world.now.mono, world.now);
        assert_eq!(due, world.now.mono);
    }

    #[test]
    fn the_longest_way_to_see_a_failure() {
        // A cycle that just passed; then every attempt times out, so no retry fits.
        let mut world = World::settled(spec());
        world.passes();
        world.passes();
        let failed_at = world.now.mono;
        for _ in 0..2 {
            let due = world.next_due.unwrap();
            world.pass(due - world.now.mono + world.spec.timeout);
            let no_answer = outcome(
                Verdict::Fail(crate::model::FailureKind::Timeout),
                "no answer",
                world.now,
            );
            world.policy.record(&world.spec, &no_answer, world.now, MIDDLE);
            world.last = Some(no_answer);
            world.next_due = Some(next_due(&world.spec, &world.policy, due, world.now));
        }
        assert_eq!(world.decide().status, crate::model::Status::Unhealthy);
        let took = world.now.mono - failed_at;
        let limit = world.spec.interval + 2 * world.spec.timeout + world.spec.retry_interval;
        assert!(took <= limit, "{took:?}");
    }

    #[test]
    fn a_successor_keeps_the_phase() {
        let mut world = World::settled(spec());
        world.passes();
        world.passes();
        let due = world.next_due.unwrap();
        assert_eq!(resume(&world.spec, &world.policy, due, world.now), due);
        let late = world.now + seconds(25);
        assert_eq!(resume(&world.spec, &world.policy, due, late), due + seconds(20));
    }

    proptest! {
        #[test]
        fn the_next_tick_is_the_first_of_the_phase_after_the_last(
            anchor in 0..200_000_u64,
            last in 0..200_000_u64,
            step in 1..50_000_u64,
        ) {
            let zero = start().mono;
            let at = |ms: u64| zero + Duration::from_millis(ms);
            let tick = next_tick(at(anchor), Duration::from_millis(step), at(last));
            let after = u64::try_from((tick - at(last)).as_millis()).unwrap();
            prop_assert!(after > 0 && after <= step);
            prop_assert_eq!((last + after).abs_diff(anchor) % step, 0);
        }
    }
}
