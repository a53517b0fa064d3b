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
