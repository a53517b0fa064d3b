//! What a service may rely on: counts that stay, promises that hold, no rush after a stall, and no news where there is none.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::time::Duration;

use actix::prelude::*;
use async_trait::async_trait;
use health_monitor_actors::check::{Attempt, Check, CheckFailure, Finding};
use health_monitor_actors::model::{
    ContainerHealth, ContainerKey, ContainerState, ContainerStatus, EngineState, HealthVerdict, Mount, Network,
    PortBinding, ResourceUsage, ServiceSpec, Start, Status,
};
use health_monitor_actors::policy::{ContainerIndex, Matching};
use health_monitor_actors::probe::Probe;
use health_monitor_actors::registry::Registry;
use health_monitor_actors::supervisor::{Supervisor, SupervisorOptions};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::bench::{Bench, LIMIT};
use crate::fixtures::{container, spec};

/// Passes, and tells when it was asked.
struct Tells(blocking::Sender<Instant>);

#[async_trait]
impl Check for Tells {
    async fn attempt(&self, _: &Attempt) -> Result<Finding, CheckFailure> {
        // A test that has seen enough stops listening.
        let _is_heard = self.0.send(Instant::now()).is_ok();
        Ok(Finding::pass("works"))
    }
}

/// Everybody's timer fires at the end of a stall. The cycle that was missed is skipped, and comes an interval later.
#[actix::test]
async fn a_cycle_that_fell_into_a_stall_is_skipped_and_not_made_up_for() {
    let registry = Registry::new(None, EngineState::Disabled).start();
    let supervisor = Supervisor::new(SupervisorOptions {
        tick: Duration::from_millis(50),
        stall_limit: Duration::from_millis(200),
        ..SupervisorOptions::default()
    });
    let supervisor = supervisor.notify(registry.clone().recipient()).start();
    let bench = Bench { registry, supervisor };
    let interval = Duration::from_secs(2);
    let (asked, asks) = blocking::channel();
    let slow = ServiceSpec {
        interval,
        ..spec("steady")
    };
    bench.monitor(slow, Arc::new(Tells(asked))).await;
    // The first cycle has a time of its own; from the second one on they come an interval apart.
    bench.until_that("steady", |service| service.totals.success >= 2).await;
    let last = asks.try_iter().last().unwrap();
    // The thread that is held is the supervisor's. The probe's own goes on, and its timer fires meanwhile.
    let (_never, nothing) = blocking::channel::<()>();
    nothing.recv_timeout(interval + Duration::from_millis(500)).unwrap_err();
    let next = asks.recv_timeout(LIMIT).unwrap();
    let gap = next.duration_since(last);
    assert!(gap > interval + interval / 2, "made up for after {gap:?}");
    assert_eq!(bench.service("steady").await.status, Status::Healthy);
    bench.stop(LIMIT).await;
}

/// A probe promises to be heard when its next cycle is due, with some seconds for a busy machine, and not before.
#[actix::test]
async fn a_probe_promises_its_next_beat_for_when_its_next_cycle_is_due() {
    let bench = Bench::start();
    let interval = Duration::from_secs(3_600);
    let (asked, _asks) = blocking::channel();
    let hourly = ServiceSpec {
        interval,
        ..spec("hourly")
    };
    bench.monitor(hourly, Arc::new(Tells(asked))).await;
    let service = bench.until("hourly", Status::Healthy).await;
    let name = Probe::child_name(&service.spec.name);
    let state = bench.supervision().await;
    let child = state.children.iter().find(|child| child.name == name).unwrap();
    let promised = child.beat_due_in_ms.unwrap();
    let due = service.next_due.unwrap().duration_since(Timestamp::now()).as_millis();
    let grace = i128::from(promised) - due;
    assert!(
        (0..=6_000).contains(&grace),
        "promised in {promised} ms, due in {due} ms"
    );
    bench.stop(LIMIT).await;
}

/// What was counted of a service is not forgotten where it is looked for somewhere else: a counter that falls is taken for
/// a restart of the monitor.
#[actix::test]
async fn a_service_at_another_address_keeps_its_counts_and_not_its_verdict() {
    let bench = Bench::start();
    let (asked, _asks) = blocking::channel();
    let often = Arc::new(Tells(asked));
    bench.monitor(spec("broker"), often.clone()).await;
    let before = bench.until_that("broker", |service| service.totals.success >= 3).await;
    let elsewhere = ServiceSpec {
        address: Some("127.0.0.1:2".to_owned()),
        // So that no result of the new one comes before it is looked at.
        interval: Duration::from_secs(3_600),
        ..spec("broker")
    };
    bench
        .registry
        .send(health_monitor_actors::registry::Define(Arc::new(elsewhere)))
        .await
        .unwrap();
    let after = bench.service("broker").await;
    assert!(after.totals.success >= before.totals.success);
    assert!(after.durations.count() >= before.durations.count());
    assert_eq!(after.last, None, "what was found is of the old address");
    assert_eq!((after.status, after.next_due), (Status::Unknown, None));
    bench.stop(LIMIT).await;
}

