//! Requests at a fixed rate, whether or not those before were answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::{Instant, sleep_until};

use crate::client::Client;
use crate::figures::Spread;

/// What is asked, and how often.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// Who is asked.
    pub(crate) address: SocketAddr,
    /// For what, in turn.
    pub(crate) paths: Arc<[String]>,
    /// Requests a second.
    pub(crate) rate: f64,
    /// For how long.
    pub(crate) time: Duration,
    /// On how many connections.
    pub(crate) connections: usize,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// From the moment when a request was due until its answer was read.
    pub(crate) latency: Spread,
    /// Bytes of the last answer's body.
    pub(crate) bytes: usize,
}

/// Asks at this rate. Every answer must be a success.
pub(crate) async fn press(load: &Load) -> Result<Loaded> {
    let requests = (load.rate * load.time.as_secs_f64()).max(1.0) as usize;
    let began = Instant::now() + Duration::from_millis(20);
    let connections: Vec<_> = (0..load.connections)
        .map(|first| tokio::spawn(ask(load.clone(), first, requests, began)))
        .collect();
    let (mut latencies, mut bytes) = (Vec::new(), 0);
    for connection in connections {
        for (latency, size) in connection.await.context("a connection's task")?? {
            latencies.push(latency);
            bytes = size;
        }
    }
    Ok(Loaded {
        latency: latencies.into_iter().collect(),
        bytes,
    })
}

/// What one connection asks: every n-th request, from `first` on.
async fn ask(load: Load, first: usize, requests: usize, began: Instant) -> Result<Vec<(Duration, usize)>> {
    let mut client = Client::tcp(load.address).await?;
    let mut answers = Vec::new();
    for number in (first..requests).step_by(load.connections) {
        let due = began + Duration::from_secs_f64(number as f64 / load.rate);
        // What the connection is late because of the answer before counts; what our own timer is late does not.
        let asked = if Instant::now() < due {
            sleep_until(due).await;
            Instant::now()
        } else {
            due
        };
        let path = load
            .paths
            .get(number % load.paths.len())
            .context("there is nothing to ask for")?;
        let (status, body) = client.get(path).await?;
        ensure!(status.is_success(), "{path}: {status}");
        answers.push((asked.elapsed(), body.len()));
    }
    Ok(answers)
}
