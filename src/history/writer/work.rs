//! What the clerk has the store do: one call under way at a time, changes of status first, and what failed again after a
//! pause.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use health_monitor_actors::registry::Restore;
use jiff::Timestamp;
use tokio::time::{Instant, timeout};

use super::clerk::Clerk;
use super::evidence::capture;
use crate::history::model::{Evidence, Incident};
use crate::history::store::{Memory, Store, StoreError, StoreFigures, Upkeep};

/// Pauses before a store that failed is tried again: doubled from the first to the last.
const AGAIN_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Longest that one call to the store may take before it counts as failed.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// Results that may wait for the next second; more of them are written at once.
const CATCH_UP: usize = 5_000;

/// What a write came back with.
pub(super) enum Done {
    Opened(Result<(Arc<dyn Store>, Memory), StoreError>),
    Appended(Result<(), StoreError>),
    Committed(Result<(), StoreError>),
    Maintained(Result<Upkeep, StoreError>),
    Figures(Result<StoreFigures, StoreError>),
    Captured(Incident, Result<Vec<Evidence>, StoreError>),
    SetAside(Result<(), StoreError>),
}

/// A call that is under way.
pub(super) type Work = Pin<Box<dyn Future<Output = Done>>>;

/// What is to be done next.
#[derive(Debug, Default)]
pub(super) struct Due {
    pub(super) append: bool,
    pub(super) maintain: bool,
    pub(super) figures: bool,
    /// Why the store is to be moved aside.
    pub(super) set_aside: Option<String>,
    pub(super) last_append: Option<Instant>,
}

impl Clerk {
    /// Begins the next write, where none is under way: changes first.
    pub(super) fn start_work(&mut self) {
        if self.work.is_some() || Instant::now() < self.retry_at {
            return;
        }
        if let Some(why) = self.due.set_aside.take() {
            let place = self.desk.options.place.clone();
            self.work = Some(Box::pin(async move {
                let moved = tokio::task::spawn_blocking(move || place.set_aside(&why)).await;
                Done::SetAside(moved.unwrap_or(Err(StoreError::Closed)))
            }));
            return;
        }
        let Some(store) = self.desk.history.store() else {
            let place = self.desk.options.place.clone();
            self.work = Some(Box::pin(async move {
                let open = async {
                    let store = place.open().await?;
                    let memory = store.resume().await?;
                    Ok((store, memory))
                };
                Done::Opened(limited(open).await)
            }));
            return;
        };
        let mut papers = self.desk.papers();
        if let Some(decided) = papers.buffer.next_changes() {
            self.work = Some(Box::pin(async move {
                Done::Committed(limited(store.commit(decided)).await)
            }));
        } else if self.due.append {
            let run = papers.clock.run();
            let batch = papers.buffer.next_batch(run);
            self.work = Some(Box::pin(
                async move { Done::Appended(limited(store.append(batch)).await) },
            ));
        } else if let Some(place) = papers.captures.iter().position(|(at, _)| *at <= Instant::now()) {
            let (_, incident) = papers.captures.swap_remove(place);
            self.work = Some(Box::pin(async move {
                let found = limited(capture(store, &incident)).await;
                Done::Captured(incident, found)
            }));
        } else if self.due.maintain {
            let retention = self.desk.options.retention.clone();
            self.work = Some(Box::pin(async move {
                Done::Maintained(limited(store.maintain(Timestamp::now(), &retention)).await)
            }));
        } else if self.due.figures {
            self.work = Some(Box::pin(async move { Done::Figures(limited(store.figures()).await) }));
        }
    }

    pub(super) fn done(&mut self, done: Done) {
        let outcome = match done {
            Done::Opened(Ok((store, memory))) => {
                let late = self.desk.opened(store, memory);
                if !late.is_empty() {
                    self.registry.do_send(Restore(late));
                }
                Ok(())
            }
            Done::Appended(Ok(())) => {
                self.due.last_append = Some(Instant::now());
                let mut papers = self.desk.papers();
                let written = papers.buffer.appended();
                // More than one batch may wait where the store was away.
                self.due.append = papers.buffer.results() > 0 && written > 0 && papers.buffer.results() > CATCH_UP;
                let mut figures = self.desk.history.figures_mut();
                figures.results_written += written;
                figures.last_written = Some(Timestamp::now());
                Ok(())
            }
            Done::Committed(Ok(())) => {
                let written = self.desk.papers().buffer.committed();
                let mut figures = self.desk.history.figures_mut();
                figures.changes_written += written;
                figures.last_written = Some(Timestamp::now());
                Ok(())
            }
            Done::Maintained(Ok(upkeep)) => {
                self.due.maintain = upkeep == Upkeep::More;
                Ok(())
            }
            Done::Figures(Ok(kept)) => {
                self.due.figures = false;
                self.desk.history.figures_mut().kept = Some(kept);
                Ok(())
            }
            Done::Captured(incident, Ok(found)) => {
                self.desk.papers().captured(&incident, found);
                Ok(())
            }
            Done::Captured(incident, Err(error)) => {
                self.desk
                    .papers()
                    .captures
                    .push((Instant::now() + AGAIN_AFTER.1, incident));
                Err(error)
            }
            Done::SetAside(moved) => moved,
            Done::Opened(Err(error))
            | Done::Appended(Err(error))
            | Done::Committed(Err(error))
            | Done::Maintained(Err(error))
            | Done::Figures(Err(error)) => Err(error),
        };
        match outcome {
            Ok(()) => {
                self.failures = 0;
                let mut figures = self.desk.history.figures_mut();
                if figures.is_open && figures.problem.take().is_some() {
                    tracing::info!("history is written again");
                }
            }
            Err(error) => self.failed(&error),
        }
    }

    /// The store did not do it. It is tried again, opened anew where it is gone, and begun anew where it is damaged.
    fn failed(&mut self, error: &StoreError) {
        self.desk.failed(error);
        let (first, last) = AGAIN_AFTER;
        let pause = first.saturating_mul(2_u32.saturating_pow(self.failures)).min(last);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Instant::now() + pause;
        match error {
            StoreError::Damaged { why, .. } => {
                self.desk.history.set_store(None);
                self.due.set_aside = Some(why.clone());
            }
            StoreError::Closed | StoreError::Unavailable { .. } | StoreError::Lost(_) => {
                self.desk.history.set_store(None);
            }
            StoreError::Taken { .. }
            | StoreError::TooNew { .. }
            | StoreError::Locked
            | StoreError::Full
            | StoreError::Busy
            | StoreError::Failed(_) => {}
        }
    }
}

/// A call to the store that hangs is a failure too.
async fn limited<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match timeout(CALL_LIMIT, call).await {
        Ok(done) => done,
        Err(_elapsed) => Err(StoreError::Lost(format!("no answer within {} s", CALL_LIMIT.as_secs()))),
    }
}
