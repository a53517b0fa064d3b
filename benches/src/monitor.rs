//! The monitor under measurement: its real binary, in a process of its own, with a configuration file.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hyper::StatusCode;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::exposition::Exposition;
use crate::listeners::Kind;
use crate::process::Process;

/// How often it is looked whether something has come about.
const STEP: Duration = Duration::from_millis(1);

/// Longest that anything may take to come about.
const LIMIT: Duration = Duration::from_secs(120);

/// What it is to watch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Configuration {
    services: String,
    interval: String,
    docker: Option<PathBuf>,
}

/// A monitor that runs. It is killed when it is dropped.
pub(crate) struct Monitor {
    child: Child,
    folder: TempDir,
    address: SocketAddr,
    began: Instant,
}

// === impl Configuration ===

impl Configuration {
    /// Cycles are due this often, in seconds.
    pub(crate) fn every(interval: f64) -> Self {
        Self {
            interval: format!("{}ms", interval * 1e3),
            ..Self::default()
        }
    }

    /// So many services, spread over listeners of this kind.
    pub(crate) fn services(mut self, kind: Kind, count: usize, ports: &[u16]) -> Self {
        for (number, port) in (1..=count).zip(ports.iter().cycle()) {
            let target = match kind {
                Kind::Tcp => format!("address = \"127.0.0.1:{port}\""),
                Kind::Http => format!("url = \"http://127.0.0.1:{port}/\""),
            };
            let (name, kind) = (service(number), kind.name());
            self.add(&format!(
                "[services.{name}]\ncheck = \"{kind}\"\n{target}\ncontainer = \"\"\n"
            ));
        }
        self
    }

    /// One service for each of these containers, by Docker's word alone.
    pub(crate) fn containers(mut self, names: &[String]) -> Self {
        for name in names {
            self.add(&format!("[services.{name}]\ncheck = \"container\"\n"));
        }
        self
    }

    /// Containers are looked at through this socket.
    pub(crate) fn docker(mut self, socket: &Path) -> Self {
        self.docker = Some(socket.to_owned());
        self
    }

    fn add(&mut self, text: &str) {
        self.services.push_str(text);
    }

    fn text(&self, port: u16) -> String {
        let mut text = format!(
            "[server]\nbind = \"127.0.0.1:{port}\"\n[defaults]\ninterval = \"{}\"\n",
            self.interval
        );
        text.push_str(&match &self.docker {
            Some(socket) => format!("[docker]\nhost = \"unix://{}\"\n", socket.display()),
            None => "[docker]\nenabled = false\n".to_owned(),
        });
        text + &self.services
    }
}

/// The name of a service.
pub(crate) fn service(number: usize) -> String {
    format!("service-{number:05}")
}

// === impl Monitor ===

impl Monitor {
    /// Starts the binary, and waits for nothing.
    pub(crate) fn spawn(binary: &Path, configuration: &Configuration) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("config.toml");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        fs::write(&file, configuration.text(port))?;
        let log = File::create(folder.path().join("log"))?;
        let mut command = Command::new(binary);
        command.arg("run").arg("--config").arg(&file);
        command
            .env_remove("DOCKER_HOST")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        let began = Instant::now();
        Ok(Self {
            child: command
                .spawn()
                .with_context(|| format!("starting {}", binary.display()))?,
            folder,
            address: (Ipv4Addr::LOCALHOST, port).into(),
            began,
        })
    }

    /// Starts the binary, and waits until every service has its first result.
    pub(crate) async fn start(binary: &Path, configuration: &Configuration) -> Result<Self> {
        let mut monitor = Self::spawn(binary, configuration)?;
        monitor.until_answered("/readyz").await?;
        Ok(monitor)
    }

    /// Waits until it answers 200 here; tells how long after its start that was.
    pub(crate) async fn until_answered(&mut self, path: &str) -> Result<Duration> {
        while self.began.elapsed() < LIMIT {
            if let Some(ended) = self.child.try_wait()? {
                bail!("the monitor ended with {ended}: {}", self.log());
            }
            if let Ok(mut client) = Client::tcp(self.address).await {
                while let Ok((status, _)) = client.get(path).await {
                    if status == StatusCode::OK {
                        return Ok(self.began.elapsed());
                    }
                    sleep(STEP).await;
                }
            }
            sleep(STEP).await;
        }
        bail!(
            "the monitor did not answer {path} with 200 within {LIMIT:?}: {}",
            self.log()
        )
    }

    /// Waits until its metrics fit; tells how long after its start that was.
    pub(crate) async fn until(&self, what: &str, fits: impl Fn(&Exposition) -> bool) -> Result<Duration> {
        while self.began.elapsed() < LIMIT {
            if fits(&self.metrics().await?) {
                return Ok(self.began.elapsed());
            }
            sleep(20 * STEP).await;
        }
        bail!("{what} did not come about within {LIMIT:?}: {}", self.log())
    }

    /// Where it answers.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub(crate) fn process(&self) -> Result<Process> {
        Ok(Process::of(self.child.id().context("the monitor has ended")?))
    }

    /// Its metrics.
    pub(crate) async fn metrics(&self) -> Result<Exposition> {
        let (_, text) = Client::tcp(self.address).await?.get("/metrics").await?;
        Ok(Exposition::new(&text))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}
