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

/// What is done to the answer to one request, by its request line.
#[derive(Debug, Clone)]
pub enum Twist {
    /// Nothing.
    Pass,
    /// These bytes are the answer, and the connection ends.
    Say(Vec<u8>),
    /// The engine's own answer, one byte a second.
    Slowly,
    /// The engine's own answer is kept back, and the connection stays open.
    Mute,
    /// The engine is asked in this version of its API, whichever is asked for.
    As(&'static str),
    /// The engine's own answer with this done to its document.
    Rewrite(fn(&mut serde_json::Value)),
}

/// Says what is done to the answer to a request line.
pub type Twister = fn(&str) -> Twist;

pub struct Proxy {
    mode: watch::Sender<Mode>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    folder: tempfile::TempDir,
}

struct Shared {
    requests: watch::Sender<Vec<String>>,
    open: watch::Sender<usize>,
    twist: watch::Sender<Twister>,
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
            twist: watch::Sender::new(|_| Twist::Pass),
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

    /// Twists answers from now on, of connections that are open already too where they are then cut.
    pub fn twist(&self, twister: Twister) {
        self.shared.twist.send_replace(twister);
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
    let twister = *shared.twist.borrow();
    let twist = twister(&line);
    shared.requests.send_modify(|requests| requests.push(line));
    if let Some(events) = shared.events.as_ref().filter(|_| is_events) {
        return make_events(client, events.subscribe()).await;
    }
    let socket = engine();
    let Ok(mut engine) = UnixStream::connect(socket).await else {
        return;
    };
    match twist {
        Twist::Pass => {}
        Twist::As(version) => head = in_version(&head, version),
        Twist::Say(answer) => {
            client.write_all(&answer).await.ok();
            return;
        }
        Twist::Mute => return mute(client).await,
        Twist::Slowly => return slowly(client, engine, &head).await,
        Twist::Rewrite(rewrite) => return rewritten(client, engine, &head, rewrite).await,
    }
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

/// A request whose path is in another version.
fn in_version(head: &[u8], version: &str) -> Vec<u8> {
    let head = String::from_utf8_lossy(head);
    let Some((method, rest)) = head.split_once(" /v") else {
        return head.into_owned().into_bytes();
    };
    let path = rest.split_once('/').map_or("", |(_, path)| path);
    format!("{method} /v{version}/{path}").into_bytes()
}

async fn mute(mut client: UnixStream) {
    // Until the client goes.
    while let Ok(1..) = client.read(&mut [0; 64]).await {}
}

async fn slowly(mut client: UnixStream, mut engine: UnixStream, head: &[u8]) {
    engine.write_all(head).await.unwrap();
    let mut pace = tokio::time::interval(Duration::from_secs(1));
    while let Ok(byte) = engine.read_u8().await {
        pace.tick().await;
        if client.write_u8(byte).await.is_err() {
            return;
        }
    }
}

/// Asks in the words of the oldest protocol, so that the answer comes in one piece.
async fn rewritten(mut client: UnixStream, mut engine: UnixStream, head: &[u8], rewrite: fn(&mut serde_json::Value)) {
    let head = String::from_utf8_lossy(head).replacen(" HTTP/1.1", " HTTP/1.0", 1);
    engine.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    engine.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let mut document = serde_json::from_slice(&answer[end + 4..]).expect("a document");
    rewrite(&mut document);
    let body = document.to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.write_all((head + &body).as_bytes()).await.ok();
}
