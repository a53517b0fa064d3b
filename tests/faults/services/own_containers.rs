//! Containers that a fault makes, without Compose: their name is all that ties them to their service.

use health_monitor_test_support::stack::docker::{Undo, docker, unique};
use health_monitor_test_support::stack::monitor::Monitor;
use health_monitor_test_support::stack::quick::quick_with;
use health_monitor_test_support::stack::script::{RUNS, script};
use tokio::time::Instant;

use super::GROUP;
use super::sight::EVENT;
use crate::fault::{Fault, Scene};

/// The service whose container it is.
const SERVICE: &str = "worker";

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault::new(GROUP, "container out of memory", out_of_memory).short(),
        Fault::new(GROUP, "container recreated under its name", recreated).short(),
        Fault::new(GROUP, "container renamed", renamed).short(),
    ]
}

/// A monitor of one container.
pub(super) async fn monitor_of(container: &str) -> Monitor {
    let configuration = format!("[services.{SERVICE}]\ncheck = \"container\"\ncontainer = \"{container}\"\n");
    quick_with(SERVICE, &configuration, &[]).await
}

async fn out_of_memory(scene: Scene) {
    let name = unique("memory");
    let monitor = monitor_of(&name).await;
    let eats = "exec busybox tail /dev/zero";
    let mut is_told = false;
    for _ in 0..5 {
        let _hungry = script(&name, &["--memory=16m", "--memory-swap=16m"], eats).await;
        let broken = Instant::now();
        let reason = "Container status: exited (exit code 137";
        monitor.wait_for(SERVICE, "unhealthy", reason, EVENT * 2).await;
        // A busy engine misses it now and then itself.
        is_told = docker(&["inspect", "--format", "{{.State.OOMKilled}}", &name]).await == "true";
        if is_told {
            let reason = "(exit code 137, out of memory, ";
            let told = monitor.wait_for(SERVICE, "unhealthy", reason, EVENT).await;
            scene.saw_after(broken, told.reason);
            break;
        }
    }
    assert!(is_told, "the engine never says that memory ran out");
    let options = ["--memory=16m", "--memory-swap=16m", "--restart=always"];
    let hungry = script(&name, &options, eats).await;
    let broken = Instant::now();
    let reason = "restarting repeatedly (";
    let told = monitor.wait_for(SERVICE, "unhealthy", reason, EVENT * 4).await;
    assert!(told.reason.contains("last exit 137, out of memory)"), "{}", told.reason);
    scene.saw_after(broken, told.reason);
    drop(hungry);
    let _mended = script(&name, &[], RUNS).await;
    let mended = Instant::now();
    monitor.healthy(SERVICE, EVENT).await;
    scene.saw_after(mended, "healthy, with more memory");
}

async fn recreated(scene: Scene) {
    let name = unique("recreated");
    let monitor = monitor_of(&name).await;
    let mut ids = Vec::new();
    for round in 0..3 {
        let made = script(&name, &[], RUNS).await;
        let begun = Instant::now();
        monitor.healthy(SERVICE, EVENT).await;
        scene.saw_after(begun, "healthy");
        ids.extend(monitor.service(SERVICE).await.container_id);
        if round == 1 {
            docker(&["kill", &name]).await;
            monitor
                .wait_for(SERVICE, "unhealthy", "(exit code 137, just now)", EVENT)
                .await;
        }
        drop(made);
        let broken = Instant::now();
        let reason = format!("container '{name}' does not exist");
        let told = monitor.wait_for(SERVICE, "not_found", &reason, EVENT).await;
        scene.saw_after(broken, told.reason);
    }
    ids.dedup();
    assert_eq!(ids.len(), 3, "{ids:?}");
}

async fn renamed(scene: Scene) {
    let name = unique("renamed");
    let aside = format!("{name}-aside");
    let monitor = monitor_of(&name).await;
    let _undo = Undo::by(&["docker", "rm", "--force", &aside]);
    let _made = script(&name, &[], RUNS).await;
    monitor.healthy(SERVICE, EVENT).await;
    docker(&["rename", &name, &aside]).await;
    let broken = Instant::now();
    let reason = format!("container '{name}' does not exist");
    let told = monitor.wait_for(SERVICE, "not_found", &reason, EVENT).await;
    scene.saw_after(broken, told.reason);
    docker(&["rename", &aside, &name]).await;
    let mended = Instant::now();
    monitor.healthy(SERVICE, EVENT).await;
    scene.saw_after(mended, "healthy");
}
