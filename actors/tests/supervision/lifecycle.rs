//! Adding, replacing and removing children, giving them up, and the end of it all.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::*;
use health_monitor_actors::policy::backoff::Backoff;
use health_monitor_actors::policy::intensity::Intensity;
use health_monitor_actors::supervisor::{
    AbortCause, Add, AddError, ChildEventKind, Exit, Fatal, Next, PhaseState, Remove, Replace, Shutdown,
    ShutdownReport, Subscribe, Supervisor, SupervisorOptions,
};

use crate::harness::{LIMIT, Listener, Puppet, World, options, within_limit};

const AT_ONCE: Next = Next::Restart { after: Duration::ZERO };

#[actix::test]
async fn a_name_is_taken_once() {
    let (mut world, mut puppet) = (World::new(options()), Puppet::new("only"));
    world.add(&mut puppet).await;
    let error = world.supervisor.send(Add(puppet.spec())).await.unwrap().unwrap_err();
    assert_eq!(error, AddError::Exists(puppet.name()));
    assert_eq!(
        error.to_string(),
        "a child named only exists already; replace it, or remove it first"
    );
}

#[actix::test]
async fn a_replaced_child_runs_the_new_factory_and_is_not_charged() {
    let (mut world, mut old) = (World::new(options()), Puppet::new("same name"));
    let mut new = Puppet::new("same name");
    let first = world.add(&mut old).await;
    assert_eq!(world.supervisor.send(Replace(new.spec())).await.unwrap(), Ok(true));
    assert_eq!(
        world.exited("same name").await,
        (Exit::Aborted(AbortCause::Replaced), AT_ONCE)
    );
    let second = new.next_run().await;
    assert!(second.run > first.run);
    assert!(!first.addr.connected());
    let state = world.child("same name").await.unwrap();
    assert_eq!((state.phase, state.restarts), (PhaseState::Running, 0));
}

#[actix::test]
async fn replacing_a_child_that_does_not_exist_adds_it() {
    let (world, mut puppet) = (World::new(options()), Puppet::new("new"));
    assert_eq!(world.supervisor.send(Replace(puppet.spec())).await.unwrap(), Ok(false));
    puppet.next_run().await;
}

#[actix::test]
async fn removing_is_idempotent_and_tells_whether_there_was_a_child() {
    let (mut world, mut puppet) = (World::new(options()), Puppet::new("short-lived"));
    let run = world.add(&mut puppet).await;
    assert!(world.supervisor.send(Remove(puppet.name())).await.unwrap());
    assert!(!world.supervisor.send(Remove(puppet.name())).await.unwrap());
    assert_eq!(
        world.exited("short-lived").await,
        (Exit::Aborted(AbortCause::Removed), Next::NoRestart)
    );
    assert!(!run.addr.connected());
    assert!(world.observe().await.children.is_empty());
    assert!(!world.supervisor.send(Remove(puppet.name())).await.unwrap());
}

#[actix::test]
async fn a_child_added_again_starts_after_the_removed_one_has_ended() {
    let (mut world, mut old) = (World::new(options()), Puppet::new("twice"));
    let log = Arc::new(Mutex::new(Vec::new()));
    let first = world.add(&mut old).await;
    let at_end = Arc::clone(&log);
    first
        .ask(move |body, _| body.last_words = Some(Box::new(move || at_end.lock().unwrap().push("old ends"))))
        .await;
    let mut new = Puppet::new("twice");
    let at_birth = Arc::clone(&log);
    // Both messages are in the mailbox before the old run can report its end.
    let removed = world.supervisor.send(Remove(old.name()));
    let added = world
        .supervisor
        .send(Add(new.spec_with(move |_| at_birth.lock().unwrap().push("new starts"))));
    let (removed, added) = within_limit(async { tokio::join!(removed, added) }).await;
    assert!(removed.unwrap());
    assert_eq!(added.unwrap(), Ok(()));
    let second = new.next_run().await;
    assert!(
        second.run > first.run,
        "so that what the first run still says is known to be stale"
    );
    assert_eq!(*log.lock().unwrap(), ["old ends", "new starts"]);
}

fn slow_backoff() -> SupervisorOptions {
    let hour = Duration::from_secs(3600);
    SupervisorOptions {
        backoff: Backoff::new(hour, hour),
        random: || 0.5,
        ..options()
    }
}

#[actix::test]
async fn a_child_that_backs_off_can_be_removed() {
    let (mut world, mut puppet) = (World::new(slow_backoff()), Puppet::new("faulty"));
    world.add(&mut puppet).await.pull(|_, _| panic!("boom"));
    let (_, next) = world.exited("faulty").await;
    assert_eq!(
        next,
        Next::Restart {
            after: Duration::from_secs(1800)
        }
    );
    assert!(matches!(
        world.child("faulty").await.unwrap().phase,
        PhaseState::BackingOff { .. }
    ));
    assert!(world.supervisor.send(Remove(puppet.name())).await.unwrap());
    assert!(world.observe().await.children.is_empty());
    world.add(&mut puppet).await;
}

