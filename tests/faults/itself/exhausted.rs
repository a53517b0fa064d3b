//! Nothing left: no descriptor because clients hold them, no room on the disk for the log.

use std::fs;
use std::path::Path;

use health_monitor_test_support::local::Launch;
use health_monitor_test_support::stack::docker::{Undo, run};
use health_monitor_test_support::stack::wait::seconds;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::GROUP;
use crate::configuration;
use crate::fault::{Fault, Scene};
use crate::listener::Mode;
use crate::watch;

const PORTS: usize = 20;

const DEFAULTS: &str = "[defaults]\ninterval = \"1s\"\ntimeout = \"500ms\"\nretries = 0\n[docker]\nenabled = false\n";

/// The room that the log has, in KiB.
const ROOM: u64 = 64;

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault::new(GROUP, "clients want every descriptor", clients_want_descriptors),
        Fault::new(GROUP, "the disk of the log is full", disk_full),
        Fault::new(GROUP, "no output can be written from the start", no_output).short(),
    ]
}

async fn clients_want_descriptors(scene: Scene) {
    let ports = configuration::listeners("port", PORTS).await;
    let monitor = Launch::of(env!("CARGO_BIN_EXE_health-monitor"))
        .with_limit("--nofile=128")
        .start(&format!("{DEFAULTS}{}", configuration::of_listeners(&ports, "")))
        .await;
    watch::all_healthy(&monitor, seconds(20)).await;
    let work = async {
        let mut clients = Vec::new();
        for _ in 0..500 {
            let connect = TcpStream::connect(monitor.address());
            if let Ok(Ok(client)) = timeout(seconds(1), connect).await {
                clients.push(client);
            }
        }
        sleep(seconds(5)).await;
        clients.len()
    };
    let (clients, told) = watch::while_doing(&monitor, work).await;
    let left = Instant::now();
    watch::all_healthy(&monitor, seconds(3)).await;
    scene.saw(format!("{clients} clients connected, 128 descriptors"));
    scene.saw_after(left, "answers again once they have left");
    // Nobody was asked in vain: clients leave enough for checks.
    let log = monitor.log();
    assert!(
        !log.contains("status changed\",\"service\":\"port-0\",\"from\":\"healthy\""),
        "{log}"
    );
    let failed = failures(&monitor.try_get("/metrics").await.expect("an answer").1);
    assert_eq!(failed, 0.0, "checks that failed for want of a descriptor");
    told.assert_steady_if_any("healthy");
    scene.saw(format!("no check found none left; {} answers meanwhile", told.answers));
}

fn failures(text: &str) -> f64 {
    let exposition = health_monitor_test_support::exposition::Exposition::parse(text);
    let families = ["health_check_failure_total", "health_check_error_total"];
    let samples = families
        .iter()
        .filter_map(|name| exposition.family(name))
        .flat_map(|family| &family.samples);
    samples.map(|sample| sample.value).sum()
}

async fn disk_full(scene: Scene) {
    let disk = tempfile::tempdir().expect("a folder");
    let place = disk.path().to_str().expect("a path in letters").to_owned();
    run(
        "mount",
        &["-t", "tmpfs", "-o", &format!("size={ROOM}k"), "tmpfs", &place],
    )
    .await;
    let _undo = Undo::by(&["umount", "--lazy", &place]);
    let log = disk.path().join("log");
    let room = || fs::metadata(&log).map_or(0, |file| file.len() / 1024);
    works_without_a_log(&scene, &log, || {
        assert!(room() >= ROOM - 4, "the disk is not full: {} KiB", room());
    })
    .await;
    scene.saw(format!("the log's disk held {} KiB, and no more", room()));
}

async fn no_output(scene: Scene) {
    works_without_a_log(&scene, Path::new("/dev/full"), || ()).await;
}

/// A monitor that logs much, to where nothing can be written, does its work and ends well.
async fn works_without_a_log(scene: &Scene, output: &Path, is_full: impl Fn()) {
    let ports = configuration::listeners("port", PORTS).await;
    let mut monitor = Launch::of(env!("CARGO_BIN_EXE_health-monitor"))
        .with_output(output)
        .with("RUST_LOG", "trace")
        .start(&format!("{DEFAULTS}{}", configuration::of_listeners(&ports, "")))
        .await;
    watch::all_healthy(&monitor, seconds(20)).await;
    sleep(seconds(3)).await;
    is_full();
    let port = &ports[0];
    let work = async {
        let broken = Instant::now();
        port.set(Mode::Closed);
        monitor
            .wait_for(&port.name, "unhealthy", "connection refused", seconds(10))
            .await;
        scene.saw_after(broken, "an outage is told although nothing can be logged");
        port.set(Mode::Up);
        monitor.healthy(&port.name, seconds(30)).await;
    };
    let ((), told) = watch::while_doing(&monitor, work).await;
    told.assert_others(&[&port.name], &["healthy"]);
    let ends = Instant::now();
    monitor.signal("TERM").await;
    assert_eq!(monitor.exit_code(seconds(11)).await, 0);
    scene.saw_after(ends, "told to end, it ends with 0");
}
