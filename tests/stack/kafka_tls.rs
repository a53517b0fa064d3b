//! The Kafka check against a real broker that speaks TLS and asks clients for certificates: librdkafka has its own TLS.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use health_monitor_test_support::authority::{Authority, write};
use health_monitor_test_support::stack::docker::{Made, docker, unique};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

/// Longest that the broker may take to serve.
const PATIENCE: Duration = Duration::from_secs(120);

/// A broker of its own beside the stack's, which shares its ZooKeeper below another path.
async fn broker(folder: &Path, authority: &Authority, port: u16) -> Made {
    let identity = authority.sign("127.0.0.1", 90);
    write(folder, "ca.pem", &authority.pem());
    write(
        folder,
        "store.pem",
        &format!("{}{}", identity.key, identity.certificate),
    );
    // The broker runs as another user.
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    let image = docker(&["inspect", "--format", "{{.Config.Image}}", "kafka"]).await;
    let networks = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}";
    let network = docker(&["inspect", "--format", networks, "kafka"]).await;
    let published = format!("127.0.0.1:{port}:{port}");
    let files = format!("{}:/tls:ro", folder.display());
    let advertised = format!("KAFKA_ADVERTISED_LISTENERS=CLIENTS://127.0.0.1:{port}");
    let listeners = format!("KAFKA_LISTENERS=CLIENTS://0.0.0.0:{port}");
    let name = unique("kafka-tls");
    let root = format!("KAFKA_ZOOKEEPER_CONNECT=zookeeper:2181/{name}");
    let settings = [
        advertised.as_str(),
        &listeners,
        &root,
        "KAFKA_BROKER_ID=7",
        "KAFKA_HEAP_OPTS=-Xmx256m",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=CLIENTS:SSL",
        "KAFKA_INTER_BROKER_LISTENER_NAME=CLIENTS",
        "KAFKA_SSL_KEYSTORE_TYPE=PEM",
        "KAFKA_SSL_KEYSTORE_LOCATION=/tls/store.pem",
        "KAFKA_SSL_TRUSTSTORE_TYPE=PEM",
        "KAFKA_SSL_TRUSTSTORE_LOCATION=/tls/ca.pem",
        "KAFKA_SSL_CLIENT_AUTH=required",
    ];
    let mut arguments = vec!["--network", &network, "--publish", &published, "--volume", &files];
    for setting in settings {
        arguments.extend(["--env", setting]);
    }
    arguments.push(&image);
    Made::run(name, &arguments).await
}

/// What `health-monitor check` prints of this broker, where these are its keys.
async fn check(folder: &Path, port: u16, keys: &str) -> String {
    let configuration = format!(
        "[docker]\nenabled = false\n\n[services.kafka]\ncheck = \"kafka\"\ncontainer = \"\"\n\
         address = \"127.0.0.1:{port}\"\ntls = true\n{keys}"
    );
    let file = write(folder, "config.toml", &configuration);
    let output = Command::new(env!("CARGO_BIN_EXE_health-monitor"))
        .args(["--config", &file, "check", "kafka"])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test]
async fn a_broker_is_verified_and_gets_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let authority = Authority::generate();
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let _broker = broker(folder, &authority, port).await;
    let client = authority.sign("monitor", 90);
    write(folder, "client.pem", &client.certificate);
    write(folder, "client-key.pem", &client.key);
    let trusting = "ca_file = \"ca.pem\"\n";
    let certified = "ca_file = \"ca.pem\"\ncertificate_file = \"client.pem\"\nkey_file = \"client-key.pem\"\n";

    let began = Instant::now();
    let report = loop {
        let report = check(folder, port, certified).await;
        if report.contains("status    healthy") {
            break report;
        }
        assert!(began.elapsed() < PATIENCE, "{report}");
        sleep(Duration::from_millis(500)).await;
    };
    assert!(report.contains("1 broker, controller 7"), "{report}");

    let report = check(folder, port, trusting).await;
    assert!(
        report.contains("status    unhealthy") && report.contains("certificate required"),
        "{report}"
    );
    let report = check(folder, port, "").await;
    assert!(
        report.contains("status    unhealthy") && report.contains("could not be verified"),
        "{report}"
    );
    write(folder, "other.pem", &Authority::generate().pem());
    let report = check(folder, port, &certified.replace("ca.pem", "other.pem")).await;
    assert!(
        report.contains("status    unhealthy") && report.contains("could not be verified"),
        "{report}"
    );
}
