//! Durations in a form that keeps percentiles right when hours are put together.
//!
//! A mean of percentiles is no percentile. What is kept instead is how many durations fell into each of a row of buckets
//! that grow by a fixed factor, so that wherever in its bucket a duration was, the bucket's middle is near it: DDSketch,
//! after Ch. Masson, J. E. Rim and H. K. Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error
//! Guarantees", PVLDB 12(12), 2019. Two sketches are put together by adding their counts, and nothing is lost by it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::codec::{Malformed, Reader, put};
use super::model::Percentiles;

/// How far an answer may be from the truth, as a share of it. The paper's α; below the 1 % that is promised.
pub const ACCURACY: f64 = 0.0075;

/// Each bucket reaches this much further than the one before: γ = (1 + α) / (1 − α).
const GAMMA: f64 = (1.0 + ACCURACY) / (1.0 - ACCURACY);

/// The last bucket: durations of a day and more, which no check takes, all count as one day.
const LAST: u16 = 1_680;

/// How many durations fell into each bucket; empty ones take no room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sketch {
    /// Bucket and count, by bucket.
    counts: Vec<(u16, u64)>,
}

impl Sketch {
    /// Of these durations.
    pub fn of(durations: impl IntoIterator<Item = Duration>) -> Self {
        let mut buckets: Vec<u16> = durations.into_iter().map(bucket).collect();
        buckets.sort_unstable();
        let runs = buckets.chunk_by(|one, next| one == next);
        let counts = runs.filter_map(|run| Some((*run.first()?, run.len() as u64)));
        Self {
            counts: counts.collect(),
        }
    }

    /// Counts one more.
    pub fn add(&mut self, duration: Duration) {
        let bucket = bucket(duration);
        match self.counts.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(place) => {
                if let Some((_, count)) = self.counts.get_mut(place) {
                    *count += 1;
                }
            }
            Err(place) => self.counts.insert(place, (bucket, 1)),
        }
    }

    /// Takes in what another one counted.
    pub fn merge(&mut self, other: &Sketch) {
        let mut merged = Vec::with_capacity(self.counts.len().max(other.counts.len()));
        let (mut mine, mut others) = (self.counts.iter().peekable(), other.counts.iter().peekable());
        loop {
            let next = match (mine.peek(), others.peek()) {
                (Some((bucket, count)), Some((other, more))) if bucket == other => {
                    let sum = (*bucket, count + more);
                    mine.next();
                    others.next();
                    sum
                }
                (Some(one), Some(other)) if one.0 > other.0 => {
                    let taken = **other;
                    others.next();
                    taken
                }
                (Some(one), _) => {
                    let taken = **one;
                    mine.next();
                    taken
                }
                (None, Some(other)) => {
                    let taken = **other;
                    others.next();
                    taken
                }
                (None, None) => break,
            };
            merged.push(next);
        }
        self.counts = merged;
    }

    /// How many durations it has.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    /// The duration, in microseconds, that a share `q` of all, 0 to 1, did not exceed: the one at rank ⌊q·(n−1)⌋ of n in
    /// order, within [`ACCURACY`]. `None` where there is none.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        self.quantiles([q]).map(|[value]| value)
    }

    /// Median, 95th and 99th percentile; `None` where it has no durations.
    pub fn percentiles(&self) -> Option<Percentiles> {
        let [p50, p95, p99] = self.quantiles([0.5, 0.95, 0.99])?;
        Some(Percentiles { p50, p95, p99 })
    }

    /// Several in one pass; they must rise.
    fn quantiles<const N: usize>(&self, shares: [f64; N]) -> Option<[f64; N]> {
        let last_rank = self.count().checked_sub(1)?;
        let mut counts = self.counts.iter();
        let mut here = counts.next()?;
        let mut below = 0;
        Some(shares.map(|share| {
            let rank = (share.clamp(0.0, 1.0) * last_rank as f64).floor() as u64;
            while below + here.1 <= rank
                && let Some(next) = counts.next()
            {
                below += here.1;
                here = next;
            }
            middle(here.0)
        }))
    }

    /// As it is stored.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        put(to, self.counts.len() as u64);
        let mut last = 0;
        for (bucket, count) in &self.counts {
            put(to, u64::from(bucket - last));
            put(to, *count);
            last = *bucket;
        }
    }

    /// As it was stored.
    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let length = from.number_as::<u16>()?;
        let mut counts = Vec::with_capacity(length.min(LAST).into());
        let mut last = 0_u16;
        for _ in 0..length {
            last = last.checked_add(from.number_as()?).ok_or(Malformed)?;
            counts.push((last, from.number()?));
        }
        Ok(Self { counts })
    }
}

