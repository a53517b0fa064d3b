//! A service of a test: a port that answers, or does not, as it is told, and that notes when it was asked.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// An address of the loopback network that nobody else uses. With a port that the kernel gives to no client, it is still
/// free when a listener comes back to it, and no client of a closed one can meet itself there.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 7, 1);
const FIRST_PORT: u16 = 21_000;

/// How long an answer takes, so that two clients at once would be seen.
pub(crate) const ANSWERS_AFTER: Duration = Duration::from_millis(20);

/// What a listener does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Answers as the check expects.
    Up,
    /// Is not there.
    Closed,
    /// Accepts and says nothing.
    Silent,
    /// Says one wrong byte a second.
    Drips,
    /// Hears the question and resets the connection.
    Resets,
}

/// One client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visit {
    /// When it was accepted.
    pub(crate) at: Instant,
    /// What was done to it.
    pub(crate) mode: Mode,
}

/// A port of its own. It is closed when this is dropped.
pub(crate) struct Listener {
    pub(crate) name: String,
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    visits: Arc<Mutex<Visits>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Visits {
    all: Vec<Visit>,
    open: usize,
    most_at_once: usize,
}

// === impl Listener ===

impl Listener {
    /// Starts one that answers.
    pub(crate) async fn start(name: impl Into<String>) -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(FIRST_PORT);
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        let address = SocketAddr::from((ADDRESS, port));
        let listener = TcpListener::bind(address).await.expect("a port that nobody uses");
        let (mode, told) = watch::channel(Mode::Up);
        let visits = Arc::default();
        let task = tokio::spawn(listen(address, listener, told, Arc::clone(&visits)));
        Self {
            name: name.into(),
            address,
            mode,
            visits,
            task,
        }
    }

    /// Does this from now on, to those who are connected already, too.
    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// All clients so far.
    pub(crate) fn visits(&self) -> Vec<Visit> {
        self.visits.lock().expect("nobody panics with it").all.clone()
    }

    /// The most that were connected at the same time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.visits.lock().expect("nobody panics with it").most_at_once
    }

    /// Its section of a monitor's configuration, with further lines.
    pub(crate) fn section(&self, lines: &str) -> String {
        let Self { name, address, .. } = self;
        format!(
            "[services.{name}]\ncheck = \"tcp\"\naddress = \"{address}\"\nsend = \"?\"\nexpect = \"up\"\ncontainer = \"\"\n{lines}\n"
        )
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(address: SocketAddr, first: TcpListener, mut told: watch::Receiver<Mode>, visits: Arc<Mutex<Visits>>) {
    let mut listener = Some(first);
    loop {
        let mode = *told.borrow_and_update();
        if mode == Mode::Closed {
            listener = None;
            if told.changed().await.is_err() {
                return;
            }
            continue;
        }
        let open = match listener.take() {
            Some(open) => open,
            None => TcpListener::bind(address).await.expect("a port that nobody uses"),
        };
        tokio::select! {
            accepted = open.accept() => {
                if let Ok((client, _)) = accepted {
                    tokio::spawn(visit(client, mode, told.clone(), Arc::clone(&visits)));
                }
            }
            _ = told.changed() => {}
        }
        listener = Some(open);
    }
}

async fn visit(client: TcpStream, mode: Mode, mut told: watch::Receiver<Mode>, visits: Arc<Mutex<Visits>>) {
    {
        let mut visits = visits.lock().expect("nobody panics with it");
        visits.open += 1;
        visits.most_at_once = visits.most_at_once.max(visits.open);
        visits.all.push(Visit {
            at: Instant::now(),
            mode,
        });
    }
    tokio::select! {
        () = converse(client, mode) => {}
        _ = told.wait_for(|now| *now == Mode::Closed) => {}
    }
    visits.lock().expect("nobody panics with it").open -= 1;
}

/// Until the client leaves, or is sent away.
async fn converse(mut client: TcpStream, mode: Mode) {
    let mut question = [0; 16];
    let mut drops = Duration::ZERO;
    loop {
        let asked = tokio::select! {
            read = client.read(&mut question) => matches!(read, Ok(1..)),
            () = sleep(drops), if mode == Mode::Drips => {
                drops = Duration::from_secs(1);
                if client.write_all(b".").await.is_err() {
                    return;
                }
                continue;
            }
        };
        if !asked {
            return;
        }
        match mode {
            Mode::Up => {
                sleep(ANSWERS_AFTER).await;
                if client.write_all(b"up").await.is_err() {
                    return;
                }
            }
            Mode::Resets => {
                sleep(ANSWERS_AFTER).await;
                client.set_zero_linger().expect("an open socket");
                return;
            }
            Mode::Silent | Mode::Drips | Mode::Closed => {}
        }
    }
}
