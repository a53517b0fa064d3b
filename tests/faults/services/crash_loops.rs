//! Containers that end again and again, after lives of different lengths.

use std::time::Duration;

use futures_util::future::join_all;
use health_monitor_test_support::stack::docker::{docker, unique};
use health_monitor_test_support::stack::monitor::Monitor;
use health_monitor_test_support::stack::quick::quick_with;
use health_monitor_test_support::stack::script::script;
use health_monitor_test_support::stack::wait::{seconds, until};
use tokio::time::Instant;

use super::GROUP;
use super::sight::EVENT;
use crate::fault::{Fault, Scene};

/// Unplanned starts that make a crash loop.
const STARTS: u32 = 3;

/// How long a container stays up until its crash loop is over.
const OVER_AFTER: Duration = seconds(120);

/// Docker's own pauses between runs, and the starts, in all that make a crash loop.
const PAUSES: Duration = seconds(10);

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault::new(GROUP, "crash loop, life of 0.2 s", |scene| {
            looping(vec!["0.2"], scene, false)
        })
        .short(),
        Fault::new(GROUP, "crash loops, lives of 5, 20 and 45 s", |scene| {
            looping(vec!["5", "20", "45"], scene, true)
        }),
    ]
}

/// Containers that live so many seconds, until each is called a crash loop by its name; then they are mended, and where it
/// is waited for, healthy two minutes later.
async fn looping(lives: Vec<&'static str>, scene: Scene, to_the_end: bool) {
    let names: Vec<String> = lives.iter().map(|_| unique("loop")).collect();
    let services: String = lives
        .iter()
        .zip(&names)
        .map(|(life, name)| {
            format!(
                "[services.{}]\ncheck = \"container\"\ncontainer = \"{name}\"\n",
                service_of(life)
            )
        })
        .collect();
    let monitor = quick_with("looping", &services, &[]).await;
    let lives = lives.iter().zip(&names);
    join_all(lives.map(|(life, name)| one(life, name, &monitor, &scene, to_the_end))).await;
}

fn service_of(life: &str) -> String {
    format!("lives-{}-s", life.replace('.', "-"))
}

async fn one(life: &str, name: &str, monitor: &Monitor, scene: &Scene, to_the_end: bool) {
    let service = service_of(life);
    let seconds: f64 = life.parse().expect("a number of seconds");
    let lives = format!("test -e /mended && exec sleep 3600; sleep {life}; exit 3");
    let began = Instant::now();
    let _container = script(name, &["--restart=always"], &lives).await;
    let limit = Duration::from_secs_f64(seconds * f64::from(STARTS)) + PAUSES + EVENT;
    let reason = "restarting repeatedly (3 starts in ";
    let told = monitor.wait_for(&service, "unhealthy", reason, limit).await;
    assert!(told.reason.contains(", last exit 3)"), "{}", told.reason);
    scene.saw_after(began, format!("life of {life} s: {}", told.reason));

    let folder = tempfile::tempdir().expect("a temporary folder");
    let mark = folder.path().join("mended");
    std::fs::write(&mark, "").expect("a writable folder");
    docker(&["cp", &mark.display().to_string(), &format!("{name}:/")]).await;
    let mended = jiff::Timestamp::now();
    if !to_the_end {
        return;
    }
    // The run that is under way is the last that ends.
    let last_ends = Duration::from_secs_f64(seconds) + PAUSES;
    let up_since = until("the run that does not end", last_ends, async || {
        let state = docker(&["inspect", "--format", "{{.State.Running}} {{.State.StartedAt}}", name]).await;
        let since = state
            .strip_prefix("true ")
            .and_then(|since| since.parse::<jiff::Timestamp>().ok());
        since.filter(|since| *since > mended).ok_or(state)
    })
    .await;
    let up = jiff::Timestamp::now().duration_since(up_since).unsigned_abs();
    let left = OVER_AFTER.saturating_sub(up);
    let still = monitor.service(&service).await;
    assert!(still.is("unhealthy", "restarting repeatedly ("), "{still:?}");
    monitor.healthy(&service, left + EVENT).await;
    let after = jiff::Timestamp::now().duration_since(up_since).unsigned_abs();
    assert!(after >= OVER_AFTER, "called mended after {after:?}");
    scene.saw(format!(
        "life of {life} s: healthy {:.1} s after its last start",
        after.as_secs_f64()
    ));
}
