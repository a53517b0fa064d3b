//! Whether a result is too old to be believed.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::{Moment, ServiceSpec};

/// Intervals past the due time after which nothing is known any more.
const INTERVALS: u32 = 3;

/// However short the interval is, a result is believed for as long as the monitor may take to repair itself: until a blocked
/// thread is left behind, or a silent probe is started again.
const LEAST: Duration = Duration::from_secs(10);

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
    (late > spec.interval.saturating_mul(INTERVALS).max(LEAST)).then_some(late)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::*;
    use super::*;

    #[test]
    fn three_intervals_past_the_due_time_are_too_many() {
        let now = start();
        let due = Some(now.mono);
        assert_eq!(overdue(&spec(), due, None, now + seconds(30)), None);
        assert_eq!(overdue(&spec(), due, None, now + seconds(31)), Some(seconds(31)));
        // The due time counts, however far it is from the last result.
        assert_eq!(
            overdue(&spec(), Some(now.mono + seconds(900)), due, now + seconds(800)),
            None
        );
        assert_eq!(overdue(&spec(), None, due, now + seconds(40)), None);
        assert_eq!(overdue(&spec(), None, due, now + seconds(41)), Some(seconds(31)));
        assert_eq!(overdue(&spec(), None, None, now + seconds(900)), None);
    }

    #[test]
    fn a_short_interval_leaves_the_monitor_time_to_repair_itself() {
        let now = start();
        let hasty = ServiceSpec {
            interval: seconds(1),
            ..spec()
        };
        assert_eq!(overdue(&hasty, Some(now.mono), None, now + seconds(10)), None);
        assert_eq!(
            overdue(&hasty, Some(now.mono), None, now + seconds(11)),
            Some(seconds(11))
        );
    }
}
