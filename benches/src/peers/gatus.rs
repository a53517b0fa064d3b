//! Gatus: checks on its own schedule, one endpoint a second each.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::Probing;
use crate::listeners::{Kind, Listeners};
use crate::process::Process;

/// It starts its endpoints one after the other, with a pause between two; so long may it take to reach the rate.
const LIMIT: Duration = Duration::from_secs(600);

pub(super) async fn micros_per_check(program: &Path, probing: &Probing, listeners: &mut Listeners) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("config.yaml");
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    std::fs::write(&file, configuration(port, probing, &listeners.ports)?)?;
    let mut command = Command::new(program);
    command.env("GATUS_CONFIG_PATH", &file).env("GATUS_LOG_LEVEL", "ERROR");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let child = command
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    let process = Process::of(child.id().context("gatus has ended")?);
    let began = Instant::now();
    loop {
        let before = listeners.taken().await?;
        sleep(Duration::from_secs(1)).await;
        if (listeners.taken().await? - before) as f64 >= 0.95 * probing.rate {
            break;
        }
        ensure!(
            began.elapsed() < LIMIT,
            "gatus did not reach {} checks a second",
            probing.rate
        );
    }
    let (cpu, taken) = (process.cpu()?, listeners.taken().await?);
    sleep(probing.time).await;
    let (cpu, taken) = (process.cpu()? - cpu, listeners.taken().await? - taken);
    ensure!(taken > 0, "gatus made no check");
    Ok(cpu.as_secs_f64() * 1e6 / taken as f64)
}

/// One endpoint for each check a second, no limit on how many run at once, results in memory.
fn configuration(port: u16, probing: &Probing, ports: &[u16]) -> Result<String> {
    let mut text = format!("web: {{address: 127.0.0.1, port: {port}}}\nconcurrency: 0\nendpoints:\n");
    for (number, port) in (0..probing.rate as usize).zip(ports.iter().cycle()) {
        let (url, condition) = match probing.kind {
            Kind::Tcp => (format!("tcp://127.0.0.1:{port}"), "[CONNECTED] == true"),
            Kind::Http => (format!("http://127.0.0.1:{port}/"), "[STATUS] == 200"),
        };
        writeln!(
            text,
            "  - {{name: service-{number}, url: \"{url}\", interval: 1s, conditions: [\"{condition}\"]}}"
        )?;
    }
    Ok(text)
}
