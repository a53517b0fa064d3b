//! Durations as people write them: `"500ms"`, `"10s"`, `"1m30s"`. For `#[serde(with = "crate::settings::duration")]`.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// Units from the largest, with their milliseconds. The order is the order in which they may be combined.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Longest duration that is taken, so that no sum of times overflows: ten years.
const MAX: u64 = 3_650 * 86_400_000;

/// Reads a duration; `None` where the text is none. Whole numbers with the units `d`, `h`, `m`, `s` and `ms`, the larger
/// first, each at most once.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut units = UNITS.iter();
    let mut total = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let letters = after
            .find(|letter: char| !letter.is_ascii_lowercase())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let (_, milliseconds) = units.by_ref().find(|(name, _)| *name == unit)?;
        let part = number.parse::<u64>().ok()?.checked_mul(*milliseconds)?;
        total = total.checked_add(part).filter(|total| *total <= MAX)?;
        rest = after;
    }
    Some(Duration::from_millis(total))
}

/// Writes a duration as [`parse`] reads it, to the millisecond.
pub fn format(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, milliseconds) in UNITS {
        let number = rest / milliseconds;
        if number > 0 {
            text.push_str(&format!("{number}{unit}"));
            rest %= milliseconds;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Reads a duration from its text.
///
/// # Errors
///
/// Where the text is no duration.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| serde::de::Error::custom(format!("'{text}' is not a duration such as \"10s\"")))
}

/// The same for a duration that may be absent; for `#[serde(default, with = "crate::settings::duration::optional")]`.
pub mod optional {
    use std::time::Duration;

    use serde::Deserializer;

    /// Reads a duration from its text.
    ///
    /// # Errors
    ///
    /// Where the text is no duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("2m", 120_000),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
            ("1d12h", 129_600_000),
            ("1s500ms", 1_500),
            ("0s", 0),
        ] {
            let duration = parse(text).unwrap();
            assert_eq!(duration, Duration::from_millis(milliseconds), "{text}");
            assert_eq!(format(duration), text);
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "10",
            "s",
            "ten seconds",
            "-5s",
            "1.5s",
            "10 s",
            "5s1m",
            "5s5s",
            "10S",
            "99999999999999999999s",
            "4000d",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
