//! The image in the stack: its HEALTHCHECK, a run without root, and its end while clients are connected.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::Instant;

use health_monitor_test_support::stack::docker::{Made, docker, pid_of, unique};
use health_monitor_test_support::stack::monitor::Monitor;
use health_monitor_test_support::stack::wait::{RECOVERY, seconds, until};
use health_monitor_test_support::stack::{Stack, turn};

#[tokio::test]
async fn the_healthcheck_of_the_image_tells_life_from_death() {
    let said = docker(&["exec", "health-monitor", "health-monitor", "healthcheck"]).await;
    assert_eq!(said, "alive at 127.0.0.1:8000");
    let verdict = ["inspect", "--format", "{{.State.Health.Status}}", "health-monitor"];
    until("Docker's own verdict", seconds(30), async || {
        match docker(&verdict).await {
            verdict if verdict == "healthy" => Ok(()),
            verdict => Err(verdict),
        }
    })
    .await;

    let elsewhere = "HEALTH_MONITOR__SERVER__BIND=127.0.0.1:9";
    let output = Command::new("docker")
        .args([
            "exec",
            "--env",
            elsewhere,
            "health-monitor",
            "health-monitor",
            "healthcheck",
        ])
        .envs(Stack::get().variables())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // Docker reserves the code 2.
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no life at 127.0.0.1:9"), "{said}");
}

#[tokio::test]
async fn without_root_and_capabilities_it_sees_the_whole_stack_and_ends_with_clients_connected() {
    let turn = turn().await;
    let group = docker(&["exec", "health-monitor", "ls", "-ln", "/var/run/docker.sock"]).await;
    let group = group.split_whitespace().nth(3).unwrap().to_owned();
    let name = unique("non-root");
    let arguments = [
        "--network",
        turn.stack.variable("STACK_NETWORK"),
        "--publish=127.0.0.1::8000",
        "--user=65532:65532",
        "--group-add",
        &group,
        "--read-only",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--volume=/var/run/docker.sock:/var/run/docker.sock:ro",
        turn.stack.variable("HEALTH_MONITOR_IMAGE"),
    ];
    let container = Made::run(name, &arguments).await;
    let published = docker(&["port", &container.name, "8000"]).await;
    let address = published.lines().next().unwrap().to_owned();
    let monitor = Monitor::at(&format!("http://{address}"));
    until("an answer", seconds(10), async || {
        monitor.try_get("/livez").await.map_err(|error| error.to_string())
    })
    .await;
    monitor.all_healthy(RECOVERY).await;
    until("what kafka uses", seconds(40), async || {
        let (_, kafka) = monitor.get("/containers/kafka").await;
        let usage = &kafka["resource_usage"];
        if usage["memory_usage_mb"].is_number() {
            Ok(())
        } else {
            Err(usage.to_string())
        }
    })
    .await;

    let status = std::fs::read_to_string(format!("/proc/{}/status", pid_of(&container.name).await)).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(field("Uid:"), ["65532"; 4]);
    assert_eq!(field("CapEff:"), ["0000000000000000"]);
    assert_eq!(field("NoNewPrivs:"), ["1"]);

    // One that never ends its request, and one that keeps its connection.
    let mut slow = TcpStream::connect(&address).await.unwrap();
    slow.write_all(b"GET /health HTTP/1.1\r\n").await.unwrap();
    let mut kept = TcpStream::connect(&address).await.unwrap();
    kept.write_all(b"GET /health HTTP/1.1\r\nHost: monitor\r\n\r\n")
        .await
        .unwrap();
    kept.readable().await.unwrap();
    let began = Instant::now();
    docker(&["stop", "--time", "20", &container.name]).await;
    let took = began.elapsed();
    let state = docker(&[
        "inspect",
        "--format",
        "{{.State.ExitCode}} {{.State.OOMKilled}}",
        &container.name,
    ])
    .await;
    println!("ended {took:.1?} after TERM, with two clients connected");
    assert_eq!(
        state,
        "0 false",
        "{}",
        docker(&["logs", "--tail", "20", &container.name]).await
    );
    assert!(took < seconds(10), "{took:?}");
}
