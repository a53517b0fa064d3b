//! Containers of the stack that are killed, stopped and paused.

use health_monitor_test_support::stack::docker::{Undo, docker};
use health_monitor_test_support::stack::wait::RECOVERY;
use health_monitor_test_support::stack::{SERVICES, Stack};
use tokio::time::Instant;

use super::sight::EVENT;
use super::{GROUP, touched_by};
use crate::fault::{Fault, Scene};

/// A way to turn a container off and on.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    off: &'static str,
    on: &'static str,
    reason: &'static str,
    /// The service with which it belongs to the short form.
    short: &'static str,
}

const WAYS: [Way; 3] = [
    Way {
        name: "killed",
        off: "kill",
        on: "start",
        reason: "Container status: exited (exit code 137, just now)",
        short: "mosquitto",
    },
    Way {
        name: "stopped",
        off: "stop",
        on: "start",
        reason: "Container status: exited (exit code ",
        short: "data-processor",
    },
    Way {
        name: "paused",
        off: "pause",
        on: "unpause",
        reason: "Container status: paused (docker unpause resumes it)",
        short: "postgres",
    },
];

pub(super) fn faults() -> Vec<Fault> {
    let turned_off = |way: Way, name: &'static str| {
        let title = format!("{name} {}", way.name);
        let fault = Fault::new(GROUP, title, move |scene| turned_off(way, name, scene));
        let fault = fault.touching(&touched_by(name));
        if way.short == name { fault.short() } else { fault }
    };
    let all = WAYS
        .into_iter()
        .flat_map(|way| SERVICES.map(|name| turned_off(way, name)));
    all.collect()
}

async fn turned_off(way: Way, name: &'static str, scene: Scene) {
    let monitor = Stack::get().monitor();
    let _undo = Undo::by(&["docker", way.on, name]);
    docker(&[way.off, name]).await;
    let broken = Instant::now();
    let told = monitor.wait_for(name, "unhealthy", way.reason, EVENT).await;
    assert!(!told.reason.contains("memory"), "{}", told.reason);
    scene.saw_after(broken, told.reason);
    let (_, health) = monitor.get("/health").await;
    assert_eq!(health["status"], "unhealthy", "{health}");
    if name == "zookeeper" {
        let kafka = monitor.service("kafka").await;
        assert!(kafka.dependency_unhealthy, "{kafka:?}");
    }
    docker(&[way.on, name]).await;
    let mended = Instant::now();
    monitor.healthy(name, RECOVERY).await;
    scene.saw_after(mended, "healthy");
}
