//! The Docker engine, and a stack of idle containers in it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use http_body_util::BodyExt;
use hyper::Method;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::mpsc;

use crate::client::Client;
use crate::process::{self, Process};

/// The image of all containers: a static busybox and nothing else.
const IMAGE: &str = "health-monitor-bench/busybox";

/// What their names begin with, and the label that all of them bear.
const PREFIX: &str = "health-monitor-bench";

/// Containers that are made at the same time.
const AT_ONCE: usize = 4;

/// An engine that answers, and the containers that were made in it. They are removed when it is dropped.
pub(crate) struct Engine {
    socket: PathBuf,
    names: Vec<String>,
    ids: Vec<String>,
}

/// A container's end, as the engine tells of it.
#[derive(Debug)]
pub(crate) struct Death {
    /// Whose.
    pub(crate) name: String,
    /// When, since 1970.
    pub(crate) at: Duration,
}

/// The time, since 1970.
pub(crate) fn now() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}

/// The version of the engine that answers, if one does.
pub(crate) async fn version() -> Option<String> {
    let version = Engine::connect()
        .await
        .ok()?
        .client()
        .await
        .ok()?
        .document("/version")
        .await
        .ok()?;
    Some(version.get("Version")?.as_str()?.to_owned())
}

// === impl Engine ===

impl Engine {
    /// The engine at `DOCKER_HOST`, or at its usual place.
    pub(crate) async fn connect() -> Result<Self> {
        let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
        let socket = host
            .strip_prefix("unix://")
            .context("only an engine with a socket can be measured")?;
        let engine = Self {
            socket: socket.into(),
            names: Vec::new(),
            ids: Vec::new(),
        };
        let mut client = engine.client().await.context("no Docker engine answers")?;
        let (status, _) = client.get("/_ping").await.context("no Docker engine answers")?;
        ensure!(status.is_success(), "the Docker engine answers {status}");
        Ok(engine)
    }

    /// Where it is.
    pub(crate) fn socket(&self) -> &PathBuf {
        &self.socket
    }

    /// The names of the containers that were made.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    async fn client(&self) -> Result<Client> {
        Client::unix(&self.socket).await
    }

    /// Sees to it that so many containers run.
    pub(crate) async fn scale(&mut self, count: usize) -> Result<()> {
        if self.names.is_empty() {
            remove_all();
            import_image().await?;
        }
        let surplus = self.names.split_off(count.min(self.names.len()));
        let gone = self.ids.split_off(count.min(self.ids.len()));
        remove(&gone);
        drop(surplus);
        let missing: Vec<String> = (self.names.len()..count)
            .map(|number| format!("{PREFIX}-{number:03}"))
            .collect();
        for names in missing.chunks(AT_ONCE) {
            let mut tasks = tokio::task::JoinSet::new();
            for name in names {
                tasks.spawn(run(self.socket.clone(), name.clone()));
            }
            for (name, id) in tasks.join_all().await.into_iter().collect::<Result<Vec<_>>>()? {
                self.names.push(name);
                self.ids.push(id);
            }
        }
        Ok(())
    }

    /// Kills a container.
    pub(crate) async fn kill(&self, name: &str) -> Result<()> {
        command(&mut self.client().await?, name, "kill").await
    }

    /// Starts a container that has ended.
    pub(crate) async fn start(&self, name: &str) -> Result<()> {
        command(&mut self.client().await?, name, "start").await
    }

    /// Containers' ends from now on.
    pub(crate) async fn deaths(&self) -> Result<mpsc::UnboundedReceiver<Death>> {
        // {"type":["container"],"event":["die"]}
        const PATH: &str = "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22die%22%5D%7D";
        let mut client = self.client().await?;
        let answer = client.begin(Method::GET, PATH, None).await?;
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            // As long as its events are wanted the connection must stay.
            let _client = client;
            let (mut body, mut text) = (answer.into_body(), Vec::new());
            while let Some(Ok(frame)) = body.frame().await {
                text.extend_from_slice(frame.data_ref().map_or(&[], |data| data.as_ref()));
                while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = text.drain(..=end).collect();
                    if let Some(death) = Death::read(&line)
                        && sender.send(death).is_err()
                    {
                        return;
                    }
                }
            }
        });
        Ok(receiver)
    }

    /// The engine's processes: dockerd, containerd, and what stands between it and each of the containers.
    pub(crate) fn processes(&self) -> Result<Vec<Process>> {
        let is_any = |_: &str| true;
        let is_ours = |command: &str| self.ids.iter().any(|id| command.contains(id.as_str()));
        let mut processes = process::find("dockerd", is_any)?;
        processes.extend(process::find("containerd", is_any)?);
        ensure!(
            processes.len() == 2,
            "not one dockerd and its containerd can be seen from here: {processes:?}"
        );
        // The kernel cuts names to 15 characters.
        processes.extend(process::find("containerd-shim", is_ours)?);
        Ok(processes)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if !self.ids.is_empty() {
            remove(&self.ids);
            docker(&["rmi", IMAGE]);
        }
    }
}

