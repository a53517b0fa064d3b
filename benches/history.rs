//! What history costs: results written through the real stores with an accelerated clock, then read.
//!
//! ```text
//! cargo bench --bench history -- week sqlite                 1,000 services at 10 s for a simulated week
//! cargo bench --bench history -- day sqlite                  10,000 services at 10 s for a simulated day
//! cargo bench --bench history -- year sqlite                 100 services' hours of a year, imported, then read
//! cargo bench --bench history -- week postgres HOST:PORT     the same in the database postgres of that server
//! cargo bench --bench history -- small sqlite                nine services for a simulated day
//! ```
//!
//! Every simulated second is one batch, as the history actor makes it. CPU time and bytes written are those of this process,
//! by the kernel's own count; the time of a PostgreSQL server is not among them.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on says where")]

use std::sync::Arc;
use std::time::Duration;

use health_monitor::history::model::{
    Bucket, Durations, HOUR, RawResult, ResultKind, Run, ServiceResult, Span, StatusChange, Tier,
};
use health_monitor::history::postgres::{Access, Postgres};
use health_monitor::history::sketch::Sketch;
use health_monitor::history::sqlite::Sqlite;
use health_monitor::history::store::{Batch, Decided, Detail, Order, Record, Retention, Store, Upkeep};
use health_monitor_actors::model::{ServiceName, Status};
use jiff::Timestamp;
use tokio::time::Instant;

/// The beginning of a simulated day.
const DAWN: i64 = 19_700 * 24 * HOUR;

const INTERVAL: i64 = 10;

fn main() {
    // `cargo test --benches` and the like start it without a word.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let Some(what) = arguments.first() else {
        println!("say what to measure: small, week, day or year; then sqlite or postgres HOST:PORT");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let folder =
            tempfile::TempDir::new_in(std::env::var("BENCH_FOLDER").unwrap_or_else(|_| "/tmp".to_owned())).unwrap();
        let store: Arc<dyn Store> = match arguments.get(1).map(String::as_str) {
            Some("postgres") => Arc::new(
                Postgres::open(&Access {
                    address: arguments.get(2).unwrap().clone(),
                    user: "postgres".to_owned(),
                    password: None,
                    database: "postgres".to_owned(),
                    tls: None,
                })
                .await
                .unwrap(),
            ),
            _ => Arc::new(Sqlite::open(&folder.path().join("history.db")).await.unwrap()),
        };
        println!("{}", store.describe());
        match what.as_str() {
            "small" => write(&store, 9, 24).await,
            "week" => write(&store, 1_000, 7 * 24).await,
            "day" => write(&store, 10_000, 24).await,
            "year" => year(&store, 100).await,
            hours => write(&store, 1_000, hours.parse().unwrap()).await,
        }
        store.close().await;
    });
}

/// CPU time of this process so far, in seconds: user and system, from /proc/self/stat.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().unwrap())
        .sum();
    ticks as f64 / 100.0
}

