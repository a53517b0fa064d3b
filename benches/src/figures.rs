//! Medians and quantiles.

use std::time::Duration;

/// The median; 0 of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle.wrapping_sub(1)), sorted.get(middle)) {
        (Some(below), Some(above)) if sorted.len().is_multiple_of(2) => f64::midpoint(*below, *above),
        (_, Some(value)) => *value,
        _ => 0.0,
    }
}

/// Durations, to be asked for their quantiles.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spread {
    sorted: Vec<Duration>,
}

// === impl Spread ===

impl Spread {
    /// The value that `share` (0 to 1) of all do not exceed, in milliseconds; 0 of nothing.
    pub(crate) fn millis(&self, share: f64) -> f64 {
        let rank = (share * self.sorted.len() as f64).ceil() as usize;
        let value = self.sorted.get(rank.clamp(1, self.sorted.len().max(1)) - 1);
        value.map_or(0.0, |value| value.as_secs_f64() * 1e3)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.sorted.len()
    }
}

impl FromIterator<Duration> for Spread {
    fn from_iter<I: IntoIterator<Item = Duration>>(durations: I) -> Self {
        let mut sorted: Vec<Duration> = durations.into_iter().collect();
        sorted.sort_unstable();
        Self { sorted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn a_quantile_is_a_value_that_was_seen() {
        let spread: Spread = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(
            (spread.millis(0.5), spread.millis(0.99), spread.millis(1.0)),
            (50.0, 99.0, 100.0)
        );
        let one: Spread = [Duration::from_millis(7)].into_iter().collect();
        assert_eq!((one.millis(0.0), one.millis(0.99)), (7.0, 7.0));
        assert_eq!(Spread::default().millis(0.5), 0.0);
    }
}
