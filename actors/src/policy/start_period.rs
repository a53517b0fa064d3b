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
