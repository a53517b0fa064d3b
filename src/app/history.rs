//! The history, as the configuration wants it.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use async_trait::async_trait;
use health_monitor_actors::registry::{Registry, Restore};
use health_monitor_actors::supervisor::{Add, ChildSpec, Placement, Supervisor};

use crate::docker::Engine;
use crate::history::handle::{History, HistoryFigures};
use crate::history::place::{Place, default_path};
use crate::history::postgres::{Access, Trust};
use crate::history::store::Retention;
use crate::history::writer::{Desk, Logs, Writer, WriterOptions};
use crate::settings::{self, StoreKind, StoreTls};

/// How long the monitor waits for what was known before it begins without. A file takes some milliseconds; what comes later
/// is told to the registry then.
const OPEN_LIMIT: Duration = Duration::from_millis(250);

/// How long the last write may take.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Bytes in a MiB.
const MIB: u64 = 1024 * 1024;

/// The history that is written; `None` where the configuration wants none.
pub(super) struct Kept {
    desk: Desk,
    history: History,
}

/// Begins with what was known when the last process ended. To be called before the first service is defined.
pub(super) async fn begin(
    settings: &settings::History,
    engine: Option<&Engine>,
    registry: &Addr<Registry>,
) -> Option<Kept> {
    if !settings.enabled {
        return None;
    }
    let options = options(settings, engine);
    let history = History::new(None, HistoryFigures::default(), options.retention.clone());
    let desk = Desk::new(options, history.clone());
    registry.do_send(Restore(desk.open(OPEN_LIMIT).await));
    desk.begin(registry).await;
    Some(Kept { desk, history })
}

/// Where the history is, as the configuration says.
pub(crate) fn place(settings: &settings::History) -> Place {
    match settings.store {
        StoreKind::Sqlite => Place::Sqlite(settings.path.clone().unwrap_or_else(default_path)),
        StoreKind::Postgres => Place::Postgres(Access {
            address: settings.address.clone().unwrap_or_default(),
            user: settings.user.clone(),
            password: settings.password.clone(),
            database: settings.database.clone(),
            tls: match settings.tls {
                StoreTls::Disable => None,
                StoreTls::Require => Some(settings.ca_file.clone().map_or(Trust::Public, Trust::File)),
            },
        }),
    }
}

/// How long things are kept, as the configuration says.
pub(crate) fn retention(settings: &settings::History) -> Retention {
    Retention {
        raw: settings.raw_retention,
        raw_bytes: settings.raw_max_size.saturating_mul(MIB),
        minutes: settings.minute_retention,
        hours: settings.hour_retention,
        events: settings.event_retention,
    }
}

fn options(settings: &settings::History, engine: Option<&Engine>) -> WriterOptions {
    WriterOptions {
        place: place(settings),
        retention: retention(settings),
        buffer: settings.buffer,
        log_lines: settings.log_lines,
        logs: engine.map(|engine| Arc::new(ContainerLogs(engine.clone())) as Arc<dyn Logs>),
    }
}

struct ContainerLogs(Engine);

#[async_trait]
impl Logs for ContainerLogs {
    async fn tail(&self, id: &str, lines: usize) -> Result<Vec<String>, String> {
        self.0.log_tail(id, lines).await.map_err(|error| error.to_string())
    }
}

impl Kept {
    /// Starts the actor that writes.
    pub(super) fn start(&self, registry: &Addr<Registry>, supervisor: &Addr<Supervisor>) {
        let (desk, registry) = (self.desk.clone(), registry.clone());
        let writer = ChildSpec::new("history", move |child, _: &mut Context<Writer>| {
            Writer::new(desk.clone(), registry.clone(), child)
        })
        // What a check does to its lane must not make a change of status wait.
        .placement(Placement::OwnArbiter);
        supervisor.do_send(Add(writer));
    }

    /// What the rest of the monitor holds of it.
    pub(super) fn handle(&self) -> History {
        self.history.clone()
    }

    /// Writes what is left, once the actor has ended.
    pub(super) async fn close(&self, registry: &Addr<Registry>) {
        self.desk.close(registry, CLOSE_LIMIT).await;
    }
}
