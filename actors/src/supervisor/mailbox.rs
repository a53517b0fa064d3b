//! The depth of a mailbox, which actix does not tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::Message;

/// Counts the messages on their way to one actor. Clones share the count.
///
/// Senders send `depth.envelope(message)`, and the actor handles [`Counted<M>`], which it opens first.
#[derive(Debug, Clone, Default)]
pub struct MailboxDepth(Arc<AtomicUsize>);

impl MailboxDepth {
    /// Messages sent and not yet opened.
    pub fn current(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Wraps a message and counts it until it is opened or dropped.
    pub fn envelope<M: Message>(&self, message: M) -> Counted<M> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted {
            message,
            _ticket: Ticket(Arc::clone(&self.0)),
        }
    }
}

/// A message that is counted while it waits. One that is dropped unread, with the mailbox of a dead actor, stops counting
/// too.
#[derive(Debug)]
pub struct Counted<M> {
    message: M,
    _ticket: Ticket,
}

impl<M> Counted<M> {
    /// Takes the message out, which then waits no longer.
    pub fn open(self) -> M {
        self.message
    }
}

impl<M: Message> Message for Counted<M> {
    type Result = M::Result;
}

#[derive(Debug)]
struct Ticket(Arc<AtomicUsize>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Note;

    impl Message for Note {
        type Result = ();
    }

    #[test]
    fn a_message_counts_until_it_is_opened_or_dropped() {
        let depth = MailboxDepth::default();
        let (first, second) = (depth.envelope(Note), depth.clone().envelope(Note));
        assert_eq!(depth.current(), 2);
        first.open();
        assert_eq!(depth.current(), 1);
        drop(second);
        assert_eq!(depth.current(), 0);
    }
}
