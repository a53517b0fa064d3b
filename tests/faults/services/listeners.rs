//! Listeners that misbehave, in front of the stack's own servers, one for each protocol. No container is known to stand
//! behind them, so that nothing but the checks can find anything. The same servers without a gate are the bystanders.

use std::time::Duration;

use futures_util::future::join_all;
use health_monitor_test_support::gate::{Gate, Traffic};
use health_monitor_test_support::stack::Stack;
use health_monitor_test_support::stack::monitor::Monitor;
use health_monitor_test_support::stack::network::this_machine;
use health_monitor_test_support::stack::quick::{DETECTED, quick_with};
use health_monitor_test_support::stack::wait::{RECOVERY, seconds};
use tokio::time::Instant;

use super::GROUP;
use super::sight::{DETECTED_BY_DEFAULT, SLACK, all_up, found_by_schedule, opened, timed, times};
use crate::bystanders::Bystanders;
use crate::fault::{Fault, Scene};

/// A service by its protocol.
struct Protocol {
    name: &'static str,
    /// The variable that holds its server's address on this machine.
    server: &'static str,
    /// Where containers of the stack's network find the server.
    within: &'static str,
    settings: &'static str,
}

const PROTOCOLS: [Protocol; 6] = [
    Protocol {
        name: "mqtt",
        server: "STACK_MQTT_ADDRESS",
        within: "mosquitto:1883",
        settings: "check = \"mqtt\"\naddress = \"ADDRESS\"",
    },
    Protocol {
        name: "kafka",
        server: "STACK_KAFKA_ADDRESS",
        within: "kafka:29092",
        settings: "check = \"kafka\"\naddress = \"ADDRESS\"",
    },
    Protocol {
        name: "postgres",
        server: "STACK_POSTGRES_ADDRESS",
        within: "postgres:5432",
        settings: "check = \"postgres\"\naddress = \"ADDRESS\"\npassword = \"password\"",
    },
    Protocol {
        name: "zookeeper",
        server: "STACK_ZOOKEEPER_ADDRESS",
        within: "zookeeper:2181",
        settings: "check = \"zookeeper\"\naddress = \"ADDRESS\"",
    },
    Protocol {
        name: "http",
        server: "STACK_PROMETHEUS_URL",
        within: "prometheus:9090",
        settings: "check = \"http\"\nurl = \"http://ADDRESS/-/healthy\"",
    },
    Protocol {
        name: "tcp",
        server: "STACK_ZOOKEEPER_ADDRESS",
        within: "zookeeper:2181",
        settings: "check = \"tcp\"\naddress = \"ADDRESS\"\nsend = \"srvr\"\nexpect = \"Node count\"",
    },
];

/// The bystanders of the same monitor.
const STEADY: [&str; 6] = [
    "steady-mqtt",
    "steady-kafka",
    "steady-postgres",
    "steady-zookeeper",
    "steady-http",
    "steady-tcp",
];

/// The bystanders' times, also beside quick ones.
const DEFAULT_TIMES: &str = "interval = \"10s\"\ntimeout = \"5s\"\nretries = 2\nretry_interval = \"2s\"";

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault::new(GROUP, "listeners that accept and never answer", |scene| {
            spoiled(Times::Default, Traffic::Unanswered, &NEVER_ANSWERS, scene)
        }),
        Fault::new(GROUP, "listeners that reset after 4 s", |scene| {
            spoiled(Times::Default, Traffic::IsReset(seconds(4)), &RESETS, scene)
        }),
        Fault::new(GROUP, "listeners that reset in mid-handshake", |scene| {
            spoiled(Times::Quick, Traffic::IsReset(Duration::ZERO), &RESETS, scene)
        }),
        Fault::new(GROUP, "listeners that answer one byte a second", |scene| {
            spoiled(Times::Quick, Traffic::Drips, &DRIPS, scene)
        }),
        Fault::new(GROUP, "listeners that are gone", |scene| {
            spoiled(Times::Quick, Traffic::IsRefused, &IS_GONE, scene)
        }),
    ]
}

