//! Whether a result is too old to be believed.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::{Moment, ServiceSpec};

/// Intervals past the due time after which nothing is known any more.
const INTERVALS: u32 = 3;

/// How long a result is overdue, once that is too long. `next_due` is the probe's word; where no probe has the service,
/// the next cycle would have been due an interval after the last.
pub(super) fn overdue(
    spec: &ServiceSpec,
    next_due: Option<Instant>,
    last_heard: Option<Instant>,
    now: Moment,
) -> Option<Duration> {
    let due = next_due.or_else(|| last_heard.map(|heard| heard + spec.interval))?;
    let late = now.mono.saturating_duration_since(due);
    (late > spec.interval.saturating_mul(INTERVALS)).then_some(late)
}
