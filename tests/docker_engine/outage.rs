//! An engine that goes away, hangs and comes back.

use std::time::Duration;

use health_monitor::docker::{Endpoint, Engine, Inventory, RequestResult, Settings};
use health_monitor_actors::model::{ContainerState, ContainerStatus, EngineState};
use tokio::time::Instant;

use crate::collector::{Told, Watched, begin};
use crate::containers::Made;
use health_monitor_test_support::proxy::{Mode, Proxy};

fn behind(proxy: &Proxy) -> Watched {
    begin(Settings {
        host: proxy.host(),
        request_timeout: Duration::from_millis(1500),
        ping_interval: Duration::from_millis(500),
        reconnect_max: Duration::from_millis(500),
        ..Settings::default()
    })
}

fn reason(state: EngineState) -> String {
    match state {
        EngineState::Down { reason, .. } => reason,
        state => panic!("{state:?}"),
    }
}

fn is_down(state: &EngineState) -> bool {
    matches!(state, EngineState::Down { .. })
}

#[actix::test]
async fn an_engine_that_goes_and_comes_back() {
    let it = Made::run("outage", &[], "exec sleep 600");
    let loops = Made::run("outage-loop", &["--restart=always"], "sleep 0.3; exit 3");
    let proxy = Proxy::start();
    let mut watched = behind(&proxy);
    watched.told.engine(EngineState::is_up).await;
    let began = Instant::now();
    proxy.set(Mode::Away);
    let why = reason(watched.told.engine(is_down).await);
    println!("engine gone: known after {:?}: {why}", began.elapsed());
    assert!(why.starts_with("cannot reach unix://"), "{why}");
    assert!(why.ends_with("onnection refused (os error 111)"), "{why}");

    it.docker("kill", &[]);
    proxy.set(Mode::Pass);
    let began = Instant::now();
    // Everything is told before the engine counts as up, so that nobody takes old for new.
    let state = watched
        .told
        .container(&it.name, |state| state.status == ContainerStatus::Exited)
        .await;
    assert!(!state.exit_unplanned, "the engine remembered the events");
    watched.told.engine(EngineState::is_up).await;
    println!("engine back: known after {:?}", began.elapsed());
    assert!(watched.engine.counters().reconnects() >= 1);

    let unplanned = |state: &ContainerState| state.starts.iter().filter(|start| start.unplanned).count();
    watched.told.container(&loops.name, |state| unplanned(state) >= 3).await;
}

#[actix::test]
async fn an_engine_that_hangs_is_away() {
    let it = Made::run("hang", &[], "exec sleep 600");
    let proxy = Proxy::start();
    let mut watched = behind(&proxy);
    watched.told.engine(EngineState::is_up).await;
    let began = Instant::now();
    proxy.set(Mode::Hang);
    let why = reason(watched.told.engine(is_down).await);
    println!("engine hangs: known after {:?}: {why}", began.elapsed());
    assert!(why.contains("did not answer"), "{why}");
    it.docker("pause", &[]);
    proxy.set(Mode::Pass);
    watched
        .told
        .container(&it.name, |state| state.status == ContainerStatus::Paused)
        .await;
    watched.told.engine(EngineState::is_up).await;
}

#[actix::test]
async fn an_engine_that_is_not_there_yet() {
    let folder = tempfile::tempdir().unwrap();
    let mut watched = begin(Settings {
        host: format!("unix://{}", folder.path().join("none.sock").display()),
        ..Settings::default()
    });
    let why = reason(watched.told.engine(|_| true).await);
    assert!(why.contains("there is no socket at"), "{why}");
    assert!(
        watched.told.rest().iter().all(|told| matches!(told, Told::Engine(_))),
        "nothing is known of containers"
    );
}

#[actix::test]
async fn a_stream_that_ends_alone_is_no_outage() {
    let proxy = Proxy::start();
    let mut watched = behind(&proxy);
    watched.told.engine(EngineState::is_up).await;
    // Away and back before anybody asks.
    proxy.set(Mode::Away);
    tokio::task::yield_now().await;
    proxy.set(Mode::Pass);
    let is_everything = |told| matches!(told, Told::Everything(_)).then_some(());
    watched.told.next("everything anew", is_everything).await;
}

#[actix::test]
async fn nothing_outlives_the_actor() {
    let proxy = Proxy::start();
    let mut watched = behind(&proxy);
    watched.told.engine(EngineState::is_up).await;
    assert!(proxy.open() >= 1, "the stream of events");
    let context = actix::Context::new();
    let inventory = Inventory::new(watched.engine.clone(), watched.collector.clone().into());
    // A second one, to be aborted as a supervisor does.
    let task = actix::spawn(context.into_future(inventory));
    watched.told.engine(EngineState::is_up).await;
    assert!(proxy.open() >= 2);
    task.abort();
    proxy.opened(1).await;
}

#[actix::test]
async fn the_wanted_version_is_asked_for_and_an_unknown_one_negotiated() {
    let proxy = Proxy::start();
    let engine = |version: &str| {
        Engine::new(Settings {
            host: proxy.host(),
            api_version: Some(version.parse().unwrap()),
            ..Settings::default()
        })
    };
    let old = engine("1.24");
    assert_eq!(old.connect().await.unwrap().to_string(), "1.24");
    old.list_containers().await.unwrap();
    assert!(
        proxy
            .requests()
            .last()
            .unwrap()
            .starts_with("GET /v1.24/containers/json?"),
        "{:?}",
        proxy.requests()
    );

    let unknown = engine("1.999");
    let agreed = unknown.connect().await.unwrap();
    assert!(agreed.to_string() != "1.999");
    unknown.list_containers().await.unwrap();
    assert!(
        proxy
            .requests()
            .last()
            .unwrap()
            .starts_with(&format!("GET /v{agreed}/containers/json?"))
    );
    let listed = unknown
        .counters()
        .requests()
        .find(|(endpoint, result, _)| (*endpoint, *result) == (Endpoint::List, RequestResult::Ok));
    assert_eq!(listed.unwrap().2, 1);
}

#[actix::test]
async fn the_stream_of_events_leaves_out_those_of_processes() {
    let proxy = Proxy::start();
    let mut watched = behind(&proxy);
    watched.told.engine(EngineState::is_up).await;
    let requests = proxy.requests();
    let events = requests.iter().find(|line| line.contains("/events?")).unwrap();
    assert!(
        events.contains("since=") && events.contains("health_status"),
        "{events}"
    );
    assert!(!events.contains("exec"), "{events}");
    assert!(watched.inventory.connected() && watched.collector.connected());
}
