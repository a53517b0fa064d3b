//! Servers that take the connection and refuse the client: wrong credentials, full tables.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;

use futures_util::future::try_join_all;
use health_monitor_test_support::gate::Gate;
use health_monitor_test_support::stack::Stack;
use health_monitor_test_support::stack::docker::{Made, Undo, docker, unique};
use health_monitor_test_support::stack::network::this_machine;
use health_monitor_test_support::stack::quick::{DETECTED, quick_with};
use health_monitor_test_support::stack::wait::{RECOVERY, seconds};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_postgres::{Config, NoTls};

use super::GROUP;
use super::sight::{detected, found_by_schedule, opened};
use crate::fault::{Fault, Scene};

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault::new(GROUP, "postgres: password changed", password).touching(&["postgres"]),
        Fault::new(GROUP, "timescaledb: connection table full", full_table).touching(&["timescaledb"]),
        Fault::new(GROUP, "mqtt: wrong password", wrong_password),
        Fault::new(GROUP, "mqtt: broker that takes no more clients", full_broker),
        Fault::new(GROUP, "zookeeper: no more connections", full_zookeeper),
    ]
}

/// Somebody changes the password within the database.
async fn password(scene: Scene) {
    let stack = Stack::get();
    let monitor = stack.monitor();
    let user = stack.variable("STACK_POSTGRES_USER");
    let right = stack.variable("STACK_POSTGRES_PASSWORD");
    let set = |password: &str| format!("ALTER USER \"{user}\" PASSWORD '{password}'");
    let psql = [
        "exec",
        "--user=postgres",
        "postgres",
        "psql",
        "--username",
        user,
        "--command",
    ];
    let (wrong, right) = (set("another"), set(right));
    let _undo = Undo::by(&[&["docker"], &psql[..], &[&right]].concat());
    docker(&[&psql[..], &[&wrong]].concat()).await;
    let broken = Instant::now();
    let reason = "postgres:5432 says: FATAL 28P01: password authentication failed for user";
    let told = detected(&monitor, "postgres", reason).await;
    scene.saw_after(broken, told.reason);
    docker(&[&psql[..], &[&right]].concat()).await;
    let mended = Instant::now();
    let found = found_by_schedule(&monitor, "postgres").await;
    scene.saw_after(mended, format!("healthy, {found}"));
}

/// Clients take every connection that the server has, those for its superuser too, which the monitor is.
async fn full_table(scene: Scene) {
    let stack = Stack::get();
    let monitor = stack.monitor();
    let (host, port) = stack
        .variable("STACK_TIMESCALEDB_ADDRESS")
        .split_once(':')
        .expect("host:port");
    let mut login = Config::new();
    login
        .host(host)
        .port(port.parse().expect("a port"))
        .user(stack.variable("STACK_POSTGRES_USER"))
        .password(stack.variable("STACK_POSTGRES_PASSWORD"));
    let mut clients = Vec::new();
    let full = loop {
        match login.connect(NoTls).await {
            Ok((client, connection)) => clients.push((client, tokio::spawn(connection))),
            Err(error) => break error,
        }
        assert!(clients.len() < 1_000, "the table never is full");
    };
    assert_eq!(
        full.code().map(tokio_postgres::error::SqlState::code),
        Some("53300"),
        "{full:?}"
    );
    let broken = Instant::now();
    scene.saw(format!(
        "{} clients take what is left of the connections",
        clients.len()
    ));
    let told = detected(&monitor, "timescaledb", "timescaledb:5432 says: FATAL 53300: ").await;
    scene.saw_after(broken, told.reason);
    opened(&monitor, "timescaledb", seconds(90)).await;
    scene.saw_after(broken, "its breaker is open");
    for (client, connection) in clients {
        drop(client);
        connection.await.expect("no panic").expect("an orderly end");
    }
    let mended = Instant::now();
    let found = found_by_schedule(&monitor, "timescaledb").await;
    scene.saw_after(mended, format!("healthy, {found}"));
}

/// A broker of its own with these settings, and a monitor's configuration for it.
async fn broker(settings: &str, service: &str) -> (Made, tempfile::TempDir, String) {
    let stack = Stack::get();
    let image = docker(&["inspect", "--format", "{{.Config.Image}}", "mosquitto"]).await;
    let name = unique("broker");
    let folder = tempfile::tempdir().expect("a temporary folder");
    // The broker is not the user who runs the tests.
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("a folder of one's own");
    for (file, text) in [("mosquitto.conf", settings), ("passwords", "")] {
        std::fs::write(folder.path().join(file), text).expect("a writable folder");
    }
    let mount = format!("--volume={}:/mosquitto/config", folder.path().display());
    let network = ["--network", stack.variable("STACK_NETWORK")];
    let broker = Made::run(
        name,
        &[&network[..], &["--publish=127.0.0.1::1883", &mount, &image]].concat(),
    )
    .await;
    let address = format!("{}:1883", broker.name);
    let configuration =
        format!("[services.broker]\ncheck = \"mqtt\"\ncontainer = \"\"\naddress = \"{address}\"\n{service}\n");
    (broker, folder, configuration)
}

