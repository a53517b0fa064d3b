//! The monitor as a process, with its configuration and history in a folder.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use health_monitor::history::sqlite::Sqlite;
use health_monitor::history::store::Store;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// Longest that anything may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A port that takes connections while it is open.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) is_open: Arc<AtomicBool>,
    /// Checks that were made.
    pub(crate) asked: Arc<AtomicU64>,
}

impl Target {
    /// A listener that hangs up on everybody while it is closed, which a check that expects an answer fails on.
    pub(crate) fn start() -> Self {
        use std::io::Write as _;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_open = Arc::new(AtomicBool::new(true));
        let asked = Arc::new(AtomicU64::new(0));
        let (open, count) = (is_open.clone(), asked.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::Relaxed);
                if open.load(Ordering::Relaxed) {
                    let mut client = client;
                    client.write_all(b"ready\n").unwrap_or_default();
                }
            }
        });
        Self {
            address,
            is_open,
            asked,
        }
    }
}

/// The monitor's configuration and history in a folder.
pub(crate) struct Site {
    pub(crate) folder: TempDir,
    pub(crate) bind: SocketAddr,
}

impl Site {
    /// With its history in a file of the folder.
    pub(crate) fn new(targets: &BTreeMap<String, Target>) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("history.db");
        Self::with(targets, folder, &format!("path = \"{}\"", file.display()))
    }

    /// With this in the section `history`.
    pub(crate) fn with(targets: &BTreeMap<String, Target>, folder: TempDir, history: &str) -> Self {
        let bind = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut configuration = format!(
            "[server]\nbind = \"{bind}\"\n[docker]\nenabled = false\n[history]\n{history}\n\
             [defaults]\ninterval = \"1s\"\ntimeout = \"500ms\"\nretry_interval = \"200ms\"\nretries = 0\n"
        );
        for (service, target) in targets {
            configuration.push_str(&format!(
                "[services.{service}]\ncheck = \"tcp\"\ncontainer = \"\"\naddress = \"{}\"\nexpect = \"ready\"\n",
                target.address
            ));
        }
        std::fs::write(folder.path().join("config.toml"), configuration).unwrap();
        Self { folder, bind }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("history.db")
    }

    pub(crate) async fn start(&self) -> Child {
        let child = self.spawn(Command::new(env!("CARGO_BIN_EXE_health-monitor")));
        self.until("it answers", |_| true).await;
        child
    }

    /// Starts the monitor by this command, and does not wait for it.
    pub(crate) fn spawn(&self, mut command: Command) -> Child {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .arg("--config")
            .arg(self.folder.path().join("config.toml"))
            .arg("run");
        command
            .stdin(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// Waits until the monitor's internals show this.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let began = Instant::now();
        loop {
            let asked = reqwest::get(format!("http://{}/internals", self.bind)).await;
            let shown = match asked {
                Ok(answer) => answer.json::<serde_json::Value>().await.ok(),
                Err(_) => None,
            };
            if let Some(shown) = shown.filter(|shown| is(shown)) {
                return shown;
            }
            assert!(began.elapsed() < LIMIT, "not within {LIMIT:?}: {what}\n{}", self.log());
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn status(&self, service: &str) -> Option<String> {
        let answer = reqwest::get(format!("http://{}/health/{service}", self.bind))
            .await
            .ok()?;
        let answer: serde_json::Value = answer.json().await.ok()?;
        Some(answer["status"].as_str()?.to_owned())
    }

    pub(crate) async fn until_status(&self, service: &str, status: &str) {
        let reached = async {
            while self.status(service).await.as_deref() != Some(status) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(
            timeout(LIMIT, reached).await.is_ok(),
            "{service} is not {status}\n{}",
            self.log()
        );
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        Arc::new(Sqlite::open(&self.file()).await.unwrap())
    }
}

pub(crate) async fn kill(mut monitor: Child) -> Timestamp {
    monitor.start_kill().unwrap();
    monitor.wait().await.unwrap();
    Timestamp::now()
}

pub(crate) fn written(shown: &serde_json::Value) -> u64 {
    shown["history"]["results_written"].as_u64().unwrap_or(0)
}

pub(crate) fn changes_written(shown: &serde_json::Value) -> u64 {
    shown["history"]["changes_written"].as_u64().unwrap_or(0)
}
