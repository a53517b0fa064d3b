//! The trait behind which every database stands.
//!
//! One writer, the history actor, makes one call at a time; readers are many. Times are kept to the millisecond, durations
//! to the microsecond. Everything that is written twice, because nobody knows whether it was written, is there once.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use health_monitor_actors::model::{ServiceName, Status};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::codec::Malformed;
use super::model::{
    Bucket, ContainerEvent, Evidence, Incident, IncidentId, IncidentKind, RawResult, Run, SavedService, ServiceResult,
    Span, StatusChange, Tier, UsageBucket, UsageSample,
};
use super::timeline::{Mark, Timeline};

/// What the monitor kept, wherever it is.
#[async_trait]
pub trait Store: Send + Sync {
    /// What it is and where, for people: `SQLite 3.53.0, /var/lib/health-monitor/history.db`.
    fn describe(&self) -> String;

    // What the writer calls.

    /// What a restart needs to know.
    async fn resume(&self) -> Result<Memory, StoreError>;

    /// Writes what has gathered, in one transaction.
    async fn append(&self, batch: Arc<Batch>) -> Result<(), StoreError>;

    /// Writes changes of status in one transaction, which survives a loss of power where the disk does as it says.
    async fn commit(&self, decided: Arc<[Decided]>) -> Result<(), StoreError>;

    /// Does one step of what has to be done now and then: rolls up hours that are over and deletes what is too old or too
    /// much. No step takes long; says whether there is another one to do.
    async fn maintain(&self, now: Timestamp, retention: &Retention) -> Result<Upkeep, StoreError>;

    /// Takes in what another history exported. What is there already is replaced.
    async fn import(&self, records: Vec<Record>) -> Result<(), StoreError>;

    /// Leaves everything in order; nothing can be asked afterwards.
    async fn close(&self);

    // What readers call.

    /// Every service that anything was kept of, by name.
    async fn services(&self) -> Result<Vec<ServiceName>, StoreError>;

    /// Every container that anything was kept of, by name.
    async fn containers(&self) -> Result<Vec<String>, StoreError>;

    /// A service's results within `span`: the first `limit` of them in the asked order.
    async fn results(
        &self,
        service: &ServiceName,
        span: Span,
        order: Order,
        limit: usize,
    ) -> Result<Vec<RawResult>, StoreError>;

    /// Minutes or hours that begin within `span`, for each of the services in the order in which they were asked for; gaps
    /// are left out. The minute and hour under way are among them, with what is known so far.
    async fn buckets(
        &self,
        services: &[ServiceName],
        tier: Tier,
        span: Span,
        detail: Detail,
    ) -> Result<Vec<Vec<Bucket>>, StoreError>;

    /// Changes of status within `span`, of one service or of all: the first `limit` of them in the asked order. Those of
    /// one time are in the order of their services' names.
    async fn changes(
        &self,
        service: Option<&ServiceName>,
        span: Span,
        order: Order,
        limit: usize,
    ) -> Result<Vec<StatusChange>, StoreError>;

    /// When the monitor looked, as far as it touches `span`, by start. The last one goes on while the monitor runs.
    async fn runs(&self, span: Span) -> Result<Vec<Run>, StoreError>;

    /// Incidents, the latest start first.
    async fn incidents(&self, wanted: &IncidentQuery) -> Result<Vec<Incident>, StoreError>;

    /// One incident; `None` where there is none of this id.
    async fn incident(&self, id: IncidentId) -> Result<Option<Incident>, StoreError>;

    /// What was found around an incident, by time.
    async fn evidence(&self, id: IncidentId) -> Result<Vec<Evidence>, StoreError>;

    /// What happened to the containers within `span`, by time, at most `limit`.
    async fn container_events(
        &self,
        containers: &[String],
        span: Span,
        limit: usize,
    ) -> Result<Vec<ContainerEvent>, StoreError>;

