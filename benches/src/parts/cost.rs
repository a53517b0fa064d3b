//! The cost of a check: services on listeners in another process, beside a bare loop and the peers.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use crate::exposition::Exposition;
use crate::floor::{self, Drive, Floor};
use crate::listeners::{Kind, Listeners};
use crate::monitor::{Configuration, Monitor};
use crate::options::Options;
use crate::peers::{self, Peer, Probing};
use crate::row::{Row, Target, Unit};

/// Ports that the services share: enough for none to run out of connections that wait to be forgotten.
const PORTS: usize = 64;

/// First cycles come within this time, whatever the interval.
const FIRST_CYCLES: Duration = Duration::from_secs(2);

/// A monitor with so many services at this interval.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Case {
    kind: Kind,
    services: usize,
    /// Seconds.
    interval: f64,
    /// Over so many intervals.
    intervals: f64,
}

/// What one run of a case showed.
#[derive(Debug)]
struct Seen {
    /// Checks a second.
    rate: f64,
    /// Time on a processor for one check, everything included, in microseconds.
    micros: f64,
    /// Of one core.
    percent: f64,
    resident: f64,
    threads: f64,
    late: [f64; 3],
    skipped: f64,
    floor: Floor,
}

/// What is measured.
#[derive(Debug, Clone)]
struct Plan {
    cases: Vec<Case>,
    /// Time for the first cycles; one interval more is for the services to spread over it.
    settle: Duration,
    floor_time: Duration,
    /// Checks a second at which the peers are driven, and for how long.
    peer_rate: f64,
    peer_time: Duration,
    /// Services at one second each, in steps, until one is too many.
    climb: &'static [usize],
}

// === impl Plan ===

impl Plan {
    fn full() -> Self {
        let case = |kind, services, interval, intervals| Case {
            kind,
            services,
            interval,
            intervals,
        };
        let mut cases: Vec<Case> = [10, 100, 1_000, 10_000]
            .map(|services| case(Kind::Tcp, services, 10.0, 2.0))
            .into();
        cases.extend([100, 1_000, 10_000].map(|services| case(Kind::Http, services, 10.0, 2.0)));
        for kind in [Kind::Tcp, Kind::Http] {
            cases.extend([100, 1_000, 10_000].map(|services| case(kind, services, 1.0, 10.0)));
        }
        Self {
            cases,
            settle: FIRST_CYCLES,
            floor_time: Duration::from_secs(5),
            peer_rate: 1_000.0,
            peer_time: Duration::from_secs(10),
            climb: &[10_000, 12_000, 14_000, 16_000, 18_000, 20_000, 24_000, 28_000],
        }
    }

    fn smoke() -> Self {
        let case = |kind| Case {
            kind,
            services: 20,
            interval: 1.0,
            intervals: 0.5,
        };
        Self {
            cases: vec![case(Kind::Tcp), case(Kind::Http)],
            settle: Duration::ZERO,
            floor_time: Duration::from_millis(100),
            peer_rate: 20.0,
            peer_time: Duration::from_millis(500),
            climb: &[20],
        }
    }
}

pub(super) async fn run(options: &Options) -> Result<Vec<Row>> {
    let plan = if options.is_judged { Plan::full() } else { Plan::smoke() };
    let mut rows = Vec::new();
    let is_wanted = |case: &&Case| options.only.as_ref().is_none_or(|only| case.name().contains(only));
    for case in plan.cases.iter().filter(is_wanted) {
        let mut listeners = Listeners::start(case.kind, PORTS).await?;
        let mut seen = Vec::new();
        for _ in 0..options.runs {
            seen.push(case.run(options, &plan, &mut listeners).await?);
        }
        rows.extend(case.rows(&seen));
    }
    if options.only.is_some() {
        return Ok(rows);
    }
    rows.extend(climb(options, &plan).await?);
    for peer in peers::all() {
        for kind in [Kind::Tcp, Kind::Http] {
            rows.push(beside_peer(options, &plan, &peer, kind).await?);
        }
    }
    Ok(rows)
}

/// The monitor and a peer at the same rate, in turn.
async fn beside_peer(options: &Options, plan: &Plan, peer: &Peer, kind: Kind) -> Result<Row> {
    let what = format!("{}, {} check at {}/s: CPU", peer.name(), kind.name(), plan.peer_rate);
    if let Some(reason) = peer.is_missing() {
        return Ok(Row::not_run(what, reason));
    }
    let mut listeners = Listeners::start(kind, PORTS).await?;
    let case = Case {
        kind,
        services: plan.peer_rate as usize,
        interval: 1.0,
        intervals: plan.peer_time.as_secs_f64().ceil(),
    };
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let probing = Probing {
            kind,
            rate: plan.peer_rate,
            time: plan.peer_time,
        };
        theirs.push(peer.micros_per_check(&probing, &mut listeners).await?);
        ours.push(case.run(options, plan, &mut listeners).await?.micros);
    }
    let row = Row::new(format!("health-monitor beside {what}"), Unit::Micros, ours);
    Ok(row.beside(peer.name(), theirs).target(Target::BelowReference))
}

