//! Series of services and of their checks.

use health_monitor_actors::model::{
    BreakerView, Container, DurationHistogram, ServiceName, ServiceState, Snapshot, Status,
};

use super::Settings;
use super::text::{Histogram, Kind, Labels, NO_LABELS, Text};

/// Samples that a service has at most: what [`write()`] writes.
const SAMPLES: usize = 40;

/// Bytes of a sample besides its labels' first part: the longest name, the second label, the value.
const SAMPLE_SIZE: usize = 64;

/// Bytes of all `HELP` and `TYPE` lines.
const HEADS_SIZE: usize = 4_096;

/// A service and its label, escaped once for all its samples.
pub(super) struct Row<'a> {
    service: &'a ServiceState,
    labels: Labels,
}

/// Every service, by name.
pub(super) fn rows(snapshot: &Snapshot) -> Vec<Row<'_>> {
    let row = |service| Row {
        service,
        labels: Labels::of("service", service.spec.name.as_str()),
    };
    snapshot.services.values().map(|service| row(service)).collect()
}

/// Bytes that [`write()`] needs at most, names of usual length given.
pub(super) fn size(rows: &[Row<'_>]) -> usize {
    let of_samples = rows.iter().map(|row| SAMPLES * (SAMPLE_SIZE + row.labels.len()));
    HEADS_SIZE + of_samples.sum::<usize>()
}

/// Writes all families of services.
pub(super) fn write(text: &mut Text, rows: &[Row<'_>], settings: Settings) {
    write_status(text, rows);
    write_checks(text, rows, settings);
    write_totals(text, rows);
}

fn write_status(text: &mut Text, rows: &[Row<'_>]) {
    let each = || rows.iter().map(|row| (&row.labels, row.service));
    text.family(
        Kind::Gauge,
        "service_health_status",
        "1 while the service works (healthy or degraded), 0 while it does not (unhealthy or not found).",
        each().filter_map(|(labels, service)| Some((labels, u64::from(service.health_gauge()?)))),
    );
    text.states(
        "service_state",
        "1 for the status that the service has, 0 for the others.",
        "state",
        &Status::ALL.map(Status::as_str),
        each().map(|(labels, service)| (labels, service.status.as_str())),
    );
    let infos: Vec<Labels> = rows.iter().map(info).collect();
    text.family(
        Kind::Gauge,
        "service_info",
        "Always 1; the labels tell how the service is configured.",
        infos.iter().map(|labels| (labels, true)),
    );
    text.family(
        Kind::Gauge,
        "service_flapping",
        "1 while the service's status changes too often to be acted on.",
        each().map(|(labels, service)| (labels, service.flapping)),
    );
    text.family(
        Kind::Gauge,
        "service_pending",
        "1 while the last cycles announce a change of status that they have not decided.",
        each().map(|(labels, service)| (labels, service.pending.is_some())),
    );
    text.family(
        Kind::Gauge,
        "service_maintenance",
        "1 while the service is paused by a person.",
        each().map(|(labels, service)| (labels, service.status == Status::Maintenance)),
    );
    text.family(
        Kind::Gauge,
        "service_dependency_unhealthy",
        "1 while a service that it depends on, directly or not, does not work.",
        each().map(|(labels, service)| (labels, service.dependency_unhealthy)),
    );
    text.states(
        "service_breaker_state",
        "1 for the state that the service's circuit breaker has, 0 for the others.",
        "state",
        &BreakerView::STATES,
        each().map(|(labels, service)| (labels, service.breaker.as_str())),
    );
}

fn write_checks(text: &mut Text, rows: &[Row<'_>], settings: Settings) {
    let each = || rows.iter().map(|row| (&row.labels, row.service));
    let each_measured = || each().filter_map(|(labels, service)| Some((labels, service.last.as_deref()?)));
    text.family(
        Kind::Counter,
        "health_check_success_total",
        "Finished cycles in which the service worked, with or without a warning.",
        each().map(|(labels, service)| (labels, service.totals.success)),
    );
    text.family(
        Kind::Counter,
        "health_check_failure_total",
        "Finished cycles in which the service failed.",
        each().map(|(labels, service)| (labels, service.totals.failure)),
    );
    text.family(
        Kind::Counter,
        "health_check_error_total",
        "Cycles in which the monitor could not check.",
        each().map(|(labels, service)| (labels, service.totals.error)),
    );
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
            let last = last.map(|outcome| outcome.duration.as_secs_f64());
            (&row.labels, histogram, last)
        }),
    );
    text.family(
        Kind::Gauge,
        "health_check_last_duration_seconds",
        "How long the last check took.",
        each_measured().map(|(labels, last)| (labels, last.duration.as_secs_f64())),
    );
    text.family(
        Kind::Gauge,
        "health_check_last_timestamp_seconds",
        "When the last check ended, in seconds since 1970.",
        each_measured().map(|(labels, last)| (labels, last.ended.as_duration().as_secs_f64())),
    );
    text.family(
        Kind::Gauge,
        "health_check_interval_seconds",
        "Configured time from the start of one check to the start of the next.",
        each().map(|(labels, service)| (labels, service.spec.interval.as_secs_f64())),
    );
}

fn write_totals(text: &mut Text, rows: &[Row<'_>]) {
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

fn info(row: &Row<'_>) -> Labels {
    let spec = &row.service.spec;
    let container = match &spec.container {
        Container::None => "",
        Container::Named(name) => name,
    };
    let depends_on: Vec<&str> = spec.depends_on.iter().map(ServiceName::as_str).collect();
    row.labels
        .clone()
        .and("check", &spec.check)
        .and("container", container)
        .and("critical", if spec.critical { "true" } else { "false" })
        .and("depends_on", &depends_on.join(","))
}
