//! Checks that misbehave: that is their own service's trouble, and nobody else's.

use std::time::Duration;

use health_monitor_test_support::stack::monitor::Monitor;
use health_monitor_test_support::stack::wait::{seconds, until};
use tokio::time::{Instant, sleep};

use super::GROUP;
use super::broken::{Broken, shows, tell};
use crate::fault::{Fault, Scene};
use crate::misbehaving::{self, FAULTY};
use crate::watch;

/// Until a failure of one cycle or two shows, and the machine's other work.
const SOON: Duration = seconds(10);

/// Until a blocked lane is left behind, and the machine's other work.
const ABANDONED: Duration = seconds(15);

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault::new(GROUP, "a check panics", panics).short(),
        Fault::new(GROUP, "a check panics with what panics in its turn", panics_twice),
        Fault::new(GROUP, "a check hangs", hangs),
        Fault::new(GROUP, "a check blocks its thread", blocks).short(),
        Fault::new(GROUP, "a check blocks one thread after another", blocks_again),
        Fault::new(GROUP, "a lane dies", lane_dies),
        Fault::new(GROUP, "lanes die again and again", lanes_die),
        Fault::new(GROUP, "a check leaks memory", leaks_memory),
        Fault::new(GROUP, "a check leaks descriptors, all of them", leaks_descriptors),
        Fault::new(GROUP, "a check leaks tasks", leaks_tasks),
    ]
}

async fn panics(scene: Scene) {
    let broken = Broken::start(misbehaving::launch()).await;
    let reason = "the check panicked: injected into a check; this is a bug in the monitor";
    shows(&scene, &broken, "check panics", "error", reason, SOON).await;
    lives_on(&scene, &broken).await;
}

async fn panics_twice(scene: Scene) {
    let broken = Broken::start(misbehaving::launch()).await;
    let reason = "the check panicked: no message; this is a bug in the monitor";
    shows(&scene, &broken, "check panics twice", "error", reason, SOON).await;
    lives_on(&scene, &broken).await;
}

async fn hangs(scene: Scene) {
    let broken = Broken::start(misbehaving::launch()).await;
    shows(
        &scene,
        &broken,
        "check hangs",
        "unhealthy",
        "no answer within 500 ms",
        SOON,
    )
    .await;
    lives_on(&scene, &broken).await;
}

/// The probe is still in its first run.
async fn lives_on(scene: &Scene, broken: &Broken) {
    let probe = broken.probe().await;
    assert_eq!(
        (&probe["restarts"], &probe["phase"]["state"]),
        (&0.into(), &"running".into()),
        "{probe}"
    );
    scene.saw("its probe was not restarted");
}

async fn blocks(scene: Scene) {
    let broken = Broken::start(misbehaving::launch()).await;
    let began = Instant::now();
    let work = async {
        broken.begin("check blocks");
        lanes(&broken, "a lane that is left behind", |supervisor| {
            supervisor["totals"]["lanes_abandoned"] == 1
        })
        .await;
        scene.saw_after(began, "its lane is left behind, the others move");
        broken.end();
        let mended = Instant::now();
        broken.faulty("healthy", "", ABANDONED).await;
        scene.saw_after(mended, "healthy, on a lane by itself");
        lanes(&broken, "no thread held", |supervisor| {
            supervisor["lanes_abandoned_alive"] == 0
        })
        .await;
    };
    let ((), told) = broken.while_doing(work).await;
    told.assert_others(&[FAULTY], &["healthy"]);
    tell(&scene, &told);
    let probe = broken.probe().await;
    assert_eq!(
        (&probe["last_exit"]["exit"], &probe["quarantined"]),
        (&"blocked".into(), &true.into()),
        "{probe}"
    );
}

async fn blocks_again(scene: Scene) {
    let broken = Broken::start(misbehaving::launch()).await;
    let reason = "its probe fails again and again: it blocked its thread";
    shows(&scene, &broken, "check blocks", "error", reason, seconds(30)).await;
    let supervisor = broken.supervisor().await;
    assert_eq!(supervisor["totals"]["lanes_abandoned"], 2, "{supervisor}");
    assert_eq!(supervisor["lanes_abandoned_alive"], 0, "{supervisor}");
    scene.saw("2 threads lost and come back");
}

async fn lanes(broken: &Broken, what: &str, is_so: impl Fn(&serde_json::Value) -> bool) {
    until(what, ABANDONED, async || {
        let supervisor = broken.supervisor().await;
        if is_so(&supervisor) {
            Ok(())
        } else {
            Err(supervisor.to_string())
        }
    })
    .await;
}

async fn lane_dies(scene: Scene) {
    let broken = Broken::start(misbehaving::launch()).await;
    let before = generations(&broken).await;
    let began = Instant::now();
    let work = async {
        broken.begin("check stops its lane");
        until("a fresh lane", ABANDONED, async || {
            let now = generations(&broken).await;
            if now == before { Err(format!("{now:?}")) } else { Ok(()) }
        })
        .await;
        broken.end();
        scene.saw_after(began, "a fresh lane is in the place of the one that died");
        sleep(seconds(3)).await;
        broken.all_healthy(SOON).await;
    };
    let ((), told) = broken.while_doing(work).await;
    told.assert_others(&[FAULTY], &["healthy"]);
    tell(&scene, &told);
    let probe = broken.probe().await;
    assert_eq!(probe["last_exit"]["exit"], "lane_lost", "{probe}");
}

