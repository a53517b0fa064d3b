//! Containers of the stack that are removed, recreated and renamed.

use health_monitor_test_support::stack::docker::{Undo, compose, docker};
use health_monitor_test_support::stack::service::Service;
use health_monitor_test_support::stack::wait::RECOVERY;
use health_monitor_test_support::stack::{SERVICES, Stack};
use tokio::time::Instant;

use super::sight::EVENT;
use super::{GROUP, touched_by};
use crate::fault::{Fault, Scene};

const BROKER: &str = "mosquitto";

pub(super) fn faults() -> Vec<Fault> {
    let mut faults = Vec::new();
    for name in [BROKER, "data-processor"] {
        let removed = Fault::new(GROUP, format!("{name} removed"), move |scene| removed(name, scene));
        faults.push(removed.touching(&[name]).short());
    }
    for name in SERVICES {
        let title = format!("{name} replaced by Compose");
        let replaced = Fault::new(GROUP, title, move |scene| replaced(name, scene)).touching(&touched_by(name));
        faults.push(if name == BROKER { replaced.short() } else { replaced });
    }
    // Its Compose labels tell whose it is, so that this is no outage.
    faults.push(Fault::new(GROUP, "mosquitto's container renamed", renamed).short());
    faults
}

async fn make_again(name: &str) {
    compose(&["up", "--detach", "--no-deps", "--no-build", name]).await;
}

async fn removed(name: &'static str, scene: Scene) {
    let monitor = Stack::get().monitor();
    let before = monitor.service(name).await.container_id;
    let _undo = Undo::by(&["docker", "compose", "up", "--detach", "--no-deps", "--no-build", name]);
    docker(&["rm", "--force", "--volumes", name]).await;
    let broken = Instant::now();
    let reason = format!("container '{name}' does not exist");
    let told = monitor.wait_for(name, "not_found", &reason, EVENT).await;
    scene.saw_after(broken, told.reason);
    make_again(name).await;
    let mended = Instant::now();
    monitor.healthy(name, RECOVERY).await;
    let after = monitor.service(name).await.container_id;
    assert!(after.is_some() && after != before, "{after:?}");
    scene.saw_after(mended, "healthy, with a new id");
}

/// Compose starts the successor after it has stopped its predecessor. That is no outage either.
async fn replaced(name: &'static str, scene: Scene) {
    let monitor = Stack::get().monitor();
    let before = monitor.service(name).await.container_id;
    let begun = Instant::now();
    let replacing = async {
        compose(&["up", "--detach", "--no-deps", "--no-build", "--force-recreate", name]).await;
        let is_new = |service: &Service| {
            service.container_id.is_some() && service.container_id != before && service.status == "healthy"
        };
        monitor.wait(name, RECOVERY, is_new).await;
    };
    let seen = monitor.watch(name, replacing).await;
    let other = seen
        .iter()
        .find(|(status, _)| status != "healthy" && status != "starting");
    assert_eq!(other, None, "{seen:?}");
    assert!(
        seen.iter().any(|(_, reason)| reason.contains("being replaced")),
        "{seen:?}"
    );
    scene.saw_after(begun, "healthy, with a new id; only starting in between");
}

async fn renamed(scene: Scene) {
    let other = "mosquitto-aside";
    let monitor = Stack::get().monitor();
    let _undo = Undo::by(&["docker", "rename", other, BROKER]);
    let renaming = async {
        docker(&["rename", BROKER, other]).await;
        let has_name = async |name: &str| {
            let name = name.to_owned();
            let is = move |service: &Service| {
                service
                    .containers
                    .iter()
                    .any(|container| container["name"] == name.as_str())
            };
            monitor.wait(BROKER, EVENT, is).await;
        };
        has_name(other).await;
        docker(&["rename", other, BROKER]).await;
        has_name(BROKER).await;
    };
    let seen = monitor.watch(BROKER, renaming).await;
    assert!(seen.iter().all(|(status, _)| status == "healthy"), "{seen:?}");
    scene.saw("healthy under either name, by its Compose labels");
}