/// What the reason says of each protocol, in their order.
type Reasons = [&'static str; PROTOCOLS.len()];

const NEVER_ANSWERS: Reasons = [
    "but no CONNACK within 5s",
    "but no cluster metadata within 5s",
    "but the login did not end within 5s",
    "but no answer to srvr within 5s",
    "but no answer to GET /-/healthy within 5s",
    "but no answer within 5s",
];
const RESETS: Reasons = [
    "no CONNACK: the other side reset the connection",
    "Disconnected: connection reset by peer",
    "broke off: the other side reset the connection",
    "): the other side reset the connection",
    "got no complete answer: the other side reset the connection",
    ": the other side reset the connection",
];
const DRIPS: Reasons = [
    "but no CONNACK within 1s500ms",
    "but no cluster metadata within 1s500ms",
    "but the login did not end within 1s500ms",
    "but the answer to srvr did not end (\"Z\") within 1s500ms",
    "but no answer to GET /-/healthy within 1s500ms",
    "but of \"Node count\" only \"Z\" came within 1s500ms",
];
const IS_GONE: Reasons = ["connection refused, nothing listens on that port"; 6];

/// The times that the monitor looks at.
#[derive(Clone, Copy)]
enum Times {
    /// Its own defaults.
    Default,
    Quick,
}

impl Times {
    async fn monitor(self, configuration: &str) -> Monitor {
        match self {
            Times::Default => Monitor::start("listeners", configuration, &[]).await,
            Times::Quick => quick_with("listeners", configuration, &[]).await,
        }
    }

    /// Within this a failure shows.
    const fn detected(self) -> Duration {
        match self {
            Times::Default => DETECTED_BY_DEFAULT,
            Times::Quick => DETECTED,
        }
    }
}

async fn spoiled(times_of: Times, traffic: Traffic, reasons: &'static Reasons, scene: Scene) {
    let gates = join_all(PROTOCOLS.iter().map(|protocol| Gate::before(server(protocol)))).await;
    let monitor = times_of.monitor(&configuration(&gates).await).await;
    let names = PROTOCOLS.map(|protocol| protocol.name);
    all_up(&monitor, &names, RECOVERY).await;
    all_up(&monitor, &STEADY, RECOVERY).await;
    let bystanders = Bystanders::watch(monitor.same(), &STEADY);
    bystanders.begin(&[]);

    gates.iter().for_each(|gate| gate.set(traffic));
    let broken = Instant::now();
    let limit = times_of.detected() + SLACK;
    let detected = join_all(names.iter().zip(reasons).map(async |(name, reason)| {
        let (took, told) = timed(monitor.wait_for(name, "unhealthy", reason, limit)).await;
        (*name, took, told.reason)
    }))
    .await;
    for (name, took, reason) in &detected {
        scene.saw(format!("{:.1} s: {name}: {reason}", took.as_secs_f64()));
    }
    join_all(names.iter().map(|name| opened(&monitor, name, seconds(90)))).await;
    scene.saw_after(broken, "all breakers are open");

    gates.iter().for_each(|gate| gate.set(Traffic::Passes));
    let recovered = join_all(names.iter().map(async |name| {
        let (took, found) = timed(found_by_schedule(&monitor, name)).await;
        assert!(found.contains("trial"), "{name}: {found}");
        (*name, took)
    }))
    .await;
    scene.saw(format!(
        "answering again, found by the breakers' trials: {}",
        times(&recovered)
    ));
    all_up(&monitor, &names, RECOVERY).await;
    let undisturbed = bystanders.end().expect("the servers without a gate are not disturbed");
    scene.saw(undisturbed);
}

fn server(protocol: &Protocol) -> &'static str {
    let server = Stack::get().variable(protocol.server);
    server.strip_prefix("http://").unwrap_or(server)
}

/// Each protocol's service behind its gate and, as a bystander, without one.
async fn configuration(gates: &[Gate]) -> String {
    let host = this_machine().await;
    let mut text = "[docker]\nenabled = false\n".to_owned();
    for (protocol, gate) in PROTOCOLS.iter().zip(gates) {
        let Protocol {
            name, within, settings, ..
        } = protocol;
        let behind = settings.replace("ADDRESS", &format!("{host}:{}", gate.port()));
        let steady = settings.replace("ADDRESS", within);
        text += &format!(
            "[services.{name}]\ncontainer = \"\"\n{behind}\n[services.steady-{name}]\ncontainer = \"\"\n{steady}\n{DEFAULT_TIMES}\n"
        );
    }
    text
}
