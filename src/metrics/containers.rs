//! Series of containers. Absent while the engine does not answer: what was known before is no measurement.

use std::collections::BTreeMap;
use std::sync::Arc;

use health_monitor_actors::model::{ContainerState, ContainerStatus, ResourceUsage, Snapshot};

use super::text::{Kind, Labels, NO_LABELS, Text, Value};
use crate::units;

/// A container and its label, escaped once for all its samples.
pub(super) struct Row {
    container: Arc<ContainerState>,
    labels: Labels,
}

/// Writes one family, or a part of it.
pub(super) type Family = fn(&mut Text, &[Row]);

/// Every family that has a sample for each container: first the specified names with their specified units, rounded as in
/// `/containers/{name}`, then the same and more in base units, under names that cannot be taken for cAdvisor's.
pub(super) const FAMILIES: [Family; 13] = [
    health_status,
    starts_total,
    start_time_seconds,
    cpu_usage_percent,
    memory_usage_mb,
    memory_percent,
    cpu_seconds_total,
    memory_working_set_bytes,
    memory_limit_bytes,
    network_receive_bytes_total,
    network_transmit_bytes_total,
    block_read_bytes_total,
    block_write_bytes_total,
];

/// Every container by name, one for each name: while Compose replaces a container, the inventory can know the one that
/// goes and the one that comes under the same name, and a series that appears twice would cost the whole scrape.
pub(super) fn rows(snapshot: &Snapshot) -> Vec<Row> {
    if !snapshot.engine.is_up() {
        return Vec::new();
    }
    let mut by_name: BTreeMap<&str, &Arc<ContainerState>> = BTreeMap::new();
    for container in snapshot.containers.values() {
        let precedence = |container: &ContainerState| (container.is_running(), container.created);
        let shown = by_name.entry(&container.name).or_insert(container);
        if precedence(container) > precedence(shown) {
            *shown = container;
        }
    }
    let row = |container: &Arc<ContainerState>| Row {
        container: container.clone(),
        labels: Labels::of("container", &container.name),
    };
    by_name.into_values().map(row).collect()
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

fn health_status(text: &mut Text, rows: &[Row]) {
    text.states(
        "container_health_status",
        "1 for the status that Docker gives the container, 0 for the others.",
        "status",
        &ContainerStatus::ALL.map(ContainerStatus::as_str),
        each(rows, |container| Some(container.status.as_str())),
    );
}

fn starts_total(text: &mut Text, rows: &[Row]) {
    text.family(
        Kind::Counter,
        "health_monitor_container_starts_total",
        "Starts of the container that the monitor saw.",
        each(rows, |container| Some(container.starts_total)),
    );
}

fn start_time_seconds(text: &mut Text, rows: &[Row]) {
    text.family(
        Kind::Gauge,
        "health_monitor_container_start_time_seconds",
        "When the container was started, in seconds since 1970; absent while it does not run.",
        each(rows, |container| {
            let started = container.started_at.filter(|_| container.status.has_processes())?;
            Some(started.as_duration().as_secs_f64())
        }),
    );
}

fn cpu_usage_percent(text: &mut Text, rows: &[Row]) {
    text.family(
        Kind::Gauge,
        "container_cpu_usage_percent",
        "CPU time used, in percent of the whole host (0 to 100).",
        each_usage(rows, |usage| usage.cpu_percent.map(units::round2)),
    );
}

fn memory_usage_mb(text: &mut Text, rows: &[Row]) {
    text.family(
        Kind::Gauge,
        "container_memory_usage_mb",
        "Memory used with file cache, in MiB.",
        each_usage(rows, |usage| Some(units::mebibytes(usage.memory_usage))),
    );
}

fn memory_percent(text: &mut Text, rows: &[Row]) {
    text.family(
        Kind::Gauge,
        "container_memory_percent",
        "Memory used with file cache, in percent of the limit (0 to 100).",
        each_usage(rows, |usage| usage.memory_percent().map(units::round2)),
    );
}

fn cpu_seconds_total(text: &mut Text, rows: &[Row]) {
    text.family(
        Kind::Counter,
        "health_monitor_container_cpu_seconds_total",
        "CPU time used since the container was started.",
        each_usage(rows, |usage| Some(usage.cpu_seconds)),
    );
}

fn memory_working_set_bytes(text: &mut Text, rows: &[Row]) {
    text.family(
        Kind::Gauge,
        "health_monitor_container_memory_working_set_bytes",
        "Memory used without inactive file cache.",
        each_usage(rows, |usage| Some(usage.memory_working_set)),
    );
}

fn memory_limit_bytes(text: &mut Text, rows: &[Row]) {
    text.family(
        Kind::Gauge,
        "health_monitor_container_memory_limit_bytes",
        "Memory limit: the container's own, else the host's.",
        each_usage(rows, |usage| Some(usage.memory_limit)),
    );
}

fn network_receive_bytes_total(text: &mut Text, rows: &[Row]) {
    text.family(
        Kind::Counter,
        "health_monitor_container_network_receive_bytes_total",
        "Bytes received over all networks since the container was started.",
        each_usage(rows, |usage| usage.network_receive),
    );
}

fn network_transmit_bytes_total(text: &mut Text, rows: &[Row]) {
    text.family(
        Kind::Counter,
        "health_monitor_container_network_transmit_bytes_total",
        "Bytes sent over all networks since the container was started.",
        each_usage(rows, |usage| usage.network_transmit),
    );
}

fn block_read_bytes_total(text: &mut Text, rows: &[Row]) {
    text.family(
        Kind::Counter,
        "health_monitor_container_block_read_bytes_total",
        "Bytes read from block devices since the container was started.",
        each_usage(rows, |usage| usage.block_read),
    );
}

fn block_write_bytes_total(text: &mut Text, rows: &[Row]) {
    text.family(
        Kind::Counter,
        "health_monitor_container_block_write_bytes_total",
        "Bytes written to block devices since the container was started.",
        each_usage(rows, |usage| usage.block_write),
    );
}

/// Every container for which `read` finds a value.
fn each<'a, V>(
    rows: &'a [Row],
    read: impl Fn(&'a ContainerState) -> Option<V>,
) -> impl Iterator<Item = (&'a Labels, V)> {
    rows.iter()
        .filter_map(move |row| Some((&row.labels, read(&row.container)?)))
}

/// Every container for which `read` finds a value in its last sample, where that describes the present run.
fn each_usage<V: Value>(
    rows: &[Row],
    read: impl Fn(&ResourceUsage) -> Option<V>,
) -> impl Iterator<Item = (&Labels, V)> {
    each(rows, move |container| read(units::present_usage(container)?))
}
