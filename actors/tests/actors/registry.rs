//! The registry's contract: one writer, everything versioned, nothing stale, nobody told twice.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use health_monitor_actors::model::{
    ChangeKind, Container, ContainerStatus, EngineState, FailureKind, Moment, Outcome, ServiceName, ServiceSpec,
    Status, Verdict, compose_labels,
};
use health_monitor_actors::policy::PolicyState;
use health_monitor_actors::registry::{
    Attach, Containers, Define, EngineChanged, Forget, GetSnapshot, InProject, Observe, Order, Registry, Report,
    Subscribe,
};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::bench::LIMIT;
use crate::fixtures::{container, spec};

/// Stands where a probe stands, and keeps what it is told.
struct Probe(mpsc::UnboundedSender<Order>);

impl Actor for Probe {
    type Context = Context<Self>;
}

impl Handler<Order> for Probe {
    type Result = ();

    fn handle(&mut self, order: Order, _: &mut Self::Context) {
        // A test that has seen enough stops reading.
        let _is_read = self.0.send(order).is_ok();
    }
}

pub(crate) fn attach(registry: &Addr<Registry>, service: &str, run: u64) -> mpsc::UnboundedReceiver<Order> {
    let (sender, orders) = mpsc::unbounded_channel();
    let probe = Probe(sender).start();
    registry.do_send(Attach {
        service: ServiceName::new(service).unwrap(),
        run,
        orders: probe.recipient(),
    });
    orders
}

pub(crate) fn outcome(verdict: Verdict, reason: &str) -> Outcome {
    let now = Timestamp::now();
    Outcome {
        verdict,
        reason: reason.to_owned(),
        info: serde_json::Map::new(),
        attempts: 1,
        started: now,
        ended: now,
        duration: Duration::from_millis(3),
    }
}

/// A report as a probe makes it: the outcome recorded in its own copy of the policies' memory.
pub(crate) fn report(service: &str, run: u64, sequence: u64, policy: &mut PolicyState, outcome: Outcome) -> Report {
    let spec = spec(service);
    policy.record(&spec, &outcome, Moment::now(), 0.5);
    Report {
        service: spec.name,
        run,
        sequence,
        outcome: Arc::new(outcome),
        policy: Box::new(policy.clone()),
        next_due: Instant::now() + Duration::from_secs(10),
    }
}

#[actix::test]
async fn a_probe_that_begins_is_told_what_its_predecessor_left() {
    let registry = Registry::new(None, EngineState::Disabled).start();
    registry.send(Define(Arc::new(spec("kafka")))).await.unwrap();
    let mut first = attach(&registry, "kafka", 1);
    let Some(Order::Begin(briefing)) = first.recv().await else {
        unreachable!("a probe is told to begin first")
    };
    assert!(!briefing.has_result);
    let mut policy = *briefing.policy;
    let failed = outcome(Verdict::Fail(FailureKind::Refused), "refused");
    registry.send(report("kafka", 1, 1, &mut policy, failed)).await.unwrap();

    let mut second = attach(&registry, "kafka", 2);
    let Some(Order::Begin(briefing)) = second.recv().await else {
        unreachable!("so is its successor")
    };
    assert!(briefing.has_result);
    assert!(briefing.next_due.is_some());
    assert_eq!(*briefing.policy, policy, "streaks and phase survive the probe");
}

#[actix::test]
async fn a_probe_of_an_unknown_service_or_an_older_run_retires() {
    let registry = Registry::new(None, EngineState::Disabled).start();
    let mut unknown = attach(&registry, "nobody", 1);
    assert!(matches!(unknown.recv().await, Some(Order::Retire)));
    registry.send(Define(Arc::new(spec("kafka")))).await.unwrap();
    let mut current = attach(&registry, "kafka", 7);
    assert!(matches!(current.recv().await, Some(Order::Begin(_))));
    let mut late = attach(&registry, "kafka", 6);
    assert!(matches!(late.recv().await, Some(Order::Retire)));
}

#[actix::test]
async fn stale_outcomes_are_counted_and_dropped() {
    let registry = Registry::new(None, EngineState::Disabled).start();
    registry.send(Define(Arc::new(spec("kafka")))).await.unwrap();
    let _orders = attach(&registry, "kafka", 2);
    let mut policy = PolicyState::new();
    let mut send = async |run, sequence, verdict| {
        let report = report("kafka", run, sequence, &mut policy, outcome(verdict, "says so"));
        registry.send(report).await.unwrap();
        registry.send(GetSnapshot).await.unwrap().services["kafka"].clone()
    };
    assert_eq!(send(2, 2, Verdict::Pass).await.status, Status::Healthy);
    for (run, sequence) in [(1, 9), (2, 2), (2, 1)] {
        let service = send(run, sequence, Verdict::Fail(FailureKind::Refused)).await;
        assert_eq!(
            (service.status, service.totals.failure),
            (Status::Healthy, 0),
            "run {run}, sequence {sequence}"
        );
    }
    let figures = registry.send(Observe).await.unwrap();
    assert_eq!((figures.outcomes, figures.outcomes_dropped), (1, 3));
}

