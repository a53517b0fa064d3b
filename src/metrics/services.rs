//! Series of services and of their checks.

use std::sync::Arc;

use health_monitor_actors::model::{BreakerView, DurationHistogram, ServiceName, ServiceState, Snapshot, Status};

use super::Settings;
use super::text::{Histogram, Kind, Labels, NO_LABELS, Text};

/// A service and its label, escaped once for all its samples.
pub(super) struct Row {
    service: Arc<ServiceState>,
    labels: Labels,
}

/// Writes one family, or a part of it.
pub(super) type Family = fn(&mut Text, &[Row], Settings);

/// Every family that has a sample for each service.
pub(super) const FAMILIES: [Family; 15] = [
    service_health_status,
    service_state,
    service_info,
    service_flapping,
    service_pending,
    service_maintenance,
    service_dependency_unhealthy,
    service_breaker_state,
    health_check_success_total,
    health_check_failure_total,
    health_check_error_total,
    health_check_duration_seconds,
    health_check_last_duration_seconds,
    health_check_last_timestamp_seconds,
    health_check_interval_seconds,
];

/// Every service, by name.
pub(super) fn rows(snapshot: &Snapshot) -> Vec<Row> {
    let row = |service: &Arc<ServiceState>| Row {
        service: service.clone(),
        labels: Labels::of("service", service.spec.name.as_str()),
    };
    snapshot.services.values().map(row).collect()
}

/// Writes how many services there are.
pub(super) fn write_totals(text: &mut Text, rows: &[Row]) {
    let healthy = rows.iter().filter(|row| row.service.status.is_up()).count();
    for (name, help, count) in [
        ("system_total_services", "Monitored services.", rows.len()),
        (
            "system_healthy_services",
            "Services that are healthy or degraded.",
            healthy,
        ),
        ("system_unhealthy_services", "All other services.", rows.len() - healthy),
    ] {
        text.family(Kind::Gauge, name, help, [(&NO_LABELS, count as u64)]);
    }
}

fn service_health_status(text: &mut Text, rows: &[Row], _settings: Settings) {
    text.family(
        Kind::Gauge,
        "service_health_status",
        "1 while the service works (healthy or degraded), 0 while it does not (unhealthy or not found).",
        each_with(rows, |service| service.health_gauge().map(u64::from)),
    );
}

fn service_state(text: &mut Text, rows: &[Row], _settings: Settings) {
    text.states(
        "service_state",
        "1 for the status that the service has, 0 for the others.",
        "state",
        &Status::ALL.map(Status::as_str),
        each(rows, |service| service.status.as_str()),
    );
}

fn service_info(text: &mut Text, rows: &[Row], _settings: Settings) {
    let infos: Vec<Labels> = rows.iter().map(info).collect();
    text.family(
        Kind::Gauge,
        "service_info",
        "Always 1; the labels tell how the service is configured.",
        infos.iter().map(|labels| (labels, true)),
    );
}

fn service_flapping(text: &mut Text, rows: &[Row], _settings: Settings) {
    text.family(
        Kind::Gauge,
        "service_flapping",
        "1 while the service's status changes too often to be acted on.",
        each(rows, |service| service.flapping),
    );
}

fn service_pending(text: &mut Text, rows: &[Row], _settings: Settings) {
    text.family(
        Kind::Gauge,
        "service_pending",
        "1 while the last cycles announce a change of status that they have not decided.",
        each(rows, |service| service.pending.is_some()),
    );
}

fn service_maintenance(text: &mut Text, rows: &[Row], _settings: Settings) {
    text.family(
        Kind::Gauge,
        "service_maintenance",
        "1 while the service is paused by a person.",
        each(rows, |service| service.status == Status::Maintenance),
    );
}

fn service_dependency_unhealthy(text: &mut Text, rows: &[Row], _settings: Settings) {
    text.family(
        Kind::Gauge,
        "service_dependency_unhealthy",
        "1 while a service that it depends on, directly or not, does not work.",
        each(rows, |service| service.dependency_unhealthy),
    );
}

