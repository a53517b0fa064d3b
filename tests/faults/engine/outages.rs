//! The engine goes away, in every way that it can, and comes back.

use health_monitor_test_support::stack::SERVICES;
use health_monitor_test_support::stack::Stack;
use health_monitor_test_support::stack::docker::{Undo, docker, run};
use health_monitor_test_support::stack::monitor::Monitor;
use health_monitor_test_support::stack::quick::{DETECTED, SPOKEN};
use health_monitor_test_support::stack::wait::{RECOVERY, seconds, until};
use tokio::time::{Instant, sleep};

use super::GROUP;
use super::daemon::{Daemon, SOCKET};
use super::record::Record;
use super::watched::{NOTICED, RESYNC, Watched, checks_go_on, inside};
use crate::fault::{Fault, Scene};

pub(super) fn faults() -> Vec<Fault> {
    let apps: Vec<_> = SERVICES
        .into_iter()
        .filter(|name| SPOKEN.iter().all(|spoken| spoken.name != *name))
        .collect();
    vec![
        // The stack's own monitor is started anew where its socket is: every service of it is touched.
        Fault::new(GROUP, "stopped and started", stopped)
            .touching(&SERVICES)
            .short(),
        Fault::new(GROUP, "killed and started", killed).touching(&SERVICES),
        Fault::new(GROUP, "hangs (SIGSTOP)", hung).touching(&apps),
        Fault::new(GROUP, "containerd hangs (SIGSTOP)", containerd_hung),
        Fault::new(GROUP, "restarted with live-restore", restarted).touching(&SERVICES),
        Fault::new(GROUP, "restarted without live-restore", all_down_and_up).touching(&SERVICES),
        Fault::new(GROUP, "socket removed and put back", socket_removed),
    ]
}

async fn stopped(scene: Scene) {
    let daemon = Daemon::of_the_box();
    let watched = Watched::begin("stopped").await;
    let broken = Instant::now();
    daemon.stop().await;
    away(&watched, &scene, broken).await;
    let mended = Instant::now();
    daemon.start().await;
    back(&watched, &scene, mended).await;
    found_by_a_new_start(&watched, &scene, mended).await;
}

async fn killed(scene: Scene) {
    let daemon = Daemon::of_the_box();
    let watched = Watched::begin("killed").await;
    let broken = Instant::now();
    daemon.kill().await;
    away(&watched, &scene, broken).await;
    let mended = Instant::now();
    daemon.start().await;
    back(&watched, &scene, mended).await;
    found_by_a_new_start(&watched, &scene, mended).await;
}

async fn hung(scene: Scene) {
    let daemon = Daemon::of_the_box();
    let watched = Watched::begin("hung").await;
    let broken = Instant::now();
    daemon.hang().await;
    away(&watched, &scene, broken).await;
    let mended = Instant::now();
    daemon.go_on().await;
    back(&watched, &scene, mended).await;
    watched.stack.all_healthy(RESYNC).await;
    scene.saw_after(mended, "the stack's own monitor says all nine healthy");
    watched.nothing_was_called_down();
    scene.saw(format!("its longest silence {:.1?}", watched.stack_record.silence()));
}

/// What must be seen from when the engine is broken, `at` that time.
async fn away(watched: &Watched, scene: &Scene, at: Instant) {
    watched
        .own
        .wait_for("lasting", "error", "Docker daemon unavailable: ", NOTICED)
        .await;
    scene.saw_after(at, "error: Docker daemon unavailable");
    watched.is_away().await;
    scene.saw_after(at, "checks by name go on; /containers 503 with stale_since");
    watched.kill_victims().await;
    let dead = Instant::now();
    watched.lost_web_is_found_out().await;
    scene.saw_after(dead, "a death that its protocol tells is told");
}

async fn back(watched: &Watched, scene: &Scene, at: Instant) {
    let dead = watched.is_right_again().await;
    scene.saw_after(at, format!("all right again; who died meanwhile: {dead}"));
}

