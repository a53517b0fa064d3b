//! Services come, change and go while the monitor runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use health_monitor_actors::check::{Attempt, Check, CheckFailure, Finding};
use health_monitor_actors::model::{FailureKind, ServiceSpec, Status};

use crate::bench::Bench;
use crate::fixtures::spec;

/// Passes or is refused, as the test says.
#[derive(Default)]
struct Switch {
    is_off: AtomicBool,
}

impl Switch {
    fn turn(&self, is_on: bool) {
        self.is_off.store(!is_on, Ordering::Relaxed);
    }
}

#[async_trait]
impl Check for Switch {
    async fn attempt(&self, _: &Attempt) -> Result<Finding, CheckFailure> {
        if self.is_off.load(Ordering::Relaxed) {
            Err(CheckFailure::new(FailureKind::Refused, "nobody listens"))
        } else {
            Ok(Finding::pass("somebody listens"))
        }
    }
}

#[actix::test]
async fn a_failure_counts_when_it_repeats_and_a_recovery_at_once() {
    let bench = Bench::start();
    let switch = Arc::new(Switch::default());
    bench.monitor(spec("broker"), switch.clone()).await;
    bench.until("broker", Status::Healthy).await;
    switch.turn(false);
    let announced = bench.until_that("broker", |service| service.pending.is_some()).await;
    assert_eq!(
        announced.status,
        Status::Healthy,
        "one failure announces and does not decide"
    );
    let down = bench.until("broker", Status::Unhealthy).await;
    assert!(down.reason.contains("nobody listens"), "{}", down.reason);
    switch.turn(true);
    bench.until("broker", Status::Healthy).await;
}

#[actix::test]
async fn a_breaker_opens_and_a_mended_dependency_gets_the_trial_at_once() {
    let bench = Bench::start();
    let (cause, consequence) = (Arc::new(Switch::default()), Arc::new(Switch::default()));
    for switch in [&cause, &consequence] {
        switch.turn(false);
    }
    bench.monitor(spec("zookeeper"), cause.clone()).await;
    let dependent = ServiceSpec {
        depends_on: vec![spec("zookeeper").name],
        ..spec("kafka")
    };
    bench.monitor(dependent, consequence.clone()).await;
    let open = bench
        .until_that("kafka", |service| service.breaker.as_str() == "open")
        .await;
    assert_eq!(open.status, Status::Unhealthy);
    assert!(open.reason.contains("breaker open"), "{}", open.reason);
    consequence.turn(true);
    // Without the other's recovery the next trial would be 12 s away at least; both breakers are open by then, so the
    // first to close is the one whose trial comes first.
    cause.turn(true);
    bench.until("zookeeper", Status::Healthy).await;
    let mended = bench.until("kafka", Status::Healthy).await;
    assert_eq!(mended.breaker.as_str(), "closed");
}

#[actix::test]
async fn a_changed_service_keeps_what_was_learned_of_it() {
    let bench = Bench::start();
    let switch = Arc::new(Switch::default());
    bench.monitor(spec("broker"), switch.clone()).await;
    let before = bench.until_that("broker", |service| service.totals.success >= 2).await;
    let slower = ServiceSpec {
        interval: Duration::from_millis(300),
        ..spec("broker")
    };
    bench.change(slower, switch.clone()).await;
    let after = bench
        .until_that("broker", |service| service.totals.success > before.totals.success)
        .await;
    assert_eq!(after.status, Status::Healthy);
    assert_eq!(after.since, before.since, "a change of settings is no change of status");
    assert_eq!(after.spec.interval, Duration::from_millis(300));
    assert_eq!(bench.restarts("broker").await, 0);
}

#[actix::test]
async fn a_removed_service_is_gone_and_can_come_back_unknown() {
    let bench = Bench::start();
    let switch = Arc::new(Switch::default());
    bench.monitor(spec("broker"), switch.clone()).await;
    bench.until("broker", Status::Healthy).await;
    bench.remove("broker").await;
    assert!(bench.snapshot().await.services.is_empty());
    switch.turn(false);
    bench.monitor(spec("broker"), switch.clone()).await;
    let again = bench.until("broker", Status::Unhealthy).await;
    assert_eq!(again.totals.success, 0, "nothing is left of the first one");
}
