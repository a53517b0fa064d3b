//! What time is asked for, and in which steps.

use jiff::{SignedDuration, Timestamp};

use super::model::{DAY, HOUR, MINUTE, Span, Tier, from_millis};
use super::store::Retention;

/// Steps that one answer may have for one service.
pub const MOST_POINTS: i64 = 11_000;

/// Steps that an answer has at most where nobody asked for a step.
const ENOUGH_POINTS: i64 = 400;

/// Steps that are chosen from where nobody asked for one, in milliseconds.
const LADDER: [i64; 8] = [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY];

/// How far back it is looked where nobody says.
const USUAL: SignedDuration = SignedDuration::from_hours(24);

/// A stretch of time in steps of one length. Both its ends lie on whole steps since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// From when until before when.
    pub span: Span,
    /// Length of a step, in milliseconds: whole minutes below an hour, whole hours from there on.
    pub step: i64,
}

/// What is asked for, in the words of whoever asks; `None` is the usual.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Since when: 24 hours ago if left out.
    pub from: Option<&'a str>,
    /// Until when: now if left out.
    pub to: Option<&'a str>,
    /// In which steps: as fine as makes sense if left out.
    pub step: Option<&'a str>,
}

/// Why there is no such range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Not a time.
    #[error(
        "{name} cannot be '{text}'; use RFC 3339 such as 2026-11-24T12:00:00Z, seconds since 1970, or how long ago: 90m, \
         24h, 7d, 2w, 1y"
    )]
    NoTime {
        /// Which parameter.
        name: &'static str,
        /// As asked for.
        text: String,
    },
    /// Not a length of time.
    #[error("{name} cannot be '{text}'; use a whole number with a unit: 90m, 24h, 7d, 2w, 1y")]
    NoLength {
        /// Which parameter.
        name: &'static str,
        /// As asked for.
        text: String,
    },
    /// A step that nothing is counted by.
    #[error("step cannot be '{text}'; use whole minutes below an hour and whole hours from there on: 1m, 15m, 1h, 1d")]
    NoStep {
        /// As asked for.
        text: String,
    },
    /// It ends before it starts.
    #[error("from ({from}) must be before to ({to})")]
    Backwards {
        /// Its start.
        from: Timestamp,
        /// Its end.
        to: Timestamp,
    },
    /// Nothing is known of the future.
    #[error("from ({from}) lies in the future; it is {now} now")]
    Future {
        /// Its start.
        from: Timestamp,
        /// What the monitor's clock says.
        now: Timestamp,
    },
    /// More steps than an answer may have.
    #[error("this range has {points} steps of {step}, an answer at most {MOST_POINTS}; use a step of {enough} or more")]
    TooMany {
        /// How many it would have.
        points: i64,
        /// The step.
        step: String,
        /// A step that would do.
        enough: String,
    },
    /// Minutes are not kept for so long.
    #[error("steps below an hour reach back to {oldest} only (history.minute_retention); use step=1h or a later from")]
    TooFine {
        /// The oldest start that would do.
        oldest: Timestamp,
    },
}

// === impl Range ===

