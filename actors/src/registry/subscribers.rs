//! Those who want to be told of every change.

use tokio::sync::mpsc;

use crate::model::Change;

/// Bounded streams of changes. One that is full is ended, which tells its reader to start again from the snapshot.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    streams: Vec<mpsc::Sender<Change>>,
}

impl Subscribers {
    /// Adds a stream that holds at most `capacity` unread changes, at least one.
    pub(super) fn add(&mut self, capacity: usize) -> mpsc::Receiver<Change> {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        self.streams.push(sender);
        receiver
    }

    /// Nobody listens, so no change needs to be put into words.
    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// How many listen.
    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }

    /// Tells all of them; ends those that lag or are gone.
    pub(super) fn tell(&mut self, change: &Change) {
        self.streams.retain(|stream| stream.try_send(change.clone()).is_ok());
    }
}
