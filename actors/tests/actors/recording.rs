//! What is to be written down, and what a process that is started again begins with.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use health_monitor_actors::model::{
    BreakerView, Container, ContainerStatus, EngineState, FailureKind, ServiceSpec, Status, Verdict,
};
use health_monitor_actors::policy::PolicyState;
use health_monitor_actors::registry::{
    Containers, Define, EngineChanged, Forget, GetSnapshot, Order, Recording, Registry, Restore, SavedService,
    StartRecording, TakeUnsaved, Turn,
};
use tokio::time::timeout;

use crate::bench::LIMIT;
use crate::fixtures::{container, spec};
use crate::registry::{attach, outcome, report};

async fn record(registry: &Addr<Registry>, capacity: usize) -> Recording {
    registry.send(StartRecording { capacity }).await.unwrap()
}

/// A cycle of a service's only probe, with its number.
async fn cycle(registry: &Addr<Registry>, policy: &mut PolicyState, sequence: u64, verdict: Verdict) {
    let ended = outcome(verdict, "as the test says");
    registry
        .send(report("kafka", 1, sequence, policy, ended))
        .await
        .unwrap();
}

async fn status(registry: &Addr<Registry>) -> Status {
    registry.send(GetSnapshot).await.unwrap().services["kafka"].status
}

/// The status changes that wait, as from and to.
fn changes(recording: &mut Recording) -> Vec<(Status, Status)> {
    std::iter::from_fn(|| recording.turns.try_recv().ok())
        .filter_map(|turn| match turn {
            Turn::Status(turn) => Some((turn.from, turn.to)),
            _ => None,
        })
        .collect()
}

#[actix::test]
async fn changes_are_never_dropped_and_results_that_do_not_fit_are_counted() {
    let registry = Registry::new(None, EngineState::Disabled).start();
    let mut recording = record(&registry, 2).await;
    registry.send(Define(Arc::new(spec("kafka")))).await.unwrap();
    let _orders = attach(&registry, "kafka", 1);
    let mut policy = PolicyState::new();
    for sequence in 1..=400 {
        let fails = sequence % 4 >= 2;
        let verdict = if fails {
            Verdict::Fail(FailureKind::Refused)
        } else {
            Verdict::Pass
        };
        cycle(&registry, &mut policy, sequence, verdict).await;
    }
    let turns = changes(&mut recording);
    // Up, and then down and up again with every four cycles.
    assert_eq!(turns.len(), 201);
    assert_eq!(
        turns[..3],
        [
            (Status::Unknown, Status::Healthy),
            (Status::Healthy, Status::Unhealthy),
            (Status::Unhealthy, Status::Healthy)
        ]
    );
    assert!(turns.windows(2).all(|pair| pair[0].1 == pair[1].0));
    let first = recording.results.recv().await.unwrap();
    assert_eq!((first.service.as_str(), first.status), ("kafka", Status::Healthy));
    assert_eq!(recording.dropped.load(std::sync::atomic::Ordering::Relaxed), 398);
}

#[actix::test]
async fn containers_and_services_that_go_are_told_of() {
    let registry = Registry::new(None, EngineState::Up).start();
    let mut recording = record(&registry, 9).await;
    registry.send(Define(Arc::new(spec("kafka")))).await.unwrap();
    let running = container("kafka", ContainerStatus::Running);
    let exited = container("kafka", ContainerStatus::Exited);
    registry.send(Containers::One(Box::new(running))).await.unwrap();
    registry.send(Containers::One(Box::new(exited.clone()))).await.unwrap();
    registry.send(Containers::Gone(exited.key)).await.unwrap();
    registry.send(Forget(spec("kafka").name)).await.unwrap();
    let mut told = Vec::new();
    while told.len() < 4 {
        told.push(timeout(LIMIT, recording.turns.recv()).await.unwrap().unwrap());
    }
    let statuses: Vec<_> = told
        .iter()
        .map(|turn| match turn {
            Turn::Container { before, after, .. } => {
                let status = |state: &Option<Arc<health_monitor_actors::model::ContainerState>>| {
                    state.as_ref().map(|state| state.status)
                };
                (status(before), status(after))
            }
            _ => (None, None),
        })
        .collect();
    let (up, down) = (Some(ContainerStatus::Running), Some(ContainerStatus::Exited));
    assert_eq!(statuses, [(None, up), (up, down), (down, None), (None, None)]);
    assert!(matches!(&told[3], Turn::Forgotten { service, .. } if service.as_str() == "kafka"));
}

