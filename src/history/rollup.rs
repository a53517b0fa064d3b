//! Results become minutes and hours.
//!
//! Every database does it with this code and from what it stores itself, an hour at a time and after the hour is over: what
//! was interrupted is done again, and nothing is lost with the process.

use super::model::{Bucket, Durations, HOUR, MINUTE, RawResult, UsageBucket, UsageSample};
use super::model::{from_millis, to_millis};
use super::sketch::Sketch;
use super::timeline::Timeline;

/// An hour of a service: its minutes that were no gaps, and itself; `None` where it was a gap as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct RolledUp {
    /// Minutes in which something was seen, in order.
    pub minutes: Vec<Bucket>,
    /// The hour, with sketch and percentiles.
    pub hour: Option<Bucket>,
}

/// Rolls up the hour that begins at `hour`, in milliseconds since 1970, from the results that ended in it.
pub fn roll_up(hour: i64, results: &[RawResult], timeline: &Timeline) -> RolledUp {
    let mut by_minute: Vec<Vec<&RawResult>> = vec![Vec::new(); 60];
    for result in results {
        let minute = (result.at.as_millisecond() - hour).div_euclid(MINUTE);
        if let Some(minute) = usize::try_from(minute)
            .ok()
            .and_then(|minute| by_minute.get_mut(minute))
        {
            minute.push(result);
        }
    }
    let mut minutes = Vec::new();
    for (results, from) in by_minute.iter().zip((hour..).step_by(MINUTE.unsigned_abs() as usize)) {
        let bucket = bucket(from, from + MINUTE, results.iter().copied(), timeline);
        if !bucket.is_gap() {
            minutes.push(bucket);
        }
    }
    let counted = by_minute.iter().flatten().copied();
    let mut whole = bucket(hour, hour + HOUR, counted.clone(), timeline);
    if let Some(durations) = &mut whole.durations {
        let sketch = Sketch::of(counted.filter_map(RawResult::measured));
        durations.percentiles = sketch.percentiles();
        durations.sketch = Some(sketch);
    }
    RolledUp {
        minutes,
        hour: (!whole.is_gap()).then_some(whole),
    }
}

/// Counts what ended from `from` to before `to`.
fn bucket<'a>(from: i64, to: i64, results: impl Iterator<Item = &'a RawResult>, timeline: &Timeline) -> Bucket {
    let measured = timeline.measured(from, to);
    let mut bucket = Bucket {
        up: measured.up,
        down: measured.down,
        ..Bucket::empty(from_millis(from))
    };
    for result in results {
        bucket.checks += 1;
        match result.kind {
            super::model::ResultKind::Fail => bucket.failures += 1,
            super::model::ResultKind::Unmeasured => bucket.unmeasured += 1,
            super::model::ResultKind::Pass | super::model::ResultKind::Warn => {}
        }
        let Some(duration) = result.measured() else { continue };
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let durations = bucket.durations.get_or_insert(Durations {
            count: 0,
            min: micros,
            max: micros,
            sum: 0,
            percentiles: None,
            sketch: None,
        });
        durations.count += 1;
        durations.min = durations.min.min(micros);
        durations.max = durations.max.max(micros);
        durations.sum = durations.sum.saturating_add(micros);
    }
    bucket
}

/// Samples of one container, in order, become buckets of `length` milliseconds.
pub fn roll_up_usage<'a>(samples: impl IntoIterator<Item = &'a UsageSample>, length: i64) -> Vec<UsageBucket> {
    let mut buckets: Vec<UsageBucket> = Vec::new();
    for sample in samples {
        let at = to_millis(sample.at).as_millisecond();
        let begin = from_millis(at - at.rem_euclid(length));
        match buckets.last_mut().filter(|last| last.at == begin) {
            Some(last) => last.add(sample),
            None => {
                let mut bucket = UsageBucket::empty(begin);
                bucket.add(sample);
                buckets.push(bucket);
            }
        }
    }
    buckets
}

