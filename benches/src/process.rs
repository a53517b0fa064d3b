//! What the kernel tells of a process: time on processors, memory, threads.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

/// How often a second the kernel counts in `/proc/PID/stat`, on every Linux that there is.
const TICKS: u64 = 100;

/// A process that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    place: PathBuf,
}

// === impl Process ===

impl Process {
    /// The process of this number.
    pub(crate) fn of(id: u32) -> Self {
        Self {
            place: PathBuf::from(format!("/proc/{id}")),
        }
    }

    /// This process.
    pub(crate) fn own() -> Self {
        Self {
            place: PathBuf::from("/proc/self"),
        }
    }

    /// Time that its threads have spent on processors, to the microsecond. Threads that have ended do not count, so it is for
    /// programs that keep theirs.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut nanos = 0;
        for thread in fs::read_dir(self.place.join("task")).with_context(|| format!("{self:?} has ended"))? {
            // A thread may end between the list and the look.
            let Ok(line) = fs::read_to_string(thread?.path().join("schedstat")) else {
                continue;
            };
            let on_processor = line.split(' ').next().and_then(|first| first.parse::<u64>().ok());
            nanos += on_processor.with_context(|| format!("the kernel counts no time on processors: {line:?}"))?;
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// Time on processors of all its threads, ended ones too, and of the children that it waited for; to 10 ms.
    pub(crate) fn cpu_with_children(&self) -> Result<Duration> {
        let line = fs::read_to_string(self.place.join("stat")).with_context(|| format!("{self:?} has ended"))?;
        // The name, in parentheses, may hold anything.
        let (_, fields) = line.rsplit_once(") ").context("no stat of a process")?;
        // utime, stime, cutime and cstime are fields 14 to 17 of the line, and the state is the third.
        let ticks: u64 = fields
            .split(' ')
            .skip(11)
            .take(4)
            .map(|field| field.parse::<u64>().unwrap_or(0))
            .sum();
        Ok(Duration::from_millis(ticks * 1_000 / TICKS))
    }

    /// Resident memory, in MiB.
    pub(crate) fn resident(&self) -> Result<f64> {
        Ok(self.status("VmRSS:")? / 1_024.0)
    }

    /// How many threads it has.
    pub(crate) fn threads(&self) -> Result<f64> {
        self.status("Threads:")
    }

    fn status(&self, field: &str) -> Result<f64> {
        let status = fs::read_to_string(self.place.join("status")).with_context(|| format!("{self:?} has ended"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        number.with_context(|| format!("no {field} of {self:?}"))
    }
}

/// The processes of this name whose command line is accepted.
pub(crate) fn find(name: &str, is_meant: impl Fn(&str) -> bool) -> Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let place = entry?.path();
        let Ok(comm) = fs::read_to_string(place.join("comm")) else {
            continue;
        };
        let command = fs::read_to_string(place.join("cmdline")).unwrap_or_default();
        if comm.trim_end() == name && is_meant(&command.replace('\0', " ")) {
            found.push(Process { place });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_as_time_on_a_processor() {
        let own = Process::own();
        let before = (own.cpu().unwrap(), own.cpu_with_children().unwrap());
        let mut sum = 0_u64;
        let is_seen = || {
            let after = (own.cpu().unwrap(), own.cpu_with_children().unwrap());
            after.0 > before.0 + Duration::from_millis(20) && after.1 > before.1
        };
        while !is_seen() {
            sum = std::hint::black_box((0..100_000).fold(sum, u64::wrapping_add));
        }
        assert!(own.resident().unwrap() > 0.5);
        assert!(own.threads().unwrap() >= 1.0);
    }
}