#[actix::test]
async fn a_snapshot_is_shared_until_something_changes_and_a_status_shows_at_once() {
    let registry = Registry::new(None, EngineState::Disabled).start();
    registry.send(Define(Arc::new(spec("kafka")))).await.unwrap();
    let _orders = attach(&registry, "kafka", 1);
    let before = registry.send(GetSnapshot).await.unwrap();
    let again = registry.send(GetSnapshot).await.unwrap();
    assert!(Arc::ptr_eq(&before, &again));
    let mut policy = PolicyState::new();
    let passed = report("kafka", 1, 1, &mut policy, outcome(Verdict::Pass, "fine"));
    registry.send(passed).await.unwrap();
    let after = registry.send(GetSnapshot).await.unwrap();
    assert!(after.version > before.version);
    assert_eq!(after.services["kafka"].status, Status::Healthy);
    assert_eq!(
        before.services["kafka"].status,
        Status::Unknown,
        "an old snapshot stays as it was"
    );
}

#[actix::test]
async fn containers_decide_at_once_and_the_probe_is_told() {
    let registry = Registry::new(None, EngineState::Up).start();
    let service = ServiceSpec {
        container: Container::Named("kafka".to_owned()),
        ..spec("kafka")
    };
    registry.send(Define(Arc::new(service))).await.unwrap();
    let mut orders = attach(&registry, "kafka", 1);
    assert!(matches!(orders.recv().await, Some(Order::Begin(_))));
    registry
        .send(Containers::All(vec![container("kafka", ContainerStatus::Running)]))
        .await
        .unwrap();
    assert!(matches!(orders.recv().await, Some(Order::Surroundings(_))));

    let mut subscription = registry.send(Subscribe { capacity: 16 }).await.unwrap();
    registry
        .send(Containers::One(Box::new(container("kafka", ContainerStatus::Exited))))
        .await
        .unwrap();
    let snapshot = registry.send(GetSnapshot).await.unwrap();
    let kafka = &snapshot.services["kafka"];
    assert_eq!(kafka.status, Status::Unhealthy);
    assert!(kafka.reason.contains("exited"), "{}", kafka.reason);
    assert_eq!(snapshot.containers_of(kafka).count(), 1);
    let first = subscription.changes.recv().await.unwrap();
    assert!(matches!(first.kind, ChangeKind::Container { .. }));
    let second = subscription.changes.recv().await.unwrap();
    assert!(
        matches!(
            second.kind,
            ChangeKind::Status {
                to: Status::Unhealthy,
                ..
            }
        ),
        "{second:?}"
    );
    assert!(second.version > first.version);
}

#[actix::test]
async fn losing_docker_is_no_outage_and_finding_it_again_is_no_recovery() {
    let registry = Registry::new(None, EngineState::Up).start();
    let by_container = ServiceSpec {
        check: "container".to_owned(),
        address: None,
        container: Container::Named("app".to_owned()),
        ..spec("app")
    };
    registry.send(Define(Arc::new(by_container))).await.unwrap();
    let _orders = attach(&registry, "app", 1);
    let running = container("app", ContainerStatus::Running);
    registry.send(Containers::All(vec![running])).await.unwrap();
    let mut policy = PolicyState::new();
    let passed = report("app", 1, 1, &mut policy, outcome(Verdict::Pass, "container running"));
    registry.send(passed).await.unwrap();
    let status = async || registry.send(GetSnapshot).await.unwrap().services["app"].clone();
    assert_eq!(status().await.status, Status::Healthy);
    let down = EngineState::Down {
        since: Timestamp::now(),
        reason: "connection refused".to_owned(),
    };
    registry.send(EngineChanged(down)).await.unwrap();
    let lost = status().await;
    assert_eq!(lost.status, Status::Error);
    assert!(lost.reason.starts_with("Docker daemon unavailable"), "{}", lost.reason);
    assert_eq!(lost.health_gauge(), None, "a service that was up must not page");
    registry.send(EngineChanged(EngineState::Up)).await.unwrap();
    assert_eq!(status().await.status, Status::Healthy);
}

