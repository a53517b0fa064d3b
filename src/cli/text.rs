//! Times, shares and what others wrote, as people read them.

use jiff::Timestamp;

use crate::history::model::{DAY, HOUR, MINUTE};

/// A time in UTC, to the second.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A time in UTC, to the millisecond.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// Milliseconds in their two largest units: `3d 4h`, `1m 12s`, `0.4s`.
pub(super) fn length(millis: u64) -> String {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    let two = |large: i64, of_large: &str, small: i64, of_small: &str| match (millis % large) / small {
        0 => format!("{}{of_large}", millis / large),
        rest => format!("{}{of_large} {rest}{of_small}", millis / large),
    };
    match millis {
        0 => "0s".to_owned(),
        1..10_000 => format!("{:.1}s", millis as f64 / 1_000.0),
        10_000..MINUTE => format!("{}s", millis / 1_000),
        MINUTE..HOUR => two(MINUTE, "m", 1_000, "s"),
        HOUR..DAY => two(HOUR, "h", MINUTE, "m"),
        _ => two(DAY, "d", HOUR, "h"),
    }
}

/// A share in per cent, rounded down: less than all is never shown as all.
pub(super) fn percent(share: Option<f64>) -> String {
    match share {
        Some(share) => format!("{:.2} %", (share * 10_000.0 + 1e-9).floor() / 100.0),
        None => "-".to_owned(),
    }
}

/// Microseconds as milliseconds with three digits that count.
pub(super) fn millis(micros: Option<f64>) -> String {
    match micros.map(|micros| micros / 1_000.0) {
        None => "-".to_owned(),
        Some(millis) if millis < 10.0 => format!("{millis:.2} ms"),
        Some(millis) if millis < 100.0 => format!("{millis:.1} ms"),
        Some(millis) => format!("{millis:.0} ms"),
    }
}

/// What others wrote, on one line and without what a terminal would obey.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

/// At most this many letters, the last of them a sign of what is left out.
pub(super) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut shown: String = text.chars().take(most.saturating_sub(1)).collect();
    shown.push('…');
    shown
}

/// A name that others gave, cleaned and shortened.
pub(super) fn name(text: &str) -> String {
    shorten(&clean(text), 128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_two_units() {
        for (millis, shown) in [
            (0, "0s"),
            (400, "0.4s"),
            (12_300, "12s"),
            (72_000, "1m 12s"),
            (120_000, "2m"),
            (3_661_000, "1h 1m"),
            (273_600_000, "3d 4h"),
        ] {
            assert_eq!(length(millis), shown);
        }
    }

    #[test]
    fn what_others_wrote_cannot_move_the_cursor() {
        assert_eq!(clean("a\u{1b}[2Jb\n"), "a [2Jb ");
        assert_eq!(
            (shorten("abcdef", 4), shorten("abcd", 4)),
            ("abc…".to_owned(), "abcd".to_owned())
        );
    }
}
