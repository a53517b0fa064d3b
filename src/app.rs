//! The monitor as a whole: starts its parts, knows who talks to whom, and ends them in order.
//!
//! What can end the process is here alone. Everything else that fails is a supervised actor's failure, and restarted.

mod core;
mod descriptors;
mod end;
mod engine;
pub(crate) mod history;
mod inventory_watch;
mod reloads;
mod watchdog;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use actix_web::dev::{Server, ServerHandle};
use health_monitor_actors::probe::{Lateness, ProbeTools};
use health_monitor_actors::registry::Registry;
use health_monitor_actors::supervisor::{self, Add, ChildSpec, Placement, Shutdown, Supervisor};
use rustls::ServerConfig;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::access::{Access, AccessSettings};
use crate::api::{self, ApiState, CertificateFiles, Section, ServerCertificate};
use crate::docker::{Audience, Engine, Inventory, Stats};
use crate::metrics;
use crate::roster::{Desk, Roster, RosterTools};
use crate::settings::{Settings, Sources};
use crate::telemetry;

pub use end::{Failure, Vital};
use end::{hard_limit, told_to_stop};
use inventory_watch::INVENTORY;
use watchdog::Watched;

/// How long actors may take to end.
const ACTORS_LIMIT: Duration = Duration::from_secs(3);

/// How long requests under way may take to end.
const REQUESTS_LIMIT: Duration = Duration::from_secs(5);

/// Runs the monitor until it is told to stop.
///
/// # Errors
///
/// Where a part that it cannot do without does not start, or ends.
pub async fn run(settings: Settings, sources: Sources) -> Result<(), Failure> {
    start(settings, sources).await?.until_end().await
}

/// A monitor that runs, with the addresses of its actors.
pub struct Running {
    /// Keeps probes and the Docker actors running.
    pub supervisor: Addr<Supervisor>,
    /// What probes are given: the registry is among it.
    pub tools: ProbeTools,
    engine: Option<Engine>,
    kept: Option<history::Kept>,
    server: Server,
    fatalities: UnboundedReceiver<Failure>,
}

/// Starts every part of the monitor.
///
/// # Errors
///
/// Where a part that it cannot do without does not start.
pub async fn start(settings: Settings, sources: Sources) -> Result<Running, Failure> {
    let settings = Arc::new(settings);
    supervisor::install_panic_hook();
    let bind = settings.server.bind;
    let listener = TcpListener::bind(bind).map_err(|source| Failure::Bind { bind, source })?;
    let (fatal, fatalities) = mpsc::unbounded_channel();

    let engine = engine::configured(&settings.docker)?;
    let (registry, mailbox, registry_pulse) = core::start_registry(engine.as_ref(), &fatal);
    let (supervisor, supervisor_pulse) = core::start_supervisor(&settings, &registry, fatal);
    let watched = [(Vital::Registry, registry_pulse), (Vital::Supervisor, supervisor_pulse)];
    watchdog::start(watched.map(|(actor, pulse)| Watched::new(actor, pulse))).map_err(Failure::Watchdog)?;
    let lateness = Arc::new(Lateness::default());
    let tools = ProbeTools {
        registry: registry.clone(),
        mailbox,
        lateness: lateness.clone(),
    };
    if let Some(engine) = &engine {
        watch_containers(engine, &registry, &supervisor);
    }
    // Before the first service is defined: it begins with what is known of it.
    let kept = history::begin(&settings.history, engine.as_ref(), &registry).await;
    let desk = Arc::new(Desk::new(settings.clone()));
    let roster = RosterTools {
        sources,
        probes: tools.clone(),
        supervisor: supervisor.clone(),
        own: engine.as_ref().map(Engine::own),
        desk: desk.clone(),
    };
    Roster::begin(&roster);
    supervisor.do_send(Add(Roster::child_spec(roster)));
    reloads::on_signal(desk.clone()).map_err(Failure::Signals)?;
    if let Some(kept) = &kept {
        kept.start(&registry, &supervisor);
    }

    let access = Arc::new(Access::new(access_settings(&settings)));
    reloads::keep_access(access.clone(), &desk);
    let state = api_state(&settings, &registry, &supervisor, lateness)
        .with_access(access)
        .with_desk(desk);
    let state = match engine.clone() {
        Some(engine) => state.with_docker(move || engine::figures(&engine)),
        None => state,
    };
    let state = match &kept {
        Some(kept) => state.with_history(kept.handle()),
        None => state,
    };
    let tls = server_tls(settings.server.certificate.as_ref())?;
    let server = api::serve(listener, descriptors::api_limits(), state, tls).map_err(Failure::Serve)?;
    tracing::info!(%bind, services = settings.services.len(), "monitor started");
    if settings.api_keys.is_empty() && !bind.ip().is_loopback() {
        tracing::warn!(
            %bind,
            "no API keys are configured: everybody who reaches this address can read everything; \
             health-monitor key new NAME makes one"
        );
    }
    Ok(Running {
        supervisor,
        tools,
        engine,
        kept,
        server,
        fatalities,
    })
}

