//! A socket in front of the engine's that can be cut, hang, and come back, and that tells what was asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a test waits for a request or for connections.
const LIMIT: Duration = Duration::from_secs(30);

/// How the engine behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As it does.
    Pass,
    /// It accepts connections and says nothing, on old ones neither, as a stopped process does.
    Hang,
    /// It is not there; its socket is.
    Away,
}

pub struct Proxy {
    mode: watch::Sender<Mode>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    folder: tempfile::TempDir,
}

struct Shared {
    requests: watch::Sender<Vec<String>>,
    open: watch::Sender<usize>,
    /// Where it is given, `/events` is answered with these lines and never by the engine.
    events: Option<broadcast::Sender<String>>,
}

impl Proxy {
    /// In front of the test's engine.
    pub fn start() -> Self {
        Self::with(None)
    }

    /// One that makes its own events.
    pub fn with_events(events: broadcast::Sender<String>) -> Self {
        Self::with(Some(events))
    }

    fn with(events: Option<broadcast::Sender<String>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (mode, watched) = watch::channel(Mode::Pass);
        let shared = Arc::new(Shared {
            requests: watch::Sender::default(),
            open: watch::Sender::default(),
            events,
        });
        let path = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let task = tokio::spawn(serve(path, listener, watched, shared.clone()));
        Self {
            mode,
            shared,
            task,
            folder,
        }
    }

    /// The folder in which the socket lies, as `docker.sock`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where it is, as `DOCKER_HOST` says it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("docker.sock").display())
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Request lines so far.
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.borrow().clone()
    }

    /// Waits until the requests so far are as wanted.
    pub async fn asked(&self, what: &str, is_wanted: impl Fn(&[String]) -> bool) {
        let mut requests = self.shared.requests.subscribe();
        let asked = timeout(LIMIT, requests.wait_for(|requests| is_wanted(requests))).await;
        assert!(asked.is_ok(), "waited for {what}; {:?}", self.requests());
    }

    /// Waits until so many connections are open.
    pub async fn opened(&self, count: usize) {
        let mut open = self.shared.open.subscribe();
        let opened = timeout(LIMIT, open.wait_for(|open| *open == count)).await;
        assert!(
            opened.is_ok(),
            "waited for {count} connections; {} are open",
            self.open()
        );
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        *self.shared.open.borrow()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The socket of `DOCKER_HOST`, else the local one.
fn engine() -> String {
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    host.replace("unix://", "")
}

async fn serve(path: PathBuf, first: UnixListener, mut mode: watch::Receiver<Mode>, shared: Arc<Shared>) {
    let for_connections = mode.clone();
    let mut listener = Some(first);
    loop {
        match &listener {
            Some(open) => tokio::select! {
                accepted = open.accept() => {
                    let (client, _) = accepted.unwrap();
                    tokio::spawn(connection(client, for_connections.clone(), shared.clone()));
                }
                _ = mode.wait_for(|mode| *mode == Mode::Away) => listener = None,
            },
            None => {
                if mode.wait_for(|mode| *mode != Mode::Away).await.is_err() {
                    return;
                }
                std::fs::remove_file(&path).unwrap();
                listener = Some(UnixListener::bind(&path).unwrap());
            }
        }
    }
}

async fn connection(client: UnixStream, mut mode: watch::Receiver<Mode>, shared: Arc<Shared>) {
    shared.open.send_modify(|open| *open += 1);
    let mut cut = mode.clone();
    tokio::select! {
        () = converse(client, &mut mode, &shared) => {}
        _ = cut.wait_for(|mode| *mode == Mode::Away) => {}
    }
    shared.open.send_modify(|open| *open -= 1);
}

async fn converse(mut client: UnixStream, mode: &mut watch::Receiver<Mode>, shared: &Shared) {
    passes(mode).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match client.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8_lossy(&head);
    let line = request.lines().next().unwrap_or_default().to_owned();
    let is_events = line.contains("/events");
    shared.requests.send_modify(|requests| requests.push(line));
    if let Some(events) = shared.events.as_ref().filter(|_| is_events) {
        return make_events(client, events.subscribe()).await;
    }
    let socket = engine();
    let mut engine = UnixStream::connect(socket).await.expect("a running engine");
    engine.write_all(&head).await.unwrap();
    let (mut from_client, mut to_client) = client.split();
    let (mut from_engine, mut to_engine) = engine.split();
    let mut mode_too = mode.clone();
    tokio::select! {
        () = copy(&mut from_client, &mut to_engine, mode) => {}
        () = copy(&mut from_engine, &mut to_client, &mut mode_too) => {}
    }
}

async fn copy(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mode: &mut watch::Receiver<Mode>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        passes(mode).await;
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn passes(mode: &mut watch::Receiver<Mode>) {
    mode.wait_for(|mode| *mode != Mode::Hang).await.ok();
}

async fn make_events(mut client: UnixStream, mut events: broadcast::Receiver<String>) {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    while let Ok(line) = events.recv().await {
        let chunk = format!("{:x}\r\n{line}\n\r\n", line.len() + 1);
        if client.write_all(chunk.as_bytes()).await.is_err() {
            return;
        }
    }
}
