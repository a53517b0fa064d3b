//! The connections of one worker, of which the idlest goes when a newcomer needs its place.
//!
//! A server that lets in no more than so many connections keeps everybody else waiting for as long as those who are in
//! do nothing. So some places are kept free: where they would be taken, the connection goes that has for longest neither
//! sent a request nor taken a byte of an answer. That is a client that sends no request or never ends one, or reads no
//! answer; a client that gets on has done something within the last milliseconds.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use serde::Serialize;
use tokio::time::Instant;

/// What is counted over all workers.
#[derive(Debug, Default, Serialize)]
pub(super) struct Connections {
    /// Those that there are.
    open: AtomicU64,
    /// Those that had to go for others since the start.
    shed_total: AtomicU64,
    /// Those whose client took nothing of its answer for too long since the start.
    deaf_total: AtomicU64,
}

/// All connections of one worker.
pub(super) struct Crowd {
    /// How many may stay.
    most: usize,
    seats: RefCell<Vec<Rc<Seat>>>,
    counts: Arc<Connections>,
}

/// One connection's place; it is free again when this is dropped.
pub(super) struct Place {
    crowd: Rc<Crowd>,
    seat: Rc<Seat>,
}

/// What the others see of a connection.
struct Seat {
    /// When its client did something last.
    since: Cell<Instant>,
    /// It has to go.
    is_shed: Cell<bool>,
    /// Its task, which may be waiting for the client.
    task: RefCell<Option<Waker>>,
}

// === impl Connections ===

impl Connections {
    /// A client took nothing of its answer for too long.
    pub(super) fn left_deaf(&self) {
        self.deaf_total.fetch_add(1, Ordering::Relaxed);
    }
}

// === impl Crowd ===

impl Crowd {
    /// Of a worker that lets in so many connections; an eighth of them is kept free.
    pub(super) fn new(limit: usize, counts: Arc<Connections>) -> Rc<Self> {
        Rc::new(Self {
            most: limit.saturating_sub((limit / 8).max(1)).max(1),
            seats: RefCell::default(),
            counts,
        })
    }

    /// A newcomer's place. Where there are too many by now, the idlest goes.
    pub(super) fn enter(self: &Rc<Self>) -> Place {
        let seat = Rc::new(Seat {
            since: Cell::new(Instant::now()),
            is_shed: Cell::new(false),
            task: RefCell::default(),
        });
        self.seats.borrow_mut().push(seat.clone());
        self.counts.open.fetch_add(1, Ordering::Relaxed);
        self.shed();
        Place {
            crowd: self.clone(),
            seat,
        }
    }

    fn shed(&self) {
        let seats = self.seats.borrow();
        let staying = seats.iter().filter(|seat| !seat.is_shed.get());
        let excess = staying.clone().count().saturating_sub(self.most);
        if excess == 0 {
            return;
        }
        if let Some(idlest) = staying.min_by_key(|seat| seat.since.get()) {
            idlest.is_shed.set(true);
            self.counts.shed_total.fetch_add(1, Ordering::Relaxed);
            if let Some(task) = idlest.task.take() {
                task.wake();
            }
        }
    }

    fn leave(&self, seat: &Rc<Seat>) {
        let mut seats = self.seats.borrow_mut();
        if let Some(index) = seats.iter().position(|other| Rc::ptr_eq(other, seat)) {
            seats.swap_remove(index);
            self.counts.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

// === impl Place ===

impl Place {
    /// The client did something.
    pub(super) fn touch(&self) {
        self.seat.since.set(Instant::now());
    }

    /// The connection waits for its client in this task.
    pub(super) fn waits(&self, cx: &Context<'_>) {
        let mut task = self.seat.task.borrow_mut();
        if !task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            *task = Some(cx.waker().clone());
        }
    }

    /// # Errors
    ///
    /// Where the connection has to go.
    pub(super) fn holds(&self) -> io::Result<()> {
        if self.seat.is_shed.get() {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the place of an idle connection is needed",
            ));
        }
        Ok(())
    }

    /// Waits until the connection has to go.
    pub(super) async fn is_needed(&self) -> io::Error {
        poll_fn(|cx| {
            self.waits(cx);
            self.holds().err().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// What is counted over all workers.
    pub(super) fn counts(&self) -> &Connections {
        &self.crowd.counts
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.leave(&self.seat);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_idlest_goes_when_a_newcomer_needs_its_place() {
        let crowd = Crowd::new(8, Arc::default());
        let mut places = Vec::new();
        for _ in 0..7 {
            places.push(crowd.enter());
            advance(Duration::from_millis(1)).await;
        }
        assert!(places.iter().all(|place| place.holds().is_ok()));
        places[0].touch();
        advance(Duration::from_millis(1)).await;
        places.push(crowd.enter());
        let gone = |places: &[Place]| -> Vec<usize> {
            let shed = places.iter().enumerate().filter(|(_, place)| place.holds().is_err());
            shed.map(|(index, _)| index).collect()
        };
        assert_eq!(gone(&places), [1]);
        // One that goes for another is not counted twice.
        places.push(crowd.enter());
        assert_eq!(gone(&places), [1, 2]);
        places.drain(1..3);
        assert_eq!(places.len(), 7);
        places.push(crowd.enter());
        assert_eq!(gone(&places), [1]);
        assert_eq!(crowd.counts.shed_total.load(Ordering::Relaxed), 3);
        assert_eq!(crowd.counts.open.load(Ordering::Relaxed), 8);
        drop(places);
        assert_eq!(crowd.counts.open.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn the_only_place_that_there_is_stays_taken() {
        let crowd = Crowd::new(1, Arc::default());
        assert!(crowd.enter().holds().is_ok());
    }
}
