//! The end of the process: told to end under load, and killed.

use std::time::Duration;

use health_monitor_test_support::local::Launch;
use health_monitor_test_support::stack::wait::{seconds, until};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::GROUP;
use super::broken::Broken;
use super::checks::begins_well;
use crate::configuration;
use crate::fault::{Fault, Scene};
use crate::listener::Mode;
use crate::{misbehaving, watch};

/// What is promised, and what the machine's other work may add to it.
const LIMIT: Duration = seconds(11);

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault::new(GROUP, "TERM under load", term_under_load).short(),
        Fault::new(GROUP, "killed and started again", killed).short(),
    ]
}

async fn term_under_load(scene: Scene) {
    let mut broken = Broken::start(misbehaving::launch()).await;
    let mut load = JoinSet::new();
    for _ in 0..20 {
        let url = format!("http://{}/metrics", broken.monitor.address());
        load.spawn(async move {
            let client = reqwest::Client::new();
            while let Ok(answer) = client.get(&url).send().await {
                if answer.bytes().await.is_err() {
                    break;
                }
            }
        });
    }
    let mut waiting = Vec::new();
    for _ in 0..200 {
        waiting.extend(TcpStream::connect(broken.monitor.address()).await.ok());
    }
    broken.begin("check blocks");
    sleep(seconds(2)).await;
    let told = Instant::now();
    broken.monitor.signal("TERM").await;
    assert_eq!(broken.monitor.exit_code(LIMIT).await, 0);
    scene.saw_after(
        told,
        "exit code 0, with a check that blocks its thread, 20 clients that ask without end and 200 that say nothing",
    );
    broken.end();
    begins_well(&scene, &mut broken).await;
}

async fn killed(scene: Scene) {
    let ports = configuration::listeners("port", 20).await;
    let services = configuration::stack("") + &configuration::of_listeners(&ports, "");
    let mut monitor = Launch::of(env!("CARGO_BIN_EXE_health-monitor")).start(&services).await;
    watch::all_healthy(&monitor, seconds(30)).await;
    let down = &ports[0];
    down.set(Mode::Closed);
    for number in 0..3 {
        monitor.signal("KILL").await;
        monitor.ended(LIMIT).await;
        let began = Instant::now();
        monitor.start_again();
        let work = async {
            let told = monitor.reaches(&down.name, "unhealthy", seconds(20)).await;
            scene.saw_after(began, format!("what is down is told: {told}"));
            monitor.ready().await;
        };
        let ((), told) = watch::while_doing(&monitor, work).await;
        told.assert_others(&[&down.name], &["unknown", "healthy"]);
        // What it knew before it was killed is told until the first cycles have settled what is now.
        let known = if number == 0 { "healthy" } else { "unhealthy" };
        let mut said = told.statuses(&down.name).into_iter();
        assert!(
            said.all(|status| ["unknown", known, "unhealthy"].contains(&status)),
            "{told:?}"
        );
        assert_eq!(monitor.service(&down.name).await.status, "unhealthy");
        // What is written is known to the next one.
        let kept = format!("/incidents?service={}&open=true", down.name);
        until("an incident that is kept", LIMIT, async || {
            let (_, page) = monitor.get(&kept).await;
            let incidents = page["incidents"].as_array();
            incidents
                .is_some_and(|all| all.len() == 1)
                .then_some(())
                .ok_or_else(|| page.to_string())
        })
        .await;
        scene.saw_after(
            began,
            "every service has its status, none was told to be down that is not",
        );
    }
}
