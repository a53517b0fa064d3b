//! Every way in which a run can end, and what follows.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::prelude::*;
use health_monitor_actors::supervisor::{
    AbortCause, Add, ChildContext, ChildName, ChildSpec, Exit, Next, PhaseState, Placement, Shutdown, current_child,
};
use tokio::sync::{mpsc, oneshot};

use crate::harness::{Puppet, World, options, within_limit};

fn panicked(message: &str) -> Exit {
    Exit::Panicked(message.to_owned())
}

#[actix::test]
async fn a_panic_in_a_handler_restarts_the_child() {
    let (mut world, mut puppet) = (World::new(options()), Puppet::new("jumpy"));
    let first = world.add(&mut puppet).await;
    first.pull(|_, _| panic!("boom {}", 7));
    let (exit, next) = world.exited("jumpy").await;
    assert_eq!(exit, panicked("boom 7"));
    assert!(matches!(next, Next::Restart { .. }));
    let second_run = world.started("jumpy").await;
    let second = puppet.next_run().await;
    assert_eq!(second.run, second_run);
    assert!(second.run > first.run);
    assert_eq!(
        second.ask(|body, _| body.child.run).await,
        second_run,
        "the new run answers"
    );
    let state = world.child("jumpy").await.unwrap();
    assert_eq!((state.restarts, state.last_exit.unwrap().exit), (1, panicked("boom 7")));
}

/// Panics in `started` of its first run.
struct FalseStart {
    first: bool,
}

impl Actor for FalseStart {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        assert!(!self.first, "no start");
    }
}

#[actix::test]
async fn a_panic_in_started_restarts_the_child() {
    let mut world = World::new(options());
    let first = AtomicBool::new(true);
    let spec = ChildSpec::new("false start", move |_, _| FalseStart {
        first: first.swap(false, Ordering::SeqCst),
    });
    world.supervisor.send(Add(spec)).await.unwrap().unwrap();
    world.started("false start").await;
    assert_eq!(world.exited("false start").await.0, panicked("no start"));
    world.started("false start").await;
}

#[actix::test]
async fn a_panic_in_the_factory_restarts_the_child() {
    let (mut world, mut puppet) = (World::new(options()), Puppet::new("unborn"));
    let first = AtomicBool::new(true);
    let spec = puppet.spec_with(move |_| assert!(!first.swap(false, Ordering::SeqCst), "no birth"));
    world.supervisor.send(Add(spec)).await.unwrap().unwrap();
    world.started("unborn").await;
    assert_eq!(world.exited("unborn").await.0, panicked("no birth"));
    let run = world.started("unborn").await;
    assert_eq!(puppet.next_run().await.run, run);
}

#[actix::test]
async fn a_panic_in_an_actor_that_refuses_to_stop_does_not_end_the_process() {
    // actix polls the actor once more while it drops it. If that happened during the unwinding, the future that panicked
    // would panic a second time, and the process would abort.
    let (mut world, mut puppet) = (World::new(options()), Puppet::new("stubborn"));
    let run = world.add(&mut puppet).await;
    run.pull(|body, ctx| {
        body.never_stops = true;
        ctx.spawn(async { panic!("in a future of the context") }.into_actor(body));
    });
    assert_eq!(world.exited("stubborn").await.0, panicked("in a future of the context"));
    world.started("stubborn").await;
}

#[actix::test]
async fn a_panic_while_stopping_is_the_exit_of_a_normal_stop() {
    let (mut world, mut puppet) = (World::new(options()), Puppet::new("sore loser"));
    let run = world.add(&mut puppet).await;
    run.pull(|body, ctx| {
        body.last_words = Some(Box::new(|| panic!("not yet")));
        ctx.stop();
    });
    assert_eq!(world.exited("sore loser").await.0, panicked("not yet"));
    world.started("sore loser").await;
}

#[actix::test]
async fn a_panic_in_a_side_task_hurts_only_that_task() {
    let (mut world, mut puppet) = (World::new(options()), Puppet::new("checker"));
    let run = world.add(&mut puppet).await;
    let task = run
        .ask(|body, _| body.child.lane.spawn(async { panic!("bug in a check") }))
        .await;
    let error = within_limit(task).await.unwrap_err();
    let payload = error.into_panic();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"bug in a check"));
    assert_eq!(run.ask(|body, _| body.child.run).await, run.run, "the child lives on");
    assert!(world.is_quiet("checker"));
}

