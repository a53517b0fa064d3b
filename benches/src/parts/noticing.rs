//! How soon a container's end is noticed: from the engine's own `die` event to the first `/health` that shows it.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, timeout};

use crate::client::Client;
use crate::engine::{self, Death, Engine};
use crate::figures::Spread;
use crate::monitor::{Configuration, Monitor};
use crate::options::Options;
use crate::row::{Row, Target, Unit};

/// Longest that anything may take to show.
const LIMIT: Duration = Duration::from_secs(60);

/// Pause between two looks: what it adds to what is measured.
const STEP: Duration = Duration::from_millis(1);

pub(super) async fn run(options: &Options) -> Result<Vec<Row>> {
    let (sizes, rounds): (&[usize], usize) = if options.is_judged {
        (&[20, 200], 100)
    } else {
        (&[2], 2)
    };
    let mut engine = match Engine::connect().await {
        Ok(engine) => engine,
        Err(reason) => {
            return Ok(vec![Row::not_run(
                "a container's end until /health shows it",
                format!("{reason:#}"),
            )]);
        }
    };
    let mut rows = Vec::new();
    for size in sizes {
        engine.scale(*size).await?;
        let configuration = Configuration::every(10.0)
            .containers(engine.names())
            .docker(engine.socket());
        let monitor = Monitor::start(&options.monitor, &configuration).await?;
        let mut client = Client::tcp(monitor.address()).await?;
        let mut deaths = engine.deaths().await?;
        let mut latencies = Vec::new();
        for name in engine.names().iter().cycle().take(rounds) {
            until(&mut client, name, |status| status == "healthy").await?;
            latencies.push(round(&engine, &mut client, &mut deaths, name).await?);
            engine.start(name).await?;
        }
        let spread: Spread = latencies.into_iter().collect();
        let what = format!("{size} containers, {rounds} ended: from `die` to the /health that shows it");
        rows.push(
            Row::new(format!("{what}, p99"), Unit::Millis, vec![spread.millis(0.99)]).target(Target::AtMost(100.0)),
        );
        rows.push(Row::new(format!("{what}, p50"), Unit::Millis, vec![spread.millis(0.5)]));
        rows.push(Row::new(format!("{what}, max"), Unit::Millis, vec![spread.millis(1.0)]));
    }
    Ok(rows)
}

/// One container's end.
async fn round(
    engine: &Engine,
    client: &mut Client,
    deaths: &mut UnboundedReceiver<Death>,
    name: &str,
) -> Result<Duration> {
    let (killed, shown) = tokio::join!(engine.kill(name), until(client, name, |status| status == "unhealthy"));
    killed?;
    let shown = shown?;
    loop {
        let death = timeout(LIMIT, deaths.recv())
            .await?
            .context("the engine's events have ended")?;
        if death.name == name {
            return Ok(shown.saturating_sub(death.at));
        }
    }
}

/// Asks for `/health` until this service's status fits; tells when its answer was read.
async fn until(client: &mut Client, name: &str, fits: impl Fn(&str) -> bool) -> Result<Duration> {
    let look = async {
        loop {
            let health = client.document("/health").await?;
            let read = engine::now()?;
            let status = health
                .get("services")
                .and_then(|services| services.get(name))
                .and_then(Value::as_str);
            if status.is_some_and(&fits) {
                return Ok(read);
            }
            sleep(STEP).await;
        }
    };
    timeout(LIMIT, look)
        .await
        .with_context(|| format!("{name} did not change within {LIMIT:?}"))?
}
