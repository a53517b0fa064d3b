//! A port in front of a real server, whose traffic can be spoiled as sick servers and networks do it.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// What becomes of connections that begin now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// It passes, both ways.
    Passes,
    /// Connections are taken and heard, and nothing is ever answered.
    Unanswered,
    /// The server's answers come one byte a second.
    Drips,
    /// The connection is reset this long after the client began to speak, with half of the server's first answer given.
    IsReset(Duration),
    /// Nothing listens.
    IsRefused,
}

/// A port on every address of this machine, and the task that serves it until this is dropped.
pub struct Gate {
    port: u16,
    traffic: watch::Sender<Traffic>,
    task: JoinHandle<()>,
}

impl Gate {
    /// One whose traffic passes, to the server at this address.
    pub async fn before(server: &str) -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (traffic, watched) = watch::channel(Traffic::Passes);
        let task = tokio::spawn(serve(listener, port, server.to_owned(), watched));
        Self { port, traffic, task }
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Connections that begin from now on get this.
    pub fn set(&self, traffic: Traffic) {
        self.traffic.send_replace(traffic);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(first: TcpListener, port: u16, server: String, mut traffic: watch::Receiver<Traffic>) {
    let now = traffic.clone();
    let mut listener = Some(first);
    loop {
        match &listener {
            Some(open) => tokio::select! {
                accepted = open.accept() => {
                    let (client, _) = accepted.unwrap();
                    tokio::spawn(carry(client, server.clone(), *now.borrow()));
                }
                refused = traffic.wait_for(|traffic| *traffic == Traffic::IsRefused) => {
                    if refused.is_err() {
                        return;
                    }
                    listener = None;
                }
            },
            None => {
                if traffic
                    .wait_for(|traffic| *traffic != Traffic::IsRefused)
                    .await
                    .is_err()
                {
                    return;
                }
                listener = Some(TcpListener::bind(("0.0.0.0", port)).await.unwrap());
            }
        }
    }
}

/// Serves one connection. That either side breaks it off is its right.
async fn carry(mut client: TcpStream, server: String, traffic: Traffic) {
    let mut server = TcpStream::connect(server).await.expect("the server runs");
    match traffic {
        Traffic::Passes | Traffic::IsRefused => {
            copy_bidirectional(&mut client, &mut server).await.ok();
        }
        Traffic::Unanswered => {
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).await.ok();
        }
        Traffic::Drips => drip(client, server).await,
        Traffic::IsReset(after) => {
            break_off(client, server, after).await;
        }
    }
}

async fn drip(mut client: TcpStream, mut server: TcpStream) {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let asking = tokio::io::copy(&mut from_client, &mut to_server);
    let answering = async {
        while let Ok(byte) = from_server.read_u8().await {
            sleep(Duration::from_secs(1)).await;
            if to_client.write_u8(byte).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = asking => {}
        () = answering => {}
    }
}

/// `None` where there was nothing to break off: the client said nothing.
async fn break_off(mut client: TcpStream, mut server: TcpStream, after: Duration) -> Option<()> {
    let mut part = [0; 4 * 1024];
    let said = client.read(&mut part).await.ok().filter(|length| *length > 0)?;
    server.write_all(part.get(..said)?).await.ok()?;
    let answered = server.read(&mut part).await.ok()?;
    client.write_all(part.get(..answered / 2)?).await.ok()?;
    sleep(after).await;
    client.set_zero_linger().ok()
}