/// Services at one second each until one of their cycles is skipped or late: the last step before is the highest rate.
async fn climb(options: &Options, plan: &Plan) -> Result<Vec<Row>> {
    let mut highest: Option<Seen> = None;
    let mut listeners = Listeners::start(Kind::Tcp, PORTS).await?;
    for services in plan.climb {
        let case = Case {
            kind: Kind::Tcp,
            services: *services,
            interval: 1.0,
            intervals: 5.0_f64.min(plan.peer_time.as_secs_f64().ceil()),
        };
        let seen = case
            .run(
                options,
                &Plan {
                    floor_time: Duration::ZERO,
                    ..plan.clone()
                },
                &mut listeners,
            )
            .await?;
        let [_, p99, _] = seen.late;
        if options.is_judged && (seen.skipped > 0.0 || p99 > 100.0) {
            break;
        }
        highest = Some(seen);
    }
    let Some(highest) = highest else {
        return Ok(vec![Row::not_run(
            "highest rate",
            "the first step was too much already",
        )]);
    };
    let flat_out = Drive {
        kind: Kind::Tcp,
        rate: 0.0,
        time: plan.floor_time,
        ports: listeners.ports.clone(),
    };
    let flat_out = floor::measure(&flat_out).await?;
    Ok(vec![
        Row::new(
            "tcp, highest rate sustained on this machine",
            Unit::PerSecond,
            vec![highest.rate],
        )
        .beside("bare loop flat out", vec![flat_out.rate]),
        Row::new(
            "tcp, CPU of a check at the highest rate",
            Unit::Micros,
            vec![highest.micros],
        )
        .beside("bare loop flat out", vec![flat_out.micros])
        .target(Target::Times(2.0)),
    ])
}

// === impl Case ===

impl Case {
    async fn run(self, options: &Options, plan: &Plan, listeners: &mut Listeners) -> Result<Seen> {
        let rate = self.services as f64 / self.interval;
        let floor = if plan.floor_time.is_zero() {
            Floor { micros: 0.0, rate }
        } else {
            floor::measure(&Drive {
                kind: self.kind,
                rate,
                time: plan.floor_time,
                ports: listeners.ports.clone(),
            })
            .await?
        };
        let configuration = Configuration::every(self.interval).services(self.kind, self.services, &listeners.ports);
        let monitor = Monitor::start(&options.monitor, &configuration).await?;
        if !plan.settle.is_zero() {
            sleep(plan.settle + Duration::from_secs_f64(self.interval)).await;
        }

        let process = monitor.process()?;
        let before = monitor.metrics().await?;
        let (taken, cpu, began) = (listeners.taken().await?, process.cpu()?, Instant::now());
        sleep(Duration::from_secs_f64(self.interval * self.intervals)).await;
        let (taken, cpu, time) = (listeners.taken().await? - taken, process.cpu()? - cpu, began.elapsed());
        let after = monitor.metrics().await?;

        let late = after.lateness().since(&before.lateness());
        let skipped = |exposition: &Exposition| exposition.value("health_monitor_cycles_skipped_total");
        Ok(Seen {
            rate: taken as f64 / time.as_secs_f64(),
            micros: cpu.as_secs_f64() * 1e6 / taken as f64,
            percent: cpu.as_secs_f64() * 100.0 / time.as_secs_f64(),
            resident: process.resident()?,
            threads: process.threads()?,
            late: [0.5, 0.99, 1.0].map(|share| late.millis(share)),
            skipped: skipped(&after)? - skipped(&before)?,
            floor,
        })
    }

    /// What it is called in the table, and where the curve finds it.
    fn name(self) -> String {
        name(self.kind, self.services, self.interval)
    }

    fn rows(self, seen: &[Seen]) -> Vec<Row> {
        let values = |read: fn(&Seen) -> f64| seen.iter().map(read).collect::<Vec<f64>>();
        let row =
            |what: &str, unit, read: fn(&Seen) -> f64| Row::new(format!("{}: {what}", self.name()), unit, values(read));
        let floors = values(|seen| seen.floor.micros);
        let cpu = row("CPU of a check", Unit::Micros, |seen| seen.micros).beside("bare loop at that rate", floors);
        // The floor is a target for tcp, at a rate at which it can be told from the noise of waking up.
        let is_judged = self.kind == Kind::Tcp && self.services as f64 / self.interval >= 1_000.0;
        let mut rows = vec![if is_judged { cpu.target(Target::Times(2.0)) } else { cpu }];
        let core = row(CORE, Unit::Percent, |seen| seen.percent);
        let resident = row(RESIDENT, Unit::Mebibytes, |seen| seen.resident);
        let late = row("start lateness p99 (bound of its bucket)", Unit::Millis, |seen| {
            seen.late[1]
        });
        let skipped = row("cycles skipped", Unit::Count, |seen| seen.skipped);
        if self.services == 10_000 && self.interval >= 10.0 {
            rows.extend([
                core.target(Target::AtMost(10.0)),
                resident.target(Target::AtMost(100.0)),
                late.target(Target::AtMost(100.0)),
                skipped.target(Target::AtMost(0.0)),
            ]);
        } else {
            rows.extend([core, resident, late, skipped]);
        }
        rows.extend([
            row("start lateness p50 (bound of its bucket)", Unit::Millis, |seen| {
                seen.late[0]
            }),
            row("start lateness max (bound of its bucket)", Unit::Millis, |seen| {
                seen.late[2]
            }),
            row("threads", Unit::Count, |seen| seen.threads),
        ]);
        rows
    }
}

/// What a case's share of a core is called in the table.
pub(crate) const CORE: &str = "share of one core";

/// What a case's memory is called in the table.
pub(crate) const RESIDENT: &str = "resident memory";

/// What a case is called in the table.
pub(crate) fn name(kind: Kind, services: usize, interval: f64) -> String {
    format!("{}, {services} services at {interval} s", kind.name())
}
