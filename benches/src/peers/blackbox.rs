//! blackbox_exporter: checks when it is asked to, as Prometheus does for every scrape.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::Probing;
use crate::client::Client;
use crate::listeners::{Kind, Listeners};
use crate::load::{self, Load};
use crate::process::Process;

const MODULES: &str = "modules:\n  tcp: {prober: tcp}\n  http: {prober: http}\n";

/// Longest that it may take to start.
const LIMIT: Duration = Duration::from_secs(10);

/// Connections on which it is asked; as many as checks can be under way.
const CONNECTIONS: usize = 32;

pub(super) async fn micros_per_check(program: &Path, probing: &Probing, listeners: &mut Listeners) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("blackbox.yml");
    std::fs::write(&file, MODULES)?;
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, port).into();
    let mut command = Command::new(program);
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--web.listen-address={address}"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let child = command
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    let process = Process::of(child.id().context("blackbox_exporter has ended")?);
    let began = Instant::now();
    while Client::tcp(address).await.is_err() {
        ensure!(began.elapsed() < LIMIT, "blackbox_exporter does not answer");
        sleep(Duration::from_millis(10)).await;
    }
    let paths = listeners.ports.iter().map(|port| match probing.kind {
        Kind::Tcp => format!("/probe?module=tcp&target=127.0.0.1:{port}"),
        Kind::Http => format!("/probe?module=http&target=http://127.0.0.1:{port}/"),
    });
    let load = Load {
        address,
        paths: paths.collect(),
        rate: probing.rate,
        time: probing.time,
        connections: CONNECTIONS,
    };
    let (cpu, taken) = (process.cpu()?, listeners.taken().await?);
    load::press(&load).await?;
    let (cpu, taken) = (process.cpu()? - cpu, listeners.taken().await? - taken);
    ensure!(taken > 0, "blackbox_exporter made no check");
    Ok(cpu.as_secs_f64() * 1e6 / taken as f64)
}
