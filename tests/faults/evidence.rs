//! What the monitor's own metrics tell of a fault: counters that grew meanwhile.

use std::collections::BTreeMap;

use health_monitor_test_support::exposition::Exposition;
use health_monitor_test_support::stack::monitor::Monitor;

/// Those that grow when something breaks, and not otherwise.
const TELLING: [&str; 10] = [
    "health_check_failure_total",
    "health_check_error_total",
    "health_monitor_container_starts_total",
    "health_monitor_actor_restarts_total",
    "health_monitor_actors_given_up",
    "health_monitor_lanes_abandoned_total",
    "health_monitor_stalls_total",
    "health_monitor_outcomes_dropped_total",
    "health_monitor_log_lines_lost_total",
    "health_monitor_docker_event_reconnects_total",
];

/// Counters at one moment, by series.
pub(crate) struct Evidence(BTreeMap<String, f64>);

impl Evidence {
    /// Those of a monitor; none where it does not answer.
    pub(crate) async fn of(monitor: &Monitor) -> Self {
        let Ok((_, text)) = monitor.try_get("/metrics").await else {
            return Self(BTreeMap::new());
        };
        let mut counters = BTreeMap::new();
        for family in Exposition::parse(&text).families {
            if !TELLING.contains(&family.name.as_str()) {
                continue;
            }
            for sample in family.samples {
                let labels: Vec<String> = sample.labels.values().cloned().collect();
                counters.insert(format!("{}{{{}}}", sample.name, labels.join(",")), sample.value);
            }
        }
        Self(counters)
    }

    /// The series that grew since, each with by how much.
    pub(crate) fn since(&self, before: &Self) -> Vec<String> {
        let grown = self.0.iter().filter_map(|(series, now)| {
            let grown = now - before.0.get(series).copied().unwrap_or_default();
            (grown > 0.0).then(|| format!("{series} +{grown}"))
        });
        grown.collect()
    }
}
