//! Actors that end, block or go deaf. A probe is started again; without the registry or the supervisor the process ends with
//! a code of its own, and whoever started it does so once more.

use std::time::Duration;

use health_monitor_test_support::stack::wait::{seconds, until};
use tokio::time::Instant;

use super::GROUP;
use super::broken::{Broken, tell};
use super::checks::begins_well;
use crate::fault::{Fault, Scene};
use crate::misbehaving::{self, FAULTY};

/// Until the process has ended after the panic of an actor that it cannot do without.
const AT_ONCE: Duration = seconds(12);

/// Until it has ended after such an actor blocked.
const WATCHED: Duration = seconds(50);

pub(super) fn faults() -> Vec<Fault> {
    let ends = |fault: &'static str, code, limit| {
        Fault::new(GROUP, format!("{fault}, exit code {code}"), move |scene| {
            ends(fault, code, limit, scene)
        })
    };
    vec![
        Fault::new(GROUP, "a probe panics", probe_panics),
        Fault::new(GROUP, "a probe goes deaf", probe_goes_deaf),
        ends("registry panics", 3, AT_ONCE).short(),
        ends("registry blocks", 3, WATCHED),
        ends("supervisor panics", 4, AT_ONCE),
        ends("supervisor blocks", 4, WATCHED),
        Fault::new(GROUP, "checks block five threads, exit code 5", too_many_blocked),
        Fault::new(GROUP, "a library stops every actor's thread", system_stops),
    ]
}

async fn probe_panics(scene: Scene) {
    restarts(
        &scene,
        "probe panics",
        serde_json::json!({ "panicked": "injected into a handler" }),
        seconds(10),
    )
    .await;
}

async fn probe_goes_deaf(scene: Scene) {
    restarts(
        &scene,
        "probe goes deaf",
        serde_json::json!({ "aborted": "overdue" }),
        seconds(20),
    )
    .await;
}

/// The probe's run ends in this way and another one begins.
async fn restarts(scene: &Scene, fault: &str, exit: serde_json::Value, limit: Duration) {
    let broken = Broken::start(misbehaving::launch()).await;
    let began = Instant::now();
    let work = async {
        broken.begin(fault);
        until("a probe that is started again", limit, async || {
            let probe = broken.probe().await;
            let is_back = probe["last_exit"]["exit"] == exit && probe["phase"]["state"] == "running";
            if is_back { Ok(()) } else { Err(probe.to_string()) }
        })
        .await;
        scene.saw_after(began, format!("started again; last exit {exit}"));
        broken.end();
        broken.faulty("healthy", "", limit).await;
    };
    let ((), told) = broken.while_doing(work).await;
    told.assert_others(&[FAULTY], &["healthy"]);
    let statuses = told.statuses(FAULTY);
    assert!(
        statuses.iter().all(|status| ["healthy", "unknown"].contains(status)),
        "{statuses:?}"
    );
    scene.saw(format!("its service meanwhile: {}", statuses.join(", ")));
    tell(scene, &told);
    assert_eq!(broken.probe().await["restarts"], 1);
}

async fn ends(fault: &'static str, code: i32, limit: Duration, scene: Scene) {
    let mut broken = Broken::start(misbehaving::launch()).await;
    let began = Instant::now();
    broken.begin(fault);
    assert_eq!(broken.monitor.exit_code(limit).await, code);
    scene.saw_after(began, format!("the process ended with {code}"));
    broken.end();
    begins_well(&scene, &mut broken).await;
}

async fn too_many_blocked(scene: Scene) {
    let mut broken = Broken::with(misbehaving::launch(), 3).await;
    let began = Instant::now();
    broken.begin("check blocks");
    assert_eq!(broken.monitor.exit_code(seconds(60)).await, 5);
    scene.saw_after(began, "the process ended with 5");
    broken.end();
    begins_well(&scene, &mut broken).await;
}

async fn system_stops(scene: Scene) {
    let mut broken = Broken::start(misbehaving::launch()).await;
    let began = Instant::now();
    broken.begin("check stops the system");
    let code = broken.monitor.exit_code(AT_ONCE).await;
    assert!([3, 4, 5].contains(&code), "{code}");
    scene.saw_after(began, format!("the process ended with {code}"));
    broken.end();
    begins_well(&scene, &mut broken).await;
}
