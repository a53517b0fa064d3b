//! When a service's cycles are due.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::{Moment, ServiceSpec};

use super::PolicyState;

/// First cycles are due within this time after start-up.
const FIRST_WITHIN: Duration = Duration::from_secs(2);

/// When the first cycle is due: within 2 s (or one interval, if shorter), spread by `random`.
pub fn first_due(spec: &ServiceSpec, now: Moment, random: f64) -> Instant {
    now.mono + FIRST_WITHIN.min(spec.interval).mul_f64(random)
}

/// When the next cycle is due, after one that was due at `cycle_due` has ended; always in the future, so that missed
/// ticks are skipped and never made up.
///
/// On schedule it is the next tick of the service's own phase, so that services that were started together are spread
/// over the interval from their second cycle on, and return to their places after a disturbance. While a change is
/// pending or the service is starting it is `retry_interval` after the last, or as many of them as it takes. The trial
/// of an open breaker has its own time.
pub fn next_due(spec: &ServiceSpec, policy: &PolicyState, cycle_due: Instant, now: Moment) -> Instant {
    if let Some(trial) = policy.breaker.not_before() {
        return trial;
    }
    let last = cycle_due.max(now.mono);
    if policy.is_unsettled(now) {
        next_tick(cycle_due, spec.retry_interval.min(spec.interval), last)
    } else {
        next_tick(policy.anchor.unwrap_or(cycle_due), spec.interval, last)
    }
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

/// A number in `[0, 1)` that names decide, spread evenly: FNV-1a, whose upper bits are mixed well enough for that.
fn share(name: &str) -> f64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let hash = name
        .bytes()
        .fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    // The last bytes of a name reach the upper bits only by another round.
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(PRIME);
    f64::from((mixed ^ (mixed >> 32)) as u32) / (f64::from(u32::MAX) + 1.0)
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
