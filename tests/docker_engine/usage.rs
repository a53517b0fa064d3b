//! What containers use.

use std::time::Duration;

use actix::prelude::*;
use health_monitor::docker::{Settings, Stats};
use health_monitor_actors::model::{ContainerStatus, EngineState, ResourceUsage};

use crate::collector::{Collected, Told, Watched, begin};
use crate::containers::{Made, host};
use health_monitor_test_support::proxy::{Mode, Proxy};

fn sampled(host: String) -> (Watched, Addr<Stats>) {
    let watched = begin(Settings {
        host,
        stats_interval: Duration::from_secs(2),
        request_timeout: Duration::from_secs(4),
        ping_interval: Duration::from_millis(500),
        ..Settings::default()
    });
    let stats = Stats::new(watched.engine.clone(), watched.collector.clone().recipient()).start();
    (watched, stats)
}

async fn sample_of(told: &mut Collected, id: &str) -> ResourceUsage {
    let is_meant = |told| match told {
        Told::Usage(key, usage) => (key.id.as_ref() == id).then_some(usage),
        _ => None,
    };
    told.next("a sample", is_meant).await.1
}

#[actix::test]
async fn samples_a_busy_container_twice_to_know_its_rate() {
    let it = Made::run("busy", &["--memory=64m"], "while true; do true; done");
    let (mut watched, _stats) = sampled(host());
    let state = watched.told.container(&it.name, |_| true).await;
    let id = state.key.id;
    let first = sample_of(&mut watched.told, &id).await;
    assert_eq!((first.cpu_percent, first.cpu_cores), (None, None));
    assert_eq!(first.memory_limit, 64 * 1024 * 1024);
    assert!(first.memory_working_set <= first.memory_usage && first.memory_usage > 0);
    assert_eq!(first.network_receive, None, "it has no network");
    let second = sample_of(&mut watched.told, &id).await;
    let (percent, cores) = (second.cpu_percent.unwrap(), second.cpu_cores.unwrap());
    println!("busy loop: {percent:.1} % of the host, {cores:.2} cores");
    assert!(
        percent > 0.0 && percent <= 100.0 && cores > 0.0 && cores < 1.2,
        "{percent} {cores}"
    );
    assert!(second.cpu_seconds > first.cpu_seconds && second.at > first.at);
}

#[actix::test]
async fn a_restarted_container_begins_anew() {
    let it = Made::run("anew", &[], "exec sleep 600");
    let (mut watched, _stats) = sampled(host());
    let id = watched.told.container(&it.name, |_| true).await.key.id;
    sample_of(&mut watched.told, &id).await;
    assert!(sample_of(&mut watched.told, &id).await.cpu_percent.is_some());
    it.docker("restart", &["--time=0"]);
    watched
        .told
        .container(&it.name, |state| {
            state.status == ContainerStatus::Running && state.starts_total == 1
        })
        .await;
    let is_first = |told| match told {
        Told::Usage(key, usage) => (key.id == id && usage.cpu_percent.is_none()).then_some(()),
        _ => None,
    };
    watched.told.next("a first sample", is_first).await;
}

#[actix::test]
async fn asks_nothing_while_the_engine_is_away_and_goes_on_afterwards() {
    let it = Made::run("pause", &[], "exec sleep 600");
    let proxy = Proxy::start();
    let (mut watched, stats) = sampled(proxy.host());
    let id = watched.told.container(&it.name, |_| true).await.key.id;
    sample_of(&mut watched.told, &id).await;
    proxy.set(Mode::Away);
    watched
        .told
        .engine(|state| matches!(state, EngineState::Down { .. }))
        .await;
    proxy.set(Mode::Pass);
    watched.told.engine(EngineState::is_up).await;
    sample_of(&mut watched.told, &id).await;
    assert!(stats.connected());
}
