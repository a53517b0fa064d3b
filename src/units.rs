//! How container figures are shown, the same in the API and in the metrics.

use health_monitor_actors::model::{ContainerState, ResourceUsage};

/// Bytes in a mebibyte, which the specification calls `mb`.
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// Rounds to two decimals, as the specification does.
pub(crate) fn round2(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// Bytes in MiB, rounded to two decimals.
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    round2(bytes as f64 / MEBIBYTE)
}

/// The container's last sample, where it describes the present run: not of a container that ended, nor of its run before
/// the last start.
pub(crate) fn present_usage(container: &ContainerState) -> Option<&ResourceUsage> {
    let usage = container
        .usage
        .as_deref()
        .filter(|_| container.status.has_processes())?;
    let began = container.started_at;
    let is_of_this_run = began.is_none() || began <= Some(usage.at);
    is_of_this_run.then_some(usage)
}
