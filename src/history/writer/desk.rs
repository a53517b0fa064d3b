//! The desk: what outlives a run of the actor. It opens the store before the first run and closes it after the last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::prelude::*;
use health_monitor_actors::registry::{self, Registry, StartRecording, TakeUnsaved};
use tokio::time::timeout;

use super::evidence::capture;
use super::papers::{Papers, saved};
use super::{CAPACITY, WriterOptions};
use crate::history::handle::History;
use crate::history::store::{Memory, Store, StoreError};

/// What outlives a run of the actor: whoever restarts it hands it on.
#[derive(Clone)]
pub struct Desk {
    pub(super) options: WriterOptions,
    pub(super) history: History,
    inner: Arc<Mutex<Papers>>,
}

impl Desk {
    /// An empty one.
    pub fn new(options: WriterOptions, history: History) -> Self {
        let papers = Papers::new(options.buffer);
        let warning = options.place.warning();
        if let Some(warning) = &warning {
            tracing::warn!("{warning}");
        }
        {
            let mut figures = history.figures_mut();
            figures.warning = warning;
            figures.raw_limit_bytes = options.retention.raw_bytes;
        }
        Self {
            options,
            history,
            inner: Arc::new(Mutex::new(papers)),
        }
    }

    /// Opens the store before anything is watched, within `limit`, and yields what was saved of services. Where it cannot be
    /// had in time, the monitor begins without, the actor goes on trying, and tells the registry once it succeeds.
    pub async fn open(&self, limit: Duration) -> Vec<registry::SavedService> {
        let opened = timeout(limit, async {
            let store = self.options.place.open().await?;
            let memory = store.resume().await?;
            Ok::<_, StoreError>((store, memory))
        });
        match opened.await {
            Ok(Ok((store, memory))) => self.opened(store, memory),
            Ok(Err(error)) => {
                self.failed(&error);
                Vec::new()
            }
            Err(_elapsed) => {
                tracing::warn!(limit = ?limit, "history not opened in time; the monitor begins without and goes on trying");
                Vec::new()
            }
        }
    }

    /// Everything is to be written down from now on: to be called before the first service is defined.
    pub async fn begin(&self, registry: &Addr<Registry>) {
        match registry.send(StartRecording { capacity: CAPACITY }).await {
            Ok(recording) => self.papers().recording = Some(recording),
            Err(error) => tracing::error!(%error, "the registry does not tell what is to be written down"),
        }
    }

    /// Writes what is left, once the actor has ended, and leaves the store in order; within `limit`. What the actor has not
    /// read yet is part of it.
    pub async fn close(&self, registry: &Addr<Registry>, limit: Duration) {
        let Some(store) = self.history.store() else { return };
        let end = async {
            let unsaved = registry.send(TakeUnsaved { limit: usize::MAX }).await;
            {
                let mut papers = self.papers();
                papers.clock.beat();
                papers.read_the_rest();
                for one in unsaved.unwrap_or_default().iter().filter_map(saved) {
                    papers.buffer.push_saved(one);
                }
            }
            self.write_all(&store).await?;
            let captures = std::mem::take(&mut self.papers().captures);
            for (_, incident) in captures {
                let found = capture(store.clone(), &incident).await?;
                self.papers().captured(&incident, found);
            }
            self.write_all(&store).await?;
            store.close().await;
            Ok::<_, StoreError>(())
        };
        match timeout(limit, end).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last second of history is not written"),
            Err(_elapsed) => tracing::warn!(
                ?limit,
                "the history was not closed in time; what is not written is lost"
            ),
        }
    }

    /// Writes all that waits, changes first.
    async fn write_all(&self, store: &Arc<dyn Store>) -> Result<(), StoreError> {
        loop {
            let decided = self.papers().buffer.next_changes();
            let Some(decided) = decided else { break };
            store.commit(decided).await?;
            self.papers().buffer.committed();
        }
        loop {
            let batch = {
                let mut papers = self.papers();
                let run = papers.clock.run();
                papers.buffer.next_batch(run)
            };
            store.append(batch).await?;
            let mut papers = self.papers();
            papers.buffer.appended();
            if papers.buffer.has_nothing_to_append() {
                return Ok(());
            }
        }
    }

    pub(super) fn papers(&self) -> MutexGuard<'_, Papers> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store is there. Yields what was known of services, the first time.
    pub(super) fn opened(&self, store: Arc<dyn Store>, memory: Memory) -> Vec<registry::SavedService> {
        tracing::info!(history = store.describe(), "history opened");
        self.history.set_store(Some(store));
        self.history.figures_mut().problem = None;
        self.papers().resume(memory)
    }

    pub(super) fn failed(&self, error: &StoreError) {
        let mut figures = self.history.figures_mut();
        figures.failures += 1;
        let problem = error.to_string();
        if figures.problem.as_ref() != Some(&problem) {
            tracing::error!(%error, "history not written; results and changes wait in memory");
            figures.problem = Some(problem);
        }
    }
}