impl Range {
    /// What is asked for, made whole.
    ///
    /// # Errors
    ///
    /// Where it makes no sense, or would be too much.
    pub fn plan(wanted: Wanted<'_>, now: Timestamp, retention: &Retention) -> Result<Self, RangeError> {
        let (from, to) = ends(wanted.from, wanted.to, now)?;
        let length = to.as_millisecond() - from.as_millisecond();
        let oldest = now.as_millisecond() - i64::try_from(retention.minutes.as_millis()).unwrap_or(i64::MAX / 2);
        let has_minutes = from.as_millisecond() >= oldest;
        let step = match wanted.step {
            Some(text) => step(text)?,
            None => {
                let fits = |step: &i64| length / step <= ENOUGH_POINTS && (*step >= HOUR || has_minutes);
                LADDER.into_iter().find(fits).unwrap_or(30 * DAY)
            }
        };
        if step < HOUR && !has_minutes {
            let oldest = from_millis(oldest - oldest.rem_euclid(MINUTE) + MINUTE);
            return Err(RangeError::TooFine { oldest });
        }
        let first = from.as_millisecond().div_euclid(step) * step;
        let last = (to.as_millisecond() + step - 1).div_euclid(step) * step;
        let points = (last - first) / step;
        if points > MOST_POINTS {
            let least = length / MOST_POINTS + 1;
            let unit = if least < HOUR && has_minutes { MINUTE } else { HOUR };
            // One more for what is cut at either end.
            let enough = ((length / (MOST_POINTS - 1)).max(unit) + unit - 1).div_euclid(unit) * unit;
            return Err(RangeError::TooMany {
                points,
                step: written(step),
                enough: written(enough),
            });
        }
        Ok(Self {
            span: Span::new(from_millis(first), from_millis(last)),
            step,
        })
    }

    /// What it is counted from.
    pub fn tier(&self) -> Tier {
        if self.step < HOUR { Tier::Minute } else { Tier::Hour }
    }

    /// How many steps it has.
    pub fn points(&self) -> usize {
        let millis = self.span.to.as_millisecond() - self.span.from.as_millisecond();
        usize::try_from(millis / self.step).unwrap_or(0)
    }

    /// When the step with `at` in it begins.
    pub fn step_of(&self, at: Timestamp) -> Timestamp {
        let millis = at.as_millisecond();
        from_millis(millis - millis.rem_euclid(self.step))
    }
}

/// Both ends of what is asked for. What has not been yet is cut off.
///
/// # Errors
///
/// Where they are no times, or in the wrong order.
pub fn ends(from: Option<&str>, to: Option<&str>, now: Timestamp) -> Result<(Timestamp, Timestamp), RangeError> {
    let end = to.map_or(Ok(now), |text| time("to", text, now))?;
    let start = match from {
        Some(text) => time("from", text, now)?,
        None => end.saturating_sub(USUAL).unwrap_or(Timestamp::MIN),
    };
    if start >= end {
        return Err(RangeError::Backwards { from: start, to: end });
    }
    if start >= now {
        return Err(RangeError::Future { from: start, now });
    }
    Ok((start, end.min(now)))
}

/// A time in any of its forms.
///
/// # Errors
///
/// Where it is none.
pub fn time(name: &'static str, text: &str, now: Timestamp) -> Result<Timestamp, RangeError> {
    let bad = || RangeError::NoTime {
        name,
        text: shown(text),
    };
    if text == "now" {
        return Ok(now);
    }
    if let Some(ago) = length(text) {
        return now.checked_sub(ago).map_err(|_too_long| bad());
    }
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number {
        let seconds = text.parse().map_err(|_too_large| bad())?;
        return Timestamp::from_second(seconds).map_err(|_too_late| bad());
    }
    text.parse().map_err(|_no_time| bad())
}

/// A length of time: a whole number above 0 with its unit.
pub fn length(text: &str) -> Option<SignedDuration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        "y" => 365 * 86_400,
        _ => return None,
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = number.parse().ok().filter(|number| is_number && *number > 0)?;
    // No longer than a hundred years, so that no sum of times can fail.
    let seconds = number
        .checked_mul(seconds)
        .filter(|seconds| *seconds <= 36_500 * 86_400)?;
    Some(SignedDuration::from_secs(seconds))
}

/// A length of time in its largest whole unit.
pub fn written(millis: i64) -> String {
    match millis {
        days if days % DAY == 0 => format!("{}d", days / DAY),
        hours if hours % HOUR == 0 => format!("{}h", hours / HOUR),
        minutes if minutes % MINUTE == 0 => format!("{}m", minutes / MINUTE),
        seconds => format!("{}s", seconds / 1_000),
    }
}

