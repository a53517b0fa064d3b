//! Series of containers. Absent while the engine does not answer: what was known before is no measurement.

use std::collections::BTreeMap;

use health_monitor_actors::model::{ContainerState, ContainerStatus, ResourceUsage, Snapshot};

use super::text::{Kind, Labels, NO_LABELS, Text, Value};
use crate::units;

/// A container and its label, escaped once for all its samples.
pub(super) struct Row<'a> {
    container: &'a ContainerState,
    /// Its last sample, where it describes the present run.
    usage: Option<&'a ResourceUsage>,
    labels: Labels,
}

/// Every container by name, one for each name: while Compose replaces a container, the inventory can know the one that
/// goes and the one that comes under the same name, and a series that appears twice would cost the whole scrape.
pub(super) fn rows(snapshot: &Snapshot) -> Vec<Row<'_>> {
    if !snapshot.engine.is_up() {
        return Vec::new();
    }
    let mut by_name: BTreeMap<&str, &ContainerState> = BTreeMap::new();
    for container in snapshot.containers.values() {
        let precedence = |container: &ContainerState| (container.is_running(), container.created);
        let shown = by_name.entry(&container.name).or_insert(container);
        if precedence(container) > precedence(shown) {
            *shown = container;
        }
    }
    let row = |container: &'_ ContainerState| Labels::of("container", &container.name);
    by_name
        .into_values()
        .map(|container| Row {
            container,
            usage: units::present_usage(container),
            labels: row(container),
        })
        .collect()
}

/// Writes all families of containers.
pub(super) fn write(text: &mut Text, rows: &[Row<'_>]) {
    write_state(text, rows);
    write_specified_usage(text, rows);
    write_usage(text, rows);
}

/// Writes how many containers there are.
pub(super) fn write_totals(text: &mut Text, snapshot: &Snapshot) {
    let running = snapshot.containers.values().filter(|container| container.is_running());
    for (name, help, count) in [
        (
            "system_total_containers",
            "Containers that the engine knows.",
            snapshot.containers.len(),
        ),
        ("system_running_containers", "Containers that run.", running.count()),
    ] {
        text.family(Kind::Gauge, name, help, [(&NO_LABELS, count as u64)]);
    }
}

fn write_state(text: &mut Text, rows: &[Row<'_>]) {
    let each = || rows.iter().map(|row| (&row.labels, row.container));
    text.states(
        "container_health_status",
        "1 for the status that Docker gives the container, 0 for the others.",
        "status",
        &ContainerStatus::ALL.map(ContainerStatus::as_str),
        each().map(|(labels, container)| (labels, container.status.as_str())),
    );
    text.family(
        Kind::Counter,
        "health_monitor_container_starts_total",
        "Starts of the container that the monitor saw.",
        each().map(|(labels, container)| (labels, container.starts_total)),
    );
    text.family(
        Kind::Gauge,
        "health_monitor_container_start_time_seconds",
        "When the container was started, in seconds since 1970; absent while it does not run.",
        each().filter_map(|(labels, container)| {
            let started = container.started_at.filter(|_| container.status.has_processes())?;
            Some((labels, started.as_duration().as_secs_f64()))
        }),
    );
}

/// The specified names with their specified units, rounded as in `/containers/{name}`.
fn write_specified_usage(text: &mut Text, rows: &[Row<'_>]) {
    text.family(
        Kind::Gauge,
        "container_cpu_usage_percent",
        "CPU time used, in percent of the whole host (0 to 100).",
        each_usage(rows, |usage| usage.cpu_percent.map(units::round2)),
    );
    text.family(
        Kind::Gauge,
        "container_memory_usage_mb",
        "Memory used with file cache, in MiB.",
        each_usage(rows, |usage| Some(units::mebibytes(usage.memory_usage))),
    );
    text.family(
        Kind::Gauge,
        "container_memory_percent",
        "Memory used with file cache, in percent of the limit (0 to 100).",
        each_usage(rows, |usage| usage.memory_percent().map(units::round2)),
    );
}

/// The same and more in base units, under names that cannot be taken for cAdvisor's.
fn write_usage(text: &mut Text, rows: &[Row<'_>]) {
    text.family(
        Kind::Counter,
        "health_monitor_container_cpu_seconds_total",
        "CPU time used since the container was started.",
        each_usage(rows, |usage| Some(usage.cpu_seconds)),
    );
    text.family(
        Kind::Gauge,
        "health_monitor_container_memory_working_set_bytes",
        "Memory used without inactive file cache.",
        each_usage(rows, |usage| Some(usage.memory_working_set)),
    );
    text.family(
        Kind::Gauge,
        "health_monitor_container_memory_limit_bytes",
        "Memory limit: the container's own, else the host's.",
        each_usage(rows, |usage| Some(usage.memory_limit)),
    );
    text.family(
        Kind::Counter,
        "health_monitor_container_network_receive_bytes_total",
        "Bytes received over all networks since the container was started.",
        each_usage(rows, |usage| usage.network_receive),
    );
    text.family(
        Kind::Counter,
        "health_monitor_container_network_transmit_bytes_total",
        "Bytes sent over all networks since the container was started.",
        each_usage(rows, |usage| usage.network_transmit),
    );
    text.family(
        Kind::Counter,
        "health_monitor_container_block_read_bytes_total",
        "Bytes read from block devices since the container was started.",
        each_usage(rows, |usage| usage.block_read),
    );
    text.family(
        Kind::Counter,
        "health_monitor_container_block_write_bytes_total",
        "Bytes written to block devices since the container was started.",
        each_usage(rows, |usage| usage.block_write),
    );
}

/// Every container for which `read` finds a value in its last sample.
fn each_usage<'a, V: Value>(
    rows: &'a [Row<'a>],
    read: impl Fn(&ResourceUsage) -> Option<V>,
) -> impl Iterator<Item = (&'a Labels, V)> {
    rows.iter()
        .filter_map(move |row| Some((&row.labels, read(row.usage?)?)))
}
