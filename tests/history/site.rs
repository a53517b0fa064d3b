//! The monitor as a process, with its configuration and history in a folder.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
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
    visits: Arc<Mutex<Vec<Timestamp>>>,
}

impl Target {
    /// A listener that hangs up on everybody while it is closed, which a check that expects an answer fails on.
    pub(crate) fn start() -> Self {
        use std::io::Write as _;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_open = Arc::new(AtomicBool::new(true));
        let visits: Arc<Mutex<Vec<Timestamp>>> = Arc::default();
        let (open, noted) = (is_open.clone(), visits.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                noted.lock().unwrap().push(Timestamp::now());
                if open.load(Ordering::Relaxed) {
                    let mut client = client;
                    client.write_all(b"ready\n").unwrap_or_default();
                }
            }
        });
        Self {
            address,
            is_open,
            visits,
        }
    }

    /// When checks came, in their order.
    pub(crate) fn visits(&self) -> Vec<Timestamp> {
        self.visits.lock().unwrap().clone()
    }

    /// How many came.
    pub(crate) fn asked(&self) -> u64 {
        self.visits.lock().unwrap().len() as u64
    }
}

/// The section of a service that is checked there, with further keys.
pub(crate) fn service(name: &str, target: &Target, keys: &str) -> String {
    format!(
        "[services.{name}]\ncheck = \"tcp\"\ncontainer = \"\"\naddress = \"{}\"\nexpect = \"ready\"\n{keys}\n",
        target.address
    )
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
        let services = targets.iter().map(|(name, target)| service(name, target, ""));
        Self::of_services(&services.collect::<String>(), folder, history)
    }

    /// With these services, and this in the section `history`.
    pub(crate) fn of_services(services: &str, folder: TempDir, history: &str) -> Self {
        let bind = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let configuration = format!(
            "[server]\nbind = \"{bind}\"\n[docker]\nenabled = false\n[history]\n{history}\n\
             [defaults]\ninterval = \"1s\"\ntimeout = \"500ms\"\nretry_interval = \"200ms\"\nretries = 0\n{services}"
        );
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

    /// The document at this path.
    pub(crate) async fn get(&self, path: &str) -> serde_json::Value {
        let answer = reqwest::get(format!("http://{}{path}", self.bind)).await.unwrap();
        answer.json().await.unwrap()
    }

    pub(crate) async fn status(&self, service: &str) -> Option<String> {
        let answer = reqwest::get(format!("http://{}/health/{service}", self.bind))
            .await
            .ok()?;
        let answer: serde_json::Value = answer.json().await.ok()?;
        Some(answer["status"].as_str()?.to_owned())
    }

    /// Waits until what is told of a service is this.
    pub(crate) async fn until_told(
        &self,
        service: &str,
        what: &str,
        is: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let began = Instant::now();
        loop {
            let told = self.get(&format!("/health/{service}")).await;
            if is(&told) {
                return told;
            }
            assert!(
                began.elapsed() < LIMIT,
                "not within {LIMIT:?}: {what}: {told}\n{}",
                self.log()
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The value of a metric, with its labels as they are written.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let answer = reqwest::get(format!("http://{}/metrics", self.bind)).await.unwrap();
        let text = answer.text().await.unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name}:\n{text}")).parse().unwrap()
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
