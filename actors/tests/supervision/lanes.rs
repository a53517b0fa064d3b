//! Children that block their threads, and what becomes of their neighbours.

use std::sync::mpsc as blocking;
use std::time::Duration;

use actix::prelude::*;
use health_monitor_actors::supervisor::{
    AbortCause, Add, Exit, Fatal, LaneKind, Next, PhaseState, Placement, Replace, SupervisorOptions, SupervisorState,
};

use crate::harness::{Puppet, Rope, Strings, World, options, within_limit};

/// Long enough that a lane of a busy machine does not miss it, short enough for a test.
fn watchful() -> SupervisorOptions {
    SupervisorOptions {
        lane_limit: Duration::from_secs(2),
        ..options()
    }
}

fn lane_of(state: &SupervisorState, name: &str) -> u64 {
    state
        .children
        .iter()
        .find(|child| child.name.as_str() == name)
        .unwrap()
        .lane
        .unwrap()
}

fn is_quarantine_of(state: &SupervisorState, lane: u64, puppet: &Puppet) -> bool {
    let lane = state.lanes.iter().find(|known| known.generation == lane).unwrap();
    lane.kind == LaneKind::Quarantine { child: puppet.name() }
}

#[actix::test]
async fn a_blocked_thread_costs_its_child_a_restart_and_its_neighbours_nothing() {
    let mut world = World::new(watchful());
    let mut puppets = ["bad", "b", "c", "d"].map(Puppet::new);
    let mut runs: Vec<Strings> = Vec::new();
    for puppet in &mut puppets {
        runs.push(world.add(puppet).await);
    }
    let before = world.observe().await;
    let lane = lane_of(&before, "bad");
    let (neighbours, strangers): (Vec<_>, Vec<_>) = ["b", "c", "d"]
        .into_iter()
        .partition(|name| lane_of(&before, name) == lane);
    assert_eq!((neighbours.len(), strangers.len()), (1, 2), "four children, two lanes");

    let rope = runs[0].block().await;
    let (exit, next) = world.exited("bad").await;
    assert_eq!(exit, Exit::Blocked);
    assert!(matches!(next, Next::Restart { after } if after > Duration::ZERO));
    for name in &neighbours {
        let moved = (
            Exit::Aborted(AbortCause::LaneLost),
            Next::Restart { after: Duration::ZERO },
        );
        assert_eq!(world.exited(name).await, moved);
        let old_run = before
            .children
            .iter()
            .find(|child| child.name.as_str() == *name)
            .unwrap()
            .run;
        assert!(world.started(name).await > old_run);
    }
    world.started("bad").await;
    let again = puppets[0].next_run().await;
    again.ask(|_, _| ()).await;

    let after = world.observe().await;
    assert!(is_quarantine_of(&after, lane_of(&after, "bad"), &puppets[0]));
    for child in &after.children {
        let is_bad = child.name.as_str() == "bad";
        assert_eq!(
            (child.restarts, child.quarantined),
            (u64::from(is_bad), is_bad),
            "{}",
            child.name
        );
        assert_eq!(child.phase, PhaseState::Running);
        assert_ne!(child.lane, Some(lane));
    }
    for name in strangers {
        assert!(world.is_quiet(name));
        assert_eq!(lane_of(&after, name), lane_of(&before, name));
    }
    assert_eq!((after.totals.moved, after.totals.exits.blocked), (1, 1));
    assert_eq!((after.totals.lanes_abandoned, after.lanes_abandoned_alive), (1, 1));

    drop(rope);
    // The old runs end with their lane; nobody is charged for it, and the count of living lanes falls.
    let is_over = |state: &SupervisorState| state.lanes_abandoned_alive == 0 && state.totals.stale_exits == 2;
    let end = world.eventually(is_over).await;
    assert_eq!(end.totals.lanes_abandoned, 1);
    assert_eq!(end.totals.exits, after.totals.exits);
    assert_eq!(lane_of(&end, "bad"), lane_of(&after, "bad"));
}

#[actix::test]
async fn a_lane_names_the_child_it_is_polling() {
    let (mut world, mut puppet) = (World::new(options()), Puppet::new("slow"));
    let run = world.add(&mut puppet).await;
    let rope = run.block().await;
    let state = world.observe().await;
    let polling: Vec<_> = state.lanes.iter().filter_map(|lane| lane.polling.clone()).collect();
    assert_eq!(polling, [puppet.name()]);
    drop(rope);
    run.ask(|_, _| ()).await;
    world
        .eventually(|state| state.lanes.iter().all(|lane| lane.polling.is_none()))
        .await;
}

#[actix::test]
async fn a_side_task_that_blocks_is_charged_to_its_child() {
    let (mut world, mut puppet) = (World::new(watchful()), Puppet::new("checker"));
    let run = world.add(&mut puppet).await;
    let (_rope, end) = blocking::channel::<()>();
    run.pull(move |body, _| {
        let check = async move { end.recv().ok() };
        drop(body.child.lane.spawn(check));
    });
    assert_eq!(world.exited("checker").await.0, Exit::Blocked);
    world.started("checker").await;
    assert!(world.child("checker").await.unwrap().quarantined);
}

