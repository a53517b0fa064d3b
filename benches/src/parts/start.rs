//! How soon the monitor is there, and how big it is.

use std::fs;

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::listeners::{Kind, Listeners};
use crate::monitor::{Configuration, Monitor};
use crate::options::Options;
use crate::row::{Row, Target, Unit};

/// Services of the specified stack.
const SERVICES: usize = 9;

pub(super) async fn run(options: &Options) -> Result<Vec<Row>> {
    let starts = if options.is_judged { 20 } else { 1 };
    let listeners = Listeners::start(Kind::Tcp, SERVICES).await?;
    let configuration = Configuration::every(10.0).services(Kind::Tcp, SERVICES, &listeners.ports);
    let (mut first, mut full) = (Vec::new(), Vec::new());
    for _ in 0..starts {
        let mut monitor = Monitor::spawn(&options.monitor, &configuration)?;
        first.push(monitor.until_answered("/health").await?.as_secs_f64() * 1e3);
        full.push(monitor.until_answered("/readyz").await?.as_secs_f64() * 1e3);
    }
    let mebibytes = |bytes: f64| bytes / (1_024.0 * 1_024.0);
    let binary = fs::metadata(&options.monitor)?.len() as f64;
    Ok(vec![
        Row::new("start to the first /health", Unit::Millis, first).target(Target::AtMost(100.0)),
        Row::new("start to a first result of nine services", Unit::Millis, full),
        Row::new("binary", Unit::Mebibytes, vec![mebibytes(binary)]),
        match image().await {
            Ok(bytes) => Row::new("image", Unit::Mebibytes, vec![mebibytes(bytes)]).target(Target::AtMost(60.0)),
            Err(reason) => Row::not_run("image", format!("{reason:#}")),
        },
        match std::env::var("COLD_BUILD_SECONDS") {
            Ok(seconds) => Row::new("cold build of the release", Unit::Seconds, vec![seconds.parse()?]),
            Err(_) => Row::not_run("cold build of the release", "COLD_BUILD=1 make bench measures it"),
        },
    ])
}

/// The size of the image, without what lies below it.
async fn image() -> Result<f64> {
    let image = std::env::var("HEALTH_MONITOR_IMAGE").context("HEALTH_MONITOR_IMAGE names none")?;
    let inspect = ["image", "inspect", "--format", "{{.Size}}", &image];
    let output = Command::new("docker").args(inspect).output().await?;
    let size = String::from_utf8_lossy(&output.stdout);
    size.trim()
        .parse()
        .with_context(|| format!("the engine knows no image {image}"))
}
