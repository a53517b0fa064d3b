//! Whoever writes down what was.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::prelude::*;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::{Registry, SavedService};
use crate::model::{ContainerState, Moment, Outcome, ServiceName, Snapshot, Status};

/// Asks for everything that is to be written down from now on. The one who asked before gets no more.
#[derive(Debug, Message)]
#[rtype(result = "Recording")]
pub struct StartRecording {
    /// How many results may wait for it; those above are dropped and counted.
    pub capacity: usize,
}

/// Everything that is to be written down.
#[derive(Debug)]
pub struct Recording {
    /// What was known when it began.
    pub from: Arc<Snapshot>,
    /// What nothing of may be lost, in order and without a bound: there are few, and reading them waits for nobody.
    pub turns: mpsc::UnboundedReceiver<Turn>,
    /// Results, in order.
    pub results: mpsc::Receiver<Measured>,
    /// Results that were dropped because too many waited.
    pub dropped: Arc<AtomicU64>,
}

/// A result of a service.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Which service.
    pub service: ServiceName,
    /// Its status after it.
    pub status: Status,
    /// The result.
    pub outcome: Arc<Outcome>,
}

/// What nothing of may be lost.
#[derive(Debug, Clone)]
pub enum Turn {
    /// A service's status changed.
    Status(Box<StatusTurn>),
    /// A service is not monitored any more.
    Forgotten {
        /// Which service.
        service: ServiceName,
        /// The status that it had last.
        status: Status,
        /// When.
        at: Timestamp,
    },
    /// A container appeared (nothing was known before), changed, or is gone (nothing is known after).
    Container {
        /// As it was.
        before: Option<Arc<ContainerState>>,
        /// As it is.
        after: Option<Arc<ContainerState>>,
        /// When that became known.
        at: Timestamp,
    },
}

/// A service's status changed.
#[derive(Debug, Clone)]
pub struct StatusTurn {
    /// Which service.
    pub service: ServiceName,
    /// When.
    pub at: Timestamp,
    /// What it was.
    pub from: Status,
    /// What it is.
    pub to: Status,
    /// The evidence.
    pub reason: String,
    /// A service that it depends on is down.
    pub dependency_down: bool,
    /// Its containers, the oldest first.
    pub containers: Arc<[Arc<ContainerState>]>,
    /// What a restart needs to know from now on.
    pub saved: SavedService,
}

/// The registry's end of a recording.
#[derive(Debug)]
pub(super) struct Recorder {
    turns: mpsc::UnboundedSender<Turn>,
    results: mpsc::Sender<Measured>,
    dropped: Arc<AtomicU64>,
}

impl Recorder {
    /// Begins one.
    pub(super) fn start(capacity: usize, from: Arc<Snapshot>) -> (Self, Recording) {
        let (turns, told) = mpsc::unbounded_channel();
        let (results, measured) = mpsc::channel(capacity.max(1));
        let dropped = Arc::new(AtomicU64::new(0));
        let recording = Recording {
            from,
            turns: told,
            results: measured,
            dropped: dropped.clone(),
        };
        let recorder = Self {
            turns,
            results,
            dropped,
        };
        (recorder, recording)
    }

    /// Hands on a turn; false where nobody reads any more.
    pub(super) fn turn(&self, turn: Turn) -> bool {
        self.turns.send(turn).is_ok()
    }

    /// Hands on a result, or counts it as dropped.
    pub(super) fn result(&self, measured: Measured) {
        if self.results.try_send(measured).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Registry {
    /// Hands a turn to whoever writes it down.
    pub(super) fn record(&mut self, turn: Turn) {
        if self.recorder.as_ref().is_some_and(|recorder| !recorder.turn(turn)) {
            self.recorder = None;
        }
    }
}

impl Handler<StartRecording> for Registry {
    type Result = MessageResult<StartRecording>;

    fn handle(&mut self, start: StartRecording, _: &mut Self::Context) -> Self::Result {
        let from = self.snapshot(Moment::now());
        let (recorder, recording) = Recorder::start(start.capacity, from);
        self.recorder = Some(recorder);
        MessageResult(recording)
    }
}
