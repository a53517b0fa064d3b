//! Reads what the benchmarks need from the monitor's own metrics.

use anyhow::{Context, Result};

/// A text in Prometheus' format.
#[derive(Debug, Clone)]
pub(crate) struct Exposition {
    text: String,
}

/// How late cycles started: a histogram's buckets, not cumulated, with their upper bounds in milliseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lateness {
    buckets: Vec<(f64, f64)>,
}

// === impl Exposition ===

impl Exposition {
    /// Of this text.
    pub(crate) fn new(text: &[u8]) -> Self {
        Self {
            text: String::from_utf8_lossy(text).into_owned(),
        }
    }

    /// The value of the one sample of this name that has no labels.
    pub(crate) fn value(&self, name: &str) -> Result<f64> {
        let mut values = self.samples(name);
        let (_, value) = values
            .find(|(labels, _)| labels.is_empty())
            .with_context(|| format!("no {name}"))?;
        Ok(value)
    }

    /// How many samples of this name there are.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.samples(name).count()
    }

    /// Every sample of this name: its labels as they stand, and its value.
    fn samples(&self, name: &str) -> impl Iterator<Item = (&str, f64)> {
        self.text.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.rsplit_once("} ")?,
                None => ("", rest.strip_prefix(' ')?),
            };
            Some((labels, value.parse().ok()?))
        })
    }

    /// How late cycles started, since the monitor's own start.
    pub(crate) fn lateness(&self) -> Lateness {
        let bound = |labels: &str| labels.strip_prefix("le=\"")?.strip_suffix('"')?.parse::<f64>().ok();
        let mut below = 0.0;
        let cumulated = self.samples("health_monitor_schedule_lateness_seconds_bucket");
        let buckets = cumulated.filter_map(|(labels, count)| {
            let here = count - below;
            below = count;
            Some((bound(labels)? * 1e3, here))
        });
        Lateness {
            buckets: buckets.collect(),
        }
    }
}

// === impl Lateness ===

impl Lateness {
    /// What was counted since an earlier look.
    pub(crate) fn since(&self, earlier: &Lateness) -> Lateness {
        let both = self.buckets.iter().zip(&earlier.buckets);
        Lateness {
            buckets: both.map(|((bound, now), (_, before))| (*bound, now - before)).collect(),
        }
    }

    /// How many cycles started.
    pub(crate) fn cycles(&self) -> f64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }

    /// Milliseconds that `share` (0 to 1) of the cycles were not later than: the upper bound of the bucket in which it lies.
    pub(crate) fn millis(&self, share: f64) -> f64 {
        let rank = (share * self.cycles()).max(1.0);
        let mut cumulated = 0.0;
        let within = self.buckets.iter().find(|(_, count)| {
            cumulated += count;
            cumulated >= rank
        });
        within.map_or(0.0, |(bound, _)| *bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE up gauge\n\
        up 1\n\
        up_since{a=\"b\"} 3\n\
        health_monitor_schedule_lateness_seconds_bucket{le=\"0.001\"} 90\n\
        health_monitor_schedule_lateness_seconds_bucket{le=\"0.0025\"} 99\n\
        health_monitor_schedule_lateness_seconds_bucket{le=\"+Inf\"} 100\n";

    #[test]
    fn finds_a_sample_by_its_whole_name() {
        let exposition = Exposition::new(TEXT.as_bytes());
        assert_eq!(exposition.value("up").unwrap(), 1.0);
        assert_eq!(exposition.count("up_since"), 1);
        assert!(exposition.value("down").is_err());
    }

    #[test]
    fn quantiles_are_bounds_of_buckets() {
        let lateness = Exposition::new(TEXT.as_bytes()).lateness();
        assert_eq!(lateness.cycles(), 100.0);
        assert_eq!((lateness.millis(0.5), lateness.millis(0.99)), (1.0, 2.5));
        assert_eq!(lateness.millis(1.0), f64::INFINITY);
        assert_eq!(lateness.since(&lateness).cycles(), 0.0);
    }
}
