//! A thread that owns a connection and does what it is told, one after the other.

use std::sync::{Mutex, PoisonError};
use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::StoreError;

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

/// A thread with a state of its own. It ends when it is stopped or dropped, after what it was told before.
pub(super) struct Worker<S> {
    /// `None` once it is stopped.
    jobs: Mutex<Option<mpsc::UnboundedSender<Job<S>>>>,
    ended: tokio::sync::Mutex<oneshot::Receiver<()>>,
}

impl<S: 'static> Worker<S> {
    /// Starts the thread, which makes its state first.
    pub(super) async fn start(
        name: &str,
        make: impl FnOnce() -> Result<S, StoreError> + Send + 'static,
    ) -> Result<Self, StoreError> {
        let (jobs, mut told) = mpsc::unbounded_channel::<Job<S>>();
        let (made, is_made) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let work = move || {
            let mut state = match make() {
                Ok(state) => state,
                Err(error) => {
                    let _is_heard = made.send(Err(error)).is_ok();
                    return;
                }
            };
            if made.send(Ok(())).is_err() {
                return;
            }
            while let Some(job) = told.blocking_recv() {
                job(&mut state);
            }
            drop(state);
            let _is_heard = end.send(()).is_ok();
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
        thread.map_err(|error| StoreError::Failed(format!("no thread for it: {error}")))?;
        is_made.await.map_err(|_panicked| StoreError::Closed)??;
        Ok(Self {
            jobs: Mutex::new(Some(jobs)),
            ended: tokio::sync::Mutex::new(ended),
        })
    }

    /// Has it done, and waits for what comes of it.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job<S> = Box::new(move |state| {
            let _is_heard = answer.send(job(state)).is_ok();
        });
        let is_told = match &*self.jobs.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(jobs) => jobs.send(job).is_ok(),
            None => false,
        };
        if !is_told {
            return Err(StoreError::Closed);
        }
        answered.await.map_err(|_ended| StoreError::Closed)
    }

    /// Has it end after what it was told, and waits for that.
    pub(super) async fn stop(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _is_over = (&mut *self.ended.lock().await).await.is_ok();
    }
}