    /// Minutes or hours of a container's resources that begin within `span`.
    async fn usage(&self, container: &str, tier: Tier, span: Span) -> Result<Vec<UsageBucket>, StoreError>;

    /// What was saved of services for a restart.
    async fn saved(&self) -> Result<Vec<SavedService>, StoreError>;

    /// How much is kept.
    async fn figures(&self) -> Result<StoreFigures, StoreError>;

    // What follows from these.

    /// When the service was up, down or not measured within `span`, from its changes and the monitor's runs.
    async fn timeline(&self, service: &ServiceName, span: Span) -> Result<Timeline, StoreError> {
        let before = Span::new(Timestamp::MIN, span.from);
        let mut changes = self.changes(Some(service), before, Order::NewestFirst, 1).await?;
        changes.extend(
            self.changes(Some(service), span, Order::OldestFirst, usize::MAX)
                .await?,
        );
        // A change that was found out later says that nothing is known before it.
        let after = Span::new(span.to, Timestamp::MAX);
        changes.extend(self.changes(Some(service), after, Order::OldestFirst, 1).await?);
        let marks: Vec<Mark> = changes.iter().map(Mark::of).collect();
        let runs: Vec<(i64, i64)> = self.runs(span).await?.iter().map(Run::millis).collect();
        let (from, to) = (span.from.as_millisecond(), span.to.as_millisecond());
        Ok(Timeline::new(&marks, &runs, from, to))
    }
}

/// What has gathered since the last time.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Which batch of its run it is; a store that does not know whether it wrote it asks by this.
    pub sequence: u64,
    /// The run under way, until now: the monitor is known to have looked until then.
    pub run: Run,
    /// Results, in the order in which they came.
    pub results: Vec<ServiceResult>,
    /// Samples of containers' resources.
    pub usage: Vec<UsageSample>,
    /// What happened to containers.
    pub events: Vec<ContainerEvent>,
    /// What a restart would need.
    pub saved: Vec<SavedService>,
    /// What was found around incidents.
    pub evidence: Vec<(IncidentId, Evidence)>,
}

/// A change of status, with what follows from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// The change.
    pub change: StatusChange,
    /// The incident that it begins, goes on with or ends, as it is from now on.
    pub incident: Option<Incident>,
    /// What a restart needs to know from now on.
    pub saved: Option<SavedService>,
}

/// What a restart needs to know.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    /// What was saved of services.
    pub saved: Vec<SavedService>,
    /// Each service's last status, and since when.
    pub statuses: Vec<(ServiceName, Status, Timestamp)>,
    /// Incidents that have not ended.
    pub open_incidents: Vec<Incident>,
    /// The run that was written last, until when it is known to have gone on.
    pub last_run: Option<Run>,
}

/// How long things are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Results.
    pub raw: Duration,
    /// Bytes that results may take; the oldest go first.
    pub raw_bytes: u64,
    /// Minutes of services and containers, and what happened to containers.
    pub minutes: Duration,
    /// Hours of services and containers.
    pub hours: Duration,
    /// Changes of status, incidents and the monitor's runs.
    pub events: Duration,
}

/// What a step of maintenance did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upkeep {
    /// There is another step to do.
    More,
    /// There is nothing to do until the hour is over.
    Done,
}

/// Which comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The oldest.
    OldestFirst,
    /// The newest.
    NewestFirst,
}

/// What hours should tell of durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Percentiles of each hour: enough for a series by the hour, and much faster.
    Percentiles,
    /// Sketches, from which percentiles of several hours are made.
    Sketches,
}

/// Which incidents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentQuery {
    /// Of this service.
    pub service: Option<ServiceName>,
    /// Only those that have ended (`false`) or have not (`true`).
    pub open: Option<bool>,
    /// Of this kind.
    pub kind: Option<IncidentKind>,
    /// Those that went on at some time within it.
    pub span: Span,
    /// Only those that are older than this one: the last of the page before.
    pub before: Option<IncidentId>,
    /// At most so many.
    pub limit: usize,
}