/// The socket is mounted by itself into the stack's own monitor, and the engine has made another.
async fn found_by_a_new_start(watched: &Watched, scene: &Scene, mended: Instant) {
    let stack = Stack::get().monitor();
    until(
        "the stack's own monitor with the engine's new socket",
        RESYNC,
        async || match stack.try_get("/containers").await {
            Ok((status, _)) if status.as_u16() == 200 => Ok(()),
            other => Err(format!("{other:?}")),
        },
    )
    .await;
    stack.all_healthy(RESYNC).await;
    scene.saw_after(mended, "the stack's own monitor says all nine healthy");
    let restarts = docker(&["inspect", "--format", "{{.RestartCount}}", "health-monitor"]).await;
    watched.nothing_was_called_down();
    scene.saw(format!(
        "restarts of its container so far: {restarts}; its longest silence {:.1?}",
        watched.stack_record.silence()
    ));
    let log = docker(&["logs", "--tail", "200", "health-monitor"]).await;
    assert!(!log.contains("panicked"), "{log}");
}

/// The engine answers, and knows nothing of what happens.
async fn containerd_hung(scene: Scene) {
    let daemon = Daemon::of_the_box();
    let watched = Watched::begin("containerd").await;
    daemon.hang_containerd().await;
    let broken = Instant::now();
    watched.kill_victims().await;
    watched.lost_web_is_found_out().await;
    scene.saw_after(broken, "a death that its protocol tells is told");
    let spoken = SPOKEN.map(|spoken| spoken.name);
    checks_go_on(&watched.stack, &spoken).await;
    let mended = Instant::now();
    daemon.let_containerd_go_on().await;
    back(&watched, &scene, mended).await;
    watched.nothing_was_called_down();
}

async fn restarted(scene: Scene) {
    let daemon = Daemon::of_the_box();
    let watched = Watched::begin("restarted").await;
    let broken = Instant::now();
    daemon.stop().await;
    daemon.start().await;
    scene.saw_after(broken, "the engine answers again");
    let mended = Instant::now();
    watched.kill_victims().await;
    back(&watched, &scene, mended).await;
    found_by_a_new_start(&watched, &scene, mended).await;
}

/// All containers end with the engine, and it starts them again as their restart policy says.
async fn all_down_and_up(scene: Scene) {
    let up = ["compose", "--progress", "quiet", "up", "--detach", "--no-build"];
    // Dropped after the engine is its usual self again.
    let _undo = Undo::by(&[&["docker"][..], &up].concat());
    let daemon = Daemon::of_the_box();
    daemon.stop().await;
    // One that does not keep containers alive ends those that it finds, and leaves them so.
    daemon.start_without_live_restore().await;
    docker(&up).await;
    let monitor = Stack::get().monitor();
    all_healthy(&monitor).await;
    let record = Record::of(vec![inside("health-monitor").await]);
    sleep(seconds(1)).await;
    let broken = Instant::now();
    daemon.stop().await;
    record.never_said(&["not_found"], &[]);
    scene.saw_after(broken, "engine and all containers ended");
    let mended = Instant::now();
    daemon.start().await;
    scene.saw_after(mended, "the engine answers");
    all_healthy(&monitor).await;
    scene.saw_after(mended, "all nine healthy");
}

/// Waits until it answers, and everything is healthy.
async fn all_healthy(monitor: &Monitor) {
    until("a monitor that answers", RESYNC, async || {
        monitor
            .try_get("/livez")
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    })
    .await;
    monitor.all_healthy(RECOVERY).await;
}

async fn socket_removed(scene: Scene) {
    let away = format!("{SOCKET}.away");
    let watched = Watched::begin("socket").await;
    let _undo = Undo::by(&["mv", &away, SOCKET]);
    let broken = Instant::now();
    run("mv", &[SOCKET, &away]).await;
    watched.kill_victims().await;
    watched.own.wait_for("lost-web", "unhealthy", "", DETECTED).await;
    scene.saw_after(broken, "a death is told");
    run("mv", &[&away, SOCKET]).await;
    let mended = Instant::now();
    back(&watched, &scene, mended).await;
    watched.nothing_was_called_down();
}
