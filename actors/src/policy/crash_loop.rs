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

#[cfg(test)]
mod tests {
    use super::super::fixtures::*;
    use super::*;
    use crate::model::ContainerStatus;

    /// A container that last started just now; starts are seconds before now, `!` after an exit that nobody asked for.
    fn started(starts: &[(u64, bool)], now: Moment) -> ContainerState {
        let mut container = running("a", seconds(0), now);
        container.starts = starts
            .iter()
            .map(|(before, unplanned)| start_at(now.wall - seconds(*before), *unplanned))
            .collect();
        container
    }

    #[test]
    fn three_unplanned_starts_in_ten_minutes_make_one() {
        let now = start();
        for (starts, count) in [
            (&[][..], None),
            (&[(3, true)], None),
            (&[(9, true), (3, true)], None),
            (&[(9, true), (3, true), (0, true)], Some(3)),
            (&[(700, true), (599, true), (300, true), (0, true)], Some(3)),
            (&[(700, true), (600, true), (300, true), (0, true)], None),
            (&[(9, false), (8, true), (7, true), (6, true), (5, true)], Some(4)),
            (&[(9, true), (8, true), (7, true), (6, false)], None),
            (&[(9, true), (8, true), (7, true), (6, false), (5, true)], None),
        ] {
            let found = crash_loop(&started(starts, now), now);
            assert_eq!(found.map(|found| found.starts), count, "{starts:?}");
        }
    }

    #[test]
    fn it_is_over_after_two_minutes_up() {
        let now = start();
        let container = started(&[(40, true), (20, true), (0, true)], now);
        assert!(crash_loop(&container, now + seconds(119)).is_some());
        assert!(crash_loop(&container, now + seconds(120)).is_none());
        let waiting = with_status(&container, ContainerStatus::Restarting);
        assert!(crash_loop(&waiting, now + seconds(300)).is_some());
        assert!(crash_loop(&waiting, now + seconds(600)).is_none());
    }

    #[test]
    fn it_says_how_often_and_how_the_last_run_ended() {
        let now = start();
        let mut container = started(&[(180, true), (120, true), (60, true), (30, true), (0, true)], now);
        let text = |container: &ContainerState| crash_loop(container, now).unwrap().to_string();
        assert_eq!(
            text(&container),
            "restarting repeatedly (5 starts in 3 min, last exit 137, out of memory)"
        );
        container.status = ContainerStatus::Restarting;
        container.exit_code = Some(1);
        assert_eq!(
            text(&container),
            "restarting repeatedly (5 starts in 3 min, last exit 1)"
        );
    }
}
