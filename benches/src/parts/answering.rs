//! How fast requests are answered while checks run, what one costs, and what that does to the checks.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use crate::engine::Engine;
use crate::exposition::Exposition;
use crate::figures::median;
use crate::listeners::{Kind, Listeners};
use crate::load::{self, Load};
use crate::monitor::{self, Configuration, Monitor};
use crate::options::Options;
use crate::row::{Row, Target, Unit};

/// Ports that the services share.
const PORTS: usize = 64;

/// Connections on which requests come.
const CONNECTIONS: usize = 16;

/// What is measured.
struct Plan {
    /// Services and containers. Each adds its own to an answer, so the corners tell of what lies between.
    sizes: &'static [(usize, usize)],
    /// For how long each path is asked for.
    time: Duration,
    /// Time for the first cycles, and for the first two samples of every container's resources.
    settle: Duration,
}

/// A path that is asked for.
struct Question {
    /// As it stands in the table.
    shown: &'static str,
    path: String,
    /// Requests a second: as often as a busy user would, and no more than the machine can answer.
    rate: f64,
    target: Option<Target>,
}

/// What one run of a question showed.
struct Seen {
    p50: f64,
    p99: f64,
    /// Time on a processor for one request, in milliseconds.
    cpu: f64,
    late: f64,
    kibibytes: f64,
}

// === impl Plan ===

impl Plan {
    fn full() -> Self {
        Self {
            sizes: &[(9, 0), (1_000, 0), (10_000, 0), (9, 100), (9, 200), (10_000, 200)],
            time: Duration::from_secs(5),
            settle: Duration::from_secs(12),
        }
    }

    fn smoke() -> Self {
        Self {
            sizes: &[(9, 0), (9, 2)],
            time: Duration::from_millis(300),
            settle: Duration::ZERO,
        }
    }
}

pub(super) async fn run(options: &Options) -> Result<Vec<Row>> {
    let plan = if options.is_judged { Plan::full() } else { Plan::smoke() };
    let listeners = Listeners::start(Kind::Tcp, PORTS).await?;
    let mut engine = Engine::connect().await;
    let mut rows = Vec::new();
    for (services, containers) in plan.sizes {
        let name = format!("{services} services, {containers} containers");
        let configuration = Configuration::every(10.0).services(Kind::Tcp, *services, &listeners.ports);
        let configuration = match (&mut engine, containers) {
            (_, 0) => configuration,
            (Err(reason), _) => {
                rows.push(Row::not_run(name, format!("{reason:#}")));
                continue;
            }
            (Ok(engine), _) => {
                engine.scale(*containers).await?;
                configuration.docker(engine.socket())
            }
        };
        let monitor = Monitor::start(&options.monitor, &configuration).await?;
        sleep(plan.settle).await;
        let is_sampled = |metrics: &Exposition| metrics.count("container_memory_usage_mb") >= *containers;
        monitor.until("a sample of every container", is_sampled).await?;
        rows.extend(ask(options, &plan, &monitor, (*services, *containers), &name).await?);
    }
    Ok(rows)
}

