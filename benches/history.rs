//! What history costs: results written through the real stores with an accelerated clock, then read.
//!
//! ```text
//! cargo bench --bench history -- week sqlite                 1,000 services at 10 s for a simulated week
//! cargo bench --bench history -- day sqlite                  10,000 services at 10 s for a simulated day
//! cargo bench --bench history -- year sqlite                 100 services' hours of a year, imported, then read
//! cargo bench --bench history -- week postgres HOST:PORT     the same in the database postgres of that server
//! cargo bench --bench history -- small sqlite                nine services for a simulated day
//! cargo bench --bench history -- sketch                      percentiles against exact ones
//! ```
//!
//! Every simulated second is one batch, as the history actor makes it. CPU time and bytes written are those of this process,
//! by the kernel's own count; the time of a PostgreSQL server is not among them.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on says where")]

#[path = "../tests/support/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use health_monitor::api::{ApiState, Settings};
use health_monitor::history::handle::{History, HistoryFigures};
use health_monitor::history::model::{
    Bucket, Durations, HOUR, RawResult, ResultKind, Run, ServiceResult, Span, StatusChange, Tier,
};
use health_monitor::history::postgres::{Access, Postgres};
use health_monitor::history::sketch::Sketch;
use health_monitor::history::sqlite::Sqlite;
use health_monitor::history::store::{Batch, Decided, Order, Record, Retention, Store, Upkeep};
use health_monitor_actors::model::{EngineState, ServiceName, Snapshot, Status};
use jiff::Timestamp;
use tokio::time::Instant;

use server::{TestServer, telling};

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
        println!("say what to measure: small, week, day, year or sketch; then sqlite or postgres HOST:PORT");
        return;
    };
    actix_web::rt::System::new().block_on(async {
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
            "sketch" => sketches(),
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

/// Asks each endpoint, by HTTP from this process.
async fn read(store: &Arc<dyn Store>, services: i64, end: i64) {
    let endpoints = Endpoints::of(store);
    let one = name(services / 2);
    let ten: Vec<String> = (0..services.min(100))
        .map(|service| name(service).to_string())
        .collect();
    let since = |millis: i64| format!("from={}&to={}", at(end - millis), at(end));
    let (hour, day, all) = (since(HOUR), since(24 * HOUR), since(end));
    let many = ten.join(",");
    for path in [
        format!("/services/{one}/history?{hour}&step=1m"),
        format!("/services/{one}/history?{day}&step=5m"),
        format!("/services/{one}/history?{all}&step=1h"),
        format!("/services/{one}/uptime?window=3y"),
        format!("/history?services={many}&{day}&step=1h"),
        format!("/incidents?service={one}"),
        "/incidents".to_owned(),
        format!("/badge/{one}.svg?type=uptime&window=3y"),
    ] {
        endpoints.ask(&path).await;
    }
    let began = Instant::now();
    let span = Span::new(at(end - HOUR), at(end));
    let found = store.results(&one, span, Order::NewestFirst, 1_000).await.unwrap();
    println!(
        "  {} results of the last hour, from the store: {:.1?}",
        found.len(),
        began.elapsed()
    );
}

struct Endpoints(TestServer);

impl Endpoints {
    fn of(store: &Arc<dyn Store>) -> Self {
        // Nothing is too old: the simulated time is years ago.
        let century = Duration::from_secs(100 * 365 * 86_400);
        let retention = Retention {
            minutes: century,
            events: century,
            ..retention()
        };
        let history = History::new(Some(store.clone()), HistoryFigures::default(), retention);
        let nothing = Arc::new(Snapshot {
            version: 1,
            at: Timestamp::now(),
            services: BTreeMap::new(),
            containers: BTreeMap::new(),
            engine: EngineState::Disabled,
        });
        let state = ApiState::new(Settings::default(), telling(nothing));
        Self(TestServer::start(state.with_history(history)))
    }

    /// Five times; says the median and the longest.
    async fn ask(&self, path: &str) {
        let (mut took, mut bytes) = (Vec::new(), 0);
        for _ in 0..5 {
            let began = Instant::now();
            let (status, text) = self.0.text(path).await;
            assert_eq!(status, 200, "{path}: {text}");
            took.push(began.elapsed());
            bytes = text.len();
        }
        took.sort();
        let shown: String = path.chars().take(70).collect();
        println!(
            "  {shown}: {bytes} bytes, median {:.1?}, longest {:.1?}",
            took[2], took[4]
        );
    }
}

/// How far percentiles of a year's merged hours are from those of all its durations in order.
fn sketches() {
    for (what, draw) in [
        ("around 2 ms", (|| 1_500 + fastrand::u64(..1_000)) as fn() -> u64),
        ("from 0.1 ms to 10 s, evenly by magnitude", || {
            (100.0 * 10_f64.powf(fastrand::f64() * 5.0)) as u64
        }),
        ("2 ms, one in fifty 300 ms", || {
            if fastrand::u8(..50) == 0 {
                300_000 + fastrand::u64(..9_999)
            } else {
                2_000
            }
        }),
    ] {
        let (mut merged, mut all) = (Sketch::default(), Vec::new());
        for _ in 0..8_760 {
            let hour: Vec<u64> = (0..360).map(|_| draw()).collect();
            merged.merge(&Sketch::of(hour.iter().map(|micros| Duration::from_micros(*micros))));
            all.extend(hour);
        }
        all.sort_unstable();
        let worst = [0.5, 0.95, 0.99].map(|share| {
            let exact = all[(share * (all.len() - 1) as f64).floor() as usize] as f64;
            (merged.quantile(share).unwrap() - exact).abs() / exact * 100.0
        });
        println!(
            "  {what}: p50, p95 and p99 of {} durations are off by {worst:.3?} %",
            all.len()
        );
    }
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
    let endpoints = Endpoints::of(store);
    let span = format!("from={}&to={}&step=1h", at(0), at(HOURS * HOUR));
    let names: Vec<String> = (0..services).map(|service| name(service).to_string()).collect();
    endpoints.ask(&format!("/services/{}/history?{span}", names[0])).await;
    for fields in ["uptime", "uptime,p95_ms", "uptime,checks,failures,p50_ms,p95_ms,p99_ms"] {
        endpoints
            .ask(&format!("/history?fields={fields}&{span}&services={}", names.join(",")))
            .await;
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
