//! The floor: the least that a check can cost with the same runtime, and nothing around it.

use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep_until};

use crate::listeners::Kind;
use crate::process::Process;

/// What the loop is told.
#[derive(Debug, Clone)]
pub(crate) struct Drive {
    /// What is spoken.
    pub(crate) kind: Kind,
    /// Checks a second; 0 for as many as there can be.
    pub(crate) rate: f64,
    /// For how long.
    pub(crate) time: Duration,
    /// Where the listeners are.
    pub(crate) ports: Vec<u16>,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
struct Driven {
    checks: u64,
    seconds: f64,
    cpu_seconds: f64,
}

/// What a check costs at least.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Floor {
    /// Time on a processor for one, in microseconds.
    pub(crate) micros: f64,
    /// Checks a second that were made.
    pub(crate) rate: f64,
}

/// What a leaner client could not leave out.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// Measures the floor, in a process of its own.
pub(crate) async fn measure(drive: &Drive) -> Result<Floor> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["floor", drive.kind.name(), &drive.rate.to_string()]);
    command.arg(drive.time.as_secs_f64().to_string());
    command.args(drive.ports.iter().map(u16::to_string));
    let output = command.stderr(Stdio::inherit()).kill_on_drop(true).output().await?;
    ensure!(output.status.success(), "the floor's loop failed");
    let driven: Driven = serde_json::from_slice(&output.stdout).context("what the floor's loop printed")?;
    ensure!(driven.checks > 0, "the floor's loop made no check");
    Ok(Floor {
        micros: driven.cpu_seconds * 1e6 / driven.checks as f64,
        rate: driven.checks as f64 / driven.seconds,
    })
}

/// What the process of the floor does: one check after the other, in one task and on one timer.
pub(crate) async fn drive(drive: Drive) -> Result<()> {
    let own = Process::own();
    let (began, cpu) = (Instant::now(), own.cpu()?);
    let mut ports = drive.ports.iter().cycle();
    let mut checks = 0_u64;
    while began.elapsed() < drive.time {
        if drive.rate > 0.0 {
            sleep_until(began + Duration::from_secs_f64(checks as f64 / drive.rate)).await;
        }
        let port = ports.next().context("there is nobody to ask")?;
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).await?;
        if drive.kind == Kind::Http {
            stream.write_all(REQUEST).await?;
            let mut answer = [0; 1_024];
            while stream.read(&mut answer).await? > 0 {}
        }
        drop(stream);
        checks += 1;
    }
    let driven = Driven {
        checks,
        seconds: began.elapsed().as_secs_f64(),
        cpu_seconds: (own.cpu()? - cpu).as_secs_f64(),
    };
    println!("{}", serde_json::to_string(&driven)?);
    Ok(())
}