/// How much is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StoreFigures {
    /// What it is and where.
    pub store: String,
    /// Version of its tables.
    pub schema: u32,
    /// Bytes that all of it takes.
    pub bytes: u64,
    /// Bytes that results take, of those that they may take.
    pub raw_bytes: u64,
    /// Since when results are kept without a gap; `None` while there are none.
    pub raw_since: Option<Timestamp>,
}

/// One line of an export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "record")]
pub enum Record {
    /// A stretch of time in which the monitor looked.
    Run(Run),
    /// A result.
    Result(ServiceResult),
    /// A minute or an hour of a service.
    Bucket {
        /// The service.
        service: ServiceName,
        /// Which of the two.
        tier: Tier,
        /// What was counted.
        bucket: Bucket,
    },
    /// A change of status.
    Change(StatusChange),
    /// An incident.
    Incident(Incident),
    /// Something found around an incident.
    Evidence {
        /// Which incident.
        incident: IncidentId,
        /// What was found.
        found: Evidence,
    },
    /// Something that happened to a container.
    Event(ContainerEvent),
    /// A minute or an hour of a container's resources.
    Usage {
        /// The container.
        container: String,
        /// Which of the two.
        tier: Tier,
        /// What was counted.
        bucket: UsageBucket,
    },
    /// What a restart needs to know of a service.
    Saved(SavedService),
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened or reached.
    #[error("cannot open the history at {place}: {why}")]
    Unavailable {
        /// Where it should be.
        place: String,
        /// What stands against it.
        why: String,
    },
    /// Another monitor writes to it.
    #[error("the history at {place} belongs to another monitor that runs; give each its own history.path")]
    Taken {
        /// Where it is.
        place: String,
    },
    /// It was made by a later version of the monitor.
    #[error(
        "the history at {place} has tables of version {found}, this monitor knows {known}; run a newer monitor, or move it aside"
    )]
    TooNew {
        /// Where it is.
        place: String,
        /// Its version.
        found: u32,
        /// The newest known one.
        known: u32,
    },
    /// Somebody else holds it.
    #[error("the history is locked by somebody else; it is tried again")]
    Locked,
    /// There is no room left.
    #[error("the history's disk is full; free some room, or lower history.raw_max_size")]
    Full,
    /// What is in it makes no sense.
    #[error("the history at {place} is damaged: {why}")]
    Damaged {
        /// Where it is.
        place: String,
        /// What was found.
        why: String,
    },
    /// Too many ask at once.
    #[error("too many questions to the history at once; ask again in a moment")]
    Busy,
    /// It does not answer any more.
    #[error("the history does not answer: {0}")]
    Lost(String),
    /// It ended before it answered.
    #[error("the history was closed")]
    Closed,
    /// It failed otherwise.
    #[error("the history failed: {0}")]
    Failed(String),
}

// === impl Mark ===

impl Mark {
    /// What a timeline needs of a change.
    pub fn of(change: &StatusChange) -> Self {
        Self {
            at: change.at.as_millisecond(),
            to: change.to,
            unknown_since: change.reconstructed_since.map(Timestamp::as_millisecond),
        }
    }
}

// === impl Retention ===

impl Default for Retention {
    /// What the configuration says where it says nothing.
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        Self {
            raw: days(2),
            raw_bytes: 1 << 30,
            minutes: days(30),
            hours: days(2 * 365),
            events: days(5 * 365),
        }
    }
}

// === impl IncidentQuery ===

impl IncidentQuery {
    /// The latest `limit` of all.
    pub fn latest(limit: usize) -> Self {
        Self {
            service: None,
            open: None,
            kind: None,
            span: Span::ALL,
            before: None,
            limit,
        }
    }
}

// === impl StoreError ===

impl From<Malformed> for StoreError {
    fn from(malformed: Malformed) -> Self {
        StoreError::Failed(malformed.to_string())
    }
}
