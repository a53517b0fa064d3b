//! Very many events, and very many containers.

use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{CreateContainerOptions, RemoveContainerOptions, RenameContainerOptions};
use futures_util::future::join_all;
use health_monitor_test_support::exposition::Exposition;
use health_monitor_test_support::stack::docker::{docker, unique};
use health_monitor_test_support::stack::monitor::Monitor;
use health_monitor_test_support::stack::quick::quick_with;
use health_monitor_test_support::stack::wait::{seconds, until};
use health_monitor_test_support::stack::{Stack, docker::Undo};
use tokio::time::Instant;

use super::GROUP;
use super::record::Record;
use super::watched::{NOTICED, RESYNC, inside, serve};
use crate::fault::{Fault, Scene};

/// Events of the burst.
const EVENTS: usize = 10_000;

/// Containers that are renamed, each by its own worker.
const RENAMED: usize = 16;

/// Containers of the crowd.
const CROWD: usize = 500;

/// How much larger the monitor may become, in bytes.
const ROOM: f64 = 24e6;

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault::new(GROUP, "10,000 events in a burst", burst),
        Fault::new(GROUP, "500 containers more", crowd),
    ]
}

/// Containers that were made and never started.
struct Created {
    client: Arc<Docker>,
    names: Vec<String>,
    #[expect(dead_code, reason = "removed with it")]
    remove: Undo,
}

impl Created {
    async fn begin(purpose: &str, count: usize) -> Self {
        let client = Docker::connect_with_unix_defaults().expect("the box's engine");
        let client = Arc::new(client.negotiate_version().await.expect("an engine that answers"));
        let label = unique(purpose);
        let script = format!(
            "docker ps --all --quiet --filter label={label} | xargs --no-run-if-empty docker rm --force >/dev/null"
        );
        let remove = Undo::by(&["bash", "-c", &script]);
        let names: Vec<String> = (0..count).map(|number| format!("{label}-{number}")).collect();
        let image = Stack::get().variable("HEALTH_MONITOR_IMAGE").to_owned();
        for some in names.chunks(8) {
            join_all(some.iter().map(async |name| {
                let options = CreateContainerOptions {
                    name: Some(name.clone()),
                    ..Default::default()
                };
                let body = ContainerCreateBody {
                    image: Some(image.clone()),
                    labels: Some([(label.clone(), String::new())].into()),
                    ..Default::default()
                };
                client.create_container(Some(options), body).await.expect("a container");
            }))
            .await;
        }
        Self { client, names, remove }
    }

    async fn remove(&self) {
        for some in self.names.chunks(8) {
            join_all(some.iter().map(async |name| {
                self.client
                    .remove_container(name, None::<RemoveContainerOptions>)
                    .await
                    .expect("it is there");
            }))
            .await;
        }
    }
}

/// What the monitor has used: seconds of processor time, bytes of memory.
async fn used(monitor: &Monitor) -> (f64, f64) {
    let figure = async |name| figure(monitor, name).await;
    (
        figure("process_cpu_seconds_total").await,
        figure("process_resident_memory_bytes").await,
    )
}

async fn figure(monitor: &Monitor, name: &str) -> f64 {
    let (_, text) = monitor.try_get("/metrics").await.expect("an answer");
    Exposition::parse(&text)
        .value(name, &[])
        .expect("a figure that is always there")
}

/// Every container's name and status, as the engine lists them now.
async fn listed() -> Vec<String> {
    let rows = docker(&["ps", "--all", "--format", "{{.Names}} {{.State}}"]).await;
    let mut rows: Vec<String> = rows.lines().map(str::to_owned).collect();
    rows.sort();
    rows
}

/// Waits until the monitor knows what the engine does.
async fn knows_all(monitor: &Monitor, limit: Duration) {
    until("a monitor that knows every container", limit, async || {
        let (_, containers) = monitor.get("/containers").await;
        let rows = containers["containers"].as_array().into_iter().flatten();
        let mut known: Vec<String> = rows
            .map(|row| {
                format!(
                    "{} {}",
                    row["name"].as_str().unwrap_or_default(),
                    row["status"].as_str().unwrap_or_default()
                )
            })
            .collect();
        known.sort();
        let listed = listed().await;
        if known == listed {
            return Ok(());
        }
        let other: Vec<_> = known.iter().filter(|row| !listed.contains(row)).collect();
        Err(format!("{} known, {} listed, {other:?}", known.len(), listed.len()))
    })
    .await;
}