fn full() -> ContainerState {
    let now = Timestamp::now();
    ContainerState {
        health: Some(ContainerHealth {
            verdict: HealthVerdict::Healthy,
            failing_streak: 0,
            output: "ok".to_owned(),
        }),
        reachable_at: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        starts: vec![Start {
            at: now,
            unplanned: false,
            exit_code: None,
            oom_killed: false,
        }],
        ..container("kafka", ContainerStatus::Running)
    }
}

fn usage(memory: u64) -> Arc<ResourceUsage> {
    Arc::new(ResourceUsage {
        at: Timestamp::now(),
        cpu_percent: Some(1.0),
        cpu_cores: Some(0.1),
        cpu_seconds: 3.0,
        memory_usage: memory,
        memory_working_set: memory,
        memory_limit: 0,
        network_receive: None,
        network_transmit: None,
        block_read: None,
        block_write: None,
    })
}

type Change = (&'static str, fn(&mut ContainerState));

/// Every field of a container, changed.
const CHANGES: [Change; 22] = [
    ("key", |it| {
        it.key = ContainerKey {
            engine: "other".into(),
            id: it.key.id.clone(),
        };
    }),
    ("name", |it| it.name.push('x')),
    ("image", |it| it.image.push('x')),
    ("command", |it| it.command.push('x')),
    ("status", |it| it.status = ContainerStatus::Paused),
    ("health", |it| it.health.as_mut().unwrap().output.push('x')),
    ("created", |it| it.created = None),
    ("started_at", |it| it.started_at = None),
    ("finished_at", |it| it.finished_at = Some(Timestamp::now())),
    ("exit_code", |it| it.exit_code = Some(3)),
    ("oom_killed", |it| it.oom_killed = true),
    ("restart_count", |it| it.restart_count += 1),
    ("ports", |it| {
        let published = PortBinding {
            host_ip: "0.0.0.0".to_owned(),
            host_port: "9092".to_owned(),
        };
        it.ports = BTreeMap::from([("9092/tcp".to_owned(), vec![published])]);
    }),
    ("mounts", |it| {
        it.mounts.push(Mount {
            kind: "volume".to_owned(),
            source: "data".to_owned(),
            destination: "/data".to_owned(),
            writable: true,
        });
    }),
    ("networks", |it| {
        let place = Network {
            ip_address: "172.20.0.2".to_owned(),
            gateway: "172.20.0.1".to_owned(),
            aliases: Vec::new(),
        };
        it.networks.insert("iot".to_owned(), place);
    }),
    ("reachable_at", |it| it.reachable_at.clear()),
    ("environment", |it| it.environment.push("A=b".to_owned())),
    ("labels", |it| {
        it.labels.insert("a".to_owned(), "b".to_owned());
    }),
    ("start_period", |it| it.start_period += Duration::from_secs(1)),
    ("starts", |it| it.starts.clear()),
    ("starts_total", |it| it.starts_total += 1),
    ("exit_unplanned", |it| it.exit_unplanned = true),
];

/// A container is another one where anything of it changed but the sample of its resources. The list above has every other
/// field, which the container as it is written down proves.
#[test]
fn a_container_is_like_another_where_all_but_its_usage_is_the_same() {
    let one = full();
    let written = serde_json::to_value(&one).unwrap();
    let mut fields: Vec<&str> = written.as_object().unwrap().keys().map(String::as_str).collect();
    let mut covered: Vec<&str> = CHANGES.iter().map(|(field, _)| *field).chain(["usage"]).collect();
    fields.sort_unstable();
    covered.sort_unstable();
    assert_eq!(fields, covered);

    let sampled = ContainerState {
        usage: Some(usage(1)),
        ..one.clone()
    };
    let sampled_again = ContainerState {
        usage: Some(usage(2)),
        ..one.clone()
    };
    assert!(one.is_like(&sampled) && sampled.is_like(&sampled_again) && sampled_again.is_like(&one));
    for (field, change) in CHANGES {
        let mut other = sampled.clone();
        change(&mut other);
        assert!(!one.is_like(&other) && !other.is_like(&one), "{field}");
    }
}

/// The same for what a service finds: other samples are no other containers.
#[test]
fn what_is_found_is_like_what_was_found_before_unless_a_container_changed() {
    let find = |containers: &[ContainerState]| {
        let containers: Vec<_> = containers.iter().cloned().map(Arc::new).collect();
        let wanted = health_monitor_actors::model::Container::Named("kafka".to_owned());
        ContainerIndex::new(&containers, None).find(&wanted)
    };
    let one = full();
    let sampled = ContainerState {
        usage: Some(usage(1)),
        ..one.clone()
    };
    let stopped = ContainerState {
        status: ContainerStatus::Exited,
        ..one.clone()
    };
    let found = find(std::slice::from_ref(&one));
    assert!(found.is_like(&find(&[sampled])));
    assert!(!found.is_like(&find(&[stopped])));
    let ambiguous = Matching::Ambiguous(vec!["a".to_owned()]);
    assert!(ambiguous.is_like(&ambiguous.clone()) && Matching::None.is_like(&find(&[])));
    assert!(!found.is_like(&Matching::None) && !Matching::None.is_like(&found) && !found.is_like(&ambiguous));
}
