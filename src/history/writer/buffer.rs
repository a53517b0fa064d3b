//! What waits to be written, within a bound.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use health_monitor_actors::model::ServiceName;

use crate::history::model::{ContainerEvent, Evidence, IncidentId, Run, SavedService, ServiceResult, UsageSample};
use crate::history::store::{Batch, Decided};

/// Results in one batch at most, so that none takes long.
const BATCH: usize = 20_000;

/// Samples, events and pieces of evidence that wait at most, each.
const BESIDE: usize = 20_000;

/// What waits to be written. Results give way before changes of status do, the oldest first.
#[derive(Debug)]
pub(super) struct Buffer {
    bound: usize,
    results: VecDeque<ServiceResult>,
    decided: VecDeque<Decided>,
    usage: VecDeque<UsageSample>,
    events: VecDeque<ContainerEvent>,
    evidence: VecDeque<(IncidentId, Evidence)>,
    saved: HashMap<ServiceName, SavedService>,
    /// Under way to the store, until it says what became of it.
    batch: Option<Arc<Batch>>,
    committing: Option<Arc<[Decided]>>,
    sequence: u64,
    dropped: Dropped,
}

/// What had to give way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) results: u64,
    pub(super) changes: u64,
    /// Samples, events and evidence.
    pub(super) beside: u64,
}

impl Buffer {
    /// Results and changes together take at most `bound` places.
    pub(super) fn new(bound: usize) -> Self {
        Self {
            bound,
            results: VecDeque::new(),
            decided: VecDeque::new(),
            usage: VecDeque::new(),
            events: VecDeque::new(),
            evidence: VecDeque::new(),
            saved: HashMap::new(),
            batch: None,
            committing: None,
            sequence: 0,
            dropped: Dropped::default(),
        }
    }

    pub(super) fn results(&self) -> usize {
        self.results.len() + self.batch.as_ref().map_or(0, |batch| batch.results.len())
    }

    pub(super) fn changes(&self) -> usize {
        self.decided.len() + self.committing.as_ref().map_or(0, |decided| decided.len())
    }

    pub(super) fn dropped(&self) -> Dropped {
        self.dropped
    }

    pub(super) fn push_result(&mut self, result: ServiceResult) {
        self.results.push_back(result);
        self.keep_within_bound();
    }

    pub(super) fn push_decided(&mut self, decided: Decided) {
        // What was saved before is older than what comes with the change.
        self.saved.remove(&decided.change.service);
        self.decided.push_back(decided);
        self.keep_within_bound();
    }

    pub(super) fn push_usage(&mut self, sample: UsageSample) {
        self.usage.push_back(sample);
        self.dropped.beside += u64::from(cut(&mut self.usage));
    }

    pub(super) fn push_event(&mut self, event: ContainerEvent) {
        self.events.push_back(event);
        self.dropped.beside += u64::from(cut(&mut self.events));
    }

    pub(super) fn push_evidence(&mut self, incident: IncidentId, evidence: Evidence) {
        self.evidence.push_back((incident, evidence));
        self.dropped.beside += u64::from(cut(&mut self.evidence));
    }

    pub(super) fn push_saved(&mut self, saved: SavedService) {
        self.saved.insert(saved.service.clone(), saved);
    }

    /// Only a heartbeat would be written.
    pub(super) fn has_nothing_to_append(&self) -> bool {
        self.batch.is_none()
            && self.results.is_empty()
            && self.usage.is_empty()
            && self.events.is_empty()
            && self.evidence.is_empty()
            && self.saved.is_empty()
    }

    /// The changes to be written next; `None` where there are none. They are the same until [`Self::committed`].
    pub(super) fn next_changes(&mut self) -> Option<Arc<[Decided]>> {
        if self.committing.is_none() && !self.decided.is_empty() {
            self.committing = Some(self.decided.drain(..).collect());
        }
        self.committing.clone()
    }

    /// The changes under way are written; yields how many.
    pub(super) fn committed(&mut self) -> u64 {
        self.committing.take().map_or(0, |decided| decided.len() as u64)
    }