async fn wrong_password(scene: Scene) {
    let settings = "listener 1883\nallow_anonymous false\npassword_file /mosquitto/config/passwords\n";
    let login = "user = \"monitor\"\npassword = \"secret\"";
    let (broker, _folder, configuration) = broker(settings, login).await;
    let monitor = quick_with("password", &configuration, &[]).await;
    set_broker_password(&broker.name, "secret").await;
    monitor.healthy("broker", RECOVERY).await;
    set_broker_password(&broker.name, "another").await;
    let broken = Instant::now();
    let reason = format!("{}:1883 refuses the login of monitor: not authorised", broker.name);
    let told = monitor.wait_for("broker", "unhealthy", &reason, DETECTED).await;
    scene.saw_after(broken, told.reason);
    opened(&monitor, "broker", seconds(30)).await;
    scene.saw_after(broken, "its breaker is open");
    set_broker_password(&broker.name, "secret").await;
    let mended = Instant::now();
    let found = found_by_schedule(&monitor, "broker").await;
    scene.saw_after(mended, format!("healthy, {found}"));
}

async fn set_broker_password(broker: &str, password: &str) {
    let file = "/mosquitto/config/passwords";
    let script = format!("mosquitto_passwd -b {file} monitor {password}; chmod 644 {file}; kill -HUP 1");
    docker(&["exec", "--user=root", broker, "sh", "-c", &script]).await;
}

/// Others take its connections until it refuses one.
async fn full_broker(scene: Scene) {
    let settings = "listener 1883\nallow_anonymous true\nmax_connections 1\n";
    let (broker, _folder, configuration) = broker(settings, "").await;
    let monitor = quick_with("full", &configuration, &[]).await;
    monitor.healthy("broker", RECOVERY).await;
    let published = docker(&["port", &broker.name, "1883"]).await;
    let mut taken = Vec::new();
    while let Ok(connection) = take_connection(&published, taken.len()).await {
        taken.push(connection);
        assert!(taken.len() < 100, "the broker never is full");
    }
    let broken = Instant::now();
    let told = monitor.wait_for("broker", "unhealthy", "no CONNACK", DETECTED).await;
    // It closes the connection: before it has read what the client says, or after.
    let says = ["it closed the connection", "the other side reset the connection"];
    assert!(says.iter().any(|says| told.reason.contains(says)), "{}", told.reason);
    scene.saw_after(broken, told.reason);
    opened(&monitor, "broker", seconds(30)).await;
    scene.saw_after(broken, "its breaker is open");
    drop(taken);
    let mended = Instant::now();
    let found = found_by_schedule(&monitor, "broker").await;
    scene.saw_after(mended, format!("healthy, {found}"));
}

/// Becomes a client of a broker, and fails where that does not take it.
async fn take_connection(broker: &str, number: usize) -> io::Result<TcpStream> {
    // MQTT 3.1.1: a clean session, no keep-alive, a name of its own; a CONNACK that accepts it.
    let connect = format!("\x10\x11\0\x04MQTT\x04\x02\0\0\0\x05{number:05}");
    let accepted = [0x20, 2, 0, 0];
    let mut stream = TcpStream::connect(broker).await?;
    stream.write_all(connect.as_bytes()).await?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await?;
    if answer == accepted {
        Ok(stream)
    } else {
        Err(io::Error::other(format!("{answer:?}")))
    }
}

/// Every connection that ZooKeeper gives to one address (60) is taken, and the monitor comes from the same one: by a gate.
async fn full_zookeeper(scene: Scene) {
    let server = Stack::get().variable("STACK_ZOOKEEPER_ADDRESS");
    let gate = Gate::before(server).await;
    let address = format!("{}:{}", this_machine().await, gate.port());
    let configuration = format!("[services.zoo]\ncheck = \"zookeeper\"\ncontainer = \"\"\naddress = \"{address}\"\n");
    let monitor = quick_with("connections", &configuration, &[]).await;
    monitor.healthy("zoo", RECOVERY).await;
    let taken = try_join_all((0..60).map(|_| TcpStream::connect(server))).await;
    let taken = taken.expect("a server that takes connections");
    let broken = Instant::now();
    let told = monitor
        .wait_for("zoo", "unhealthy", "is maxClientCnxns reached?", DETECTED)
        .await;
    scene.saw_after(broken, told.reason);
    opened(&monitor, "zoo", seconds(30)).await;
    scene.saw_after(broken, "its breaker is open");
    drop(taken);
    let mended = Instant::now();
    let found = found_by_schedule(&monitor, "zoo").await;
    scene.saw_after(mended, format!("healthy, {found}"));
}
