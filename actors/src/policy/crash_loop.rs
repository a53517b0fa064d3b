//! Containers that start again and again because they end again and again.

use std::fmt;
use std::time::Duration;

use crate::model::{ContainerState, Moment};

use super::human;

/// Unplanned starts that make a crash loop.
const STARTS: usize = 3;
/// The time in which they must fall.
const WINDOW: Duration = Duration::from_secs(10 * 60);
/// The time up after which the loop is over.
const OVER_AFTER: Duration = Duration::from_secs(2 * 60);

/// A crash loop that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CrashLoop {
    starts: usize,
    span: Duration,
    exit_code: Option<i64>,
    oom_killed: bool,
}

/// The crash loop that a container is in: three unplanned starts in ten minutes, until it has stayed up for two. A
/// start that somebody asked for begins a new count.
pub(super) fn crash_loop(container: &ContainerState, now: Moment) -> Option<CrashLoop> {
    let last = container.starts.last()?;
    let since_last = now.since_wall(last.at);
    let is_over = if container.is_running() {
        since_last >= OVER_AFTER
    } else {
        since_last >= WINDOW
    };
    if is_over {
        return None;
    }
    let newest_first = container.starts.iter().rev();
    let in_window = newest_first.take_while(|start| start.unplanned && before(last.at, start.at) < WINDOW);
    let (starts, first) = in_window.fold((0, last), |(count, _), start| (count + 1, start));
    if starts < STARTS {
        return None;
    }
    let (exit_code, oom_killed) = if container.is_running() {
        (last.exit_code, last.oom_killed)
    } else {
        (container.exit_code, container.oom_killed)
    };
    Some(CrashLoop {
        starts,
        span: before(last.at, first.at),
        exit_code,
        oom_killed,
    })
}

fn before(later: jiff::Timestamp, earlier: jiff::Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or(Duration::ZERO)
}

impl fmt::Display for CrashLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "restarting repeatedly ({} starts in {}",
            self.starts,
            human(self.span)
        )?;
        if let Some(exit_code) = self.exit_code {
            write!(f, ", last exit {exit_code}")?;
        }
        if self.oom_killed {
            f.write_str(", out of memory")?;
        }
        f.write_str(")")
    }
}
