//! What the monitor's own metrics tell of a fault: counters that grew meanwhile.

use std::collections::BTreeMap;

use health_monitor_test_support::exposition::Exposition;
use health_monitor_test_support::stack::monitor::Monitor;

/// Beginnings of the names of counters that grow when something breaks, and not otherwise.
const TELLING: [&str; 7] = [
    "health_monitor_actor_restarts",
    "health_monitor_actor_given_up",
    "health_monitor_lanes_abandoned",
    "health_monitor_docker_event_reconnects",
    "health_monitor_registry_dropped",
    "health_monitor_schedule_skipped",
    "health_check_error_total",
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
            if !TELLING.iter().any(|begins| family.name.starts_with(begins)) {
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
