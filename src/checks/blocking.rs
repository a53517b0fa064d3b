//! Calls that block. Nothing ends one early: an attempt that is over leaves its call behind, on a thread of its own. So that
//! a client or a resolver that hangs does not take one thread more each cycle, only one call may be under way for each that
//! makes them, and of each kind no more than a limit in the whole process.

use std::sync::Arc;

use health_monitor_actors::check::CheckFailure;
use health_monitor_actors::model::FailureKind;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, oneshot};

use super::deadline::Deadline;

/// A kind of call.
pub(super) struct Kind {
    /// What one is called, for people to read.
    one: &'static str,
    /// What several are called.
    many: &'static str,
    /// How many may be under way at once.
    most: usize,
    permits: Semaphore,
}

/// The calls of one that makes them, one at a time. Clones share the turn.
#[derive(Clone)]
pub(super) struct Calls {
    kind: &'static Kind,
    free: Arc<Semaphore>,
}

/// The right to make one call.
pub(super) struct Turn {
    kind: &'static Kind,
    held: OwnedSemaphorePermit,
}

// === impl Kind ===

impl Kind {
    /// A kind of which `most` may be under way at once.
    pub(super) const fn new(one: &'static str, many: &'static str, most: usize) -> Self {
        Self {
            one,
            many,
            most,
            permits: Semaphore::const_new(most),
        }
    }
}

// === impl Calls ===

impl Calls {
    /// None is under way yet.
    pub(super) fn new(kind: &'static Kind) -> Self {
        let free = Arc::new(Semaphore::new(1));
        Self { kind, free }
    }

    /// Takes the turn.
    ///
    /// # Errors
    ///
    /// [`FailureKind::StillRunning`] while an earlier call has not returned.
    pub(super) fn begin(&self) -> Result<Turn, CheckFailure> {
        match Arc::clone(&self.free).try_acquire_owned() {
            Ok(held) => Ok(Turn { kind: self.kind, held }),
            Err(_taken) => Err(CheckFailure::new(
                FailureKind::StillRunning,
                format!("an earlier {} has not returned yet", self.kind.one),
            )),
        }
    }

    /// Waits until none is under way.
    #[cfg(test)]
    pub(super) async fn ended(&self) {
        drop(self.free.acquire().await);
    }
}

