//! When a service's cycles are due.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::{Moment, ServiceSpec};

use super::PolicyState;

/// First cycles are due within this time after start-up.
const FIRST_WITHIN: Duration = Duration::from_secs(2);

/// When the first cycle is due: within 2 s, spread by `random`.
pub fn first_due(random: f64, now: Moment) -> Instant {
    now.mono + FIRST_WITHIN.mul_f64(random)
}

/// When the second cycle is due, once the first (due at `first_due`) has ended: half an interval to one and a half
/// later, so that services that were started together are spread over the interval from then on.
pub fn second_due(spec: &ServiceSpec, policy: &PolicyState, first_due: Instant, now: Moment, random: f64) -> Instant {
    if policy.breaker.not_before().is_some() || policy.is_unsettled(now) {
        return next_due(spec, policy, first_due, now);
    }
    (first_due + spec.interval.mul_f64(0.5 + random)).max(now.mono)
}

/// When the next cycle is due, after one that was due at `cycle_due` has ended: a step later, or as many steps as it
/// takes to be in the future. Missed ticks are skipped, never made up. The step is the interval, and `retry_interval`
/// while a change is pending or the service is starting; an open breaker's trial has its own time.
pub fn next_due(spec: &ServiceSpec, policy: &PolicyState, cycle_due: Instant, now: Moment) -> Instant {
    if let Some(trial) = policy.breaker.not_before() {
        return trial;
    }
    let step = if policy.is_unsettled(now) {
        spec.retry_interval.min(spec.interval)
    } else {
        spec.interval
    };
    next_tick(cycle_due, step, now.mono)
}

/// The first `due + n * step` after `now`, with n at least 1.
fn next_tick(due: Instant, step: Duration, now: Instant) -> Instant {
    // A step of nothing would be due for ever; the configuration refuses it, and this stays harmless.
    let step = step.max(Duration::from_millis(1));
    let late = now.saturating_duration_since(due).as_nanos();
    let into_step = late % step.as_nanos();
    let left = step.as_nanos() - into_step;
    let base = now.max(due);
    base + Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX))
}
