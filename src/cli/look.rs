//! `health-monitor status`, `services` and `containers`: what a running monitor knows, for people.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use health_monitor_actors::policy::ago;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::client::{Client, Target};
use super::table::{Cell, Colour, Table};
use super::{DOWN, FAILED, MISCONFIGURED, WORKED, block_on, parse_time};
use crate::settings::{SettingsError, Sources};

/// Clears a terminal and begins at its top.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

/// How a document is shown.
#[derive(Debug, Args)]
pub(super) struct Look {
    #[command(flatten)]
    target: Target,
    /// Print the monitor's answer as it came
    #[arg(long)]
    json: bool,
    /// When to use colour
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Colour,
}

/// Shows the state again and again.
#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    #[command(flatten)]
    look: Look,
    /// Ask again after this long, until interrupted
    #[arg(
        long,
        short,
        value_name = "TIME",
        num_args = 0..=1,
        default_missing_value = "2s",
        value_parser = parse_time
    )]
    watch: Option<Duration>,
}

/// A document that is shown as a table.
trait Document: DeserializeOwned {
    const PATH: &'static str;

    fn table(&self) -> Table;

    /// A line above the table.
    fn headline(&self) -> Option<String>;

    /// What the process ends with.
    fn exit_code(&self) -> u8 {
        WORKED
    }
}

/// `/services` as `status` shows it.
#[derive(Debug, Deserialize)]
struct Status {
    /// Of the whole.
    status: String,
    services: Vec<ServiceStatus>,
}

#[derive(Debug, Deserialize)]
struct ServiceStatus {
    service: String,
    status: Option<String>,
    since: Option<Timestamp>,
    check: String,
    reason: Option<String>,
}

