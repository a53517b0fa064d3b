//! Services with a known past, to be written into a store and read out of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use health_monitor::history::model::{
    ContainerEvent, ContainerEventKind, HOUR, Incident, IncidentId, IncidentKind, RawResult, ResultKind, Run,
    SavedService, ServiceResult, Span, StatusChange, UsageSample,
};
use health_monitor::history::store::{Batch, Decided, Retention, Store};
use health_monitor_actors::model::{ServiceName, Status};
use jiff::Timestamp;

/// The beginning of a day, in milliseconds since 1970.
pub(crate) const DAWN: i64 = 19_700 * 24 * HOUR;

/// Writing that must work.
pub(crate) trait Writes {
    async fn put(&self, batch: Batch);
    async fn settle(&self, decided: Vec<Decided>);
}

impl Writes for Arc<dyn Store> {
    async fn put(&self, batch: Batch) {
        self.append(Arc::new(batch)).await.unwrap();
    }

    async fn settle(&self, decided: Vec<Decided>) {
        self.commit(decided.into()).await.unwrap();
    }
}

/// A time so many milliseconds after [`DAWN`].
pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(DAWN + millis).unwrap()
}

/// From and to in milliseconds after [`DAWN`].
pub(crate) fn span(from: i64, to: i64) -> Span {
    Span::new(at(from), at(to))
}

pub(crate) fn name(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

/// A result that passed in so many microseconds.
pub(crate) fn passed(service: &str, millis: i64, micros: u64) -> ServiceResult {
    result(service, millis, ResultKind::Pass, Some(micros), "answered")
}

pub(crate) fn result(service: &str, millis: i64, kind: ResultKind, micros: Option<u64>, reason: &str) -> ServiceResult {
    ServiceResult {
        service: name(service),
        result: RawResult {
            at: at(millis),
            kind,
            status: if kind == ResultKind::Fail {
                Status::Unhealthy
            } else {
                Status::Healthy
            },
            duration: micros.map(Duration::from_micros),
            attempts: if kind == ResultKind::Fail { 3 } else { 1 },
            reason: reason.into(),
        },
    }
}

pub(crate) fn change(service: &str, millis: i64, from: Status, to: Status) -> Decided {
    Decided {
        change: StatusChange {
            service: name(service),
            at: at(millis),
            from,
            to,
            reason: format!("it is {to}"),
            reconstructed_since: None,
        },
        incident: None,
        saved: None,
    }
}

pub(crate) fn incident(service: &str, started: i64, ended: Option<i64>, kind: IncidentKind) -> Incident {
    Incident {
        id: IncidentId::new(at(started), 7),
        service: name(service),
        kind,
        started: at(started),
        ended: ended.map(at),
        status: Status::Unhealthy,
        cause: "connection refused".to_owned(),
        dependency_down: false,
        containers: vec![service.to_owned()],
        reconstructed_since: None,
    }
}

pub(crate) fn event(container: &str, millis: i64, kind: ContainerEventKind) -> ContainerEvent {
    ContainerEvent {
        at: at(millis),
        container: container.to_owned(),
        id: "0123456789ab".to_owned(),
        kind,
        exit_code: (kind == ContainerEventKind::Exited).then_some(137),
        oom_killed: false,
        unplanned: kind == ContainerEventKind::Exited,
    }
}

pub(crate) fn sample(container: &str, millis: i64, cpu: u64, memory: u64) -> UsageSample {
    UsageSample {
        container: container.to_owned(),
        at: at(millis),
        cpu_millicores: Some(cpu),
        memory,
        memory_limit: 1 << 30,
        network_received: 100,
        network_sent: 10,
        block_read: 1,
        block_written: 2,
    }
}

pub(crate) fn saved(service: &str, millis: i64, state: &str) -> SavedService {
    SavedService {
        service: name(service),
        at: at(millis),
        state: serde_json::json!({ "state": state }),
    }
}

/// A batch of a run that began at `started`, written at `now`; later than any other one.
pub(crate) fn batch(started: i64, now: i64, results: Vec<ServiceResult>) -> Batch {
    static SEQUENCE: AtomicU64 = AtomicU64::new(0);
    Batch {
        sequence: SEQUENCE.fetch_add(1, Ordering::Relaxed),
        run: Run {
            started: at(started),
            until: at(now),
        },
        results,
        usage: Vec::new(),
        events: Vec::new(),
        saved: Vec::new(),
        evidence: Vec::new(),
    }
}

pub(crate) fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

/// Nothing goes within the tests' few days.
pub(crate) fn keep_all() -> Retention {
    Retention {
        raw: days(1_000),
        raw_bytes: u64::MAX,
        minutes: days(1_000),
        hours: days(1_000),
        events: days(1_000),
    }
}
