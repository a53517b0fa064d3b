//! The monitor's own binary, as a process of a test with a configuration that the test changes.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;

use crate::stack::wait::until;

/// How long it may take to answer for the first time.
const START: Duration = Duration::from_secs(30);

/// A running monitor. It is killed when it is dropped.
pub struct Binary {
    /// Its working folder.
    pub folder: TempDir,
    pub address: String,
    program: String,
    key: Option<String>,
    client: reqwest::Client,
    child: Child,
}

impl Binary {
    /// Starts the program with this configuration in a file `monitor.toml` of its working folder, and waits until its API
    /// answers. An admin key is added to the configuration where `key` is its text and its hash.
    pub async fn start(program: &str, configuration: &str, key: Option<(&str, &str)>) -> Self {
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .to_string();
        let folder = tempfile::tempdir().unwrap();
        let mut text = configuration.to_owned();
        if let Some((_, hash)) = key {
            text.push_str(&key_section(hash));
        }
        fs::write(folder.path().join("monitor.toml"), text).unwrap();
        let monitor = Self {
            child: spawn(program, folder.path(), &address),
            folder,
            address,
            program: program.to_owned(),
            key: key.map(|(key, _)| key.to_owned()),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
        };
        monitor.answers().await;
        monitor
    }

    /// Tells it to stop, and starts another process in the same place.
    pub async fn restart(&mut self) {
        let told = Command::new("kill").arg(self.pid().to_string()).status().unwrap();
        assert!(told.success());
        let ended = until("the monitor ends", START, async || {
            self.child.try_wait().unwrap().ok_or_else(|| "it runs".to_owned())
        });
        let ended = ended.await;
        assert!(ended.success(), "{ended}: {}", self.log());
        self.child = spawn(&self.program, self.folder.path(), &self.address);
        self.answers().await;
    }

    async fn answers(&self) {
        until("the monitor answers", START, async || {
            match self.ask(Method::GET, "/livez", None).await {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("{error}\n{}", self.log())),
            }
        })
        .await;
    }

    /// Its configuration file.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("monitor.toml")
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The document at this path, whatever the HTTP status.
    pub async fn get(&self, path: &str) -> Value {
        self.ask(Method::GET, path, None).await.unwrap().1
    }

    /// HTTP status and document.
    pub async fn request(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        self.ask(method, path, body).await.unwrap()
    }

    /// The text at this path.
    pub async fn text(&self, path: &str) -> String {
        let mut request = self.client.get(format!("http://{}{path}", self.address));
        if let Some(key) = &self.key {
            request = request.header("X-API-Key", key);
        }
        request.send().await.unwrap().text().await.unwrap()
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> reqwest::Result<(u16, Value)> {
        let mut request = self.client.request(method, format!("http://{}{path}", self.address));
        if let Some(key) = &self.key {
            request = request.header("X-API-Key", key);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }
}

/// A process in this folder; the log is written on where there is one.
fn spawn(program: &str, folder: &Path, address: &str) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .unwrap();
    let mut command = Command::new(program);
    command
        .env_clear()
        .current_dir(folder)
        .args(["--config", "monitor.toml", "run"])
        .env("HEALTH_MONITOR__SERVER__BIND", address)
        .env("HEALTH_MONITOR__HISTORY__PATH", "history.db")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    if let Ok(host) = std::env::var("DOCKER_HOST") {
        command.env("DOCKER_HOST", host);
    }
    command.spawn().unwrap()
}

/// What a configuration says of an admin key with this hash.
pub fn key_section(hash: &str) -> String {
    format!("\n[api_keys.tests]\nhash = \"{hash}\"\nscopes = [\"read\", \"metrics\", \"admin\"]\n")
}

impl Drop for Binary {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            let _ended = self.child.wait();
        }
    }
}
