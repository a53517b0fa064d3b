//! What was found around an incident: changes of status, results, events of containers and what they logged.

use jiff::{SignedDuration, Timestamp};

use super::model::{Evidence, Incident, IncidentId, Span, StatusChange};
use super::store::{Order, Store, StoreError};

/// How far around an incident is looked.
const BEFORE: SignedDuration = SignedDuration::from_mins(2);
const AFTER: SignedDuration = SignedDuration::from_mins(1);

/// Changes, and results and events that nobody has kept with the incident yet, that are found at most, each.
const FOUND: usize = 60;

/// An incident and what was found around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surrounded {
    /// The incident.
    pub incident: Incident,
    /// What was found, by time.
    pub timeline: Vec<Finding>,
}

/// What was found at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The service's status changed.
    Change(StatusChange),
    /// What is kept with the incident, or will be.
    Evidence(Evidence),
}

impl Finding {
    /// When it was.
    pub fn at(&self) -> Timestamp {
        match self {
            Finding::Change(change) => change.at,
            Finding::Evidence(evidence) => evidence.at(),
        }
    }
}

/// The incident with this id; `None` where there is none.
///
/// # Errors
///
/// Where the store cannot be read.
pub async fn find(store: &dyn Store, id: IncidentId, now: Timestamp) -> Result<Option<Surrounded>, StoreError> {
    let Some(incident) = store.incident(id).await? else {
        return Ok(None);
    };
    let around = Span::new(incident.started - BEFORE, incident.ended.unwrap_or(now) + AFTER);
    let changes = store
        .changes(Some(&incident.service), around, Order::OldestFirst, FOUND)
        .await?;
    let mut timeline: Vec<Finding> = changes.into_iter().map(Finding::Change).collect();
    timeline.extend(evidence(store, &incident).await?.into_iter().map(Finding::Evidence));
    timeline.sort_by_key(Finding::at);
    Ok(Some(Surrounded { incident, timeline }))
}

/// What is kept with the incident; in its first minute, while nothing is yet, what can be found now.
async fn evidence(store: &dyn Store, incident: &Incident) -> Result<Vec<Evidence>, StoreError> {
    let mut kept = store.evidence(incident.id).await?;
    let around = Span::new(incident.started - BEFORE, incident.started + AFTER);
    if !kept.iter().any(|found| matches!(found, Evidence::Result(_))) {
        let results = store
            .results(&incident.service, around, Order::OldestFirst, FOUND)
            .await?;
        kept.extend(results.into_iter().map(Evidence::Result));
    }
    if !kept.iter().any(|found| matches!(found, Evidence::Container(_))) {
        let events = store.container_events(&incident.containers, around, FOUND).await?;
        kept.extend(events.into_iter().map(Evidence::Container));
    }
    Ok(kept)
}