/// What a registry leaves whose service has gone through these cycles.
async fn left_after(cycles: &[Verdict]) -> SavedService {
    let registry = Registry::new(None, EngineState::Disabled).start();
    registry.send(Define(Arc::new(spec("kafka")))).await.unwrap();
    let _orders = attach(&registry, "kafka", 1);
    let mut policy = PolicyState::new();
    for (sequence, verdict) in (1..).zip(cycles) {
        cycle(&registry, &mut policy, sequence, *verdict).await;
    }
    let mut saved = registry.send(TakeUnsaved { limit: 9 }).await.unwrap();
    assert!(
        registry.send(TakeUnsaved { limit: 9 }).await.unwrap().is_empty(),
        "handed out once"
    );
    let json = serde_json::to_string(&saved.remove(0)).unwrap();
    serde_json::from_str(&json).unwrap()
}

#[actix::test]
async fn a_restart_begins_where_the_last_process_ended() {
    const REFUSED: Verdict = Verdict::Fail(FailureKind::Refused);
    let saved = left_after(&[Verdict::Pass, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED]).await;
    assert_eq!(saved.status, Status::Unhealthy);

    let registry = Registry::new(None, EngineState::Disabled).start();
    registry.send(Restore(vec![saved.clone()])).await.unwrap();
    let mut recording = record(&registry, 9).await;
    registry.send(Define(Arc::new(spec("kafka")))).await.unwrap();
    let service = registry.send(GetSnapshot).await.unwrap().services["kafka"].clone();
    assert_eq!(
        (service.status, service.since, &service.reason),
        (Status::Unhealthy, saved.since, &saved.reason)
    );
    assert!(matches!(service.breaker, BreakerView::Open { .. }));
    assert_eq!((service.totals.failure, service.last_verdict), (0, Some(false)));
    assert!(service.is_remembered);

    let mut orders = attach(&registry, "kafka", 1);
    let Some(Order::Begin(briefing)) = orders.recv().await else {
        unreachable!("a probe is told to begin first")
    };
    assert!(briefing.has_result && briefing.next_due.is_some());
    let mut policy = *briefing.policy;
    cycle(&registry, &mut policy, 1, REFUSED).await;
    let service = registry.send(GetSnapshot).await.unwrap().services["kafka"].clone();
    assert_eq!((service.status, service.is_remembered), (Status::Unhealthy, false));
    assert!(
        changes(&mut recording).is_empty(),
        "nothing changed, so nothing is raised"
    );
    cycle(&registry, &mut policy, 2, Verdict::Pass).await;
    assert_eq!(changes(&mut recording), [(Status::Unhealthy, Status::Healthy)]);
}

#[actix::test]
async fn streaks_go_on_where_they_were() {
    const REFUSED: Verdict = Verdict::Fail(FailureKind::Refused);
    let saved = left_after(&[Verdict::Pass, REFUSED]).await;
    assert_eq!(saved.status, Status::Healthy, "one failure announces");
    let registry = Registry::new(None, EngineState::Disabled).start();
    registry.send(Restore(vec![saved])).await.unwrap();
    registry.send(Define(Arc::new(spec("kafka")))).await.unwrap();
    let mut orders = attach(&registry, "kafka", 1);
    let Some(Order::Begin(briefing)) = orders.recv().await else {
        unreachable!("a probe is told to begin first")
    };
    let mut policy = *briefing.policy;
    cycle(&registry, &mut policy, 1, REFUSED).await;
    assert_eq!(status(&registry).await, Status::Unhealthy, "and the second one decides");
}

