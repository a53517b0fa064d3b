//! The nine services of the specification, in the real stack: what the monitor's own container takes.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::exposition::Exposition;
use crate::options::Options;
use crate::row::{Row, Target, Unit};

/// Where the stack publishes the monitor.
const MONITOR: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8000);

/// Until everything has started, and has been asked a few times.
const SETTLE: Duration = Duration::from_secs(60);

/// For how long it is watched in each run: all that it does regularly comes several times.
const WINDOW: Duration = Duration::from_secs(60);

pub(super) async fn run(options: &Options) -> Result<Vec<Row>> {
    if !options.is_judged {
        return Ok(vec![Row::not_run(
            "the nine services",
            "the stack is too much for a smoke run",
        )]);
    }
    stack("start").await?;
    let measured = measure(options).await;
    stack("down").await?;
    measured
}

async fn measure(options: &Options) -> Result<Vec<Row>> {
    sleep(SETTLE).await;
    let (mut percent, mut resident) = (Vec::new(), Vec::new());
    let services = metrics().await?.value("system_total_services")?;
    for _ in 0..options.runs {
        let (before, began) = (metrics().await?.value(CPU)?, Instant::now());
        sleep(WINDOW).await;
        let (after, time) = (metrics().await?, began.elapsed());
        percent.push((after.value(CPU)? - before) * 100.0 / time.as_secs_f64());
        resident.push(after.value("process_resident_memory_bytes")? / (1_024.0 * 1_024.0));
    }
    let what = |what| format!("the demo's stack, {services} services: {what}");
    Ok(vec![
        Row::new(what("share of one core"), Unit::Percent, percent).target(Target::AtMost(0.5)),
        Row::new(what("resident memory"), Unit::Mebibytes, resident).target(Target::AtMost(20.0)),
    ])
}

const CPU: &str = "process_cpu_seconds_total";

async fn metrics() -> Result<Exposition> {
    let (_, text) = Client::tcp(MONITOR).await?.get("/metrics").await?;
    Ok(Exposition::new(&text))
}

async fn stack(command: &str) -> Result<()> {
    let status = Command::new("bash")
        .args(["scripts/stack.sh", command, "demo"])
        .status()
        .await?;
    ensure!(status.success(), "scripts/stack.sh {command} demo: {status}");
    Ok(())
}
