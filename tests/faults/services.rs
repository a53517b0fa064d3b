//! What happens to the services that are watched.

use health_monitor_test_support::stack::docker::{Undo, docker};
use health_monitor_test_support::stack::wait::{RECOVERY, seconds};
use health_monitor_test_support::stack::{SERVICES, Stack};

use tokio::time::Instant;

use crate::fault::{Fault, Scene};

const GROUP: &str = "services";

pub(crate) fn faults() -> Vec<Fault> {
    let mut faults = Vec::new();
    for name in SERVICES {
        let killed =
            Fault::new(GROUP, format!("{name} killed"), move |scene| killed(name, scene)).touching(&touched_by(name));
        faults.push(if name == "mosquitto" { killed.short() } else { killed });
    }
    faults
}

/// A service, and those that end because it does.
fn touched_by(name: &'static str) -> Vec<&'static str> {
    match name {
        "zookeeper" => vec!["zookeeper", "kafka"],
        _ => vec![name],
    }
}

async fn killed(name: &'static str, scene: Scene) {
    let monitor = Stack::get().monitor();
    let _undo = Undo::by(&["docker", "start", name]);
    let broken = Instant::now();
    docker(&["kill", name]).await;
    let reason = "Container status: exited (exit code 137, just now)";
    let told = monitor.wait_for(name, "unhealthy", reason, seconds(10)).await;
    scene.saw_after(broken, told.reason);
    let mended = Instant::now();
    docker(&["start", name]).await;
    monitor.healthy(name, RECOVERY).await;
    scene.saw_after(mended, "healthy");
}