async fn lanes_die(scene: Scene) {
    let broken = Broken::start(misbehaving::launch()).await;
    let began = Instant::now();
    let work = async {
        broken.begin("check stops its lane");
        let reason = "its probe fails again and again: it lost the thread it ran on";
        let told = broken.faulty("error", reason, seconds(60)).await;
        scene.saw_after(began, format!("{}: {}", told.status, told.reason));
        broken.end();
    };
    let ((), told) = broken.while_doing(work).await;
    told.assert_others(&[FAULTY], &["healthy"]);
    tell(&scene, &told);
}

async fn generations(broken: &Broken) -> Vec<u64> {
    let supervisor = broken.supervisor().await;
    let lanes = supervisor["lanes"].as_array().cloned().unwrap_or_default();
    lanes.iter().filter_map(|lane| lane["generation"].as_u64()).collect()
}

/// Address space that a leaking monitor may have, in bytes: its own, and some more.
const ADDRESS_SPACE: &str = "--as=800000000";

async fn leaks_memory(scene: Scene) {
    let mut broken = Broken::start(misbehaving::launch().with_limit(ADDRESS_SPACE)).await;
    let before = broken.monitor.figure("process_resident_memory_bytes").await;
    let began = Instant::now();
    broken.begin("check leaks memory");
    let ((), told) = broken
        .while_doing(async {
            until("leaked memory in the metrics", seconds(60), async || {
                let now = broken.monitor.figure("process_resident_memory_bytes").await;
                if now > before + 60e6 {
                    Ok(())
                } else {
                    Err(format!("{before} to {now}"))
                }
            })
            .await;
        })
        .await;
    told.assert_others(&[], &["healthy"]);
    tell(&scene, &told);
    scene.saw_after(began, "60 MB more in process_resident_memory_bytes");
    let ended = broken.monitor.ended(seconds(200)).await;
    scene.saw_after(began, format!("no memory is left, the process ends: {ended}"));
    assert!(!ended.success(), "{ended}");
    broken.end();
    begins_well(&scene, &mut broken).await;
}

/// Started again, as Compose does, it tells of no outage.
pub(super) async fn begins_well(scene: &Scene, broken: &mut Broken) {
    let began = Instant::now();
    broken.monitor.start_again();
    let well = async {
        broken.all_healthy(seconds(20)).await;
        let after = began.elapsed();
        // Long enough to be seen by who looks meanwhile.
        sleep(seconds(1)).await;
        after
    };
    let (after, told) = broken.while_doing(well).await;
    // What was broken is told to be so until its first result.
    told.assert_others(&[FAULTY], &["unknown", "healthy"]);
    scene.saw(format!(
        "{} ms: started again, every service healthy, no outage told in between",
        after.as_millis()
    ));
}

/// What a monitor may open that is to run out of it.
const DESCRIPTORS: &str = "--nofile=100";

async fn leaks_descriptors(scene: Scene) {
    let broken = Broken::start(misbehaving::launch().with_limit(DESCRIPTORS)).await;
    // One connection that is kept, since there will be none for another.
    let kept = Monitor::at(&format!("http://{}", broken.monitor.address()));
    kept.get("/health").await;
    let began = Instant::now();
    let work = async {
        broken.begin("check leaks descriptors");
        let reason = "the monitor has no file descriptors left";
        let told = kept.wait_for("port-0", "error", reason, seconds(15)).await;
        scene.saw_after(began, format!("{}: {}", told.status, told.reason));
        sleep(seconds(5)).await;
        broken.end();
        let mended = Instant::now();
        watch::all_healthy(&kept, SOON).await;
        scene.saw_after(mended, "healthy again");
        watch::all_healthy(&broken.monitor, SOON).await;
        scene.saw_after(mended, "and on new connections, too");
    };
    let ((), told) = watch::while_doing(&kept, work).await;
    told.assert_others(&[], &["healthy", "error"]);
    scene.saw(format!("services by what was told of them: {:?}", told.counts()));
}

async fn leaks_tasks(scene: Scene) {
    let broken = Broken::start(misbehaving::launch()).await;
    let before = broken.monitor.figure("process_resident_memory_bytes").await;
    let work = async {
        broken.begin("check leaks tasks");
        sleep(seconds(10)).await;
        broken.end();
    };
    let ((), told) = broken.while_doing(work).await;
    told.assert_others(&[], &["healthy"]);
    tell(&scene, &told);
    let grown = broken.monitor.figure("process_resident_memory_bytes").await - before;
    scene.saw(format!("1,000 tasks left behind hold {:.1} MB", grown / 1e6));
}