async fn run(socket: PathBuf, name: String) -> Result<(String, String)> {
    let mut client = Client::unix(&socket).await?;
    let document = json!({
        "Image": IMAGE,
        "Cmd": ["/bin/busybox", "sleep", "86400"],
        "Labels": {PREFIX: "1"},
        "HostConfig": {"NetworkMode": "none"},
    });
    let path = format!("/containers/create?name={name}");
    let (status, body) = client.send(Method::POST, &path, Some(&document)).await?;
    ensure!(
        status.is_success(),
        "creating {name}: {}",
        String::from_utf8_lossy(&body)
    );
    let created: Value = serde_json::from_slice(&body)?;
    let id = created
        .get("Id")
        .and_then(Value::as_str)
        .context("a container without an id")?;
    command(&mut client, id, "start").await?;
    Ok((name, id.to_owned()))
}

async fn command(client: &mut Client, container: &str, verb: &str) -> Result<()> {
    let path = format!("/containers/{container}/{verb}");
    let (status, body) = client.send(Method::POST, &path, None).await?;
    ensure!(
        status.is_success(),
        "{verb} {container}: {}",
        String::from_utf8_lossy(&body)
    );
    Ok(())
}

/// Makes the image from the machine's own static busybox.
async fn import_image() -> Result<()> {
    let root = tempfile::tempdir()?;
    std::fs::create_dir(root.path().join("bin"))?;
    std::fs::copy("/bin/busybox", root.path().join("bin/busybox")).context("busybox-static is not installed")?;
    let script = format!("tar -C '{}' -c . | docker import - {IMAGE}", root.path().display());
    let output = Command::new("sh").args(["-c", &script]).output().await?;
    if !output.status.success() {
        bail!("importing {IMAGE}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Removes what an earlier measurement that was broken off has left behind.
fn remove_all() {
    let listed = docker(&["ps", "--all", "--quiet", "--filter", &format!("label={PREFIX}")]);
    remove(&listed.lines().map(str::to_owned).collect::<Vec<_>>());
}

/// Removes containers; those that are gone already are as good.
fn remove(containers: &[String]) {
    if !containers.is_empty() {
        let mut arguments = vec!["rm", "--force"];
        arguments.extend(containers.iter().map(String::as_str));
        docker(&arguments);
    }
}

/// Tidies up with Docker's own client, which also works where there is no runtime any more; tells what it printed.
fn docker(arguments: &[&str]) -> String {
    let output = std::process::Command::new("docker")
        .args(arguments)
        .stderr(Stdio::null())
        .output();
    output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default()
}

// === impl Death ===

impl Death {
    fn read(line: &[u8]) -> Option<Self> {
        let event: Value = serde_json::from_slice(line).ok()?;
        Some(Self {
            name: event.pointer("/Actor/Attributes/name")?.as_str()?.to_owned(),
            at: Duration::from_nanos(event.get("timeNano")?.as_u64()?),
        })
    }
}
