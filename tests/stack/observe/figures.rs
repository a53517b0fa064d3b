//! What the monitor costs and how fast it answers, on the stack with 20 running containers. The figures are printed; only what
//! is wrong by an order of magnitude fails, since tests share their machine.

use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::Instant;

use super::readers::Prometheus;
use health_monitor_test_support::stack::docker::{Made, docker, pid_of, unique};
use health_monitor_test_support::stack::turn;
use health_monitor_test_support::stack::wait::{seconds, until};

/// How many containers run while latencies are taken.
const CONTAINERS: usize = 20;

/// Requests for each figure.
const REQUESTS: usize = 300;

#[tokio::test]
async fn answers_come_within_milliseconds_with_twenty_containers() {
    let turn = turn().await;
    let image = turn.stack.variable("HEALTH_MONITOR_IMAGE");
    let running = async || {
        turn.monitor.get("/containers").await.1["running_containers"]
            .as_u64()
            .unwrap() as usize
    };
    let mut idle = Vec::new();
    while running().await < CONTAINERS {
        // What the image has of a shell: no further image is needed.
        let ping = [
            "--network=none",
            "--no-healthcheck",
            "--entrypoint=/bin/ping",
            image,
            "-i",
            "3600",
            "127.0.0.1",
        ];
        let container = Made::run(unique("idle"), &ping).await;
        until("an idle container in the list", seconds(10), async || {
            match turn.monitor.get(&format!("/containers/{}", container.name)).await {
                (StatusCode::OK, found) if found["status"] == "running" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        idle.push(container);
    }

    for path in ["/metrics", "/health", "/containers"] {
        let mut times = Vec::new();
        let mut size = 0;
        for _ in 0..REQUESTS {
            let began = Instant::now();
            let (status, text) = turn.monitor.try_get(path).await.unwrap();
            times.push(began.elapsed());
            assert_eq!(status, StatusCode::OK);
            size = text.len();
        }
        times.sort_unstable();
        let [median, slow] = [times[REQUESTS / 2], times[REQUESTS * 99 / 100]];
        println!(
            "{path} with {} running containers: median {median:.1?}, 99 % within {slow:.1?}, {size} bytes",
            running().await
        );
        assert!(median < Duration::from_millis(100), "{path}: {median:?}");
    }
}

#[tokio::test]
async fn the_monitor_is_small() {
    let turn = turn().await;
    let prometheus = Prometheus::of(turn.stack);
    let pid = pid_of("health-monitor").await;
    // Where the engine runs on another machine, its processes cannot be looked at.
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    for field in ["VmRSS", "RssAnon", "RssFile", "Threads"] {
        if let Some(line) = status.lines().find(|line| line.starts_with(field)) {
            println!("{}", line.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    let stats = docker(&[
        "stats",
        "--no-stream",
        "--format",
        "{{.MemUsage}}, CPU {{.CPUPerc}}",
        "health-monitor",
    ])
    .await;
    println!("docker stats: {stats}");

    let resident = format!("process_resident_memory_bytes{{{JOB}}}");
    let resident = until("a scrape", seconds(40), async || {
        prometheus.value(&resident).await.ok_or_else(String::new)
    })
    .await;
    let mebibytes = resident / 1024.0 / 1024.0;
    let cpu = format!("rate(process_cpu_seconds_total{{{JOB}}}[1m])");
    let cpu = until("two scrapes", seconds(40), async || {
        prometheus.value(&cpu).await.ok_or_else(String::new)
    })
    .await;
    println!(
        "resident {mebibytes:.1} MiB, over the last minute {:.2} % of one core",
        100.0 * cpu
    );
    // 20 are the aim at rest; it has just served the other tests of this stack.
    assert!(mebibytes < 200.0, "{mebibytes} MiB");
    assert!(cpu < 0.5, "{cpu} cores");
}

const JOB: &str = "job=\"health-monitor\"";
