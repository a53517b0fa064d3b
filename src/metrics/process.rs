//! What the kernel tells of the monitor's process: `process_*`, as every Prometheus client has them.

use std::fmt;

use prometheus::TextEncoder;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use tracing::error;

/// Reads `/proc/self` at each scrape.
pub struct Process(ProcessCollector);

impl Process {
    /// Of this process.
    pub fn of_self() -> Self {
        Self(ProcessCollector::for_self())
    }

    /// Appends its families.
    pub(super) fn write(&self, out: &mut String) {
        let intact = out.len();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.0.collect(), out) {
            error!(%error, "figures of the process could not be written");
            out.truncate(intact);
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").finish_non_exhaustive()
    }
}
