//! The clock of the day stepped by an hour, under a monitor that runs. libfaketime steps it for one process and leaves the
//! clock that counts time alone, as a real step does.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use health_monitor_test_support::local::Launch;
use health_monitor_test_support::stack::docker::{Undo, docker};
use health_monitor_test_support::stack::wait::{RECOVERY, seconds};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::GROUP;
use crate::configuration;
use crate::fault::{Fault, Scene};
use crate::listener::Listener;
use crate::watch;

const PORTS: usize = 10;
const INTERVAL: Duration = seconds(1);

/// After each step.
const WATCHED: Duration = seconds(12);

/// Its client waits by the clock of the day (`pthread_cond_timedwait`), and libfaketime makes something else of such waits
/// than a kernel does.
const UNFIT: &str = "kafka";

/// A container that is killed under a stepped clock.
const CONTAINER: &str = "f2-simulator";

pub(super) fn faults() -> Vec<Fault> {
    let fault = Fault::new(GROUP, "the clock is stepped an hour forward and back", clock_is_stepped);
    vec![fault.touching(&[CONTAINER])]
}

async fn clock_is_stepped(scene: Scene) {
    let folder = tempfile::tempdir().expect("a folder");
    let step = folder.path().join("step");
    let to = |seconds: i64| fs::write(&step, format!("{seconds:+}\n")).expect("a folder of the test's own");
    to(0);
    let ports = configuration::listeners("port", PORTS).await;
    let services = configuration::stack("interval = \"2s\"\ntimeout = \"1900ms\"\nfailure_threshold = 3");
    let defaults = "[defaults]\ninterval = \"1s\"\ntimeout = \"500ms\"\nretries = 0\n";
    let monitor = Launch::of(env!("CARGO_BIN_EXE_health-monitor"))
        .with("LD_PRELOAD", library().to_str().expect("a path in letters"))
        .with("FAKETIME_TIMESTAMP_FILE", step.to_str().expect("a path in letters"))
        .with("FAKETIME_NO_CACHE", "1")
        .with("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .start(&format!(
            "{defaults}{services}{}",
            configuration::of_listeners(&ports, "")
        ))
        .await;
    watch::all_healthy(&monitor, seconds(30)).await;
    scene.saw(format!(
        "{UNFIT} is left out: what libfaketime makes of its client's waits is no clock's step"
    ));

    for (offset, words) in [(3_600, "an hour ahead"), (-3_600, "an hour behind"), (0, "right again")] {
        let stepped = Instant::now();
        let work = async {
            to(offset);
            sleep(WATCHED).await;
        };
        let ((), told) = watch::while_doing(&monitor, work).await;
        told.assert_others(&[UNFIT], &["healthy"]);
        let (_, service) = monitor.get(&format!("/health/{}", ports[0].name)).await;
        let checked: Timestamp = service["health_check"]["last_check"]
            .to_string()
            .trim_matches('"')
            .parse()
            .expect("a time");
        let ahead = checked.duration_since(Timestamp::now()).as_secs();
        assert!((ahead - offset).abs() < 10, "the clock was not stepped: {ahead} s");
        let uptime = &monitor.get(&format!("/health/{CONTAINER}")).await.1["uptime_seconds"];
        assert!(uptime.as_i64() >= Some(0), "{uptime}");
        let (least, most, longest) = schedule(&ports, stepped);
        assert!(
            longest < INTERVAL * 3,
            "a cycle came {longest:?} after the one before it"
        );
        assert!(most <= 14, "{most} cycles in {WATCHED:?}");
        scene.saw(format!(
            "{words}: {} services keep their status; {least} to {most} cycles in {} s, {} ms apart at most",
            told.steady(),
            WATCHED.as_secs(),
            longest.as_millis()
        ));
        let _undo = Undo::by(&["docker", "start", CONTAINER]);
        docker(&["kill", CONTAINER]).await;
        let down = monitor
            .wait_for(CONTAINER, "unhealthy", "exit code 137", seconds(10))
            .await;
        docker(&["start", CONTAINER]).await;
        monitor
            .wait(CONTAINER, RECOVERY, |service| service.status != "unhealthy")
            .await;
        scene.saw(format!("{words}, killed: {}", down.reason));
        monitor.healthy(CONTAINER, RECOVERY).await;
    }
}

/// The fewest and the most cycles of a service since then, and the longest time from one to the next.
fn schedule(ports: &[Listener], since: Instant) -> (usize, usize, Duration) {
    let (mut least, mut most, mut longest) = (usize::MAX, 0, Duration::ZERO);
    for port in ports {
        let visits = port.visits();
        let after: Vec<Instant> = visits.iter().map(|visit| visit.at).filter(|at| *at > since).collect();
        (least, most) = (least.min(after.len()), most.max(after.len()));
        longest = after
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .fold(longest, Duration::max);
    }
    (least, most, longest)
}

/// Where Debian puts the library.
fn library() -> PathBuf {
    let place = format!(
        "/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1",
        std::env::consts::ARCH
    );
    assert!(
        Path::new(&place).is_file(),
        "{place} is missing: install the package libfaketime"
    );
    place.into()
}