fn service_breaker_state(text: &mut Text, rows: &[Row], _settings: Settings) {
    text.states(
        "service_breaker_state",
        "1 for the state that the service's circuit breaker has, 0 for the others.",
        "state",
        &BreakerView::STATES,
        each(rows, |service| service.breaker.as_str()),
    );
}

fn health_check_success_total(text: &mut Text, rows: &[Row], _settings: Settings) {
    text.family(
        Kind::Counter,
        "health_check_success_total",
        "Finished cycles in which the service worked, with or without a warning.",
        each(rows, |service| service.totals.success),
    );
}

fn health_check_failure_total(text: &mut Text, rows: &[Row], _settings: Settings) {
    text.family(
        Kind::Counter,
        "health_check_failure_total",
        "Finished cycles in which the service failed.",
        each(rows, |service| service.totals.failure),
    );
}

fn health_check_error_total(text: &mut Text, rows: &[Row], _settings: Settings) {
    text.family(
        Kind::Counter,
        "health_check_error_total",
        "Cycles in which the monitor could not check.",
        each(rows, |service| service.totals.error),
    );
}

fn health_check_duration_seconds(text: &mut Text, rows: &[Row], settings: Settings) {
    text.histograms(
        "health_check_duration_seconds",
        "How long checks took; the plain sample is the last one.",
        &DurationHistogram::BOUNDS,
        rows.iter().map(|row| {
            let histogram = Histogram {
                buckets: &row.service.durations.buckets,
                sum: row.service.durations.sum,
            };
            let last = row.service.last.as_ref().filter(|_| settings.plain_duration);
            let last = last.and_then(|outcome| outcome.measured());
            let last = last.map(|duration| duration.as_secs_f64());
            (&row.labels, histogram, last)
        }),
    );
}

fn health_check_last_duration_seconds(text: &mut Text, rows: &[Row], _settings: Settings) {
    text.family(
        Kind::Gauge,
        "health_check_last_duration_seconds",
        "How long the last check took; absent where its failure was certain without an attempt.",
        each_with(rows, |service| Some(service.last.as_deref()?.measured()?.as_secs_f64())),
    );
}

fn health_check_last_timestamp_seconds(text: &mut Text, rows: &[Row], _settings: Settings) {
    text.family(
        Kind::Gauge,
        "health_check_last_timestamp_seconds",
        "When the last check ended, in seconds since 1970.",
        each_with(rows, |service| {
            Some(service.last.as_deref()?.ended.as_duration().as_secs_f64())
        }),
    );
}

fn health_check_interval_seconds(text: &mut Text, rows: &[Row], _settings: Settings) {
    text.family(
        Kind::Gauge,
        "health_check_interval_seconds",
        "Configured time from the start of one check to the start of the next.",
        each(rows, |service| service.spec.interval.as_secs_f64()),
    );
}

/// Every service with what `read` finds in it.
fn each<V>(rows: &[Row], read: impl Fn(&ServiceState) -> V) -> impl Iterator<Item = (&Labels, V)> {
    rows.iter().map(move |row| (&row.labels, read(&row.service)))
}

/// Every service for which `read` finds a value, with that value.
fn each_with<V>(rows: &[Row], read: impl Fn(&ServiceState) -> Option<V>) -> impl Iterator<Item = (&Labels, V)> {
    rows.iter()
        .filter_map(move |row| Some((&row.labels, read(&row.service)?)))
}

fn info(row: &Row) -> Labels {
    let spec = &row.service.spec;
    let container = spec.container.name().unwrap_or_default();
    let depends_on: Vec<&str> = spec.depends_on.iter().map(ServiceName::as_str).collect();
    row.labels
        .clone()
        .and("check", &spec.check)
        .and("container", container)
        .and("critical", if spec.critical { "true" } else { "false" })
        .and("depends_on", &depends_on.join(","))
}
