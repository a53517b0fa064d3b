//! A check that panics, hangs or blocks its thread hurts only itself.

use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::time::Duration;

use async_trait::async_trait;
use health_monitor_actors::check::{Attempt, Check, CheckFailure, Finding};
use health_monitor_actors::model::Status;
use tokio::sync::Mutex;

use crate::bench::Bench;
use crate::fixtures::spec;

/// Passes, at once.
struct Passes;

#[async_trait]
impl Check for Passes {
    async fn attempt(&self, _: &Attempt) -> Result<Finding, CheckFailure> {
        Ok(Finding::pass("works"))
    }
}

/// Panics, always.
struct Panics;

#[async_trait]
impl Check for Panics {
    async fn attempt(&self, _: &Attempt) -> Result<Finding, CheckFailure> {
        panic!("a bug in the check")
    }
}

/// Never ends, and gives its thread back.
struct Hangs;

#[async_trait]
impl Check for Hangs {
    async fn attempt(&self, _: &Attempt) -> Result<Finding, CheckFailure> {
        std::future::pending().await
    }
}

/// Keeps its thread until the test lets go of the other end.
struct Blocks(Mutex<blocking::Receiver<()>>);

#[async_trait]
impl Check for Blocks {
    async fn attempt(&self, _: &Attempt) -> Result<Finding, CheckFailure> {
        let hold = self.0.lock().await;
        let _let_go = hold.recv();
        Ok(Finding::pass("was let go"))
    }
}

#[actix::test]
async fn a_panic_is_an_error_of_that_service_and_the_probe_lives() {
    let bench = Bench::start();
    bench.monitor(spec("steady"), Arc::new(Passes)).await;
    bench.monitor(spec("buggy"), Arc::new(Panics)).await;
    bench.until("steady", Status::Healthy).await;
    let buggy = bench.until("buggy", Status::Error).await;
    assert!(buggy.reason.contains("a bug in the check"), "{}", buggy.reason);
    // The probe goes on: it reports again, from the same run.
    let before = bench.service("buggy").await.totals.error;
    bench.until_that("buggy", |service| service.totals.error > before).await;
    assert_eq!(bench.restarts("buggy").await, 0);
    assert_eq!(bench.service("steady").await.status, Status::Healthy);
}

#[actix::test]
async fn a_hang_is_timed_out_and_the_probe_lives() {
    let bench = Bench::start();
    bench.monitor(spec("steady"), Arc::new(Passes)).await;
    bench.monitor(spec("mute"), Arc::new(Hangs)).await;
    bench.until("steady", Status::Healthy).await;
    let mute = bench.until("mute", Status::Unhealthy).await;
    assert!(mute.reason.contains("no answer within"), "{}", mute.reason);
    assert_eq!(bench.restarts("mute").await, 0);
    assert_eq!(bench.service("steady").await.status, Status::Healthy);
}

#[actix::test]
async fn a_blocked_thread_is_abandoned_and_its_other_probes_move() {
    let bench = Bench::start();
    for index in 0..6 {
        bench.monitor(spec(&format!("steady-{index}")), Arc::new(Passes)).await;
    }
    let (let_go, hold) = blocking::channel();
    bench
        .monitor(spec("blocking"), Arc::new(Blocks(Mutex::new(hold))))
        .await;
    bench.until_lane_abandoned().await;
    for index in 0..6 {
        let name = format!("steady-{index}");
        let successes = bench.service(&name).await.totals.success;
        bench
            .until_that(&name, |service| service.totals.success > successes)
            .await;
        assert_eq!(
            bench.restarts(&name).await,
            0,
            "{name} is not charged for its neighbour"
        );
        assert_eq!(bench.service(&name).await.status, Status::Healthy);
    }
    drop(let_go);
    bench.stop(Duration::from_secs(10)).await;
}