/// Asks for everything, in turn.
async fn ask(
    options: &Options,
    plan: &Plan,
    monitor: &Monitor,
    (services, containers): (usize, usize),
    name: &str,
) -> Result<Vec<Row>> {
    let idle = quiet(plan, monitor).await?;
    let mut rows = Vec::new();
    let (mut reference, mut late) = (Vec::new(), Vec::<Vec<f64>>::new());
    for question in questions(services, containers) {
        let mut seen = Vec::new();
        for _ in 0..options.runs {
            seen.push(question.press(plan, monitor, idle.cpu).await?);
        }
        let values = |read: fn(&Seen) -> f64| seen.iter().map(read).collect::<Vec<f64>>();
        let title = format!("{name}: GET {} at {}/s", question.shown, question.rate);
        let size = median(&values(|seen| seen.kibibytes));
        let p99 = Row::new(
            format!("{title} ({size:.1} KiB), p99"),
            Unit::Millis,
            values(|seen| seen.p99),
        );
        if question.shown == "/livez" {
            reference = values(|seen| seen.p99);
            rows.push(p99);
            continue;
        }
        let p99 = p99.beside("/livez", reference.clone());
        rows.push(match question.target {
            Some(target) => p99.target(target),
            None => p99,
        });
        rows.push(Row::new(format!("{title}, p50"), Unit::Millis, values(|seen| seen.p50)));
        rows.push(Row::new(
            format!("{title}, CPU of a request"),
            Unit::Millis,
            values(|seen| seen.cpu),
        ));
        late.push(values(|seen| seen.late));
    }
    // The worst of all questions, run by run.
    let worst = |run: usize| {
        late.iter()
            .filter_map(|runs| runs.get(run))
            .copied()
            .fold(0.0, f64::max)
    };
    let what = format!("{name}: start lateness p99 of the checks while asked (worst question)");
    let late = Row::new(what, Unit::Millis, (0..options.runs).map(worst).collect());
    rows.push(late.beside("unasked", vec![idle.late; options.runs]));
    Ok(rows)
}

/// What happens while nobody asks.
struct Quiet {
    /// Share of one core.
    cpu: f64,
    late: f64,
}

async fn quiet(plan: &Plan, monitor: &Monitor) -> Result<Quiet> {
    let process = monitor.process()?;
    let before = monitor.metrics().await?;
    // With intervals of ten seconds less would see a part of the services only.
    let time = plan.time * 2;
    let (cpu, began) = (process.cpu()?, Instant::now());
    sleep(time).await;
    let (cpu, time) = (process.cpu()? - cpu, began.elapsed());
    let after = monitor.metrics().await?;
    Ok(Quiet {
        cpu: cpu.as_secs_f64() / time.as_secs_f64(),
        late: after.lateness().since(&before.lateness()).millis(0.99),
    })
}

fn questions(services: usize, containers: usize) -> Vec<Question> {
    let question = |shown, path: &str, rate, target| Question {
        shown,
        path: path.to_owned(),
        rate,
        target,
    };
    let of_health = (services == 1_000).then_some(Target::AtMost(5.0));
    let of_metrics = match (services, containers) {
        (10_000, _) => Some(Target::AtMost(50.0)),
        (9, 100) => Some(Target::AtMost(10.0)),
        _ => None,
    };
    let scrapes = (20_000.0 / services as f64).clamp(2.0, 50.0);
    let health = if services > 1_000 { 100.0 } else { 500.0 };
    let lists = if containers > 0 { 100.0 } else { 500.0 };
    let mut questions = vec![
        question("/livez", "/livez", 500.0, None),
        question("/health", "/health", health, of_health),
        question(
            "/health/{service}",
            &format!("/health/{}", monitor::service(1)),
            500.0,
            None,
        ),
        question("/metrics", "/metrics", scrapes, of_metrics),
    ];
    // Without an engine it has nothing to say.
    if containers > 0 {
        questions.push(question("/containers", "/containers", lists, None));
    }
    questions
}

// === impl Question ===

impl Question {
    async fn press(&self, plan: &Plan, monitor: &Monitor, idle: f64) -> Result<Seen> {
        let load = Load {
            address: monitor.address(),
            paths: [self.path.clone()].into(),
            rate: self.rate,
            time: plan.time,
            connections: CONNECTIONS,
        };
        let process = monitor.process()?;
        let before = monitor.metrics().await?;
        let (cpu, began) = (process.cpu()?, Instant::now());
        let loaded = load::press(&load).await?;
        let (cpu, time) = (process.cpu()? - cpu, began.elapsed());
        let after = monitor.metrics().await?;
        let asked = cpu.as_secs_f64() - idle * time.as_secs_f64();
        Ok(Seen {
            p50: loaded.latency.millis(0.5),
            p99: loaded.latency.millis(0.99),
            cpu: asked.max(0.0) * 1e3 / loaded.latency.len() as f64,
            late: after.lateness().since(&before.lateness()).millis(0.99),
            kibibytes: loaded.bytes as f64 / 1_024.0,
        })
    }
}
