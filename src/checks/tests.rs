//! What the tests of all checks share: attempts, containers, and servers that misbehave.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use health_monitor_actors::check::{Attempt, Check, CheckFailure, Finding};
use health_monitor_actors::model::{ContainerKey, ContainerState, ContainerStatus, ServiceName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

/// Longest that a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn attempt_of(timeout: Duration) -> Attempt {
    Attempt {
        service: ServiceName::new("service").unwrap(),
        number: 1,
        timeout,
        containers: Arc::new([]),
        containers_first: false,
    }
}

pub(super) fn attempt_with_container(timeout: Duration, name: &str, at: IpAddr) -> Attempt {
    let mut container = container(name);
    container.reachable_at = vec![at];
    Attempt {
        containers: Arc::new([Arc::new(container)]),
        containers_first: false,
        ..attempt_of(timeout)
    }
}

pub(super) fn container(name: &str) -> ContainerState {
    let key = ContainerKey {
        engine: "local".into(),
        id: "0123456789abcdef".into(),
    };
    ContainerState::new(key, name, ContainerStatus::Running)
}

/// Runs one attempt; a check that does not end well after its time fails the test.
pub(super) async fn run(check: Arc<dyn Check>, attempt: &Attempt) -> Result<Finding, CheckFailure> {
    timeout(attempt.timeout + PATIENCE, check.attempt(attempt))
        .await
        .expect("the check outlives its time")
}

/// A port on which nobody listens.
pub(super) async fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    listener.local_addr().unwrap().port()
}

/// A server that does to each connection what a test wants. It ends when it is dropped.
pub(super) struct Peer {
    task: JoinHandle<()>,
    closes: mpsc::UnboundedReceiver<bool>,
}

impl Peer {
    /// A server that handles its connections one after the other.
    pub(super) async fn serve<F, R>(mut handle: F) -> (SocketAddr, Self)
    where
        F: FnMut(TcpStream) -> R + Send + 'static,
        R: Future<Output = Option<TcpStream>> + Send,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (closed, closes) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let orderly = match handle(stream).await {
                    Some(stream) => reads_to_the_end(stream).await,
                    None => false,
                };
                if closed.send(orderly).is_err() {
                    return;
                }
            }
        });
        (address, Self { task, closes })
    }

    /// Accepts and never says a word.
    pub(super) async fn silent() -> (SocketAddr, Self) {
        Self::serve(|stream| async { Some(stream) }).await
    }

    /// Says this at once.
    pub(super) async fn says(what: &'static [u8]) -> (SocketAddr, Self) {
        Self::serve(move |mut stream| async move {
            stream.write_all(what).await.ok()?;
            Some(stream)
        })
        .await
    }

    /// Waits for the first words of the other side, then says this and closes.
    pub(super) async fn answers(what: &'static [u8]) -> (SocketAddr, Self) {
        Self::serve(move |mut stream| async move {
            stream.read_u8().await.ok()?;
            stream.write_all(what).await.ok()?;
            stream.shutdown().await.ok()?;
            Some(stream)
        })
        .await
    }

    /// Says this, one byte a `pause`, again and again.
    pub(super) async fn slow(what: &'static [u8], pause: Duration) -> (SocketAddr, Self) {
        Self::serve(move |mut stream| async move {
            for byte in what.iter().cycle() {
                tokio::time::sleep(pause).await;
                stream.write_all(&[*byte]).await.ok()?;
            }
            Some(stream)
        })
        .await
    }

    /// Says this as fast as it can, for ever.
    pub(super) async fn endless(what: &'static [u8]) -> (SocketAddr, Self) {
        Self::serve(move |mut stream| async move {
            let block = what.repeat(1024);
            while stream.write_all(&block).await.is_ok() {}
            None
        })
        .await
    }

    /// Waits for the first words of the other side and resets the connection.
    pub(super) async fn resets() -> (SocketAddr, Self) {
        Self::serve(|mut stream| async move {
            stream.read_u8().await.ok()?;
            stream.set_zero_linger().ok()?;
            None
        })
        .await
    }

    /// The next connection to end ended in order, and not with a reset.
    pub(super) async fn saw_orderly_close(&mut self) -> bool {
        let closed = timeout(PATIENCE, self.closes.recv()).await;
        closed.expect("no connection ended").expect("the server is gone")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn reads_to_the_end(mut stream: TcpStream) -> bool {
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.is_ok()
}

#[test]
fn every_kind_has_a_name_of_its_own_and_keys_of_their_own() {
    for kind in KINDS {
        assert!(
            std::ptr::eq(find(kind.name).unwrap(), kind),
            "{} is there twice",
            kind.name
        );
        for key in kind.schema {
            let same = kind.schema.iter().filter(|other| other.name == key.name);
            assert_eq!(same.count(), 1, "{}.{} is there twice", kind.name, key.name);
            assert!(
                !key.help.is_empty() && !key.help.ends_with('.'),
                "{}.{}",
                kind.name,
                key.name
            );
            assert!(!(key.required && key.default.is_some()), "{}.{}", kind.name, key.name);
        }
        if let Some(target) = kind.target {
            assert!(kind.schema.iter().any(|key| key.name == target), "{}", kind.name);
        }
    }
    assert!(find("carrier-pigeon").is_none());
}
