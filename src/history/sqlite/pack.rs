//! Minutes, hours and usage as SQLite keeps them.

use crate::history::codec::{Malformed, Reader, put};
use crate::history::model::{Bucket, Durations, Percentiles, Tier, UsageBucket, from_millis};
use crate::history::sketch::{self, Sketch};

/// The service was up in all of it, which needs no numbers.
const ALL_UP: u64 = 1;
const HAS_FAILURES: u64 = 1 << 1;
const HAS_DURATIONS: u64 = 1 << 2;
const HAS_PERCENTILES: u64 = 1 << 3;

/// Writes buckets that begin at or after `base`, without their sketches.
pub(super) fn write_buckets(base: i64, tier: Tier, buckets: &[Bucket]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(buckets.len() * 12);
    for bucket in buckets {
        let place = (bucket.at.as_millisecond() - base) / tier.millis();
        let percentiles = bucket.durations.as_ref().and_then(|durations| durations.percentiles);
        let is_all_up = bucket.up == tier.millis().unsigned_abs() && bucket.down == 0;
        let has_failures = bucket.failures > 0 || bucket.unmeasured > 0;
        let mut head = place.unsigned_abs() << 4;
        head |= if is_all_up { ALL_UP } else { 0 };
        head |= if has_failures { HAS_FAILURES } else { 0 };
        head |= if bucket.durations.is_some() { HAS_DURATIONS } else { 0 };
        head |= if percentiles.is_some() { HAS_PERCENTILES } else { 0 };
        put(&mut bytes, head);
        put(&mut bytes, bucket.checks);
        if has_failures {
            put(&mut bytes, bucket.failures);
            put(&mut bytes, bucket.unmeasured);
        }
        if !is_all_up {
            put(&mut bytes, bucket.up);
            put(&mut bytes, bucket.down);
        }
        if let Some(durations) = &bucket.durations {
            put(&mut bytes, durations.count);
            put(&mut bytes, durations.min);
            put(&mut bytes, durations.max.saturating_sub(durations.min));
            put(&mut bytes, durations.sum);
        }
        if let Some(Percentiles { p50, p95, p99 }) = percentiles {
            for percentile in [p50, p95, p99] {
                put(&mut bytes, sketch::bucket_of_middle(percentile));
            }
        }
    }
    bytes
}

/// Reads what [`write_buckets`] wrote.
pub(super) fn read_buckets(base: i64, tier: Tier, bytes: &[u8]) -> Result<Vec<Bucket>, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut buckets = Vec::with_capacity(bytes.len() / 8);
    while !reader.is_empty() {
        let head = reader.number()?;
        let place = i64::try_from(head >> 4).map_err(|_too_large| Malformed)?;
        let at = place
            .checked_mul(tier.millis())
            .and_then(|after| base.checked_add(after));
        let mut bucket = Bucket {
            checks: reader.number()?,
            ..Bucket::empty(from_millis(at.ok_or(Malformed)?))
        };
        if head & HAS_FAILURES != 0 {
            bucket.failures = reader.number()?;
            bucket.unmeasured = reader.number()?;
        }
        if head & ALL_UP != 0 {
            bucket.up = tier.millis().unsigned_abs();
        } else {
            bucket.up = reader.number()?;
            bucket.down = reader.number()?;
        }
        if head & HAS_DURATIONS != 0 {
            let (count, min, length, sum) = (reader.number()?, reader.number()?, reader.number()?, reader.number()?);
            bucket.durations = Some(Durations {
                count,
                min,
                max: min.saturating_add(length),
                sum,
                percentiles: None,
                sketch: None,
            });
        }
        if head & HAS_PERCENTILES != 0 {
            let mut percentile = || sketch::middle_of_bucket(reader.number()?);
            let percentiles = Percentiles {
                p50: percentile()?,
                p95: percentile()?,
                p99: percentile()?,
            };
            if let Some(durations) = &mut bucket.durations {
                durations.percentiles = Some(percentiles);
            }
        }
        buckets.push(bucket);
    }
    Ok(buckets)
}

/// Writes the sketches of the buckets that have durations, in order.
pub(super) fn write_sketches(buckets: &[Bucket]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let none = Sketch::default();
    for durations in buckets.iter().filter_map(|bucket| bucket.durations.as_ref()) {
        durations.sketch.as_ref().unwrap_or(&none).write(&mut bytes);
    }
    bytes
}