impl Running {
    /// Waits until it is told to stop, then ends every part in order.
    ///
    /// # Errors
    ///
    /// Where a part that it cannot do without ends.
    pub async fn until_end(mut self) -> Result<(), Failure> {
        let handle = self.server.handle();
        let mut served = actix::spawn(self.server);
        let end = tokio::select! {
            signal = told_to_stop() => signal.map(|name| tracing::info!(signal = name, "monitor stops")),
            Some(failure) = self.fatalities.recv() => Err(failure),
            failure = engine::socket_replaced(self.engine.as_ref()) => Err(failure),
            ended = &mut served => Err(Failure::server_ended(ended)),
        };
        hard_limit(end.as_ref().map_or_else(Failure::exit_code, |()| 0));
        stop(&self.supervisor, &self.tools.registry, self.kept.as_ref(), &handle).await;
        end
    }
}

/// How the API speaks TLS; its certificate is followed from now on. `None` where it does without.
fn server_tls(files: Option<&CertificateFiles>) -> Result<Option<ServerConfig>, Failure> {
    let Some(files) = files else { return Ok(None) };
    let certificate = Arc::new(ServerCertificate::load(files.clone())?);
    let config = certificate
        .server_config()
        .map_err(io::Error::other)
        .map_err(Failure::Serve)?;
    actix::spawn(certificate.follow());
    Ok(Some(config))
}

/// Containers are followed from now on, by two actors of the supervisor's.
fn watch_containers(engine: &Engine, registry: &Addr<Registry>, supervisor: &Addr<Supervisor>) {
    let audience = Audience {
        containers: registry.clone().recipient(),
        engine: registry.clone().recipient(),
        project: registry.clone().recipient(),
    };
    let followed = engine.clone();
    let inventory = ChildSpec::new(INVENTORY, move |child, _: &mut Context<Inventory>| {
        Inventory::new(followed.clone(), audience.clone()).with_heart(child.heart)
    })
    // What a check does to its lane must not hide the containers.
    .placement(Placement::OwnArbiter);
    let (sampled, usage) = (engine.clone(), registry.clone().recipient());
    let stats = ChildSpec::new("docker/stats", move |child, _: &mut Context<Stats>| {
        Stats::new(sampled.clone(), usage.clone()).with_heart(child.heart)
    });
    for child in [inventory, stats] {
        supervisor.do_send(Add(child));
    }
}

fn api_state(
    settings: &Settings,
    registry: &Addr<Registry>,
    supervisor: &Addr<Supervisor>,
    lateness: Arc<Lateness>,
) -> ApiState {
    let api_settings = api::Settings {
        built_in_services: settings.built_in_services,
        metrics: metrics::Settings {
            plain_duration: settings.metrics.plain_duration,
        },
        ..api::Settings::default()
    };
    ApiState::new(api_settings, registry.clone().recipient())
        .with_orders(registry.clone().recipient(), registry.clone().recipient())
        .with_supervisor(supervisor.clone().recipient())
        .with_registry(registry.clone().recipient())
        .with_lateness(lateness)
        .with_section(Section::reading("log", telemetry::figures))
}

/// Who may ask what.
fn access_settings(settings: &Settings) -> AccessSettings {
    AccessSettings {
        keys: settings.api_keys.clone(),
        open_metrics: settings.metrics.open,
        open_badges: settings.server.open_badges,
        trusted_proxies: settings.server.trusted_proxies.clone(),
    }
}

/// Ends probing, then writes the history and lets requests finish. Whatever still blocks by then is left to the end of the process.
async fn stop(
    supervisor: &Addr<Supervisor>,
    registry: &Addr<Registry>,
    kept: Option<&history::Kept>,
    server: &ServerHandle,
) {
    match supervisor.send(Shutdown { limit: ACTORS_LIMIT }).await {
        Ok(report) if report.unfinished.is_empty() => {}
        Ok(report) => tracing::warn!(unfinished = ?report.unfinished, "actors did not end in time"),
        Err(_ended) => tracing::warn!("the supervisor had ended before it was told to"),
    }
    let written = async {
        if let Some(kept) = kept {
            kept.close(registry).await;
        }
    };
    let served = tokio::time::timeout(REQUESTS_LIMIT, server.stop(true));
    let ((), served) = futures_util::future::join(written, served).await;
    if served.is_err() {
        tracing::warn!("requests did not end in time");
    }
}
