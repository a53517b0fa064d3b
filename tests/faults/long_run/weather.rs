//! The two monitors of a long run, and the faults that befall them.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use health_monitor_test_support::local::{Launch, LocalMonitor};
use health_monitor_test_support::proxy::{Mode as Engine, Proxy};
use health_monitor_test_support::stack::docker::{Undo, docker};
use health_monitor_test_support::stack::wait::{RECOVERY, seconds};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::configuration;
use crate::fault::Scene;
use crate::listener::{Listener, Mode};
use crate::misbehaving::{self, FAULTY};
use crate::watch;

/// Short intervals. A service of the stack is given five cycles before it is down: this is about what a process holds, and
/// the machine may be busy.
const DEFAULTS: &str = "[defaults]\ninterval = \"1s\"\ntimeout = \"800ms\"\nretries = 1\nretry_backoff = \"50ms\"\nretry_interval = \"500ms\"\n";
const PATIENT: &str = "failure_threshold = 5";

/// Ports of the loopback network beside the stack's services.
const LISTENERS: usize = 12;

/// Kinds of faults, each as often as it is likely.
const KINDS: u8 = 12;

/// What comes first: every kind of fault, and every part that misbehaves, for as long as any lasts, so that everything that
/// a monitor holds once it was needed is there before it is measured.
const OPENING: [u8; 14] = [0, 3, 5, 7, 8, 6, 6, 9, 9, 9, 9, 9, 9, 9];

/// Crowds that hold every descriptor, at the opening: after ten of them their memory has levelled off.
const CROWDS: usize = 12;

/// Parts that misbehave.
const PARTS: [&str; 7] = [
    "check panics",
    "check hangs",
    "check blocks",
    "check leaks memory",
    "check leaks descriptors",
    "probe panics",
    "probe goes deaf",
];
const LONGEST: Duration = seconds(6);

/// Descriptors that either monitor may have.
const DESCRIPTORS: &str = "--nofile=256";

/// Services of the stack that come back within seconds.
const CONTAINERS: [&str; 7] = [
    "mosquitto",
    "postgres",
    "timescaledb",
    "f2-simulator",
    "mqtt-kafka-connector",
    "data-processor",
    "kafka-timescale-sink",
];

/// Until a given-up probe is tried again, and the machine's other work.
const BACK: Duration = seconds(330);

pub(super) struct Weather {
    /// The real binary, with its engine behind a proxy.
    pub(super) monitor: LocalMonitor,
    /// The one whose parts can be broken.
    pub(super) misbehaving: LocalMonitor,
    engine: Proxy,
    listeners: Vec<Listener>,
    rng: Rng,
    counts: BTreeMap<&'static str, u32>,
    /// Faults until now.
    told: usize,
    /// Parts that misbehaved until now.
    parts: usize,
}

impl Weather {
    pub(super) async fn start(seed: u64) -> Self {
        let engine = Proxy::start();
        let listeners = configuration::listeners("port", LISTENERS).await;
        let faulty = Listener::start(FAULTY).await;
        let ports = configuration::of_listeners(&listeners, "");
        let watched = format!("{DEFAULTS}{}{ports}", configuration::stack(PATIENT));
        let monitor = Launch::of(env!("CARGO_BIN_EXE_health-monitor"))
            .with_limit(DESCRIPTORS)
            .with("DOCKER_HOST", &engine.host())
            .start(&watched)
            .await;
        let misbehaving = misbehaving::launch()
            .with_limit(DESCRIPTORS)
            .start(&format!(
                "{DEFAULTS}[docker]\nenabled = false\n{ports}{}",
                faulty.section("")
            ))
            .await;
        let mut listeners = listeners;
        listeners.push(faulty);
        let weather = Self {
            monitor,
            misbehaving,
            engine,
            listeners,
            rng: Rng::with_seed(seed),
            counts: BTreeMap::new(),
            told: 0,
            parts: 0,
        };
        weather.calm().await;
        weather
    }

    /// One fault at random, mended; tells which.
    pub(super) async fn fault(&mut self) -> String {
        let opening = OPENING.get(self.told).copied();
        self.told += 1;
        let long = match opening {
            Some(_) => LONGEST,
            None => Duration::from_millis(self.rng.u64(1_000..6_000)),
        };
        let kind = opening.unwrap_or_else(|| self.rng.u8(..KINDS));
        let (kind, told) = match kind {
            0..3 => self.port_misbehaves(long).await,
            3..5 => self.container_breaks(long).await,
            5 => self.engine_breaks(long).await,
            6 => self.many_clients().await,
            7 => self.stands_still().await,
            8 => self.no_descriptors(long).await,
            _ => self.part_misbehaves(long).await,
        };
        *self.counts.entry(kind).or_default() += 1;
        told
    }