/// Two rows of buckets in one, by time; those of one time are put together.
pub fn merge_usage(mut one: Vec<UsageBucket>, other: Vec<UsageBucket>) -> Vec<UsageBucket> {
    one.extend(other);
    one.sort_by_key(|bucket| bucket.at);
    let mut merged: Vec<UsageBucket> = Vec::with_capacity(one.len());
    for bucket in one {
        match merged.last_mut().filter(|last| last.at == bucket.at) {
            Some(last) => last.merge(&bucket),
            None => merged.push(bucket),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use health_monitor_actors::model::Status;

    use super::*;
    use crate::history::model::ResultKind;
    use crate::history::timeline::Mark;

    /// An hour that is a whole one.
    const AT: i64 = 472_222 * HOUR;

    fn result(after: i64, kind: ResultKind, micros: u64) -> RawResult {
        RawResult {
            at: from_millis(AT + after),
            kind,
            status: Status::Healthy,
            duration: Some(Duration::from_micros(micros)),
            attempts: 1,
            reason: "answered".into(),
        }
    }

    fn up_from(at: i64) -> Timeline {
        let change = Mark {
            at,
            to: Status::Healthy,
            unknown_since: None,
        };
        Timeline::new(&[change], &[(AT, AT + HOUR)], AT, AT + HOUR)
    }

    #[test]
    fn minutes_and_the_hour_count_the_same() {
        let results: Vec<RawResult> = (0_u64..360)
            .map(|number| {
                let kind = match number % 36 {
                    7 => ResultKind::Fail,
                    8 => ResultKind::Unmeasured,
                    _ => ResultKind::Pass,
                };
                result(i64::try_from(number).unwrap() * 10_000, kind, 1_000 + number)
            })
            .collect();
        let rolled = roll_up(AT, &results, &up_from(AT));
        let hour = rolled.hour.unwrap();
        assert_eq!((hour.checks, hour.failures, hour.unmeasured), (360, 10, 10));
        assert_eq!((hour.up, hour.down), (3_600_000, 0));
        assert_eq!(rolled.minutes.len(), 60);
        let mut sum = Bucket::empty(hour.at);
        rolled.minutes.iter().for_each(|minute| sum.merge(minute));
        let durations = hour.durations.clone().unwrap();
        assert_eq!((durations.count, durations.min, durations.max), (350, 1_000, 1_359));
        let without_sketch = Durations {
            percentiles: None,
            sketch: None,
            ..durations.clone()
        };
        assert_eq!(
            sum,
            Bucket {
                durations: Some(without_sketch),
                ..hour
            }
        );
        let median = durations.percentiles.unwrap().p50;
        assert!((median - 1_179.0).abs() < 12.0, "{median}");
        assert_eq!(durations.sketch.unwrap().count(), 350);
    }

    #[test]
    fn a_status_counts_without_results_and_a_result_without_a_status() {
        let rolled = roll_up(AT, &[], &up_from(AT + 90_000));
        assert_eq!(rolled.minutes.len(), 59);
        let first = &rolled.minutes[0];
        assert_eq!((first.at.as_millisecond(), first.up), (AT + MINUTE, 30_000));
        let unknown = [result(5, ResultKind::Unmeasured, 1)];
        let rolled = roll_up(AT, &unknown, &Timeline::default());
        assert_eq!(rolled.minutes.len(), 1);
        let hour = rolled.hour.unwrap();
        assert_eq!((hour.checks, hour.uptime(), hour.durations), (1, None, None));
        let nothing = roll_up(AT, &[], &Timeline::default());
        assert_eq!((nothing.minutes.len(), nothing.hour), (0, None));
    }

    #[test]
    fn usage_is_summed_by_the_minute() {
        let sample = |after: i64, cpu, memory| UsageSample {
            container: "kafka".to_owned(),
            at: from_millis(AT + after),
            cpu_millicores: cpu,
            memory,
            memory_limit: 1_000,
            network_received: 10,
            network_sent: 1,
            block_read: 0,
            block_written: 5,
        };
        let samples = [
            sample(0, None, 100),
            sample(15_000, Some(250), 300),
            sample(30_000, Some(750), 200),
            sample(60_000, Some(100), 100),
        ];
        let minutes = roll_up_usage(&samples, MINUTE);
        assert_eq!(minutes.len(), 2);
        assert_eq!(
            (minutes[0].cpu_cores_mean(), minutes[0].memory_mean()),
            (Some(0.5), Some(200))
        );
        assert_eq!((minutes[0].memory_max, minutes[0].network_received), (300, 30));
        let hours = roll_up_usage(&samples, HOUR);
        let mut sum = minutes[0].clone();
        sum.merge(&minutes[1]);
        assert_eq!(hours, [sum]);
    }
}
