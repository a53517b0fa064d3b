//! A monitor as a process of this machine, whose signals, limits, descriptors and exit code a test can reach.

use std::ffi::OsString;
use std::fs::{self, File};
use std::ops::Deref;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use reqwest::StatusCode;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::exposition::Exposition;
use crate::process::free_port;
use crate::stack::docker::run;
use crate::stack::monitor::Monitor;
use crate::stack::service::Service;
use crate::stack::wait::{seconds, until};

/// How a monitor is started.
pub struct Launch {
    program: PathBuf,
    /// What stands before the configuration's file, and after it.
    arguments: (Vec<OsString>, Vec<OsString>),
    limits: Vec<String>,
    environment: Vec<(String, String)>,
    output: Option<PathBuf>,
}

/// A monitor that runs. It is killed when this is dropped.
pub struct LocalMonitor {
    monitor: Monitor,
    child: Child,
    launch: Launch,
    port: u16,
    folder: TempDir,
}

// === impl Launch ===

impl Launch {
    /// The program is given the configuration's file as `--config FILE`.
    pub fn of(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: (vec!["--config".into()], Vec::new()),
            limits: Vec::new(),
            environment: Vec::new(),
            output: None,
        }
    }

    /// Other words before the configuration's file and after it.
    #[must_use]
    pub fn with_arguments(mut self, before: &[&str], after: &[&str]) -> Self {
        let owned = |words: &[&str]| words.iter().map(OsString::from).collect();
        self.arguments = (owned(before), owned(after));
        self
    }

    /// A limit as `prlimit` takes it: `--nofile=64`.
    #[must_use]
    pub fn with_limit(mut self, limit: &str) -> Self {
        self.limits.push(limit.to_owned());
        self
    }

    /// A variable of its environment, which holds nothing else but the path.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Where both of its outputs go, in place of its log's file.
    #[must_use]
    pub fn with_output(mut self, file: &Path) -> Self {
        self.output = Some(file.to_owned());
        self
    }

    /// Starts it with this configuration, and waits until it is ready.
    pub async fn start(self, configuration: &str) -> LocalMonitor {
        let monitor = self.spawn(configuration);
        monitor.ready().await;
        monitor
    }

    /// Starts it with this configuration.
    pub fn spawn(self, configuration: &str) -> LocalMonitor {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.toml"), configuration).unwrap();
        let port = free_port();
        // One that keeps no connection open: what the monitor holds is then what it needs itself.
        let client = reqwest::Client::builder()
            .timeout(seconds(10))
            .pool_max_idle_per_host(0);
        let monitor = Monitor::with_client(&format!("http://127.0.0.1:{port}"), client.build().unwrap());
        let child = self.child(folder.path(), port);
        LocalMonitor {
            monitor,
            child,
            launch: self,
            port,
            folder,
        }
    }

    fn child(&self, folder: &Path, port: u16) -> Child {
        let output = self.output.clone().unwrap_or_else(|| folder.join("log"));
        let output = File::options().create(true).append(true).open(output).unwrap();
        let mut command = if self.limits.is_empty() {
            Command::new(&self.program)
        } else {
            let mut command = Command::new("prlimit");
            command.args(&self.limits).arg(&self.program);
            command
        };
        command
            .args(&self.arguments.0)
            .arg(folder.join("config.toml"))
            .args(&self.arguments.1)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HEALTH_MONITOR__SERVER__BIND", format!("127.0.0.1:{port}"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .kill_on_drop(true);
        command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }
}

// === impl LocalMonitor ===

impl LocalMonitor {
    /// Waits until every service has a first result.
    pub async fn ready(&self) {
        until("a monitor that is ready", seconds(20), async || {
            match self.try_get("/readyz").await {
                Ok((StatusCode::OK, _)) => Ok(()),
                other => Err(format!("{other:?}\n{}", self.end_of_log())),
            }
        })
        .await;
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the monitor has ended")
    }

    /// Where its API listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The folder it runs in, with its configuration and its log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// All of its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn end_of_log(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// The value of a metric without labels.
    pub async fn figure(&self, name: &str) -> f64 {
        let (_, text) = self.try_get("/metrics").await.unwrap();
        let value = Exposition::parse(&text).value(name, &[]);
        value.unwrap_or_else(|| panic!("no {name}:\n{text}"))
    }

    /// Waits until a service has this status, from before the API answers on; yields the reason.
    pub async fn reaches(&self, name: &str, status: &str, limit: Duration) -> String {
        until(&format!("{name} {status}"), limit, async || {
            let (_, text) = self
                .try_get(&format!("/health/{name}"))
                .await
                .map_err(|error| error.to_string())?;
            let service: Service = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
            if service.status == status {
                Ok(service.reason)
            } else {
                Err(text)
            }
        })
        .await
    }

    /// Sends it a signal by its name, such as `STOP`.
    pub async fn signal(&self, name: &str) {
        run("kill", &[&format!("-{name}"), &self.pid().to_string()]).await;
    }

    /// Waits until its process ends.
    ///
    /// # Panics
    ///
    /// Where it does not within the limit.
    pub async fn ended(&mut self, limit: Duration) -> ExitStatus {
        match timeout(limit, self.child.wait()).await {
            Ok(status) => status.unwrap(),
            Err(_elapsed) => panic!("the monitor did not end within {limit:?}:\n{}", self.end_of_log()),
        }
    }

    /// Waits until its process ends with an exit code, and answers that.
    ///
    /// # Panics
    ///
    /// Where it does not within the limit, or a signal ends it.
    pub async fn exit_code(&mut self, limit: Duration) -> i32 {
        let status = self.ended(limit).await;
        status
            .code()
            .unwrap_or_else(|| panic!("ended by signal {:?}:\n{}", status.signal(), self.end_of_log()))
    }

    /// Starts it once more, as Compose does, where it was before.
    pub fn start_again(&mut self) {
        self.child = self.launch.child(self.folder.path(), self.port);
    }
}

impl Deref for LocalMonitor {
    type Target = Monitor;

    fn deref(&self) -> &Monitor {
        &self.monitor
    }
}