#[actix::test]
async fn a_child_that_backs_off_is_replaced_without_waiting() {
    let (mut world, mut puppet) = (World::new(slow_backoff()), Puppet::new("faulty"));
    world.add(&mut puppet).await.pull(|_, _| panic!("boom"));
    world.exited("faulty").await;
    assert_eq!(world.supervisor.send(Replace(puppet.spec())).await.unwrap(), Ok(true));
    world.started("faulty").await;
}

#[actix::test]
async fn past_its_intensity_a_child_is_given_up_and_retried_slowly() {
    let slow_retry = Duration::from_millis(5);
    let intensity = Intensity {
        restarts: 2,
        window: LIMIT,
    };
    let (mut world, puppet) = (
        World::new(SupervisorOptions {
            slow_retry,
            intensity,
            ..options()
        }),
        Puppet::new("hopeless"),
    );
    world
        .supervisor
        .do_send(Add(puppet.spec_with(|_| panic!("never works"))));
    for _ in 0..2 {
        world.started("hopeless").await;
        assert!(matches!(world.exited("hopeless").await.1, Next::Restart { .. }));
    }
    // Each slow retry fails at once, so it is one run and not a fresh burst.
    for _ in 0..3 {
        world.started("hopeless").await;
        let (exit, next) = world.exited("hopeless").await;
        assert_eq!(exit, Exit::Panicked("never works".to_owned()));
        assert_eq!(
            next,
            Next::GiveUp {
                retry_after: slow_retry
            }
        );
    }
    let state = world.observe().await;
    assert!(state.totals.given_up >= 3);
}

#[actix::test]
async fn a_given_up_child_is_shown_as_such() {
    let intensity = Intensity {
        restarts: 0,
        window: LIMIT,
    };
    let (mut world, mut puppet) = (
        World::new(SupervisorOptions { intensity, ..options() }),
        Puppet::new("once"),
    );
    world.add(&mut puppet).await.pull(|_, _| panic!("boom"));
    world.exited("once").await;
    let state = serde_json::to_value(world.observe().await).unwrap();
    let child = &state["children"][0];
    assert_eq!(child["name"], "once");
    assert_eq!(child["phase"]["state"], "given_up");
    assert_eq!(child["last_exit"]["exit"]["panicked"], "boom");
    assert_eq!(child["lane"], serde_json::Value::Null);
    assert_eq!(state["totals"]["exits"]["panicked"], 1);
    assert_eq!(state["lanes"][1]["kind"], "shared");
    assert_eq!(state["lanes"][1]["slot"], 1);
}

#[actix::test]
async fn shutdown_ends_all_children_and_takes_no_more() {
    let mut world = World::new(options());
    let mut puppets = [Puppet::new("a"), Puppet::new("b"), Puppet::new("c")];
    for puppet in &mut puppets {
        world.add(puppet).await;
    }
    let report = within_limit(world.supervisor.send(Shutdown { limit: LIMIT }))
        .await
        .unwrap();
    assert_eq!(report, ShutdownReport { unfinished: vec![] });
    for puppet in &puppets {
        assert_eq!(
            world.exited(puppet.name).await,
            (Exit::Aborted(AbortCause::Shutdown), Next::NoRestart)
        );
    }
    let state = world.observe().await;
    assert!(state.lanes.is_empty());
    assert!(state.children.iter().all(|child| child.phase == PhaseState::Stopped));
    let refused = world.supervisor.send(Add(Puppet::new("late").spec())).await.unwrap();
    assert_eq!(refused, Err(AddError::ShuttingDown));
    assert!(
        world.fatal.try_recv().is_err(),
        "an end that was asked for is not fatal"
    );
    let again = within_limit(world.supervisor.send(Shutdown { limit: LIMIT }))
        .await
        .unwrap();
    assert!(again.unfinished.is_empty());
}

#[actix::test]
async fn shutdown_does_not_wait_for_a_blocked_child_past_its_limit() {
    let (mut world, mut puppet) = (World::new(options()), Puppet::new("blocked"));
    let mut other = Puppet::new("free");
    let run = world.add(&mut puppet).await;
    world.add(&mut other).await;
    let _rope = run.block().await;
    let report = within_limit(world.supervisor.send(Shutdown {
        limit: Duration::from_millis(50),
    }))
    .await
    .unwrap();
    assert!(report.unfinished.contains(&puppet.name()));
}

#[actix::test]
async fn a_later_subscriber_hears_what_happens_from_then_on() {
    let (mut world, mut puppet) = (World::new(options()), Puppet::new("heard"));
    let run = world.add(&mut puppet).await;
    let (listener, mut heard) = Listener::start_new();
    world.supervisor.send(Subscribe(listener)).await.unwrap();
    run.pull(|_, _| panic!("boom"));
    let event = within_limit(heard.recv()).await.unwrap();
    assert_eq!((event.run, event.name), (run.run, puppet.name()));
    assert!(matches!(event.kind, ChildEventKind::Exited { .. }));
}

#[actix::test]
async fn a_supervisor_that_ends_unasked_is_fatal() {
    let arbiter = Arbiter::new();
    let handle = arbiter.handle();
    let world = World::started_by(options(), |supervisor| {
        Supervisor::start_in_arbiter(&handle, |_| supervisor)
    });
    world.observe().await;
    arbiter.stop();
    assert_eq!(within_limit(world.fatal).await, Ok(Fatal::SupervisorEnded));
}
