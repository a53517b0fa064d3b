//! Durations as people say them.

use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A duration in the largest unit of which it has two or more: `250 ms`, `90 s`, `3 min`, `2 h`, `5 days`. Rounded down.
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if !duration.is_zero() => format!("{} ms", duration.as_millis()),
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / MINUTE),
        7_200..172_800 => format!("{} h", seconds / HOUR),
        _ => format!("{} days", seconds / DAY),
    }
}

/// How long ago something was. Coarse within the first minute, so that a reason does not change with every second.
pub fn ago(age: Duration) -> String {
    match age.as_secs() {
        0..10 => "just now".to_owned(),
        10..MINUTE => "less than 1 min ago".to_owned(),
        MINUTE..120 => "1 min ago".to_owned(),
        _ => format!("{} ago", human(age)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_the_largest_unit_that_says_enough() {
        for (seconds, text) in [
            (0, "0 s"),
            (1, "1 s"),
            (119, "119 s"),
            (120, "2 min"),
            (180, "3 min"),
            (7_199, "119 min"),
            (7_200, "2 h"),
            (172_800, "2 days"),
        ] {
            assert_eq!(human(Duration::from_secs(seconds)), text);
        }
        assert_eq!(human(Duration::from_millis(250)), "250 ms");
    }

    #[test]
    fn an_age_is_coarse_in_the_first_minute() {
        for (seconds, text) in [
            (0, "just now"),
            (9, "just now"),
            (10, "less than 1 min ago"),
            (60, "1 min ago"),
            (120, "2 min ago"),
            (7_200, "2 h ago"),
        ] {
            assert_eq!(ago(Duration::from_secs(seconds)), text);
        }
    }
}