#[actix::test]
async fn dependents_are_marked_and_tried_again_when_the_cause_is_mended() {
    let registry = Registry::new(None, EngineState::Disabled).start();
    let name = |name| ServiceName::new(name).unwrap();
    registry.send(Define(Arc::new(spec("zookeeper")))).await.unwrap();
    for (service, needs) in [("kafka", "zookeeper"), ("sink", "kafka")] {
        let dependent = ServiceSpec {
            depends_on: vec![name(needs)],
            ..spec(service)
        };
        registry.send(Define(Arc::new(dependent))).await.unwrap();
    }
    let _orders = attach(&registry, "zookeeper", 1);
    let mut kafka = attach(&registry, "kafka", 2);
    assert!(matches!(kafka.recv().await, Some(Order::Begin(_))));
    let refused = outcome(Verdict::Fail(FailureKind::Refused), "refused");
    let consequence = report("kafka", 2, 1, &mut PolicyState::new(), refused);
    registry.send(consequence).await.unwrap();
    let mut policy = PolicyState::new();
    let mut send = async |sequence, verdict| {
        let report = report("zookeeper", 1, sequence, &mut policy, outcome(verdict, "says so"));
        registry.send(report).await.unwrap();
        registry.send(GetSnapshot).await.unwrap()
    };
    let down = send(1, Verdict::Fail(FailureKind::Refused)).await;
    assert_eq!(
        down.services["zookeeper"].status,
        Status::Unhealthy,
        "the first verdict needs no second opinion"
    );
    assert!(down.services["kafka"].dependency_unhealthy);
    assert!(
        down.services["sink"].dependency_unhealthy,
        "what a dependency needs is needed too"
    );
    assert!(!down.services["zookeeper"].dependency_unhealthy);
    let up = send(2, Verdict::Pass).await;
    assert!(!up.services["kafka"].dependency_unhealthy);
    assert!(up.services["sink"].dependency_unhealthy, "kafka itself is still down");
    let told = timeout(LIMIT, kafka.recv()).await.expect("it is told nothing");
    assert!(matches!(told, Some(Order::TryNow)));
}

#[actix::test]
async fn a_subscriber_that_lags_is_told_by_the_end_of_its_stream() {
    let registry = Registry::new(None, EngineState::Disabled).start();
    let mut subscription = registry.send(Subscribe { capacity: 2 }).await.unwrap();
    for index in 0..5 {
        registry
            .send(Define(Arc::new(spec(&format!("service-{index}")))))
            .await
            .unwrap();
    }
    let mut seen = Vec::new();
    while let Some(change) = subscription.changes.recv().await {
        seen.push(change.version);
    }
    assert_eq!(seen.len(), 2, "what fitted is still delivered");
    assert!(seen.is_sorted());
    assert!(subscription.from.version < seen[0]);
}

#[actix::test]
async fn a_forgotten_service_leaves_nothing() {
    let registry = Registry::new(None, EngineState::Disabled).start();
    registry.send(Define(Arc::new(spec("kafka")))).await.unwrap();
    let mut subscription = registry.send(Subscribe { capacity: 16 }).await.unwrap();
    registry.send(Forget(ServiceName::new("kafka").unwrap())).await.unwrap();
    assert!(registry.send(GetSnapshot).await.unwrap().services.is_empty());
    let change = subscription.changes.recv().await.unwrap();
    assert!(matches!(change.kind, ChangeKind::ServiceRemoved { .. }));
}

#[actix::test]
async fn compose_services_are_looked_for_in_the_monitors_own_project() {
    let registry = Registry::new(None, EngineState::Up).start();
    let service = ServiceSpec {
        container: Container::Named("db".to_owned()),
        ..spec("db")
    };
    registry.send(Define(Arc::new(service))).await.unwrap();
    let of_project = |project: &str| {
        let mut found = container(&format!("{project}-db-1"), ContainerStatus::Running);
        found
            .labels
            .insert(compose_labels::PROJECT.to_owned(), project.to_owned());
        found.labels.insert(compose_labels::SERVICE.to_owned(), "db".to_owned());
        found
    };
    registry
        .send(Containers::All(vec![of_project("mine"), of_project("other")]))
        .await
        .unwrap();
    let status = async || registry.send(GetSnapshot).await.unwrap().services["db"].clone();
    let ambiguous = status().await;
    assert_eq!(ambiguous.status, Status::Error);
    assert!(
        ambiguous.reason.contains("mine-db-1") && ambiguous.reason.contains("other-db-1"),
        "{}",
        ambiguous.reason
    );
    registry.send(InProject("mine".to_owned())).await.unwrap();
    let found = status().await;
    assert_eq!(found.containers.len(), 1);
    assert_ne!(found.status, Status::Error);
}

#[actix::test]
async fn a_cause_that_can_no_longer_be_seen_is_still_the_cause() {
    let registry = Registry::new(None, EngineState::Up).start();
    let by_container = ServiceSpec {
        check: "container".to_owned(),
        address: None,
        container: Container::Named("zookeeper".to_owned()),
        ..spec("zookeeper")
    };
    let dependent = ServiceSpec {
        depends_on: vec![by_container.name.clone()],
        ..spec("kafka")
    };
    registry.send(Define(Arc::new(by_container))).await.unwrap();
    registry.send(Define(Arc::new(dependent))).await.unwrap();
    let exited = container("zookeeper", ContainerStatus::Exited);
    registry.send(Containers::All(vec![exited])).await.unwrap();
    let kafka = async || registry.send(GetSnapshot).await.unwrap().services["kafka"].clone();
    assert!(kafka().await.dependency_unhealthy);
    let down = EngineState::Down {
        since: Timestamp::now(),
        reason: "connection refused".to_owned(),
    };
    registry.send(EngineChanged(down)).await.unwrap();
    assert!(kafka().await.dependency_unhealthy, "losing Docker mends nothing");
}