/// Tells when it is dropped.
struct DropBell(Option<oneshot::Sender<()>>);

impl Drop for DropBell {
    fn drop(&mut self) {
        if let Some(bell) = self.0.take() {
            bell.send(()).ok();
        }
    }
}

#[actix::test]
async fn a_hung_side_task_does_not_hold_its_child_and_ends_with_it() {
    let (mut world, mut puppet) = (World::new(options()), Puppet::new("patient"));
    let run = world.add(&mut puppet).await;
    let (bell, rung) = oneshot::channel();
    let task = run
        .ask(|body, _| {
            let bell = DropBell(Some(bell));
            body.child.lane.spawn(async move {
                pending::<()>().await;
                drop(bell);
            })
        })
        .await;
    assert_eq!(
        run.ask(|body, _| body.child.run).await,
        run.run,
        "the child answers beside it"
    );
    run.pull(|_, ctx| ctx.stop());
    assert_eq!(world.exited("patient").await.0, Exit::Normal);
    within_limit(rung).await.unwrap();
    assert!(within_limit(task).await.unwrap_err().is_cancelled());
}

#[actix::test]
async fn finished_side_tasks_are_forgotten_and_live_ones_kept() {
    let (mut world, mut puppet) = (World::new(options()), Puppet::new("busy"));
    let run = world.add(&mut puppet).await;
    let kept = run.ask(|body, _| body.child.lane.spawn(pending::<()>())).await;
    for number in 0..100 {
        let task = run
            .ask(move |body, _| body.child.lane.spawn(async move { number }))
            .await;
        assert_eq!(within_limit(task).await.unwrap(), number);
    }
    run.pull(|_, ctx| ctx.stop());
    assert!(within_limit(kept).await.unwrap_err().is_cancelled());
}

#[actix::test]
async fn handlers_and_side_tasks_run_in_their_childs_name() {
    let (mut world, mut puppet) = (World::new(options()), Puppet::new("somebody"));
    let run = world.add(&mut puppet).await;
    let (in_handler, task) = run
        .ask(|body, _| (current_child(), body.child.lane.spawn(async { current_child() })))
        .await;
    assert_eq!(in_handler, Some(puppet.name()));
    assert_eq!(within_limit(task).await.unwrap(), Some(puppet.name()));
    assert_eq!(current_child(), None);
}

#[tokio::test(start_paused = true)]
async fn an_unsupervised_actor_has_all_that_a_child_has() {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let child = ChildContext::unsupervised("alone");
            child.heart.expect_within(Duration::from_secs(1));
            let before = child.stalls.generation();
            let task = child.lane.spawn(async {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                current_child()
            });
            assert_eq!(task.await.unwrap(), Some(ChildName::from("alone")));
            assert_eq!(child.stalls.generation(), before);
        })
        .await;
}

#[actix::test]
async fn a_permanent_child_is_restarted_after_a_normal_stop() {
    let (mut world, mut puppet) = (World::new(options()), Puppet::new("permanent"));
    let run = world.add(&mut puppet).await;
    run.pull(|_, ctx| ctx.stop());
    let (exit, next) = world.exited("permanent").await;
    assert_eq!(exit, Exit::Normal);
    assert!(matches!(next, Next::Restart { .. }));
    world.started("permanent").await;
    assert_eq!(world.observe().await.totals.exits.normal, 1);
}

#[actix::test]
async fn a_transient_child_is_restarted_after_a_panic_and_not_after_a_normal_stop() {
    let (mut world, mut puppet) = (World::new(options()), Puppet::new("transient"));
    world
        .supervisor
        .send(Add(puppet.spec().transient()))
        .await
        .unwrap()
        .unwrap();
    world.started("transient").await;
    puppet.next_run().await.pull(|_, _| panic!("boom"));
    assert_eq!(world.exited("transient").await.0, panicked("boom"));
    world.started("transient").await;
    puppet.next_run().await.pull(|_, ctx| ctx.stop());
    assert_eq!(world.exited("transient").await, (Exit::Normal, Next::NoRestart));
    assert_eq!(world.child("transient").await.unwrap().phase, PhaseState::Stopped);
}

