//! Secrets are planted wherever a monitor meets some, and looked for in everything that it says: the log at its most talkative,
//! every answer, every command.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use health_monitor::access::key::{KeyHash, new_key};
use health_monitor_test_support::stack::wait::until;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::containers::{Made, host};

/// In every secret, so that none is overlooked.
const PLANTED: &str = "geheimnis";

/// Longest that the monitor may take to have seen everything.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that answers whoever connects with these bytes, one after each thing that it is told.
async fn serve(answers: &'static [&'static [u8]]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::task::spawn_local(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::task::spawn_local(async move {
                let mut told = [0; 4096];
                for answer in answers {
                    match stream.read(&mut told).await {
                        Ok(read) if read > 0 => {}
                        _ => return,
                    }
                    if stream.write_all(answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Asks for a password in plain text and refuses it, and PostgreSQL's client with it.
const POSTGRES: &[&[u8]] = &[b"R\0\0\0\x08\0\0\0\x03", b"E\0\0\0\x1aSFATAL\0C28P01\0Mrefused\0\0"];

/// Takes a login over MQTT 3.1.1.
const MQTT: &[&[u8]] = &[b"\x20\x02\0\0"];

const HTTP: &[&[u8]] = &[b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"];

/// Nonsense to a Kafka client.
const KAFKA: &[&[u8]] = &[b"\0\0\0\x04????"];

fn monitor(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_health-monitor"));
    command
        .env_clear()
        .env("DOCKER_HOST", host())
        .env("RUST_LOG", "trace,bollard=trace");
    command.current_dir(folder).args(["--config", "health-monitor.toml"]);
    command
}

/// All that a command printed.
fn said(output: &Output) -> String {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    format!("{out}{err}")
}

fn assert_clean(what: &str, text: &str, key: &str) {
    for secret in [PLANTED, key] {
        if let Some(at) = text.find(secret) {
            let from = text[..at].rfind('\n').map_or(0, |line| line + 1);
            let line: String = text[from..]
                .lines()
                .next()
                .unwrap_or_default()
                .chars()
                .take(600)
                .collect();
            panic!("{what} tells a secret ({secret}): {line}");
        }
    }
}

/// A monitor that runs until this is dropped.
struct Monitor {
    child: std::process::Child,
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

async fn configure(folder: &TempDir, port: u16, hash: &str) {
    let (postgres, mqtt, http, kafka) = (
        serve(POSTGRES).await,
        serve(MQTT).await,
        serve(HTTP).await,
        serve(KAFKA).await,
    );
    let secret = |name: &str| {
        std::fs::write(folder.path().join(name), format!("{PLANTED}-{name}\n")).unwrap();
        name.to_owned()
    };
    let (database, broker) = (secret("database"), secret("broker"));
    let text = format!(
        r#"
[server]
bind = "127.0.0.1:{port}"
[docker]
stats_interval = "1s"
[defaults]
interval = "1s"
timeout = "500ms"
retries = 1
[api_keys.test]
hash = "{hash}"
scopes = ["admin"]
[services.database]
check = "postgres"
container = ""
address = "{postgres}"
user = "monitor"
password_file = "{database}"
[services.broker]
check = "mqtt"
container = ""
address = "{mqtt}"
user = "monitor"
password_file = "{broker}"
[services.log]
check = "kafka"
container = ""
address = "{kafka}"
user = "monitor"
password = "{PLANTED}-kafka"
[services.web]
check = "http"
container = ""
url = "http://{http}/status?token={PLANTED}-query"
headers = {{ Authorization = "Bearer {PLANTED}-header" }}
[services.away]
check = "http"
container = ""
url = "http://127.0.0.1:1/status?token={PLANTED}-away"
"#
    );
    std::fs::write(folder.path().join("health-monitor.toml"), text).unwrap();
}

#[actix::test]
async fn no_planted_secret_is_told_by_anything() {
    let key = new_key().unwrap();
    let key = key.expose();
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    configure(&folder, address.port(), &KeyHash::of(key.as_bytes()).written()).await;
    let environment = format!("--env=POSTGRES_PASSWORD={PLANTED}-environment");
    let url = format!("--env=BROKER=amqp://me:{PLANTED}-url@broker/");
    let label = format!("--label=api.token={PLANTED}-label");
    let health = format!("--health-cmd=echo --password={PLANTED}-output; exit 1");
    let container = Made::run(
        "secrets",
        &[&environment, &url, &label, &health, "--health-interval=1s"],
        &format!("sleep 600; echo --password={PLANTED}-command"),
    );

    let log = folder.path().join("log");
    let mut command = monitor(folder.path());
    command
        .arg("run")
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap());
    let monitor_process = Monitor {
        child: command.spawn().unwrap(),
    };
    let client = reqwest::Client::new();
    let ask = async |path: &str, key: &str| {
        let request = client.get(format!("http://{address}{path}")).header("X-API-Key", key);
        let response = request.send().await.ok()?;
        let head = format!("{:?}", response.headers());
        Some(head + &response.text().await.ok()?)
    };
    let seen = async {
        let details = format!("/containers/{}", container.name);
        loop {
            let all = [ask("/health", key).await, ask(&details, key).await];
            let all = all.map(Option::unwrap_or_default);
            // Every check has found what its server is, and Docker has told of the container's HEALTHCHECK.
            if !all[0].contains("\"unknown\":1")
                && all[0].contains("\"web\":\"healthy\"")
                && all[1].contains("\"health_output\":\"--password=***")
            {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, seen)
        .await
        .expect("the monitor does not see everything");
    let details = format!("/containers/{}", container.name);
    for path in [
        "/",
        "/health",
        "/health/database",
        "/health/broker",
        "/health/log",
        "/health/web",
        "/health/away",
        "/containers",
        &details,
        "/metrics",
        "/internals",
        "/readyz",
        "/livez",
        "/openapi.json",
        "/services",
        "/config",
        "/nowhere",
    ] {
        assert_clean(path, &ask(path, key).await.unwrap(), key);
    }
    // A wrong key is a secret too: it may be one of somewhere else.
    let wrong = format!("{PLANTED}-wrong-key");
    assert_clean("a refusal", &ask("/health", &wrong).await.unwrap(), key);
    // A thread of its own writes the log.
    let written = until("all of the log is there", PATIENCE, async || {
        let written = String::from_utf8_lossy(&std::fs::read(&log).unwrap()).into_owned();
        match written.contains("\"TRACE\"") && written.contains("a wrong API key was sent") {
            true => Ok(written),
            false => Err(format!("{written:.2000}")),
        }
    })
    .await;
    assert_clean("the log", &written, key);
    drop(monitor_process);

    let commands: [&[&str]; 8] = [
        &["--help"],
        &["validate"],
        &["check", "database"],
        &["check", "broker"],
        &["check", "log"],
        &["check", "web"],
        &["check", "away"],
        &["healthcheck"],
    ];
    for arguments in commands {
        let output = monitor(folder.path()).args(arguments).output().unwrap();
        assert_clean(&arguments.join(" "), &said(&output), key);
    }
    // A configuration with a mistake is quoted where it is wrong.
    let file = folder.path().join("health-monitor.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    for (good, bad) in [
        ("check = \"kafka\"", "check = \"kafak\""),
        ("retries = 1", "retries = \"many\""),
        ("[services.web]", "[services.web"),
        ("headers = {", "headers = 7 # {"),
        ("password_file = \"broker\"", "password = 7"),
    ] {
        std::fs::write(&file, text.replace(good, bad)).unwrap();
        let output = monitor(folder.path()).arg("validate").output().unwrap();
        assert!(!output.status.success(), "{bad} is no mistake");
        assert_clean(bad, &said(&output), key);
    }
}
