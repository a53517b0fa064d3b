//! Maintenance: a time in which a service is not checked, ordered by a person or recurring by configuration.

use std::time::Duration;

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The maintenance that a service is in. It always has an end, by the wall clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// When it began.
    pub since: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// Why, as a person said it; may be empty.
    pub reason: String,
    /// Who ordered it.
    pub origin: MaintenanceOrigin,
}

/// Who ordered a maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by", content = "name")]
pub enum MaintenanceOrigin {
    /// The bearer of the API key of this name.
    Key(String),
    /// The recurring window of this name.
    Window(String),
}

/// A window of maintenance that recurs on days of the week, in the local time of its zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceWindow {
    /// Its name in the configuration.
    pub name: String,
    /// The days on which it begins; every day where it is empty.
    #[serde(with = "weekdays")]
    pub days: Vec<Weekday>,
    /// When it begins, in local time. A time that the clock skips on that day is taken as if it had not been set
    /// forward yet; of a time that comes twice the first counts.
    pub start: Time,
    /// How long it lasts, elapsed and not by the clock; at most [`MaintenanceWindow::LONGEST`].
    pub length: Duration,
    /// Whose local time it is.
    #[serde(with = "jiff::fmt::serde::tz::required")]
    pub time_zone: TimeZone,
    /// Why, as a person said it; may be empty.
    pub reason: String,
}

// === impl MaintenanceWindow ===

impl MaintenanceWindow {
    /// The longest that one may last: a week, so that it does not meet itself.
    pub const LONGEST: Duration = Duration::from_secs(7 * 86_400);

    /// The maintenance that it makes at `now`; `None` outside it. Where two of its turns overlap, the later one.
    pub fn at(&self, now: Timestamp) -> Option<Maintenance> {
        let length = SignedDuration::try_from(self.length.min(Self::LONGEST)).ok()?;
        let today = self.time_zone.to_datetime(now).date();
        // A turn that began before midnight may still last; a day more for the hours that a zone may be set forward by.
        let days_back = length.as_hours() / 24 + 2;
        let mut date = today;
        for _ in 0..=days_back {
            if self.begins_on(date.weekday())
                && let Some(since) = self.start_on(date)
                && let Ok(until) = since.checked_add(length)
                && (since..until).contains(&now)
            {
                return Some(Maintenance {
                    since,
                    until,
                    reason: self.reason.clone(),
                    origin: MaintenanceOrigin::Window(self.name.clone()),
                });
            }
            date = date.yesterday().ok()?;
        }
        None
    }

    fn begins_on(&self, day: Weekday) -> bool {
        self.days.is_empty() || self.days.contains(&day)
    }

    fn start_on(&self, date: jiff::civil::Date) -> Option<Timestamp> {
        let local = date.to_datetime(self.start);
        let start = self.time_zone.to_ambiguous_timestamp(local).compatible();
        start.ok()
    }
}

/// Days of the week by their numbers, Monday being 1.
mod weekdays {
    use jiff::civil::Weekday;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(days: &[Weekday], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(days.iter().map(|day| day.to_monday_one_offset()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Weekday>, D::Error> {
        let numbers = Vec::<i8>::deserialize(deserializer)?;
        let days = numbers.into_iter().map(Weekday::from_monday_one_offset);
        days.collect::<Result<_, _>>().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::time;

    use super::*;

    fn window(start: Time, hours: u64, days: &[Weekday]) -> MaintenanceWindow {
        MaintenanceWindow {
            name: "backup".to_owned(),
            days: days.to_vec(),
            start,
            length: Duration::from_secs(hours * 3_600),
            time_zone: TimeZone::get("Europe/Berlin").unwrap(),
            reason: "nightly backup".to_owned(),
        }
    }

    fn until(window: &MaintenanceWindow, now: &str) -> Option<String> {
        window.at(now.parse().unwrap()).map(|found| found.until.to_string())
    }

    #[test]
    fn it_holds_from_its_start_to_before_its_end() {
        // Berlin is two hours ahead in summer.
        let nightly = window(time(1, 30, 0, 0), 2, &[]);
        for (now, expected) in [
            ("2026-07-01T23:29:59Z", None),
            ("2026-07-01T23:30:00Z", Some("2026-07-02T01:30:00Z")),
            ("2026-07-02T01:29:59Z", Some("2026-07-02T01:30:00Z")),
            ("2026-07-02T01:30:00Z", None),
        ] {
            assert_eq!(until(&nightly, now).as_deref(), expected, "{now}");
        }
    }

    #[test]
    fn the_day_is_the_one_on_which_it_begins() {
        let saturdays = window(time(22, 0, 0, 0), 10, &[Weekday::Saturday]);
        // 2026-07-04 is a Saturday; 22:00 there is 20:00 UTC.
        assert_eq!(
            until(&saturdays, "2026-07-04T21:00:00Z").as_deref(),
            Some("2026-07-05T06:00:00Z")
        );
        assert_eq!(
            until(&saturdays, "2026-07-05T05:00:00Z").as_deref(),
            Some("2026-07-05T06:00:00Z")
        );
        assert_eq!(until(&saturdays, "2026-07-05T21:00:00Z"), None);
        let weekly = window(time(0, 0, 0, 0), 7 * 24, &[Weekday::Monday]);
        for now in ["2026-07-06T00:00:00Z", "2026-07-09T12:00:00Z", "2026-07-12T21:59:59Z"] {
            assert!(until(&weekly, now).is_some(), "{now}");
        }
    }

    #[test]
    fn a_start_that_the_clock_skips_comes_when_it_would_have_come() {
        // On 2026-03-29 Berlin goes from 02:00 (+01:00) to 03:00 (+02:00).
        let nightly = window(time(2, 30, 0, 0), 1, &[]);
        assert_eq!(until(&nightly, "2026-03-29T01:29:59Z"), None);
        assert_eq!(
            until(&nightly, "2026-03-29T01:30:00Z").as_deref(),
            Some("2026-03-29T02:30:00Z")
        );
    }

    #[test]
    fn a_start_that_comes_twice_counts_once_and_the_length_is_elapsed_time() {
        // On 2026-10-25 Berlin goes from 03:00 (+02:00) back to 02:00 (+01:00).
        let nightly = window(time(2, 30, 0, 0), 2, &[]);
        assert_eq!(until(&nightly, "2026-10-25T00:29:59Z"), None);
        assert_eq!(
            until(&nightly, "2026-10-25T00:30:00Z").as_deref(),
            Some("2026-10-25T02:30:00Z")
        );
        assert_eq!(until(&nightly, "2026-10-25T02:30:00Z"), None);
    }

    #[test]
    fn it_outlives_its_words() {
        let nightly = window(time(2, 30, 0, 0), 2, &[Weekday::Sunday]);
        let saved = serde_json::to_string(&nightly).unwrap();
        assert_eq!(serde_json::from_str::<MaintenanceWindow>(&saved).unwrap(), nightly);
    }
}
