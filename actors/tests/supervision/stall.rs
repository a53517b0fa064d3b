//! A supervisor that stood still.

use std::sync::mpsc as blocking;
use std::time::Duration;

use health_monitor_actors::supervisor::{AbortCause, Exit, SupervisorOptions};
use tokio::time::Instant;

use crate::harness::{LIMIT, Puppet, World, options};

#[actix::test]
async fn a_stalled_supervisor_judges_nobody_for_one_period() {
    let tick = Duration::from_millis(400);
    let stall_limit = Duration::from_millis(100);
    let mut world = World::new(SupervisorOptions {
        tick,
        stall_limit,
        ..options()
    });
    let mut puppet = Puppet::new("silent");
    let run = world.add(&mut puppet).await;
    let before = run.ask(|body, _| body.child.stalls.generation()).await;

    // From here to the end of the stall the test holds the thread, which is the supervisor's too.
    let (promised_in, promised) = blocking::channel();
    run.pull(move |body, _| {
        body.child.heart.expect_within(Duration::from_millis(1));
        promised_in.send(()).unwrap();
    });
    promised.recv_timeout(LIMIT).unwrap();
    let (_never, nothing) = blocking::channel::<()>();
    nothing.recv_timeout(tick + 4 * stall_limit).unwrap_err();
    let woke = Instant::now();

    assert_eq!(world.exited("silent").await.0, Exit::Aborted(AbortCause::Overdue));
    // The late tick came after `woke` and judged nobody; the next one came a whole period later.
    assert!(woke.elapsed() >= tick, "judged after {:?}", woke.elapsed());
    world.started("silent").await;
    let after = puppet
        .next_run()
        .await
        .ask(|body, _| body.child.stalls.generation())
        .await;
    assert!(after > before, "a cycle that spans the stall can tell");
    let state = world.observe().await;
    assert!(state.totals.stalls >= 1);
    assert!(state.tick_late_max_ms >= 100);
}
