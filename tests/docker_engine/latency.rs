//! How soon a change is known. The figures are printed; what is asserted is that every change is told, in order.

use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{EventsOptions, KillContainerOptions, StartContainerOptions};
use futures_util::StreamExt;
use health_monitor::docker::{Endpoint, RequestResult, Settings};
use health_monitor_actors::model::{ContainerState, ContainerStatus, EngineState};
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::{broadcast, mpsc};

use crate::collector::{LIMIT, Watched, begin, watch};
use crate::containers::{Made, host};
use health_monitor_test_support::proxy::Proxy;

/// The container's `die` and `start` events with their times, as they come.
fn events_of(name: &str) -> mpsc::UnboundedReceiver<(String, Timestamp)> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let filters = [
        ("container", vec![name.to_owned()]),
        ("event", vec!["die".to_owned(), "start".to_owned()]),
    ];
    let options = EventsOptions {
        filters: Some(filters.map(|(key, values)| (key.to_owned(), values)).into()),
        ..Default::default()
    };
    let mut events = Docker::connect_with_host(&host()).unwrap().events(Some(options));
    tokio::spawn(async move {
        while let Some(Ok(event)) = events.next().await {
            let at = Timestamp::from_nanosecond(event.time_nano.unwrap().into()).unwrap();
            if sender.send((event.action.unwrap(), at)).is_err() {
                return;
            }
        }
    });
    receiver
}

fn show(what: &str, mut latencies: Vec<Duration>) {
    latencies.sort();
    let at = |share: usize| latencies[(latencies.len() - 1) * share / 100];
    println!(
        "{what}: p50 {:?}, p90 {:?}, p99 {:?}, max {:?}",
        at(50),
        at(90),
        at(99),
        at(100)
    );
}

#[actix::test]
async fn fifty_kills_and_starts_are_told_soon() {
    let it = Made::run("latency", &[], "exec sleep 600");
    let Watched { mut told, .. } = watch(&host()).await;
    let engine = Docker::connect_with_host(&host()).unwrap();
    let mut events = events_of(&it.name);
    let (mut deaths, mut starts) = (Vec::new(), Vec::new());
    for round in 0..50 {
        engine
            .kill_container(&it.name, None::<KillContainerOptions>)
            .await
            .unwrap();
        let (told_at, state) = told
            .container_at(&it.name, |state| state.status == ContainerStatus::Exited)
            .await;
        assert!(!state.exit_unplanned);
        // The first start of the container may come before the events are heard.
        let die_at = loop {
            let (action, at) = tokio::time::timeout(LIMIT, events.recv()).await.unwrap().unwrap();
            if action == "die" {
                break at;
            }
        };
        deaths.push(told_at.duration_since(die_at).unsigned_abs());

        engine
            .start_container(&it.name, None::<StartContainerOptions>)
            .await
            .unwrap();
        let (told_at, state) = told
            .container_at(&it.name, |state| state.status == ContainerStatus::Running)
            .await;
        assert!(state.starts_total >= round);
        let (action, start_at) = tokio::time::timeout(LIMIT, events.recv()).await.unwrap().unwrap();
        assert_eq!(action, "start");
        starts.push(told_at.duration_since(start_at).unsigned_abs());
    }
    assert!(deaths.iter().chain(&starts).all(|latency| *latency < LIMIT));
    show("die to published", deaths);
    show("start to published", starts);
}

#[actix::test]
async fn ten_thousand_events_at_once_cost_a_few_inspects() {
    let it = Made::run("burst", &[], "exec sleep 600");
    let other = Made::run("burst-other", &[], "exec sleep 600");
    let id = it.docker("inspect", &["--format={{.Id}}"]);
    let other_id = other.docker("inspect", &["--format={{.Id}}"]);
    let (inject, _) = broadcast::channel(20_000);
    let proxy = Proxy::with_events(inject.clone());
    let mut watched = begin(Settings {
        host: proxy.host(),
        ..Settings::default()
    });
    watched.told.engine(EngineState::is_up).await;
    // The second list is over, so that inspects from here on are the events' doing.
    let is_list = |line: &&String| line.contains("/containers/json");
    proxy
        .asked("a second list", |requests| requests.iter().filter(is_list).count() >= 2)
        .await;
    let inspects = |watched: &Watched| {
        let mut counted = watched.engine.counters().requests();
        let is_inspect =
            |counted: &(Endpoint, RequestResult, u64)| (counted.0, counted.1) == (Endpoint::Inspect, RequestResult::Ok);
        counted.find(is_inspect).unwrap().2
    };
    let before = inspects(&watched);
    let began = Timestamp::now();
    for number in 0..10_000_i64 {
        let line = json!({"Type": "container", "Action": "pause", "Actor": {"ID": id, "Attributes": {}},
            "time": 1_700_000_000, "timeNano": 1_700_000_000_000_000_000 + number});
        inject.send(line.to_string()).unwrap();
    }
    other.docker("kill", &[]);
    let line = json!({"Type": "container", "Action": "die", "Actor": {"ID": other_id, "Attributes": {"exitCode": "137"}},
        "time": 1, "timeNano": began.as_nanosecond() as i64});
    inject.send(line.to_string()).unwrap();
    // A list may know the exit first. That nobody sent a signal, which these events leave out, only they tell.
    let is_told_by_event = |state: &ContainerState| state.status == ContainerStatus::Exited && state.exit_unplanned;
    let (told_at, _) = watched.told.container_at(&other.name, is_told_by_event).await;
    assert_eq!(watched.engine.counters().events(), 10_001);
    let spent = inspects(&watched) - before;
    println!(
        "10,000 events: {spent} inspects, the next container's exit known after {:?}",
        told_at.duration_since(began)
    );
    assert!(spent < 2_000, "{spent} inspects");
}
