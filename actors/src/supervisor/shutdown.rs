//! The end of a supervisor: all children, then all lanes.

use std::time::Duration;

use actix::{AsyncContext, Context, Handler, Message, ResponseFuture};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::Supervisor;
use super::children::{After, Phase};
use super::exit::AbortCause;
use super::message::{Shutdown, ShutdownReport};

/// Those who wait for the shutdown that is under way.
#[derive(Default)]
pub(super) struct ShuttingDown {
    waiting: Vec<oneshot::Sender<ShutdownReport>>,
}

/// The time that a shutdown was given is over.
#[derive(Message)]
#[rtype(result = "()")]
struct Expired;

impl Supervisor {
    fn shut_down(&mut self, limit: Duration, ctx: &mut Context<Self>) -> oneshot::Receiver<ShutdownReport> {
        let (answer, answered) = oneshot::channel();
        self.shutting_down.get_or_insert_default().waiting.push(answer);
        for child in self.children.values_mut() {
            match child.phase {
                Phase::Running(_) | Phase::Ending(..) => child.end(AbortCause::Shutdown, After::Stop),
                Phase::BackingOff(_) | Phase::GivenUp(_) | Phase::Stopped => child.phase = Phase::Stopped,
            }
        }
        let supervisor = ctx.address();
        drop(actix::spawn(async move {
            sleep(limit).await;
            supervisor.do_send(Expired);
        }));
        self.shutdown_progress();
        answered
    }

    /// Ends the shutdown that is under way, if any, once nothing runs any more.
    pub(super) fn shutdown_progress(&mut self) {
        if self.live == 0 {
            self.finish_shutdown();
        }
    }

    fn finish_shutdown(&mut self) {
        let Some(shutdown) = &mut self.shutting_down else {
            return;
        };
        let running = self.children.values().filter(|child| child.active().is_some());
        let mut unfinished: Vec<_> = running.map(|child| child.spec.name.clone()).collect();
        unfinished.sort_unstable();
        let report = ShutdownReport { unfinished };
        for waiting in shutdown.waiting.drain(..) {
            // Who asked may be gone.
            drop(waiting.send(report.clone()));
        }
        self.lanes.close_all();
    }
}

impl Handler<Shutdown> for Supervisor {
    type Result = ResponseFuture<ShutdownReport>;

    fn handle(&mut self, Shutdown { limit }: Shutdown, ctx: &mut Context<Self>) -> Self::Result {
        let answered = self.shut_down(limit, ctx);
        // An answer that is lost with the supervisor leaves nothing that runs.
        Box::pin(async move { answered.await.unwrap_or(ShutdownReport { unfinished: Vec::new() }) })
    }
}

impl Handler<Expired> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Expired, _: &mut Context<Self>) {
        self.finish_shutdown();
    }
}