fn step(text: &str) -> Result<i64, RangeError> {
    let millis = length(text).and_then(|length| i64::try_from(length.as_millis()).ok());
    let is_counted = |step: &i64| step % HOUR == 0 || (*step < HOUR && step % MINUTE == 0);
    millis
        .filter(is_counted)
        .ok_or_else(|| RangeError::NoStep { text: shown(text) })
}

/// A piece of what was asked, short enough to be repeated.
fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-24T12:34:56.789Z".parse().unwrap()
    }

    fn plan(from: &str, to: &str, step: &str) -> Result<Range, String> {
        let given = |text| Some(text).filter(|text: &&str| !text.is_empty());
        let wanted = Wanted {
            from: given(from),
            to: given(to),
            step: given(step),
        };
        Range::plan(wanted, now(), &Retention::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_step_is_as_fine_as_makes_sense() {
        for (from, step, tier) in [
            ("1h", "1m", Tier::Minute),
            ("24h", "5m", Tier::Minute),
            ("3d", "15m", Tier::Minute),
            ("7d", "1h", Tier::Hour),
            ("30d", "6h", Tier::Hour),
            ("1y", "1d", Tier::Hour),
            ("5y", "7d", Tier::Hour),
        ] {
            let range = plan(from, "", "").unwrap();
            assert_eq!((written(range.step).as_str(), range.tier()), (step, tier), "{from}");
            assert!(range.points() <= 402, "{from}: {}", range.points());
        }
        let year = plan("1y", "", "1h").unwrap();
        assert_eq!(year.points(), 8_761);
        assert_eq!(year.span.to.to_string(), "2026-11-24T13:00:00Z");
    }

    #[test]
    fn minutes_are_not_asked_of_a_time_that_has_none() {
        assert_eq!(plan("60d", "59d", "").unwrap().step, HOUR);
        let refused = plan("60d", "59d", "5m").unwrap_err();
        assert!(refused.contains("reach back to 2026-10-25T12:35:00Z only"), "{refused}");
    }

    #[test]
    fn what_is_wrong_is_said_with_what_would_be_right() {
        for (from, to, step, expected) in [
            (
                "1h",
                "2h",
                "",
                "from (2026-11-24T11:34:56.789Z) must be before to (2026-11-24T10:34:56.789Z)",
            ),
            (
                "2027-01-01T00:00:00Z",
                "2027-01-02T00:00:00Z",
                "",
                "lies in the future; it is 2026-11-24T12:34:56.789Z now",
            ),
            ("yesterday", "", "", "from cannot be 'yesterday'; use RFC 3339"),
            ("", "99999999999999999999", "", "to cannot be '99999999999999999999'"),
            ("1000y", "", "", "from cannot be '1000y'"),
            ("-1h", "", "", "from cannot be '-1h'"),
            ("24h", "", "30s", "step cannot be '30s'; use whole minutes"),
            ("24h", "", "90m", "step cannot be '90m'"),
            ("24h", "", "0m", "step cannot be '0m'"),
            (
                "30d",
                "",
                "1m",
                "has 43201 steps of 1m, an answer at most 11000; use a step of 4m or more",
            ),
            ("5y", "", "1h", "use a step of 4h or more"),
        ] {
            let refused = plan(from, to, step).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
        for (from, to, step) in [("30d", "", "4m"), ("5y", "", "4h"), ("1764000000", "now", "1h")] {
            plan(from, to, step).unwrap_or_else(|error| panic!("{from} {to} {step}: {error}"));
        }
    }

    proptest! {
        #[test]
        fn whatever_is_asked_is_bounded(from in "\\PC{0,12}", to in "\\PC{0,12}", step in "[0-9]{1,6}[smhdwy]?") {
            if let Ok(range) = plan(&from, &to, &step) {
                prop_assert!(range.points() >= 1 && range.points() <= MOST_POINTS as usize);
                prop_assert_eq!(range.step_of(range.span.from), range.span.from);
            }
        }
    }
}
