//! What is kept with an incident: the results and events of containers around it, and what its containers logged last.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use health_monitor_actors::model::ContainerKey;
use jiff::{SignedDuration, Timestamp};

use crate::history::model::{Evidence, Incident, LogExcerpt, Span, to_millis};
use crate::history::store::{Order, Store, StoreError};

/// What is kept of the results around an incident's start and end.
const EVIDENCE_BEFORE: SignedDuration = SignedDuration::from_mins(2);
pub(super) const EVIDENCE_AFTER: Duration = Duration::from_secs(60);
const EVIDENCE_RESULTS: usize = 60;
const EVENTS_BEFORE: SignedDuration = SignedDuration::from_mins(10);
const EVIDENCE_EVENTS: usize = 100;

/// Containers of a service whose logs are asked for, and asked at once over all services.
pub(super) const LOGS_OF: usize = 3;
const LOGS_AT_ONCE: usize = 4;

/// Where containers' last log lines come from.
#[async_trait::async_trait]
pub trait Logs: Send + Sync {
    /// The last lines that the container with this id logged, secrets hidden, the oldest first; at most `lines`.
    async fn tail(&self, id: &str, lines: usize) -> Result<Vec<String>, String>;
}

/// Logs that were asked for. Nobody waits for them.
#[derive(Default)]
pub(super) struct LogsAsked {
    asked: FuturesUnordered<Asked>,
}

/// A container's log that was asked for.
type Asked = Pin<Box<dyn Future<Output = (Incident, LogExcerpt)>>>;

// === impl LogsAsked ===

impl LogsAsked {
    /// Asks once for the last `lines` that a container of an incident logged. Yields why not where too many are asked for.
    pub(super) fn ask(
        &mut self,
        logs: Arc<dyn Logs>,
        lines: usize,
        incident: &Incident,
        (key, container): (ContainerKey, String),
    ) -> Option<LogExcerpt> {
        if self.asked.len() >= LOGS_AT_ONCE * LOGS_OF {
            let missing = Some("not asked for: too many incidents began at once".to_owned());
            return Some(excerpt(container, Vec::new(), missing));
        }
        let incident = incident.clone();
        self.asked.push(Box::pin(async move {
            let (lines, missing) = match logs.tail(&key.id, lines).await {
                Ok(lines) => (lines, None),
                Err(why) => (Vec::new(), Some(why)),
            };
            (incident, excerpt(container, lines, missing))
        }));
        None
    }

    pub(super) fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// The next one that comes, and of which incident.
    pub(super) async fn next(&mut self) -> Option<(Incident, LogExcerpt)> {
        self.asked.next().await
    }
}

fn excerpt(container: String, lines: Vec<String>, missing: Option<String>) -> LogExcerpt {
    LogExcerpt {
        at: to_millis(Timestamp::now()),
        container,
        lines,
        missing,
    }
}

/// What is kept with an incident of the results and container events around its start, or its end where it has ended: they
/// outlive the retention of results.
pub(super) async fn capture(store: Arc<dyn Store>, incident: &Incident) -> Result<Vec<Evidence>, StoreError> {
    let around = incident.ended.unwrap_or(incident.started);
    let after = around + EVIDENCE_AFTER;
    let span = Span::new(around - EVIDENCE_BEFORE, after);
    let results = store
        .results(&incident.service, span, Order::OldestFirst, EVIDENCE_RESULTS)
        .await?;
    let names: HashSet<String> = incident
        .containers
        .iter()
        .cloned()
        .chain([incident.service.to_string()])
        .collect();
    let names: Vec<String> = names.into_iter().collect();
    let span = Span::new(incident.started - EVENTS_BEFORE, after);
    let events = store.container_events(&names, span, EVIDENCE_EVENTS).await?;
    let results = results.into_iter().map(Evidence::Result);
    Ok(results.chain(events.into_iter().map(Evidence::Container)).collect())
}
