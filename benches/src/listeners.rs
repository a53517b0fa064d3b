//! The services that are checked: listeners in a process of their own, which count who comes.

use std::net::Ipv4Addr;
use std::process::Stdio;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Connections that may wait on one port.
const BACKLOG: u32 = 4_096;

/// What a listener says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing; it waits until the other side has closed.
    Tcp,
    /// A short answer to one request.
    Http,
}

/// Listeners that run.
pub(crate) struct Listeners {
    /// Where they listen.
    pub(crate) ports: Vec<u16>,
    #[expect(dead_code, reason = "killed when it is dropped")]
    child: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

/// The answer of the listeners that speak HTTP.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\nconnection: close\r\n\r\nok\n";

// === impl Kind ===

impl Kind {
    /// Its name, as it stands in the configuration of a check.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Tcp => "tcp",
            Kind::Http => "http",
        }
    }
}

impl FromStr for Kind {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "tcp" => Ok(Kind::Tcp),
            "http" => Ok(Kind::Http),
            _ => bail!("no kind of listener: {name}"),
        }
    }
}

// === impl Listeners ===

impl Listeners {
    /// Starts listeners on so many ports.
    pub(crate) async fn start(kind: Kind, count: usize) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["listeners", kind.name(), &count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting the listeners")?;
        let questions = child.stdin.take().context("no way to ask the listeners")?;
        let mut answers = BufReader::new(child.stdout.take().context("no way to hear the listeners")?).lines();
        let line = answers.next_line().await?.context("the listeners have ended")?;
        Ok(Self {
            ports: serde_json::from_str(&line)?,
            child,
            questions,
            answers,
        })
    }

    /// Connections that were taken since the start.
    pub(crate) async fn taken(&mut self) -> Result<u64> {
        self.questions.write_all(b"\n").await?;
        let line = self.answers.next_line().await?.context("the listeners have ended")?;
        Ok(line.parse()?)
    }
}

/// What the process of the listeners does: says its ports in one line, then a count for every line that it reads, and ends
/// with whoever asks it.
pub(crate) async fn serve(kind: Kind, count: usize) -> Result<()> {
    let taken = Arc::new(AtomicU64::new(0));
    let mut ports = Vec::new();
    for _ in 0..count {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let listener = socket.listen(BACKLOG)?;
        ports.push(listener.local_addr()?.port());
        tokio::spawn(listen(listener, kind, taken.clone()));
    }
    println!("{}", serde_json::to_string(&ports)?);
    let answering = tokio::task::spawn_blocking(move || {
        for question in std::io::stdin().lines() {
            question?;
            println!("{}", taken.load(Ordering::Relaxed));
        }
        anyhow::Ok(())
    });
    answering.await?
}

async fn listen(listener: TcpListener, kind: Kind, taken: Arc<AtomicU64>) {
    loop {
        // A failure is that of one connection, or of all descriptors being used, which passes.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        taken.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(answer(stream, kind));
    }
}

/// What goes wrong here is seen, and counted, by whoever checks.
async fn answer(mut stream: TcpStream, kind: Kind) {
    let mut said = [0; 1_024];
    let mut length = 0;
    while let Some(room) = said.get_mut(length..)
        && let Ok(read) = stream.read(room).await
        && read > 0
    {
        length = (length + read) % said.len();
        let has_asked = said.get(..length).is_some_and(|said| said.ends_with(b"\r\n\r\n"));
        if kind == Kind::Http && has_asked {
            drop(stream.write_all(ANSWER).await);
            return;
        }
    }
}
