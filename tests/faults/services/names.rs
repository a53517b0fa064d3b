//! Names that vanish, and name servers that fall silent, for a service whose container the monitor does not know.

use health_monitor_test_support::name_server::NameServer;
use health_monitor_test_support::stack::Stack;
use health_monitor_test_support::stack::docker::{Made, docker, unique};
use health_monitor_test_support::stack::monitor::Monitor;
use health_monitor_test_support::stack::network::this_machine;
use health_monitor_test_support::stack::quick::{DETECTED, quick_with};
use health_monitor_test_support::stack::wait::{RECOVERY, seconds};
use tokio::time::Instant;

use super::GROUP;
use super::sight::{found_by_schedule, opened};
use crate::fault::{Fault, Scene};

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault::new(GROUP, "DNS name that vanishes", vanishing),
        Fault::new(GROUP, "DNS server that falls silent", silence),
    ]
}

/// A broker that is found by a name only, the name server that Docker asks for what it does not know, and their monitor.
struct Named {
    broker: Made,
    alias: String,
    network: &'static str,
    server: NameServer,
    monitor: Monitor,
}

impl Named {
    async fn start() -> Self {
        let network = Stack::get().variable("STACK_NETWORK");
        let image = docker(&["inspect", "--format", "{{.Config.Image}}", "mosquitto"]).await;
        let name = unique("broker");
        let alias = format!("{name}-alias");
        let settings = concat!(env!("CARGO_MANIFEST_DIR"), "/compose/mosquitto/mosquitto.conf");
        let mount = format!("--volume={settings}:/mosquitto/config/mosquitto.conf:ro");
        let broker = Made::run(name, &["--network", network, "--network-alias", &alias, &mount, &image]).await;
        let address = this_machine().await;
        let server = NameServer::start(&address).await;
        let service = format!("[services.broker]\ncheck = \"mqtt\"\ncontainer = \"\"\naddress = \"{alias}:1883\"\n");
        let monitor = quick_with("names", &service, &["--dns", &address]).await;
        monitor.healthy("broker", RECOVERY).await;
        Self {
            broker,
            alias,
            network,
            server,
            monitor,
        }
    }

    /// Takes the name from the broker, which goes on in the same network under its own.
    async fn take_name(&self) {
        docker(&["network", "disconnect", self.network, &self.broker.name]).await;
        docker(&["network", "connect", self.network, &self.broker.name]).await;
    }

    async fn give_name(&self) {
        docker(&["network", "disconnect", self.network, &self.broker.name]).await;
        docker(&[
            "network",
            "connect",
            "--alias",
            &self.alias,
            self.network,
            &self.broker.name,
        ])
        .await;
    }
}

async fn vanishing(scene: Scene) {
    let named = Named::start().await;
    named.take_name().await;
    let broken = Instant::now();
    let reason = format!("the name {} does not exist", named.alias);
    let told = named.monitor.wait_for("broker", "unhealthy", &reason, DETECTED).await;
    scene.saw_after(broken, told.reason);
    opened(&named.monitor, "broker", seconds(30)).await;
    scene.saw_after(broken, "its breaker is open");
    named.give_name().await;
    let mended = Instant::now();
    let found = found_by_schedule(&named.monitor, "broker").await;
    scene.saw_after(mended, format!("healthy, {found}"));
}

/// Nobody tells whether the name exists: that says nothing of the service.
async fn silence(scene: Scene) {
    let named = Named::start().await;
    named.server.set_silent(true);
    let going_silent = async {
        named.take_name().await;
        let broken = Instant::now();
        let told = named.monitor.wait_for("broker", "error", &named.alias, DETECTED).await;
        scene.saw_after(broken, told.reason);
        named.give_name().await;
        let mended = Instant::now();
        // A lookup that hangs holds the next one up: the C library gives its name server up after 10 s.
        named.monitor.healthy("broker", DETECTED + seconds(10)).await;
        scene.saw_after(mended, "healthy");
    };
    let seen = named.monitor.watch("broker", going_silent).await;
    let down = seen.iter().find(|(status, _)| status == "unhealthy");
    assert_eq!(down, None, "{seen:?}");
}