/// `/services` as `services` shows it.
#[derive(Debug, Deserialize)]
struct Services {
    services: Vec<ServiceSetUp>,
    problems: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct ServiceSetUp {
    service: String,
    origin: String,
    defined_at: Option<String>,
    check: String,
    address: Option<String>,
    problems: Vec<String>,
    notes: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Containers {
    total_containers: usize,
    running_containers: usize,
    containers: Vec<Container>,
    /// Why they are not known now; absent while they are.
    cause: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Container {
    name: String,
    id: String,
    status: String,
    image: String,
    started_at: Option<Timestamp>,
    ports: Vec<String>,
    networks: Vec<String>,
}

/// `health-monitor status`.
pub(super) fn status(arguments: &StatusArguments, sources: &Sources) -> u8 {
    match arguments.watch {
        None => show::<Status>(&arguments.look, sources),
        Some(every) => watch(&arguments.look, every, sources),
    }
}

/// `health-monitor services`.
pub(super) fn services(look: &Look, sources: &Sources) -> u8 {
    show::<Services>(look, sources)
}

/// `health-monitor containers`.
pub(super) fn containers(look: &Look, sources: &Sources) -> u8 {
    show::<Containers>(look, sources)
}

fn show<D: Document>(look: &Look, sources: &Sources) -> u8 {
    let shown = block_on(async {
        let client = Client::of(&look.target, sources)?;
        render::<D>(&client, look, sources).await
    });
    match shown.and_then(|(text, code)| Ok((print(&text)?, code))) {
        Ok(((), code)) => code,
        Err(error) => complain(&error),
    }
}

/// Says what is wrong, and with which exit code to end.
fn complain(error: &anyhow::Error) -> u8 {
    eprintln!("error: {error:#}");
    if error.is::<SettingsError>() {
        MISCONFIGURED
    } else {
        FAILED
    }
}

/// The document's text, and what it means for the exit code.
async fn render<D: Document>(client: &Client, look: &Look, sources: &Sources) -> anyhow::Result<(String, u8)> {
    if look.json {
        let answer = client.text(D::PATH).await?;
        let document: D = serde_json::from_slice(&answer)?;
        let mut text = String::from_utf8_lossy(&answer).into_owned();
        text.push('\n');
        return Ok((text, document.exit_code()));
    }
    let document: D = client.get(D::PATH).await?;
    let mut text = document
        .headline()
        .map(|line| format!("{line}\n\n"))
        .unwrap_or_default();
    let table = document.table();
    text.push_str(&table.render(look.color.is_wanted(sources), io::stdout().is_terminal()));
    Ok((text, document.exit_code()))
}

/// Asks again and again, until the process is interrupted or nobody reads any more.
fn watch(look: &Look, every: Duration, sources: &Sources) -> u8 {
    block_on(async {
        let client = match Client::of(&look.target, sources) {
            Ok(client) => client,
            Err(error) => return complain(&error),
        };
        let clear = if look.json { "" } else { CLEAR };
        loop {
            // A monitor that is away may come back; that is what a person watches for.
            let text = match render::<Status>(&client, look, sources).await {
                Ok((text, _)) => format!("{clear}{text}"),
                Err(error) => format!("{clear}{error:#}\n"),
            };
            if print(&text).is_err() {
                return WORKED;
            }
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                _ = tokio::signal::ctrl_c() => return WORKED,
            }
        }
    })
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// How long ago, in a few letters.
fn since(time: Option<Timestamp>) -> String {
    let elapsed = time.and_then(|time| Duration::try_from(Timestamp::now().duration_since(time)).ok());
    elapsed.map_or_else(|| "-".to_owned(), ago)
}

impl Document for Status {
    const PATH: &'static str = "/services";

    fn headline(&self) -> Option<String> {
        let up = self.services.iter().filter(|service| {
            let status = service.status.as_deref();
            matches!(status, Some("healthy" | "degraded"))
        });
        Some(format!(
            "{}: {} of {} services up",
            self.status,
            up.count(),
            self.services.len()
        ))
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&["SERVICE", "STATUS", "SINCE", "CHECK", "REASON"]);
        for service in &self.services {
            table.row(vec![
                Cell::new(&service.service),
                Cell::status(service.status.as_deref().unwrap_or("unknown")),
                Cell::new(since(service.since)),
                Cell::new(&service.check),
                Cell::new(service.reason.as_deref().unwrap_or("")),
            ]);
        }
        table
    }

    fn exit_code(&self) -> u8 {
        if self.status == "unhealthy" { DOWN } else { WORKED }
    }
}

impl Document for Services {
    const PATH: &'static str = "/services";

    fn headline(&self) -> Option<String> {
        (!self.problems.is_empty()).then(|| self.problems.join("\n"))
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&[
            "SERVICE",
            "ORIGIN",
            "DEFINED AT",
            "CHECK",
            "ADDRESS",
            "PROBLEMS AND NOTES",
        ]);
        for service in &self.services {
            let said: Vec<&str> = service
                .problems
                .iter()
                .chain(&service.notes)
                .map(String::as_str)
                .collect();
            table.row(vec![
                Cell::new(&service.service),
                Cell::new(&service.origin),
                Cell::new(service.defined_at.as_deref().unwrap_or("-")),
                Cell::new(&service.check),
                Cell::new(service.address.as_deref().unwrap_or("-")),
                Cell::new(said.join("; ")),
            ]);
        }
        table
    }
}

impl Document for Containers {
    const PATH: &'static str = "/containers";

    fn headline(&self) -> Option<String> {
        let counts = format!(
            "{} of {} containers run",
            self.running_containers, self.total_containers
        );
        Some(match &self.cause {
            None => counts,
            Some(cause) => format!("Docker daemon unavailable: {cause}; when it was last known, {counts}"),
        })
    }

    fn exit_code(&self) -> u8 {
        if self.cause.is_some() { FAILED } else { WORKED }
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&["NAME", "ID", "STATUS", "STARTED", "IMAGE", "NETWORKS", "PORTS"]);
        for container in &self.containers {
            table.row(vec![
                Cell::new(&container.name),
                Cell::new(&container.id),
                Cell::status(&container.status),
                Cell::new(since(container.started_at)),
                Cell::new(&container.image),
                Cell::new(container.networks.join(",")),
                Cell::new(container.ports.join(" ")),
            ]);
        }
        table
    }
}