/// A line of /proc/self/io or /proc/self/status, as a number.
fn figure(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn name(service: i64) -> ServiceName {
    ServiceName::new(&format!("service-{service:05}")).unwrap()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(DAWN + millis).unwrap()
}

fn retention() -> Retention {
    let days = |days: u64| Duration::from_secs(days * 86_400);
    Retention {
        raw: days(2),
        raw_bytes: 1 << 30,
        minutes: days(30),
        hours: days(730),
        events: days(1_825),
    }
}

async fn write(store: &Arc<dyn Store>, services: i64, hours: i64) {
    let names: Vec<ServiceName> = (0..services).map(name).collect();
    let reasons: Vec<Arc<str>> = (0..services)
        .map(|service| format!("10.0.{}.{}:1883 accepts connections", service / 250, service % 250).into())
        .collect();
    let seconds = hours * 3_600;
    let (began, cpu_before, io_before) = (Instant::now(), cpu(), figure("/proc/self/io", "write_bytes"));
    let (mut results, mut changes, mut upkeep, mut slowest) = (0_u64, 0_u64, Duration::ZERO, Duration::ZERO);
    for second in 0..seconds {
        let now = second * 1_000;
        let mut batch = Batch {
            sequence: u64::try_from(second).unwrap(),
            run: Run {
                started: at(0),
                until: at(now + 999),
            },
            results: Vec::new(),
            usage: Vec::new(),
            events: Vec::new(),
            saved: Vec::new(),
            evidence: Vec::new(),
        };
        for service in (second % INTERVAL..services).step_by(INTERVAL as usize) {
            // Around two milliseconds, one in a thousand slow.
            let micros = 1_500 + fastrand::u64(..1_000) + if fastrand::u16(..1_000) == 0 { 200_000 } else { 0 };
            let place = usize::try_from(service).unwrap();
            batch.results.push(ServiceResult {
                service: names[place].clone(),
                result: RawResult {
                    at: at(now + i64::from(fastrand::u16(..1_000))),
                    kind: ResultKind::Pass,
                    status: Status::Healthy,
                    duration: Some(Duration::from_micros(micros)),
                    attempts: 1,
                    reason: reasons[place].clone(),
                },
            });
        }
        results += batch.results.len() as u64;
        if !batch.results.is_empty() || second % 10 == 0 {
            store.append(Arc::new(batch)).await.unwrap();
        }
        // Each service goes down for five minutes a day.
        if second % 10 == 0 {
            let decided = changed(&names, second);
            changes += decided.len() as u64;
            if !decided.is_empty() {
                store.commit(decided.into()).await.unwrap();
            }
            let upkeep_began = Instant::now();
            loop {
                let step = Instant::now();
                let left = store.maintain(at(now + 999), &retention()).await.unwrap();
                slowest = slowest.max(step.elapsed());
                if left == Upkeep::Done {
                    break;
                }
            }
            upkeep += upkeep_began.elapsed();
        }
    }
    let (took, cpu, io) = (
        began.elapsed(),
        cpu() - cpu_before,
        figure("/proc/self/io", "write_bytes") - io_before,
    );
    let figures = store.figures().await.unwrap();
    println!("{services} services at {INTERVAL} s for {hours} h: {results} results, {changes} changes in {took:.1?}");
    println!(
        "  size {:.1} MiB, of it results {:.1} MiB since {:?}",
        mib(figures.bytes),
        mib(figures.raw_bytes),
        figures.raw_since
    );
    println!(
        "  cpu {:.2} µs a result; written {:.1} bytes a result",
        cpu * 1e6 / results as f64,
        io as f64 / results as f64
    );
    println!(
        "  upkeep {upkeep:.1?} in all, slowest step {slowest:.1?}; peak memory {:.1} MiB",
        figure("/proc/self/status", "VmHWM") as f64 / 1024.0
    );
    read(store, services, seconds * 1_000).await;
}

fn changed(names: &[ServiceName], second: i64) -> Vec<Decided> {
    let mut decided = Vec::new();
    for (place, service) in (0_i64..).zip(names) {
        let offset = place * 86_400 / names.len() as i64 / 10 * 10;
        let to = match (second - offset).rem_euclid(86_400) {
            _ if second == 0 => Status::Healthy,
            0 => Status::Unhealthy,
            300 => Status::Healthy,
            _ => continue,
        };
        decided.push(Decided {
            change: StatusChange {
                service: service.clone(),
                at: at(second * 1_000),
                from: if to == Status::Healthy {
                    Status::Unhealthy
                } else {
                    Status::Healthy
                },
                to,
                reason: "connection refused".to_owned(),
                reconstructed_since: None,
            },
            incident: None,
            saved: None,
        });
    }
    decided
}

async fn read(store: &Arc<dyn Store>, services: i64, end: i64) {
    let one = [name(services / 2)];
    let all = Span::new(at(0), at(end));
    for (what, tier, span) in [
        ("one service's hours, all of them", Tier::Hour, all),
        (
            "one service's minutes of the last day",
            Tier::Minute,
            Span::new(at(end - 24 * HOUR), at(end)),
        ),
        (
            "one service's minutes of the last hour",
            Tier::Minute,
            Span::new(at(end - HOUR), at(end)),
        ),
    ] {
        let began = Instant::now();
        let found = store.buckets(&one, tier, span, Detail::Percentiles).await.unwrap();
        println!("  {what}: {} in {:.1?}", found[0].len(), began.elapsed());
    }
    let began = Instant::now();
    let found = store
        .results(&one[0], Span::new(at(end - HOUR), at(end)), Order::NewestFirst, 1_000)
        .await
        .unwrap();
    println!(
        "  one service's results of the last hour: {} in {:.1?}",
        found.len(),
        began.elapsed()
    );
}

async fn year(store: &Arc<dyn Store>, services: i64) {
    const HOURS: i64 = 365 * 24;
    let sketches: Vec<Sketch> = (0..50)
        .map(|_| Sketch::of((0..360).map(|_| Duration::from_micros(1_500 + fastrand::u64(..1_000)))))
        .collect();
    let began = Instant::now();
    for service in 0..services {
        let records = (0..HOURS).map(|hour| {
            let sketch = sketches[usize::try_from(hour % 50).unwrap()].clone();
            Record::Bucket {
                service: name(service),
                tier: Tier::Hour,
                bucket: Bucket {
                    checks: 360,
                    up: 3_600_000,
                    durations: Some(Durations {
                        count: 360,
                        min: 1_500,
                        max: 2_499,
                        sum: 720_000,
                        percentiles: sketch.percentiles(),
                        sketch: Some(sketch),
                    }),
                    ..Bucket::empty(at(hour * HOUR))
                },
            }
        });
        store.import(records.collect()).await.unwrap();
    }
    println!(
        "{services} services' hours of a year imported in {:.1?}",
        began.elapsed()
    );
    println!("  size {:.1} MiB", mib(store.figures().await.unwrap().bytes));
    let names: Vec<ServiceName> = (0..services).map(name).collect();
    let span = Span::new(at(0), at(HOURS * HOUR));
    for detail in [Detail::Percentiles, Detail::Sketches] {
        for some in [&names[..1], &names[..]] {
            let mut took = Vec::new();
            for _ in 0..5 {
                let began = Instant::now();
                let mut count = 0;
                for few in some.chunks(10) {
                    let found = store.buckets(few, Tier::Hour, span, detail).await.unwrap();
                    count += found.iter().map(Vec::len).sum::<usize>();
                }
                assert_eq!(count, some.len() * HOURS as usize);
                took.push(began.elapsed());
            }
            took.sort();
            println!(
                "  {} service(s), {detail:?}: median {:.1?}, best {:.1?}",
                some.len(),
                took[2],
                took[0]
            );
        }
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
