//! An engine that answers, but wrongly, or too slowly, or that loses its stream of events: a proxy in front of the real one.

use std::time::Duration;

use health_monitor_test_support::proxy::{Mode, Proxy, Twist, Twister};
use health_monitor_test_support::stack::docker::{Made, docker};
use health_monitor_test_support::stack::monitor::Monitor;
use health_monitor_test_support::stack::quick::quick_with;
use health_monitor_test_support::stack::service::Service;
use health_monitor_test_support::stack::wait::seconds;
use tokio::time::{Instant, sleep};

use super::GROUP;
use super::record::Record;
use super::watched::{NOTICED, RESYNC, checks_go_on, inside, serve};
use crate::fault::{Fault, Scene};

/// A container that is killed and started, and one that lives on, as a monitor behind a proxy sees them.
struct Behind {
    proxy: Proxy,
    monitor: Monitor,
    record: Record,
    mortal: Made,
    #[expect(dead_code, reason = "removed with it")]
    web: Made,
}

pub(super) fn faults() -> Vec<Fault> {
    let wrong: [(&str, Twister, &str); 6] = [
        ("answers every question with 500", |_| error(), "with status 500"),
        (
            "answers the list with 500",
            |line| only(line, "/containers/json", error()),
            "refused 'list' with status 500",
        ),
        (
            "answers every question with garbage",
            |_| Twist::Say(b"\0\xff neither HTTP nor JSON\r\n\r\n".to_vec()),
            "",
        ),
        (
            "answers the list with half a document",
            |line| {
                only(
                    line,
                    "/containers/json",
                    Twist::Say(b"HTTP/1.0 200 OK\r\n\r\n[{\"Id\":\"12".to_vec()),
                )
            },
            "",
        ),
        ("answers one byte a second", |_| Twist::Slowly, "did not answer"),
        (
            "lists one byte a second",
            |line| only(line, "/containers/json", Twist::Slowly),
            "did not answer 'list'",
        ),
    ];
    let mut faults: Vec<_> = wrong
        .into_iter()
        .map(|(name, twister, why)| Fault::new(GROUP, name, move |scene| out_of_order(twister, why, scene)))
        .collect();
    faults.extend([
        Fault::new(GROUP, "stream of events cut, and things happen", stream_cut),
        Fault::new(GROUP, "stream of events half-open", stream_half_open).short(),
        Fault::new(GROUP, "answers every inspect with 500", inspect_fails),
        Fault::new(GROUP, "answers statistics with garbage or slowly", statistics_fail),
        Fault::new(GROUP, "speaks a newer API only", newer),
        Fault::new(GROUP, "speaks an older API only", older),
    ]);
    faults
}

