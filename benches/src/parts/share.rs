//! Docker's share: what the monitor costs the engine, beside what `docker stats` does.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::Command;
use tokio::time::sleep;

use crate::engine::Engine;
use crate::exposition::Exposition;
use crate::monitor::{Configuration, Monitor};
use crate::options::Options;
use crate::process::Process;
use crate::row::{Row, Target, Unit};

/// What is measured.
struct Plan {
    sizes: &'static [usize],
    /// As long as the monitor's slowest habit, the full list; a multiple of its samples' interval.
    window: Duration,
    /// From the start of whoever asks until he asks at his own pace.
    settle: Duration,
}

pub(super) async fn run(options: &Options) -> Result<Vec<Row>> {
    let plan = if options.is_judged {
        Plan {
            sizes: &[20, 100, 200],
            window: Duration::from_secs(30),
            settle: Duration::from_secs(12),
        }
    } else {
        Plan {
            sizes: &[2],
            window: Duration::from_secs(1),
            settle: Duration::from_millis(500),
        }
    };
    let mut engine = match Engine::connect().await {
        Ok(engine) => engine,
        Err(reason) => return Ok(vec![Row::not_run("Docker's share", format!("{reason:#}"))]),
    };
    let mut rows = Vec::new();
    for size in plan.sizes {
        engine.scale(*size).await?;
        let share = match measure(options, &plan, &engine).await {
            Ok(share) => share,
            Err(reason) => {
                rows.push(Row::not_run(
                    format!("Docker's share with {size} containers"),
                    format!("{reason:#}"),
                ));
                continue;
            }
        };
        rows.extend(share.rows(*size));
    }
    let cadvisor = "it is no package of Debian, and its program is no part of its Go module";
    rows.push(Row::not_run("Docker's share beside cAdvisor", cadvisor));
    Ok(rows)
}

/// What all runs showed, one value for each. Seconds on processors in a minute, beyond what the idle engine takes.
#[derive(Debug, Default)]
struct Share {
    idle: Vec<f64>,
    monitor: Vec<f64>,
    docker_stats: Vec<f64>,
    /// What the monitor itself takes meanwhile.
    own: Vec<f64>,
    /// From the monitor's start to a sample of every container.
    sampled: Vec<f64>,
}

async fn measure(options: &Options, plan: &Plan, engine: &Engine) -> Result<Share> {
    let mut share = Share::default();
    let processes = engine.processes()?;
    for _ in 0..options.runs {
        let idle = spent(&processes, plan.window).await?;
        share.idle.push(idle);

        let configuration = Configuration::every(10.0)
            .containers(engine.names())
            .docker(engine.socket());
        let monitor = Monitor::start(&options.monitor, &configuration).await?;
        let is_sampled = |metrics: &Exposition| metrics.count("container_memory_usage_mb") >= engine.names().len();
        let sampled = monitor.until("a sample of every container", is_sampled).await?;
        share.sampled.push(sampled.as_secs_f64());
        sleep(plan.settle).await;
        let own = [monitor.process()?];
        let (spent_by_engine, spent_by_monitor) =
            tokio::join!(spent(&processes, plan.window), spent(&own, plan.window));
        share.monitor.push(spent_by_engine? - idle);
        share.own.push(spent_by_monitor?);
        drop(monitor);

        let mut command = Command::new("docker");
        command
            .arg("stats")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let watching = command.spawn().context("starting docker stats")?;
        sleep(plan.settle).await;
        share.docker_stats.push(spent(&processes, plan.window).await? - idle);
        drop(watching);
    }
    Ok(share)
}

/// Seconds on processors in a minute.
async fn spent(processes: &[Process], window: Duration) -> Result<f64> {
    let sum = || {
        processes
            .iter()
            .map(Process::cpu_with_children)
            .sum::<Result<Duration>>()
    };
    let before = sum()?;
    sleep(window).await;
    Ok((sum()? - before).as_secs_f64() * 60.0 / window.as_secs_f64())
}

// === impl Share ===

impl Share {
    fn rows(self, size: usize) -> Vec<Row> {
        let row = |what: &str, values| Row::new(format!("{size} containers: {what}"), Unit::Seconds, values);
        let sampled = row("from the start to a sample of each", self.sampled);
        vec![
            row("CPU that the monitor costs Docker in a minute", self.monitor)
                .beside("docker stats", self.docker_stats)
                .target(Target::BelowReference),
            row("CPU that the idle engine takes in a minute", self.idle),
            row("CPU of the monitor itself in a minute", self.own),
            if size == 200 {
                sampled.target(Target::AtMost(3.0))
            } else {
                sampled
            },
        ]
    }
}
