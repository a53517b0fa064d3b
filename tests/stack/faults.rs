//! Every service turned off in turn, by what happens to its container, as the stack's own monitor sees it.

use std::time::Duration;

use crate::docker::{Undo, docker};
use crate::stack::{SERVICES, turn};
use crate::wait::seconds;

/// What an event tells is known at once; this is for the machine's other work.
const SOON: Duration = seconds(10);
/// Until a service works again: some of them start slowly.
const AGAIN: Duration = seconds(60);

#[tokio::test]
async fn stopped() {
    let turn = turn().await;
    for name in SERVICES {
        let _undo = Undo::by(&["docker", "start", name]);
        docker(&["stop", "--time", "5", name]).await;
        turn.monitor
            .wait_for(name, "unhealthy", "Container status: exited (exit code ", SOON)
            .await;
        docker(&["start", name]).await;
        turn.monitor.healthy(name, AGAIN).await;
    }
}
