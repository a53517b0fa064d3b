//! The monitor that the documents' commands are run against.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use health_monitor_test_support::authority::Authority;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::blocks::Block;
use crate::{failure_of, text};

/// How long it may take to be ready.
const LIMIT: Duration = Duration::from_secs(30);

/// A monitor with its built-in configuration, on a port of its own and without Docker. It ends when this is dropped.
pub(crate) struct Monitor {
    pub(crate) address: String,
    child: Child,
    /// Its history, removed with it.
    _folder: TempDir,
}

/// The binary with an empty environment.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_health-monitor"));
    command.env_clear();
    command
}

/// What `health-monitor validate` says against this configuration. Variables and secrets that it names are given.
pub(crate) fn validate(block: &Block, folder: &TempDir) -> Vec<String> {
    let file = folder.path().join(format!("config.{}", block.language));
    let secrets = folder.path().join("secrets");
    fs::create_dir(&secrets).unwrap();
    let configuration = block.text.replace("/run/secrets", &secrets.display().to_string());
    fs::write(&file, &configuration).unwrap();
    let mut command = binary();
    command.current_dir(folder.path()).arg("validate").arg(&file);
    let tls = Authority::generate().sign("localhost", 30);
    for after in configuration.split(&format!("{}/", secrets.display())).skip(1) {
        let name: String = after.chars().take_while(|letter| *letter != '"').collect();
        let content = match name.as_str() {
            "tls.pem" => &tls.certificate,
            "tls-key.pem" => &tls.key,
            _ => "secret",
        };
        fs::write(secrets.join(&name), content).unwrap();
    }
    for after in configuration.split("${").skip(1) {
        let name: String = after
            .chars()
            .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
            .collect();
        if !after.contains(":-") {
            command.env(name, "value");
        }
    }
    failure_of(&mut command).into_iter().collect()
}

// === impl Monitor ===

impl Monitor {
    /// Starts one and waits until it is ready.
    pub(crate) fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = binary();
        command.arg("run").stderr(Stdio::null());
        command.env("HEALTH_MONITOR__SERVER__BIND", free.to_string());
        command.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
        command.env("HEALTH_MONITOR__DEFAULTS__TIMEOUT", "1s");
        let folder = TempDir::new().unwrap();
        command.env("HEALTH_MONITOR__HISTORY__PATH", folder.path().join("history.db"));
        let mut monitor = Self {
            address: free.to_string(),
            child: command.spawn().unwrap(),
            _folder: folder,
        };
        let began = Instant::now();
        while !monitor.is_ready() {
            assert!(began.elapsed() < LIMIT, "the monitor is not ready after {LIMIT:?}");
            assert_eq!(monitor.child.try_wait().unwrap(), None, "the monitor has ended");
            pause(Duration::from_millis(50));
        }
        monitor
    }

    fn is_ready(&self) -> bool {
        let (status, _) = get(&format!("http://{}/readyz", self.address));
        status == 200
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            self.child.wait().unwrap();
        }
    }
}

/// Between two looks at what is announced nowhere.
pub(crate) fn pause(time: Duration) {
    runtime().block_on(async { tokio::time::sleep(time).await });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Asks for a document. The status is 0 where nobody answers.
pub(crate) fn get(url: &str) -> (u16, String) {
    request("GET", url)
}

pub(crate) fn request(method: &str, url: &str) -> (u16, String) {
    runtime().block_on(async {
        let client = reqwest::Client::builder().no_proxy().timeout(LIMIT).build().unwrap();
        match client.request(method.parse().unwrap(), url).send().await {
            Ok(response) => (response.status().as_u16(), text(&response.bytes().await.unwrap())),
            Err(_) => (0, String::new()),
        }
    })
}
