//! What a process holds, sampled from `/proc`, and whether that is flat.

use std::fs;
use std::time::Duration;

use serde::Serialize;
use tokio::time::sleep;

/// Readings that make one sample, and the time between them: checks that are under way come and go within.
const READINGS: usize = 21;
const APART: Duration = Duration::from_millis(97);

/// How much may change from the first window to the last, and by the trend over all of them.
const FLAT: f64 = 0.05;

/// What a process holds: of some readings the median, and where checks that are under way hold something the least.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Held {
    /// KiB.
    pub(super) resident: f64,
    /// KiB of it that no file is behind.
    pub(super) anonymous: f64,
    pub(super) threads: f64,
    pub(super) descriptors: f64,
    /// Descriptors that are sockets.
    pub(super) sockets: f64,
}

/// A figure of a sample.
pub(super) struct Figure {
    /// Its name and unit.
    pub(super) name: &'static str,
    pub(super) of: fn(&Held) -> f64,
    /// What stands for a window of samples. Things that are counted come and go with the checks that are under way, so that
    /// the least of them is what the process keeps.
    middle: fn(&[f64]) -> f64,
}

/// All of them.
pub(super) const FIGURES: [Figure; 5] = [
    Figure::new("resident KiB", |held| held.resident, median),
    Figure::new("anonymous KiB", |held| held.anonymous, median),
    Figure::new("threads", |held| held.threads, least),
    Figure::new("descriptors", |held| held.descriptors, least),
    Figure::new("sockets", |held| held.sockets, least),
];

impl Figure {
    const fn new(name: &'static str, of: fn(&Held) -> f64, middle: fn(&[f64]) -> f64) -> Self {
        Self { name, of, middle }
    }
}

// === impl Held ===

impl Held {
    /// Of the process with this number, over about two seconds.
    pub(super) async fn by(pid: u32) -> Self {
        let mut readings = Vec::new();
        for _ in 0..READINGS {
            readings.push(Self::now(pid));
            sleep(APART).await;
        }
        let values = |figure: fn(&Held) -> f64| readings.iter().map(figure).collect::<Vec<_>>();
        let middle = |figure| median(&values(figure));
        let least = |figure| least(&values(figure));
        Self {
            resident: middle(|held| held.resident),
            anonymous: middle(|held| held.anonymous),
            threads: least(|held| held.threads),
            descriptors: least(|held| held.descriptors),
            sockets: least(|held| held.sockets),
        }
    }

    fn now(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
        let value = |name: &str| -> f64 {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let word = line.and_then(|line| line.split_whitespace().next());
            word.and_then(|word| word.parse().ok())
                .expect("a number of the kernel's")
        };
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs");
        // One that is closed meanwhile has no target any more.
        let targets: Vec<_> = descriptors
            .flatten()
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .collect();
        let sockets = targets
            .iter()
            .filter(|target| target.to_string_lossy().starts_with("socket:"));
        Self {
            resident: value("VmRSS"),
            anonymous: value("RssAnon"),
            threads: value("Threads"),
            descriptors: targets.len() as f64,
            sockets: sockets.count() as f64,
        }
    }
}

/// Windows into which the samples that count are divided.
const WINDOWS: usize = 12;

/// How a figure went over the samples that count.
pub(super) struct Course {
    /// That of the first window.
    first: f64,
    /// That of the last window.
    last: f64,
    /// By how much the trend over the windows (the median of the slopes between all pairs, Theil and Sen) goes up.
    trend: f64,
    range: (f64, f64),
}

impl Course {
    pub(super) fn of(figure: &Figure, samples: &[&Held]) -> Self {
        let values: Vec<f64> = samples.iter().map(|held| (figure.of)(held)).collect();
        let windows = values.chunks(values.len().div_ceil(WINDOWS).max(1));
        let windows: Vec<f64> = windows.map(figure.middle).collect();
        let slopes = windows.iter().enumerate().flat_map(|(from, before)| {
            let later = windows.iter().enumerate().skip(from + 1);
            later.map(move |(to, after)| (after - before) / (to - from) as f64)
        });
        let slope = median(&slopes.collect::<Vec<_>>());
        Self {
            first: windows.first().copied().unwrap_or_default(),
            last: windows.last().copied().unwrap_or_default(),
            trend: slope * windows.len().saturating_sub(1) as f64,
            range: values.iter().fold((f64::MAX, f64::MIN), |(least, most), value| {
                (least.min(*value), most.max(*value))
            }),
        }
    }

    pub(super) fn is_flat(&self) -> bool {
        let limit = self.first * FLAT;
        (self.last - self.first).abs() <= limit && self.trend.abs() <= limit
    }

    pub(super) fn told(&self) -> String {
        let percent = |change: f64| 100.0 * change / self.first;
        format!(
            "{} to {} ({:+.1} %), trend {:+.1} %, range {} to {}",
            self.first,
            self.last,
            percent(self.last - self.first),
            percent(self.trend),
            self.range.0,
            self.range.1
        )
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::MAX, f64::min)
}