/// Gives the buckets the sketches that [`write_sketches`] wrote.
pub(super) fn read_sketches(buckets: &mut [Bucket], bytes: &[u8]) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    for durations in buckets.iter_mut().filter_map(|bucket| bucket.durations.as_mut()) {
        let sketch = Sketch::read(&mut reader)?;
        durations.sketch = (sketch.count() > 0).then_some(sketch);
    }
    Ok(())
}

/// Writes usage buckets that begin at or after `base`.
pub(super) fn write_usage(base: i64, tier: Tier, buckets: &[UsageBucket]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for bucket in buckets {
        let place = (bucket.at.as_millisecond() - base) / tier.millis();
        let numbers = [
            place.unsigned_abs(),
            bucket.samples,
            bucket.cpu_samples,
            bucket.cpu_millicores_sum,
            bucket.cpu_millicores_max,
            bucket.memory_sum,
            bucket.memory_max,
            bucket.memory_limit,
            bucket.network_received,
            bucket.network_sent,
            bucket.block_read,
            bucket.block_written,
        ];
        numbers.iter().for_each(|number| put(&mut bytes, *number));
    }
    bytes
}

/// Reads what [`write_usage`] wrote.
pub(super) fn read_usage(base: i64, tier: Tier, bytes: &[u8]) -> Result<Vec<UsageBucket>, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut buckets = Vec::new();
    while !reader.is_empty() {
        let after = reader.number_as::<i64>()?.checked_mul(tier.millis());
        let at = after.and_then(|after| base.checked_add(after)).ok_or(Malformed)?;
        buckets.push(UsageBucket {
            at: from_millis(at),
            samples: reader.number()?,
            cpu_samples: reader.number()?,
            cpu_millicores_sum: reader.number()?,
            cpu_millicores_max: reader.number()?,
            memory_sum: reader.number()?,
            memory_max: reader.number()?,
            memory_limit: reader.number()?,
            network_received: reader.number()?,
            network_sent: reader.number()?,
            block_read: reader.number()?,
            block_written: reader.number()?,
        });
    }
    Ok(buckets)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::history::model::HOUR;

    const BASE: i64 = 472_222 * HOUR;

    proptest! {
        #[test]
        fn buckets_read_as_they_were_written(
            hours in proptest::collection::vec(
                (1..100_u64, 0..3_u64, 0..3_u64, prop_oneof![Just(3_600_000_u64), 0..3_600_000_u64],
                 proptest::collection::vec(1..5_000_000_u64, 0..30)),
                0..24,
            ),
        ) {
            let hours: Vec<Bucket> = hours
                .into_iter()
                .enumerate()
                .map(|(place, (checks, failures, unmeasured, up, micros))| {
                    let sketch = Sketch::of(micros.iter().copied().map(Duration::from_micros));
                    let durations = micros.iter().min().map(|min| Durations {
                        count: micros.len() as u64,
                        min: *min,
                        max: *micros.iter().max().unwrap(),
                        sum: micros.iter().sum(),
                        percentiles: sketch.percentiles(),
                        sketch: Some(sketch),
                    });
                    let at = from_millis(BASE + place as i64 * HOUR);
                    Bucket { at, checks, failures, unmeasured, up, down: 3_600_000 - up, durations }
                })
                .collect();
            let (scalars, sketches) = (write_buckets(BASE, Tier::Hour, &hours), write_sketches(&hours));
            let mut read = read_buckets(BASE, Tier::Hour, &scalars).unwrap();
            read_sketches(&mut read, &sketches).unwrap();
            prop_assert_eq!(read, hours);
        }

        #[test]
        fn what_was_never_written_is_an_error_and_no_panic(bytes: Vec<u8>) {
            let _any = read_buckets(BASE, Tier::Minute, &bytes).is_ok();
            let _any = read_usage(BASE, Tier::Minute, &bytes).is_ok();
        }
    }

    #[test]
    fn usage_reads_as_it_was_written() {
        let bucket = UsageBucket {
            samples: 4,
            cpu_samples: 3,
            cpu_millicores_sum: 700,
            cpu_millicores_max: 400,
            memory_sum: 4 << 30,
            memory_max: 1 << 30,
            memory_limit: 2 << 30,
            network_received: 5,
            network_sent: 6,
            block_read: 7,
            block_written: 8,
            ..UsageBucket::empty(from_millis(BASE + 60_000))
        };
        let bytes = write_usage(BASE, Tier::Minute, std::slice::from_ref(&bucket));
        assert_eq!(read_usage(BASE, Tier::Minute, &bytes), Ok(vec![bucket]));
    }
}