#[actix::test]
async fn a_child_whose_address_nobody_keeps_lives_on() {
    struct Hermit(mpsc::UnboundedSender<()>);
    impl Actor for Hermit {
        type Context = Context<Self>;
        fn stopped(&mut self, _: &mut Context<Self>) {
            self.0.send(()).ok();
        }
    }
    let mut world = World::new(options());
    let (stopped_in, mut stopped) = mpsc::unbounded_channel();
    let spec = ChildSpec::new("hermit", move |_, _| Hermit(stopped_in.clone()));
    world.supervisor.send(Add(spec)).await.unwrap().unwrap();
    world.started("hermit").await;
    // A second child on the same lane has its turn after the first, which would have ended by then.
    let mut neighbour = Puppet::new("neighbour");
    let mut third = Puppet::new("third");
    world.add(&mut neighbour).await;
    world.add(&mut third).await;
    assert!(stopped.try_recv().is_err());
    within_limit(world.supervisor.send(Shutdown {
        limit: crate::harness::LIMIT,
    }))
    .await
    .unwrap();
    assert_eq!(stopped.recv().await, Some(()), "an aborted actor gets to its last hook");
}

#[actix::test]
async fn a_deaf_child_is_overdue_and_restarted() {
    let (mut world, mut puppet) = (World::new(options()), Puppet::new("deaf"));
    let mut quiet = Puppet::new("quiet");
    let resting = world.add(&mut quiet).await;
    let run = world.add(&mut puppet).await;
    run.pull(|body, ctx| {
        body.child.heart.expect_within(Duration::from_millis(1));
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the fault that the supervisor must see"
        )]
        ctx.wait(pending::<()>().into_actor(body));
    });
    let (exit, next) = world.exited("deaf").await;
    assert_eq!(exit, Exit::Aborted(AbortCause::Overdue));
    assert!(matches!(next, Next::Restart { .. }));
    assert!(world.started("deaf").await > run.run);
    assert_eq!(world.observe().await.totals.exits.overdue, 1);
    assert_eq!(
        resting.ask(|body, _| body.child.run).await,
        resting.run,
        "a heart at rest is left alone"
    );
}

#[actix::test]
async fn a_child_that_keeps_its_promises_is_left_alone() {
    let (mut world, mut punctual) = (World::new(options()), Puppet::new("punctual"));
    let mut late = Puppet::new("late");
    let run = world.add(&mut punctual).await;
    run.ask(|body, _| body.child.heart.expect_within(Duration::from_secs(3600)))
        .await;
    for _ in 0..3 {
        // Whenever this one is caught, the other's heart was looked at too.
        world.supervisor.do_send(Add(late.spec().overdue_after(Duration::ZERO)));
        world.started("late").await;
        assert_eq!(world.exited("late").await.0, Exit::Aborted(AbortCause::Overdue));
        world
            .supervisor
            .do_send(health_monitor_actors::supervisor::Remove(late.name()));
        world.eventually(|state| state.children.len() == 1).await;
        late = Puppet::new("late");
        while !world.is_quiet("late") {
            world.event("late").await;
        }
    }
    assert!(world.is_quiet("punctual"));
    let due = world.child("punctual").await.unwrap().beat_due_in_ms.unwrap();
    assert!((3_500_000..=3_600_000).contains(&due), "{due}");
}

#[actix::test]
async fn a_child_can_have_an_arbiter_of_its_own_and_keeps_it() {
    let (mut world, mut loner) = (World::new(options()), Puppet::new("loner"));
    let spec = loner.spec().placement(Placement::OwnArbiter);
    world.supervisor.send(Add(spec)).await.unwrap().unwrap();
    let first = loner.next_run().await;
    let thread = first.ask(|_, _| std::thread::current().id()).await;
    let mut others = [Puppet::new("a"), Puppet::new("b"), Puppet::new("c")];
    for other in &mut others {
        let other = world.add(other).await;
        assert_ne!(other.ask(|_, _| std::thread::current().id()).await, thread);
    }
    first.pull(|_, ctx| ctx.stop());
    let second = loner.next_run().await;
    assert_eq!(
        second.ask(|_, _| std::thread::current().id()).await,
        thread,
        "a restart costs no thread"
    );
}
