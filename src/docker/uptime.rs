//! The engine's words for how long ago something was, to see from the list alone whether it is still the same run.

use std::time::Duration;

use health_monitor_actors::model::{ContainerHealth, ContainerStatus, HealthVerdict};
use jiff::Timestamp;

/// How far the engine's clock and the time of its answer may be from ours, in seconds.
const TOLERANCE: [i64; 4] = [0, 1, -1, 3];

/// What decides how the list words a container's state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Worded<'a> {
    pub(super) status: ContainerStatus,
    pub(super) started_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
    pub(super) exit_code: Option<i64>,
    pub(super) health: Option<&'a ContainerHealth>,
}

/// Whether the list's `Status` (`Up 3 minutes (healthy)`) is what this state would read now. Where the engine words it
/// otherwise, the answer is no, which costs an inspect and nothing else.
pub(super) fn agrees(text: &str, known: Worded<'_>, now: Timestamp) -> bool {
    TOLERANCE.iter().any(|shift| {
        let now = now.checked_add(jiff::SignedDuration::from_secs(*shift)).unwrap_or(now);
        word(known, now).is_some_and(|words| words == text)
    })
}

fn word(known: Worded<'_>, now: Timestamp) -> Option<String> {
    let since = |then: Option<Timestamp>| Some(human(now.duration_since(then?).try_into().unwrap_or(Duration::ZERO)));
    let exit_code = known.exit_code.unwrap_or_default();
    match known.status {
        ContainerStatus::Running => {
            let uptime = since(known.started_at)?;
            Some(match known.health.map(|health| health.verdict) {
                None => format!("Up {uptime}"),
                Some(HealthVerdict::Starting) => format!("Up {uptime} (health: starting)"),
                Some(HealthVerdict::Healthy) => format!("Up {uptime} (healthy)"),
                Some(HealthVerdict::Unhealthy) => format!("Up {uptime} (unhealthy)"),
            })
        }
        ContainerStatus::Paused => Some(format!("Up {} (Paused)", since(known.started_at)?)),
        ContainerStatus::Exited => Some(format!("Exited ({exit_code}) {} ago", since(known.finished_at)?)),
        ContainerStatus::Restarting => Some(format!("Restarting ({exit_code}) {} ago", since(known.finished_at)?)),
        ContainerStatus::Created => Some("Created".to_owned()),
        ContainerStatus::Dead => Some("Dead".to_owned()),
        ContainerStatus::Removing => Some("Removal In Progress".to_owned()),
    }
}

/// A duration in the words of Docker's `go-units`.
fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let minutes = seconds / 60;
    let hours = (duration.as_secs_f64() / 3600.0).round() as u64;
    match (seconds, minutes, hours) {
        (0, ..) => "Less than a second".to_owned(),
        (1, ..) => "1 second".to_owned(),
        (seconds, ..) if seconds < 60 => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".to_owned(),
        (_, minutes, _) if minutes < 60 => format!("{minutes} minutes"),
        (_, _, 1) => "About an hour".to_owned(),
        (_, _, hours) if hours < 48 => format!("{hours} hours"),
        (_, _, hours) if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        (_, _, hours) if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        (_, _, hours) if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running_since(started_at: Timestamp) -> Worded<'static> {
        Worded {
            status: ContainerStatus::Running,
            started_at: Some(started_at),
            finished_at: None,
            exit_code: None,
            health: None,
        }
    }

    #[test]
    fn words_durations_as_the_engine_does() {
        for (seconds, words) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (3599, "59 minutes"),
            (3600, "About an hour"),
            (5399, "About an hour"),
            (5400, "2 hours"),
            (86_400, "24 hours"),
            (3 * 86_400, "3 days"),
            (15 * 86_400, "2 weeks"),
            (70 * 86_400, "2 months"),
            (800 * 86_400, "2 years"),
        ] {
            assert_eq!(human(Duration::from_secs(seconds)), words);
        }
    }

    #[test]
    fn sees_that_it_was_started_again() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let known = running_since(now - jiff::SignedDuration::from_secs(600));
        assert!(agrees("Up 10 minutes", known, now));
        assert!(!agrees("Up 3 seconds", known, now));
        assert!(!agrees("Up 10 minutes (unhealthy)", known, now));
        assert!(!agrees("Up 10 minutes (Paused)", known, now));
        assert!(!agrees("Exited (0) 3 seconds ago", known, now));
    }

    #[test]
    fn allows_for_the_time_between_the_answer_and_its_reading() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let known = running_since(now - jiff::SignedDuration::from_secs(30));
        for text in ["Up 29 seconds", "Up 30 seconds", "Up 31 seconds"] {
            assert!(agrees(text, known, now), "{text}");
        }
    }

    #[test]
    fn words_an_exit_with_its_code() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let known = Worded {
            status: ContainerStatus::Exited,
            finished_at: Some(now - jiff::SignedDuration::from_secs(120)),
            exit_code: Some(137),
            ..running_since(now)
        };
        assert!(agrees("Exited (137) 2 minutes ago", known, now));
        assert!(!agrees("Exited (1) 2 minutes ago", known, now));
    }
}