#[actix::test]
async fn what_was_known_may_be_told_late() {
    const REFUSED: Verdict = Verdict::Fail(FailureKind::Refused);
    let saved = left_after(&[Verdict::Pass, REFUSED]).await;
    let registry = Registry::new(None, EngineState::Disabled).start();
    let mut recording = record(&registry, 9).await;
    registry.send(Define(Arc::new(spec("kafka")))).await.unwrap();
    let mut orders = attach(&registry, "kafka", 1);
    assert!(matches!(orders.recv().await, Some(Order::Begin(briefing)) if !briefing.has_result));
    assert_eq!(status(&registry).await, Status::Unknown);
    registry.send(Restore(vec![saved.clone()])).await.unwrap();
    assert_eq!(status(&registry).await, Status::Healthy);
    assert!(changes(&mut recording).is_empty(), "nothing happened to the service");
    let Some(Order::Remember(briefing)) = orders.recv().await else {
        unreachable!("its probe is told too")
    };
    let mut policy = *briefing.policy;
    cycle(&registry, &mut policy, 1, REFUSED).await;
    assert_eq!(changes(&mut recording), [(Status::Healthy, Status::Unhealthy)]);
    registry.send(Restore(vec![saved])).await.unwrap();
    assert_eq!(status(&registry).await, Status::Unhealthy, "what was measured is newer");
}

#[actix::test]
async fn a_service_that_is_another_one_now_begins_anew() {
    let saved = left_after(&[Verdict::Pass]).await;
    let registry = Registry::new(None, EngineState::Disabled).start();
    registry.send(Restore(vec![saved])).await.unwrap();
    let moved = ServiceSpec {
        address: Some("127.0.0.1:2".to_owned()),
        ..spec("kafka")
    };
    registry.send(Define(Arc::new(moved))).await.unwrap();
    assert_eq!(status(&registry).await, Status::Unknown);
}

#[actix::test]
async fn what_was_known_does_not_hold_for_ever() {
    let saved = left_after(&[Verdict::Pass]).await;
    let registry = Registry::new(None, EngineState::Disabled).start();
    registry.send(Restore(vec![saved])).await.unwrap();
    let mut recording = record(&registry, 9).await;
    let hasty = ServiceSpec {
        interval: Duration::from_millis(20),
        timeout: Duration::from_millis(10),
        ..spec("kafka")
    };
    registry.send(Define(Arc::new(hasty))).await.unwrap();
    assert_eq!(status(&registry).await, Status::Healthy);
    // Nobody probes it, so nobody knows.
    let turn = timeout(LIMIT, recording.turns.recv()).await.unwrap().unwrap();
    assert!(matches!(turn, Turn::Status(turn) if turn.to == Status::Unknown));
}

#[actix::test]
async fn a_container_that_was_not_told_of_yet_is_not_taken_for_gone() {
    let named = ServiceSpec {
        container: Container::Named("kafka".to_owned()),
        ..spec("kafka")
    };
    let running = container("kafka", ContainerStatus::Running);
    let first = Registry::new(None, EngineState::Up).start();
    first.send(Containers::All(vec![running.clone()])).await.unwrap();
    first.send(Define(Arc::new(named.clone()))).await.unwrap();
    let _orders = attach(&first, "kafka", 1);
    let passed = report(
        "kafka",
        1,
        1,
        &mut PolicyState::new(),
        outcome(Verdict::Pass, "answers"),
    );
    first.send(passed).await.unwrap();
    let saved = first.send(TakeUnsaved { limit: 9 }).await.unwrap();
    assert_eq!(saved[0].status, Status::Healthy);

    let registry = Registry::new(None, EngineState::Connecting).start();
    registry.send(Restore(saved)).await.unwrap();
    let mut recording = record(&registry, 9).await;
    registry.send(Define(Arc::new(named))).await.unwrap();
    assert_eq!(status(&registry).await, Status::Healthy, "Docker has not answered yet");
    registry.send(Containers::All(vec![running])).await.unwrap();
    registry.send(EngineChanged(EngineState::Up)).await.unwrap();
    assert_eq!(status(&registry).await, Status::Healthy, "the same container runs");
    assert!(changes(&mut recording).is_empty());
    registry.send(Containers::All(Vec::new())).await.unwrap();
    assert_eq!(status(&registry).await, Status::NotFound, "and now it is gone");
    assert_eq!(changes(&mut recording), [(Status::Healthy, Status::NotFound)]);
}
