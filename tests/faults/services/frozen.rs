//! Processes that are stopped by a signal: the container runs, the port takes connections, nobody answers.

use health_monitor_test_support::stack::Stack;
use health_monitor_test_support::stack::docker::{Undo, docker};
use health_monitor_test_support::stack::quick::SPOKEN;
use health_monitor_test_support::stack::wait::seconds;
use tokio::time::Instant;

use super::sight::{detected, found_by_schedule, opened};
use super::{GROUP, touched_by};
use crate::fault::{Fault, Scene};

pub(super) fn faults() -> Vec<Fault> {
    let mut faults = Vec::new();
    for spoken in SPOKEN {
        let (name, port) = (spoken.name, spoken.port);
        let title = format!("{name} stopped by a signal (SIGSTOP)");
        let fault = Fault::new(GROUP, title, move |scene| frozen(name, port, scene));
        faults.push(fault.touching(&touched_by(name)));
    }
    faults
}

async fn frozen(name: &'static str, port: &'static str, scene: Scene) {
    let monitor = Stack::get().monitor();
    let undo = Undo::by(&["docker", "kill", "--signal=CONT", name]);
    docker(&["kill", "--signal=STOP", name]).await;
    let broken = Instant::now();
    let told = detected(&monitor, name, &format!("connected to {name}:{port}, but ")).await;
    assert!(told.reason.contains(" within 5s"), "{}", told.reason);
    assert_eq!(told.container_status.as_deref(), Some("running"));
    scene.saw_after(broken, told.reason);
    // Long enough that its breaker opens. With the monitor's defaults it has failed five times after a minute.
    opened(&monitor, name, seconds(60)).await;
    scene.saw_after(broken, "its breaker is open");
    drop(undo);
    let mended = Instant::now();
    let found = found_by_schedule(&monitor, name).await;
    scene.saw_after(mended, format!("healthy, {found}"));
}