async fn burst(scene: Scene) {
    let mortal = serve("burst-mortal").await;
    let configuration = format!(
        "[services.mortal]\ncheck = \"container\"\ncontainer = \"{}\"\n",
        mortal.name
    );
    let created = Created::begin("burst", RENAMED).await;
    let monitor = quick_with("burst", &configuration, &[]).await;
    monitor.healthy("mortal", NOTICED).await;
    let record = Record::of(vec![inside(monitor.container()).await]);
    let (cpu, memory) = used(&monitor).await;
    let told = figure(&monitor, "health_monitor_docker_events_total").await;

    let began = Instant::now();
    let renames = created.names.iter().map(async |name| {
        let mut now = name.clone();
        for count in 0..EVENTS / RENAMED {
            let next = format!("{name}-{count}");
            let options = RenameContainerOptions { name: next.clone() };
            created
                .client
                .rename_container(&now, options)
                .await
                .expect("a name that is free");
            now = next;
        }
    });
    let mut slowest = Duration::ZERO;
    let deaths = async {
        // In the middle of it.
        for _ in 0..5 {
            docker(&["kill", &mortal.name]).await;
            let killed = Instant::now();
            monitor.wait_for("mortal", "unhealthy", "exit code 137", RESYNC).await;
            slowest = slowest.max(killed.elapsed());
            docker(&["start", &mortal.name]).await;
            monitor.healthy("mortal", RESYNC).await;
        }
    };
    tokio::join!(join_all(renames), deaths);
    let took = began.elapsed();
    knows_all(&monitor, RESYNC).await;
    scene.saw(format!(
        "{EVENTS} renames in {took:.1?}; all right {:.1?} later",
        began.elapsed() - took
    ));
    scene.saw(format!(
        "of 5 deaths amid them, the slowest was told after {slowest:.1?}"
    ));
    let told = figure(&monitor, "health_monitor_docker_events_total").await - told;
    let (cpu_after, memory_after) = used(&monitor).await;
    let share = (cpu_after - cpu) / took.as_secs_f64();
    scene.saw(format!(
        "{told} events came; {:.0} % of a core, {:.1} MB of memory, {:+.1} MB",
        share * 100.0,
        memory_after / 1e6,
        (memory_after - memory) / 1e6
    ));
    assert!(told >= EVENTS as f64, "{told} events came");
    assert!(memory_after - memory < ROOM, "{memory} to {memory_after} bytes");
    assert!(slowest < seconds(2), "{slowest:?}");
    record.never_said(&["not_found", "error", "unknown"], &[]);
}

async fn crowd(scene: Scene) {
    let monitor = quick_with("crowd", "[services.kafka]\ncheck = \"container\"\n", &[]).await;
    monitor.healthy("kafka", NOTICED).await;
    let record = Record::of(vec![inside(monitor.container()).await]);
    let (_, memory) = used(&monitor).await;
    let began = Instant::now();
    let created = Created::begin("crowd", CROWD).await;
    scene.saw_after(began, format!("{CROWD} containers made"));
    let made = Instant::now();
    knows_all(&monitor, RESYNC).await;
    scene.saw_after(made, "all known");
    let asked = Instant::now();
    let (_, containers) = monitor.get("/containers").await;
    let count = containers["total_containers"].as_u64().unwrap_or_default();
    scene.saw_after(asked, format!("/containers lists {count}"));
    let (_, memory_after) = used(&monitor).await;
    scene.saw(format!(
        "{:.1} MB of memory, {:+.1} MB",
        memory_after / 1e6,
        (memory_after - memory) / 1e6
    ));
    // One that starts among so many.
    let started = quick_with("crowd-late", "[services.kafka]\ncheck = \"container\"\n", &[]).await;
    started.healthy("kafka", NOTICED).await;
    knows_all(&started, RESYNC).await;
    created.remove().await;
    knows_all(&monitor, RESYNC).await;
    assert!(memory_after - memory < ROOM, "{memory} to {memory_after} bytes");
    record.never_said(&["not_found", "error", "unknown", "unhealthy"], &[]);
}