    /// Everything that there is has happened once.
    pub(super) fn has_seen_all(&self) -> bool {
        self.told >= OPENING.len()
    }

    /// Everything is healthy again.
    pub(super) async fn calm(&self) {
        for monitor in [&self.monitor, &self.misbehaving] {
            watch::all_healthy(monitor, RECOVERY.max(BACK)).await;
        }
    }

    pub(super) fn tell(&self, scene: &Scene) {
        let counts: Vec<String> = self
            .counts
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        scene.saw(counts.join(", "));
    }

    async fn port_misbehaves(&mut self, long: Duration) -> (&'static str, String) {
        let mode = self
            .rng
            .choice([Mode::Closed, Mode::Silent, Mode::Drips, Mode::Resets])
            .unwrap_or(Mode::Closed);
        let port = self.rng.usize(..LISTENERS);
        self.listeners[port].set(mode);
        sleep(long).await;
        self.listeners[port].set(Mode::Up);
        (
            "ports that misbehave",
            format!("{} {mode:?}", self.listeners[port].name),
        )
    }

    async fn container_breaks(&mut self, long: Duration) -> (&'static str, String) {
        let name = self.rng.choice(CONTAINERS).unwrap_or("mosquitto");
        let (breaks, mends): (&[&str], &str) = match self.rng.u8(..8) {
            0 => (&["kill"], "start"),
            1..4 => (&["stop", "--time", "3"], "start"),
            4..6 => (&["pause"], "unpause"),
            _ => (&["kill", "--signal", "STOP"], "kill --signal CONT"),
        };
        let mends: Vec<&str> = mends.split(' ').chain([name]).collect();
        let _undo = Undo::by(&[&["docker"], &mends[..]].concat());
        docker(&[breaks, &[name]].concat()).await;
        sleep(long).await;
        docker(&mends).await;
        ("containers that break", format!("{name} {}", breaks.join(" ")))
    }

    async fn engine_breaks(&mut self, long: Duration) -> (&'static str, String) {
        let mode = self.rng.choice([Engine::Away, Engine::Hang]).unwrap_or(Engine::Away);
        self.engine.set(mode);
        sleep(long).await;
        self.engine.set(Engine::Pass);
        ("engines that break", format!("engine {mode:?}"))
    }

    /// 100 clients that never end their request, and 1,000 requests that are answered.
    async fn many_clients(&mut self) -> (&'static str, String) {
        let mut slow = Vec::new();
        for _ in 0..100 {
            if let Ok(mut client) = TcpStream::connect(self.monitor.address()).await
                && client.write_all(b"GET /health HT").await.is_ok()
            {
                slow.push(client);
            }
        }
        for path in ["/health", "/metrics", "/internals", "/containers"]
            .iter()
            .cycle()
            .take(1_000)
        {
            self.monitor.try_get(path).await.expect("an answer beside slow clients");
        }
        ("crowds of clients", "clients".to_owned())
    }

    async fn stands_still(&mut self) -> (&'static str, String) {
        let long = Duration::from_millis(self.rng.u64(500..5_000));
        self.monitor.signal("STOP").await;
        sleep(long).await;
        self.monitor.signal("CONT").await;
        ("standstills", format!("stopped for {} ms", long.as_millis()))
    }

    /// Clients of the API hold every descriptor that there is.
    async fn no_descriptors(&mut self, long: Duration) -> (&'static str, String) {
        if !self.has_seen_all() {
            for _ in 0..CROWDS {
                self.crowd(seconds(1)).await;
            }
        }
        let clients = self.crowd(long).await;
        (
            "times without a descriptor",
            format!("{clients} clients hold descriptors"),
        )
    }

    /// So many clients connect as there are descriptors, and stay; tells how many were let in.
    async fn crowd(&self, long: Duration) -> usize {
        let mut clients = Vec::new();
        for _ in 0..300 {
            let connect = TcpStream::connect(self.monitor.address());
            if let Ok(Ok(client)) = tokio::time::timeout(seconds(1), connect).await {
                clients.push(client);
            }
        }
        sleep(long).await;
        clients.len()
    }

    async fn part_misbehaves(&mut self, long: Duration) -> (&'static str, String) {
        let first = PARTS.get(self.parts).copied();
        self.parts += 1;
        let fault = first.or_else(|| self.rng.choice(PARTS)).unwrap_or("check panics");
        misbehaving::begin(self.misbehaving.folder(), fault);
        sleep(long).await;
        misbehaving::end(self.misbehaving.folder());
        ("parts that misbehave", fault.to_owned())
    }
}
