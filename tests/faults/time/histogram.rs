//! How pauses are spread between their bounds.

use std::time::Duration;

const BINS: usize = 10;

/// Each tenth of the way from one bound to the other must hold at least this share of the pauses, where a tenth is usual; and
/// so much of them may be late beyond the upper one, for tenths are short where a busy machine is late.
const LEAST: f64 = 0.03;
const LATE: f64 = 0.15;

pub(super) struct Histogram {
    bounds: (Duration, Duration),
    bins: [usize; BINS],
    /// Beyond the upper bound, for the machine was busy.
    late: usize,
    /// Below the lower one.
    early: usize,
}

impl Histogram {
    pub(super) fn of(pauses: &[Duration], from: Duration, to: Duration) -> Self {
        let mut histogram = Self {
            bounds: (from, to),
            bins: [0; BINS],
            late: 0,
            early: 0,
        };
        for pause in pauses {
            let place = (pause.as_secs_f64() - from.as_secs_f64()) / (to - from).as_secs_f64();
            match (place * BINS as f64).floor() {
                below if below < 0.0 => histogram.early += 1,
                bin if bin < BINS as f64 => histogram.bins[bin as usize] += 1,
                _ => histogram.late += 1,
            }
        }
        histogram
    }

    pub(super) fn told(&self) -> String {
        let Self {
            bounds: (from, to),
            bins,
            late,
            early,
        } = self;
        let bins: Vec<String> = bins.iter().map(ToString::to_string).collect();
        let beyond = format!("{late} late, {early} early");
        format!(
            "{} to {} ms in tenths: {}; {beyond}",
            from.as_millis(),
            to.as_millis(),
            bins.join(" ")
        )
    }

    /// That they lie between the bounds, and everywhere between them.
    pub(super) fn assert_spread(&self) {
        let all = (self.bins.iter().sum::<usize>() + self.late + self.early) as f64;
        let is_spread = self.bins.iter().all(|count| *count as f64 >= all * LEAST);
        assert!(
            is_spread && self.early == 0 && self.late as f64 <= all * LATE,
            "{}",
            self.told()
        );
    }
}