#[actix::test]
async fn a_child_that_blocks_thread_after_thread_is_given_up_before_it_takes_them_all() {
    let (mut world, mut puppet) = (World::new(watchful()), Puppet::new("greedy"));
    let first = world.add(&mut puppet).await;
    let first_rope = first.block().await;
    assert!(matches!(
        world.exited("greedy").await,
        (Exit::Blocked, Next::Restart { .. })
    ));
    world.started("greedy").await;
    let second_rope = puppet.next_run().await.block().await;
    assert!(
        matches!(world.exited("greedy").await, (Exit::Blocked, Next::GiveUp { .. })),
        "its intensity has room left"
    );
    assert_eq!(world.observe().await.lanes_abandoned_alive, 2);
    assert!(world.fatal.try_recv().is_err());
    drop((first_rope, second_rope));
    world.eventually(|state| state.lanes_abandoned_alive == 0).await;
    // Nothing is left against it: it does not wait for the slow retry.
    world.started("greedy").await;
    puppet.next_run().await.ask(|_, _| ()).await;
}

#[actix::test]
async fn a_replaced_child_leaves_quarantine() {
    let (mut world, mut puppet) = (World::new(watchful()), Puppet::new("reformed"));
    let run = world.add(&mut puppet).await;
    let _rope = run.block().await;
    world.exited("reformed").await;
    world.started("reformed").await;
    puppet.next_run().await;
    world.supervisor.send(Replace(puppet.spec())).await.unwrap().unwrap();
    world.exited("reformed").await;
    world.started("reformed").await;
    let state = world.observe().await;
    assert!(!state.children[0].quarantined);
    assert!(
        state
            .lanes
            .iter()
            .all(|lane| matches!(lane.kind, LaneKind::Shared { .. }))
    );
}

#[actix::test]
async fn a_replaced_child_with_an_arbiter_of_its_own_gets_a_plain_one_after_quarantine() {
    let (world, mut puppet) = (World::new(watchful()), Puppet::new("loner"));
    let spec = puppet.spec().placement(Placement::OwnArbiter);
    world.supervisor.send(Add(spec.clone())).await.unwrap().unwrap();
    let _rope = puppet.next_run().await.block().await;
    puppet.next_run().await;
    let state = world.observe().await;
    assert!(is_quarantine_of(&state, lane_of(&state, "loner"), &puppet));
    world.supervisor.send(Replace(spec)).await.unwrap().unwrap();
    puppet.next_run().await;
    let state = world.observe().await;
    let lanes: Vec<_> = state
        .lanes
        .iter()
        .filter(|lane| !matches!(lane.kind, LaneKind::Shared { .. }))
        .collect();
    assert_eq!(lanes.len(), 1);
    assert_eq!(lanes[0].kind, LaneKind::Own { child: puppet.name() });
}

#[actix::test]
async fn a_replaced_child_does_not_wait_for_its_blocked_thread() {
    let (mut world, mut puppet) = (World::new(watchful()), Puppet::new("stuck"));
    let run = world.add(&mut puppet).await;
    let _rope = run.block().await;
    world.supervisor.send(Replace(puppet.spec())).await.unwrap().unwrap();
    assert_eq!(
        world.exited("stuck").await,
        (Exit::Blocked, Next::Restart { after: Duration::ZERO })
    );
    world.started("stuck").await;
    puppet.next_run().await.ask(|_, _| ()).await;
    assert_eq!(world.child("stuck").await.unwrap().restarts, 0);
}

#[actix::test]
async fn too_many_lost_threads_are_fatal() {
    let mut world = World::new(SupervisorOptions {
        max_abandoned: 2,
        ..watchful()
    });
    let mut ropes: Vec<Rope> = Vec::new();
    for name in ["a", "b", "c"] {
        let mut puppet = Puppet::new(name);
        world
            .supervisor
            .do_send(Add(puppet.spec().placement(Placement::OwnArbiter)));
        ropes.push(puppet.next_run().await.block().await);
    }
    let fatal = within_limit(&mut world.fatal).await.unwrap();
    assert_eq!(fatal, Fatal::LanesExhausted { alive: 3 });
    assert_eq!(
        fatal.to_string(),
        "3 threads are blocked by children and do not come back"
    );
}

#[actix::test]
async fn children_whose_arbiter_is_stopped_move_to_a_fresh_one_and_the_last_polled_is_charged() {
    let mut world = World::new(options());
    let mut puppets = ["saboteur", "b", "c"].map(Puppet::new);
    let mut runs: Vec<Strings> = Vec::new();
    for puppet in &mut puppets {
        runs.push(world.add(puppet).await);
    }
    let before = world.observe().await;
    let lane = lane_of(&before, "saboteur");
    assert_eq!(lane_of(&before, "c"), lane, "three children, two lanes");
    runs[0].pull(|_, _| {
        Arbiter::current().stop();
    });
    assert_eq!(world.exited("saboteur").await.0, Exit::LaneLost);
    let moved = (
        Exit::Aborted(AbortCause::LaneLost),
        Next::Restart { after: Duration::ZERO },
    );
    assert_eq!(world.exited("c").await, moved);
    world.started("c").await;
    world.started("saboteur").await;
    puppets[0].next_run().await.ask(|_, _| ()).await;
    puppets[2].next_run().await.ask(|_, _| ()).await;

    let after = world.observe().await;
    assert!(after.lanes.iter().all(|known| known.generation != lane));
    assert!(is_quarantine_of(&after, lane_of(&after, "saboteur"), &puppets[0]));
    let restarts = |name: &str| {
        after
            .children
            .iter()
            .find(|child| child.name.as_str() == name)
            .unwrap()
            .restarts
    };
    assert_eq!((restarts("saboteur"), restarts("b"), restarts("c")), (1, 0, 0));
    assert_eq!((after.totals.lanes_abandoned, after.totals.moved), (0, 1));
    assert!(world.is_quiet("b"));
}