fn error() -> Twist {
    let body = "{\"message\":\"cannot do that now\"}";
    Twist::Say(format!("HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes())
}

fn only(line: &str, path: &str, twist: Twist) -> Twist {
    if line.contains(path) { twist } else { Twist::Pass }
}

impl Behind {
    async fn begin(purpose: &str) -> Self {
        Self::behind(Proxy::start(), purpose).await
    }

    async fn behind(proxy: Proxy, purpose: &str) -> Self {
        let mortal = serve(&format!("{purpose}-mortal")).await;
        let web = serve(&format!("{purpose}-web")).await;
        let configuration = format!(
            "[services.mortal]\ncheck = \"container\"\ncontainer = \"{}\"\n\
             [services.web]\ncheck = \"tcp\"\ncontainer = \"{}\"\naddress = \"{}:80\"\n",
            mortal.name, web.name, web.name
        );
        let mount = format!("--volume={}:/proxy", proxy.folder().display());
        let options = [
            &mount,
            "--env=DOCKER_HOST=unix:///proxy/docker.sock",
            "--env=HEALTH_MONITOR__DOCKER__REQUEST_TIMEOUT=2s",
            "--env=HEALTH_MONITOR__DOCKER__RESYNC_INTERVAL=10s",
        ];
        let monitor = quick_with(purpose, &configuration, &options).await;
        for name in ["mortal", "web"] {
            monitor.healthy(name, NOTICED).await;
        }
        let record = Record::of(vec![inside(monitor.container()).await]);
        Self {
            proxy,
            monitor,
            record,
            mortal,
            web,
        }
    }

    async fn kill(&self) {
        docker(&["kill", &self.mortal.name]).await;
    }

    async fn start(&self) {
        docker(&["start", &self.mortal.name]).await;
    }

    async fn reconnects(&self) -> u64 {
        let (_, internals) = self.monitor.get("/internals").await;
        internals["docker"]["event_reconnects"].as_u64().unwrap_or_default()
    }

    /// Kills the mortal one and starts it again, each to be told as fast as an event is.
    async fn is_told_at_once(&self) {
        self.kill().await;
        self.monitor
            .wait_for("mortal", "unhealthy", "exit code 137", seconds(3))
            .await;
        self.start().await;
        self.monitor.healthy("mortal", seconds(5)).await;
    }
}

/// Connections that are open go on in the old way: a list that is asked for is another one.
async fn out_of_order(twister: Twister, why: &'static str, scene: Scene) {
    let behind = Behind::begin("order").await;
    let broken = Instant::now();
    behind.proxy.twist(twister);
    let limit = RESYNC + NOTICED;
    let told = behind
        .monitor
        .wait_for("mortal", "error", "Docker daemon unavailable: ", limit)
        .await;
    assert!(told.reason.contains(why), "{}", told.reason);
    scene.saw_after(broken, told.reason);
    checks_go_on(&behind.monitor, &["web"]).await;
    behind.kill().await;
    let mended = Instant::now();
    behind.proxy.twist(|_| Twist::Pass);
    behind
        .monitor
        .wait_for("mortal", "unhealthy", "exit code 137", RESYNC)
        .await;
    scene.saw_after(mended, "what died meanwhile is told");
    behind.start().await;
    behind.monitor.healthy("mortal", RESYNC).await;
    behind.record.never_said(&["unhealthy", "not_found"], &["mortal"]);
}

async fn stream_cut(scene: Scene) {
    let behind = Behind::begin("cut").await;
    let before = behind.reconnects().await;
    let (kills, mut slowest) = (5, Duration::ZERO);
    for _ in 0..kills {
        behind.proxy.set(Mode::Away);
        behind.kill().await;
        let mended = Instant::now();
        behind.proxy.set(Mode::Pass);
        behind
            .monitor
            .wait_for("mortal", "unhealthy", "exit code 137", RESYNC)
            .await;
        slowest = slowest.max(mended.elapsed());
        behind.proxy.set(Mode::Away);
        behind.start().await;
        let mended = Instant::now();
        behind.proxy.set(Mode::Pass);
        behind.monitor.healthy("mortal", RESYNC).await;
        slowest = slowest.max(mended.elapsed());
    }
    let reconnects = behind.reconnects().await - before;
    assert!(reconnects >= 2 * kills, "{reconnects}");
    scene.saw(format!(
        "{kills} deaths and starts while it was cut, the slowest told after {slowest:.1?}; {reconnects} reconnects"
    ));
    behind.record.never_said(&["unhealthy", "not_found"], &["mortal"]);
}

/// No byte, no end: only the list can tell, and then the stream is opened again.
async fn stream_half_open(scene: Scene) {
    let proxy = Proxy::start();
    proxy.twist(|line| only(line, "/events", Twist::Mute));
    let behind = Behind::behind(proxy, "half-open").await;
    // The lists of the first seconds may know more than the stream of a connection that is all right.
    sleep(seconds(3)).await;
    behind.proxy.twist(|_| Twist::Pass);
    let before = behind.reconnects().await;
    let broken = Instant::now();
    behind.kill().await;
    behind
        .monitor
        .wait_for("mortal", "unhealthy", "exit code 137", RESYNC)
        .await;
    scene.saw_after(broken, "a death that no event told is told, by the list");
    behind.start().await;
    behind.monitor.healthy("mortal", seconds(5)).await;
    assert!(behind.reconnects().await > before, "the stream was opened again");
    behind.is_told_at_once().await;
    scene.saw_after(broken, "the stream is open again, and events act at once");
    behind.record.never_said(&["unhealthy", "not_found"], &["mortal"]);
}

async fn inspect_fails(scene: Scene) {
    let behind = Behind::begin("inspect").await;
    behind.proxy.twist(|line| {
        let is_inspect = line.contains("/containers/") && !line.contains("/containers/json");
        if is_inspect { error() } else { Twist::Pass }
    });
    let broken = Instant::now();
    behind.kill().await;
    behind
        .monitor
        .wait_for("mortal", "unhealthy", "exited", seconds(5))
        .await;
    scene.saw_after(broken, "a death is told by its event");
    let started = Instant::now();
    behind.start().await;
    behind.monitor.healthy("mortal", seconds(15)).await;
    scene.saw_after(started, "the start is told by the list");
    let mended = Instant::now();
    behind.proxy.twist(|_| Twist::Pass);
    let is_whole = |service: &Service| service.status == "healthy" && service.containers.len() == 1;
    behind.monitor.wait("mortal", RESYNC, is_whole).await;
    behind.is_told_at_once().await;
    scene.saw_after(mended, "all right again");
    behind
        .record
        .never_said(&["unhealthy", "not_found", "error"], &["mortal"]);
}

async fn statistics_fail(scene: Scene) {
    let behind = Behind::begin("statistics").await;
    for (twister, how) in [
        (
            (|line| only(line, "/stats", Twist::Say(b"\0\xff".to_vec()))) as Twister,
            "garbage",
        ),
        (|line| only(line, "/stats", Twist::Slowly), "one byte a second"),
        (|line| only(line, "/stats", error()), "500"),
    ] {
        behind.proxy.twist(twister);
        let asked = |requests: &[String]| requests.iter().filter(|line| line.contains("/stats")).count();
        let before = asked(&behind.proxy.requests());
        behind
            .proxy
            .asked("another sample", |requests| asked(requests) > before)
            .await;
        behind.is_told_at_once().await;
        scene.saw(format!("{how}: changes are told at once all the same"));
    }
    behind.record.never_said(&["not_found", "error"], &[]);
    behind.record.never_said(&["unhealthy"], &["mortal"]);
}

async fn newer(scene: Scene) {
    let rewrite: Twister = |line| match line.contains("/version ") {
        true => Twist::Rewrite(|answer| {
            answer["ApiVersion"] = "1.99".into();
            answer["MinAPIVersion"] = "1.24".into();
        }),
        false => Twist::As("1.41"),
    };
    spoken_with(rewrite, "newer", scene).await;
}

async fn older(scene: Scene) {
    let rewrite: Twister = |line| match line.contains("/version ") {
        true => Twist::Rewrite(|answer| {
            answer["ApiVersion"] = "1.30".into();
            answer["MinAPIVersion"] = "1.12".into();
        }),
        false => Twist::Pass,
    };
    spoken_with(rewrite, "older", scene).await;
}

/// The monitor agrees with such an engine on a version, and all goes on.
async fn spoken_with(rewrite: Twister, purpose: &str, scene: Scene) {
    let proxy = Proxy::start();
    proxy.twist(rewrite);
    let behind = Behind::behind(proxy, purpose).await;
    behind.is_told_at_once().await;
    let requests = behind.proxy.requests();
    let list = requests
        .iter()
        .rfind(|line| line.contains("/containers/json"))
        .expect("a list");
    scene.saw(format!("asked as {list}"));
    behind.record.never_said(&["not_found", "error"], &[]);
}