/// What a call holds while it is under way: its caller's turn, and its place among the calls of its kind.
type Held = (OwnedSemaphorePermit, SemaphorePermit<'static>);

// === impl Turn ===

impl Turn {
    /// Makes the call. The turn ends with the call, and not with the future that waits for it.
    ///
    /// # Errors
    ///
    /// [`FailureKind::LocalResources`] where too many others are under way until the deadline.
    pub(super) async fn run<T: Send + 'static>(
        self,
        deadline: Deadline,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, CheckFailure> {
        let answered = |held: Held, answer: oneshot::Sender<T>| {
            let said = call();
            // Before the answer: whoever hears it may make the next call at once.
            drop(held);
            // Where nobody waits for it any more, nobody needs it.
            let _is_heard = answer.send(said).is_ok();
        };
        self.run_holding(deadline, answered).await
    }

    /// Makes a call that answers before it is over, and waits for the answer alone.
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub(super) async fn run_past_answer<T: Send + 'static>(
        self,
        deadline: Deadline,
        call: impl FnOnce(oneshot::Sender<T>) + Send + 'static,
    ) -> Result<T, CheckFailure> {
        let answered = |held: Held, answer: oneshot::Sender<T>| {
            call(answer);
            drop(held);
        };
        self.run_holding(deadline, answered).await
    }

    /// Makes a call that is given what holds its turn.
    async fn run_holding<T: Send + 'static>(
        self,
        deadline: Deadline,
        call: impl FnOnce(Held, oneshot::Sender<T>) + Send + 'static,
    ) -> Result<T, CheckFailure> {
        let Kind { one, many, most, .. } = self.kind;
        let Some(Ok(permit)) = deadline.cut(self.kind.permits.acquire()).await else {
            return Err(CheckFailure::new(
                FailureKind::LocalResources,
                format!("{most} other {many} are still under way"),
            ));
        };
        let (sender, answer) = oneshot::channel();
        // It goes with the call, whoever still waits for it.
        let held = (self.held, permit);
        let running = tokio::task::spawn_blocking(move || call(held, sender));
        if let Ok(answer) = answer.await {
            return Ok(answer);
        }
        let why = match running.await {
            Ok(()) => "it gave no answer".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(CheckFailure::new(
            FailureKind::Panicked,
            format!("the {one} broke off: {why}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::super::tests::attempt_of;
    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    fn soon() -> Deadline {
        Deadline::of(&attempt_of(Duration::from_millis(50)))
    }

    /// A call that lasts until the sender is used or dropped.
    fn hangs() -> (mpsc::Sender<()>, impl FnOnce() + Send + 'static) {
        let (release, released) = mpsc::channel();
        (release, move || released.recv().unwrap_or_default())
    }

    #[tokio::test]
    async fn a_call_that_hangs_keeps_the_turn_when_nobody_waits_for_it_any_more() {
        static KIND: Kind = Kind::new("call", "calls", 8);
        let calls = Calls::new(&KIND);
        let (release, call) = hangs();
        let waiting = soon().cut(calls.begin().unwrap().run(soon(), call)).await;
        assert!(waiting.is_none(), "it returned");

        let failure = calls.begin().err().unwrap();
        assert_eq!(failure.kind, FailureKind::StillRunning);
        assert_eq!(failure.reason, "an earlier call has not returned yet");
        assert_eq!(KIND.permits.available_permits(), 7);

        release.send(()).unwrap();
        timeout(LONG, calls.ended()).await.unwrap();
        let again = calls.begin().unwrap().run(soon(), || 5).await;
        assert_eq!(again.unwrap(), 5);
    }

    #[tokio::test]
    async fn no_more_than_the_limit_are_under_way() {
        static KIND: Kind = Kind::new("call", "calls", 1);
        let (release, call) = hangs();
        let first = Calls::new(&KIND);
        let hanging = tokio::spawn(first.begin().unwrap().run(Deadline::of(&attempt_of(LONG)), call));
        let second = Calls::new(&KIND);
        // The first takes its permit before this one's time is over, whichever of the two is polled first.
        tokio::task::yield_now().await;
        let failure = second.begin().unwrap().run(soon(), || ()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::LocalResources);
        assert_eq!(failure.reason, "1 other calls are still under way");

        release.send(()).unwrap();
        timeout(LONG, hanging).await.unwrap().unwrap().unwrap();
        second.begin().unwrap().run(soon(), || ()).await.unwrap();
    }

    #[tokio::test]
    async fn an_answer_does_not_wait_for_the_end_of_its_call() {
        static KIND: Kind = Kind::new("call", "calls", 1);
        let calls = Calls::new(&KIND);
        let (release, end) = hangs();
        let call = move |answer: oneshot::Sender<i32>| {
            answer.send(5).unwrap();
            end();
        };
        let limit = Deadline::of(&attempt_of(LONG));
        assert_eq!(calls.begin().unwrap().run_past_answer(limit, call).await.unwrap(), 5);
        assert_eq!(calls.begin().err().unwrap().kind, FailureKind::StillRunning);
        release.send(()).unwrap();
        timeout(LONG, calls.ended()).await.unwrap();
    }

    #[tokio::test]
    async fn a_call_that_panics_gives_the_turn_back() {
        static KIND: Kind = Kind::new("call", "calls", 1);
        let calls = Calls::new(&KIND);
        let failure = calls
            .begin()
            .unwrap()
            .run(soon(), || assert!(KIND.most > 1))
            .await
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::Panicked);
        assert!(calls.begin().is_ok());
    }
}
