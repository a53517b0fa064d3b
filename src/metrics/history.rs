//! How the history is written.

use super::text::{Kind, Labels, NO_LABELS, Text};
use crate::history::handle::HistoryFigures;

/// Writes the families of the history.
pub(super) fn write(text: &mut Text, figures: &HistoryFigures) {
    let (results, changes) = (Labels::of("record", "result"), Labels::of("record", "change"));
    text.family(
        Kind::Gauge,
        "health_monitor_history_up",
        "1 while the history's store is open and takes what is written, 0 while it does not.",
        [(&NO_LABELS, u64::from(figures.is_open && figures.problem.is_none()))],
    );
    text.family(
        Kind::Gauge,
        "health_monitor_history_waiting",
        "Results and changes of status that wait in memory for the store.",
        [
            (&results, figures.results_waiting as u64),
            (&changes, figures.changes_waiting as u64),
        ],
    );
    text.family(
        Kind::Counter,
        "health_monitor_history_written_total",
        "Results and changes of status written.",
        [(&results, figures.results_written), (&changes, figures.changes_written)],
    );
    text.family(
        Kind::Counter,
        "health_monitor_history_dropped_total",
        "Results and changes of status that had to give way because too many waited.",
        [(&results, figures.results_dropped), (&changes, figures.changes_dropped)],
    );
    text.family(
        Kind::Counter,
        "health_monitor_history_failures_total",
        "Writes that the store did not take.",
        [(&NO_LABELS, figures.failures)],
    );
    let kept = figures.kept.as_ref();
    text.family(
        Kind::Gauge,
        "health_monitor_history_size_bytes",
        "Bytes that the store takes.",
        kept.map(|kept| (&NO_LABELS, kept.bytes)),
    );
    let (used, limit) = (Labels::of("bytes", "used"), Labels::of("bytes", "limit"));
    text.family(
        Kind::Gauge,
        "health_monitor_history_raw_bytes",
        "Bytes that results take in the store, and those that they may take.",
        kept.map(|kept| (&used, kept.raw_bytes))
            .into_iter()
            .chain([(&limit, figures.raw_limit_bytes)]),
    );
}
