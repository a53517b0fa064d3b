//! As many children as the project promises.

use std::collections::HashSet;

use actix::prelude::*;
use health_monitor_actors::supervisor::{Add, ChildContext, ChildName, ChildSpec, PhaseState, Remove};
use tokio::sync::mpsc;

use crate::harness::{World, options, within_limit};

const CHILDREN: usize = 10_000;

struct Extra {
    _child: ChildContext,
}

impl Actor for Extra {
    type Context = Context<Self>;
}

#[actix::test]
async fn ten_thousand_children_start_spread_over_the_lanes_and_can_be_removed() {
    let world = World::new(options());
    let (born_in, mut born) = mpsc::unbounded_channel();
    let began = tokio::time::Instant::now();
    for number in 0..CHILDREN {
        let born = born_in.clone();
        world.supervisor.do_send(Add(ChildSpec::new(
            format!("child-{number}"),
            move |child: ChildContext, _| {
                born.send(child.run).ok();
                Extra { _child: child }
            },
        )));
    }
    let mut runs = HashSet::new();
    while runs.len() < CHILDREN {
        runs.insert(within_limit(born.recv()).await.unwrap());
    }
    // Told, not judged: how long it takes depends on what else the machine does.
    println!("{CHILDREN} children started in {:?}", began.elapsed());

    let state = world.observe().await;
    assert_eq!(state.children.len(), CHILDREN);
    assert!(
        state
            .children
            .iter()
            .all(|child| child.phase == PhaseState::Running && child.restarts == 0)
    );
    assert!(
        state.lanes.iter().all(|lane| lane.children == CHILDREN / 2),
        "{:?}",
        state.lanes
    );

    for number in 0..CHILDREN {
        world
            .supervisor
            .do_send(Remove(ChildName::from(format!("child-{number}"))));
    }
    let state = world.eventually(|state| state.children.is_empty()).await;
    assert!(state.lanes.iter().all(|lane| lane.children == 0));
}