/// Bucket i has the durations in (γ^(i−1), γ^i] microseconds; the first also what is shorter than a microsecond.
fn bucket(duration: Duration) -> u16 {
    let micros = duration.as_secs_f64() * 1e6;
    let index = (micros.max(1.0).ln() / GAMMA.ln()).ceil();
    (index as u16).min(LAST)
}

/// What stands for every duration in a bucket: 2γ^i / (γ + 1), which is at most α from either end.
fn middle(bucket: u16) -> f64 {
    2.0 * GAMMA.powi(bucket.into()) / (GAMMA + 1.0)
}

/// The percentile's bucket as it is stored beside an hour, so that a series by the hour needs no sketch.
pub(crate) fn bucket_of_middle(micros: f64) -> u64 {
    let edge = micros * (GAMMA + 1.0) / 2.0;
    (edge.max(1.0).ln() / GAMMA.ln()).round() as u64
}

/// The percentile that was stored as a bucket.
pub(crate) fn middle_of_bucket(bucket: u64) -> Result<f64, Malformed> {
    u16::try_from(bucket).map(middle).map_err(|_too_large| Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// From a microsecond to an hour, each order of magnitude as likely as the others.
    fn durations() -> impl Strategy<Value = Vec<u64>> {
        let one = (0_u32..22).prop_flat_map(|bits| (1_u64 << bits)..(1_u64 << (bits + 10)));
        proptest::collection::vec(one, 1..400)
    }

    fn sketch(micros: &[u64]) -> Sketch {
        Sketch::of(micros.iter().copied().map(Duration::from_micros))
    }

    /// The one at the rank that the sketch is asked for.
    fn exact(micros: &[u64], share: f64) -> f64 {
        let mut sorted = micros.to_vec();
        sorted.sort_unstable();
        let rank = (share * (sorted.len() - 1) as f64).floor() as usize;
        sorted[rank] as f64
    }

    proptest! {
        #[test]
        fn percentiles_are_within_a_hundredth_of_the_exact_ones(micros in durations()) {
            let sketch = sketch(&micros);
            for share in [0.0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0] {
                let (exact, found) = (exact(&micros, share), sketch.quantile(share).unwrap());
                prop_assert!((found - exact).abs() <= exact * 0.00751, "{share}: {found}, not {exact}");
            }
        }

        #[test]
        fn put_together_it_is_the_one_of_all(one in durations(), other in durations()) {
            let mut merged = sketch(&one);
            merged.merge(&sketch(&other));
            let all: Vec<u64> = one.iter().chain(&other).copied().collect();
            prop_assert_eq!(&merged, &sketch(&all));
            let mut added = sketch(&one);
            other.iter().for_each(|micros| added.add(Duration::from_micros(*micros)));
            prop_assert_eq!(&merged, &added);
        }

        #[test]
        fn it_reads_as_it_is_written(micros in durations()) {
            let sketch = sketch(&micros);
            let mut bytes = Vec::new();
            sketch.write(&mut bytes);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(Sketch::read(&mut reader), Ok(sketch.clone()));
            prop_assert!(reader.is_empty());
            let Percentiles { p50, p95, p99 } = sketch.percentiles().unwrap();
            for percentile in [p50, p95, p99] {
                prop_assert_eq!(middle_of_bucket(bucket_of_middle(percentile)), Ok(percentile));
            }
        }
    }

    #[test]
    fn the_ends_are_counted_too() {
        assert_eq!(Sketch::default().percentiles(), None);
        let mut sketch = Sketch::default();
        sketch.add(Duration::ZERO);
        sketch.add(Duration::from_secs(u64::MAX));
        assert_eq!(sketch.count(), 2);
        assert!(sketch.quantile(0.0).unwrap() <= 1.0);
        let day = sketch.quantile(1.0).unwrap();
        assert!(day > 7e10 && day < 1e11, "{day}");
    }

    #[test]
    fn a_quiet_hour_takes_few_bytes() {
        // 360 results around 2 ms, as a broker on the same machine answers.
        let micros: Vec<u64> = (0..360).map(|number| 1_700 + (number * 7_919) % 700).collect();
        let mut bytes = Vec::new();
        sketch(&micros).write(&mut bytes);
        assert!(bytes.len() < 64, "{}", bytes.len());
    }
}
