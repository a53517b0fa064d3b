//! The command line: what is to be measured, and in which role this process runs.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::floor::Drive;
use crate::listeners::Kind;
use crate::parts::Part;

/// What a measurement is told.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// What is measured.
    pub(crate) parts: Vec<Part>,
    /// Of the cost of a check only the cases whose name holds this.
    pub(crate) only: Option<String>,
    /// How often; the table shows medians.
    pub(crate) runs: usize,
    /// Sizes are real, and targets are judged. Otherwise everything runs once, small, to see that it runs.
    pub(crate) is_judged: bool,
    /// The monitor's binary.
    pub(crate) monitor: PathBuf,
    /// Where the results go.
    pub(crate) output: PathBuf,
}

/// What this process is.
#[derive(Debug)]
pub(crate) enum Role {
    /// Measures, and starts the others.
    Measure(Options),
    /// Listens on so many ports.
    Listeners {
        /// What is spoken there.
        kind: Kind,
        /// How many.
        count: usize,
    },
    /// Checks with as little as it takes.
    Floor(Drive),
}

// === impl Role ===

impl Role {
    /// Reads `[--bench] [PART…]`, or one of the roles that this program gives itself.
    pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut arguments: Vec<String> = arguments.collect();
        // Given by `cargo bench` and left out by `cargo test`.
        let is_judged = arguments.iter().any(|argument| argument == "--bench");
        arguments.retain(|argument| argument != "--bench");
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["listeners", kind, count] => Ok(Role::Listeners {
                kind: kind.parse()?,
                count: count.parse()?,
            }),
            ["floor", kind, rate, seconds, ports @ ..] => Ok(Role::Floor(Drive {
                kind: kind.parse()?,
                rate: rate.parse()?,
                time: Duration::from_secs_f64(seconds.parse()?),
                ports: ports.iter().map(|port| port.parse()).collect::<Result<_, _>>()?,
            })),
            parts => Ok(Role::Measure(Options::new(parts, is_judged)?)),
        }
    }
}

// === impl Options ===

impl Options {
    fn new(parts: &[&str], is_judged: bool) -> Result<Self> {
        let parts = match parts {
            [] => Part::ALL.to_vec(),
            names => names.iter().map(|name| Part::find(name)).collect::<Result<_>>()?,
        };
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        // This program is `<profile>/deps/monitor-<hash>`, and the monitor of the same profile lies above.
        let program = std::env::current_exe().context("this program's own path")?;
        let profile = program
            .ancestors()
            .nth(2)
            .context("this program lies in no target folder")?;
        let monitor = variable("HEALTH_MONITOR_BINARY").map_or_else(|| profile.join("health-monitor"), PathBuf::from);
        if !monitor.is_file() {
            bail!(
                "{} is missing: cargo build --release --bin health-monitor",
                monitor.display()
            );
        }
        let folder = if is_judged { "bench" } else { "bench-smoke" };
        let output = variable("BENCH_OUTPUT").map_or_else(|| profile.with_file_name(folder), PathBuf::from);
        let runs = match variable("BENCH_RUNS") {
            Some(runs) => runs.to_string_lossy().parse().context("BENCH_RUNS must be a number")?,
            None => 3,
        };
        Ok(Self {
            parts,
            only: variable("BENCH_ONLY").map(|only| only.to_string_lossy().into_owned()),
            runs: if is_judged { runs } else { 1 },
            is_judged,
            monitor,
            output,
        })
    }
}
