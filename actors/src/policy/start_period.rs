//! The time after a start in which failures are not held against a service.

use tokio::time::Instant;

use crate::model::{ContainerState, Moment, ServiceSpec};

/// When the start period ends; `None` where there is none, or a success ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct StartPeriod {
    pub(super) ends: Option<Instant>,
}

// === impl StartPeriod ===

impl StartPeriod {
    /// The start period of a container that started: the service's or its own, whichever is longer, counted from its
    /// start. None after an exit that nobody asked for: what crashes is not starting, it is failing.
    pub(super) fn after_start(spec: &ServiceSpec, container: &ContainerState, now: Moment) -> Self {
        let Some(started_at) = container.started_at else {
            return Self::default();
        };
        if follows_unplanned_exit(container) {
            return Self::default();
        }
        let period = spec.start_period.max(container.start_period);
        let left = period.saturating_sub(now.since_wall(started_at));
        Self {
            ends: (!left.is_zero()).then(|| now.mono + left),
        }
    }

    pub(super) fn is_active(&self, now: Moment) -> bool {
        self.ends.is_some_and(|ends| now.mono < ends)
    }

    pub(super) fn end(&mut self) {
        self.ends = None;
    }
}

fn follows_unplanned_exit(container: &ContainerState) -> bool {
    match container.starts.last() {
        Some(start) if Some(start.at) == container.started_at => start.unplanned,
        // The start itself is not listed yet; the exit before it is known all the same.
        _ => container.exit_unplanned && container.finished_at.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::*;
    use super::*;

    fn left(spec: &ServiceSpec, container: &ContainerState, now: Moment) -> Option<u64> {
        let period = StartPeriod::after_start(spec, container, now);
        period.ends.map(|ends| (ends - now.mono).as_secs())
    }

    #[test]
    fn it_is_counted_from_the_containers_start() {
        let now = start();
        assert_eq!(left(&spec(), &running("a", seconds(0), now), now), Some(60));
        assert_eq!(left(&spec(), &running("a", seconds(20), now), now), Some(40));
        assert_eq!(left(&spec(), &running("a", seconds(60), now), now), None);
        assert_eq!(left(&spec(), &created("a", now), now), None);
    }

    #[test]
    fn the_containers_own_counts_where_it_is_longer() {
        let now = start();
        let mut container = running("a", seconds(0), now);
        container.start_period = seconds(300);
        assert_eq!(left(&spec(), &container, now), Some(300));
        container.start_period = seconds(5);
        assert_eq!(left(&spec(), &container, now), Some(60));
    }

    #[test]
    fn there_is_none_after_an_unplanned_exit() {
        let now = start();
        let container = running("a", seconds(600), now);
        assert_eq!(left(&spec(), &restarted(&container, now.wall, true), now), None);
        assert_eq!(left(&spec(), &restarted(&container, now.wall, false), now), Some(60));
        // The start is not listed yet.
        let mut container = restarted(&container, now.wall, true);
        container.starts.pop();
        container.finished_at = Some(now.wall);
        assert_eq!(left(&spec(), &container, now), None);
    }

    #[test]
    fn it_ends_with_its_time_or_when_it_is_ended() {
        let now = start();
        let mut period = StartPeriod::after_start(&spec(), &running("a", seconds(0), now), now);
        assert!(period.is_active(now + seconds(59)));
        assert!(!period.is_active(now + seconds(60)));
        period.end();
        assert!(!period.is_active(now));
    }
}