    /// What is to be appended next, as a batch of this run. It is the same until [`Self::appended`].
    pub(super) fn next_batch(&mut self, run: Run) -> Arc<Batch> {
        if let Some(batch) = &self.batch {
            return batch.clone();
        }
        self.sequence += 1;
        let count = self.results.len().min(BATCH);
        let batch = Arc::new(Batch {
            sequence: self.sequence,
            run,
            results: self.results.drain(..count).collect(),
            usage: self.usage.drain(..).collect(),
            events: self.events.drain(..).collect(),
            saved: self.saved.drain().map(|(_, saved)| saved).collect(),
            evidence: self.evidence.drain(..).collect(),
        });
        self.batch = Some(batch.clone());
        batch
    }

    /// The batch under way is written; yields how many results it had.
    pub(super) fn appended(&mut self) -> u64 {
        self.batch.take().map_or(0, |batch| batch.results.len() as u64)
    }

    /// The oldest results give way, those under way to the store included, which may never get there; then, with none
    /// left, the oldest changes.
    fn keep_within_bound(&mut self) {
        while self.results.len() + self.decided.len() > self.bound {
            if self.results.pop_front().is_some() {
                self.dropped.results += 1;
            } else {
                self.decided.pop_front();
                self.dropped.changes += 1;
            }
        }
    }
}

/// True where the oldest had to give way.
fn cut<T>(queue: &mut VecDeque<T>) -> bool {
    queue.len() > BESIDE && queue.pop_front().is_some()
}

#[cfg(test)]
mod tests {
    use health_monitor_actors::model::Status;

    use super::*;
    use crate::history::model::{RawResult, ResultKind, StatusChange, from_millis};

    fn result(millis: i64) -> ServiceResult {
        ServiceResult {
            service: ServiceName::new("db").unwrap(),
            result: RawResult {
                at: from_millis(millis),
                kind: ResultKind::Pass,
                status: Status::Healthy,
                duration: None,
                attempts: 1,
                reason: "".into(),
            },
        }
    }

    fn decided(millis: i64) -> Decided {
        Decided {
            change: StatusChange {
                service: ServiceName::new("db").unwrap(),
                at: from_millis(millis),
                from: Status::Healthy,
                to: Status::Unhealthy,
                reason: String::new(),
                reconstructed_since: None,
            },
            incident: None,
            saved: None,
        }
    }

    fn run() -> Run {
        Run {
            started: from_millis(0),
            until: from_millis(1),
        }
    }

    #[test]
    fn results_give_way_before_changes() {
        let mut buffer = Buffer::new(10);
        (0..10).for_each(|millis| buffer.push_result(result(millis)));
        (0..8).for_each(|millis| buffer.push_decided(decided(millis)));
        assert_eq!((buffer.results(), buffer.changes()), (2, 8));
        (8..13).for_each(|millis| buffer.push_decided(decided(millis)));
        assert_eq!((buffer.results(), buffer.changes()), (0, 10));
        let Dropped { results, changes, .. } = buffer.dropped();
        assert_eq!((results, changes), (10, 3));
        let kept = buffer.next_changes().unwrap();
        assert_eq!(kept.first().unwrap().change.at, from_millis(3), "the newest are kept");
    }

    #[test]
    fn what_failed_is_tried_again_as_it_was() {
        let mut buffer = Buffer::new(10);
        buffer.push_result(result(1));
        let first = buffer.next_batch(run());
        buffer.push_result(result(2));
        assert_eq!(buffer.next_batch(run()).sequence, first.sequence);
        assert_eq!(buffer.results(), 2);
        assert_eq!(buffer.appended(), 1);
        let next = buffer.next_batch(run());
        assert_eq!((next.sequence, next.results.len()), (first.sequence + 1, 1));
        buffer.push_decided(decided(1));
        buffer.next_changes();
        buffer.push_decided(decided(2));
        assert_eq!(buffer.next_changes().unwrap().len(), 1);
        assert_eq!((buffer.committed(), buffer.next_changes().unwrap().len()), (1, 1));
    }
}
