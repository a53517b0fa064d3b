//! The history in PostgreSQL, and in TimescaleDB where the server has it.
//!
//! Rows are plain, one for each result, minute and hour, so that anybody can query them; they lie in the schema
//! `health_monitor`. What results say over and over has a number in them; the view `results` has it in words. Where the
//! TimescaleDB extension is there, tables that grow with time are its hypertables, with compression and retention
//! policies; where it is not, they are PostgreSQL's own partitions, made and dropped by the monitor. Which of the two, the
//! server is asked when the tables are made.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use health_monitor_actors::model::{ServiceName, Status};
use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::model::{
    Bucket, ContainerEvent, Evidence, Incident, IncidentId, RawResult, Run, SavedService, Span, StatusChange, Tier,
    UsageBucket, from_millis,
};
use super::store::{
    Batch, Decided, Detail, IncidentQuery, Memory, Order, Record, Retention, Store, StoreError, StoreFigures, Upkeep,
};
use crate::secret::Secret;

mod buckets;
mod copy;
mod findings;
mod names;
mod pieces;
mod read;
mod results;
mod roll;
mod schema;
mod statements;
mod sweep;
mod tls;
mod write;

pub use tls::Trust;

/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How to reach the server.
#[derive(Debug, Clone)]
pub struct Access {
    /// `host:port`.
    pub address: String,
    /// Who logs in.
    pub user: String,
    /// With what.
    pub password: Option<Secret>,
    /// To which database.
    pub database: String,
    /// Over TLS, trusting these; `None` for none.
    pub tls: Option<Trust>,
}

/// What the server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flavour {
    /// PostgreSQL's own partitions.
    Plain,
    /// Hypertables.
    Timescale,
}

/// The history in one database.
pub struct Postgres {
    description: String,
    flavour: Flavour,
    writer: Mutex<write::Writer>,
    reader: Client,
}

impl Postgres {
    /// Connects, and makes the tables where they are not there.
    ///
    /// # Errors
    ///
    /// Where the server cannot be reached, refuses the login, or has tables of a later version.
    pub async fn open(access: &Access) -> Result<Self, StoreError> {
        let place = format!("postgres://{}/{}", access.address, access.database);
        let open = async {
            let writer = connect(access).await?;
            let version: String = writer.query_one("SHOW server_version", &[]).await?.get(0);
            let extension = "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'";
            let extension: Option<String> = writer.query_opt(extension, &[]).await?.map(|row| row.get(0));
            let flavour = if extension.is_some() {
                Flavour::Timescale
            } else {
                Flavour::Plain
            };
            let writer = prepared(writer, flavour, place.clone()).await?;
            let durable = make_quick(&writer).await?;
            let reader = connect(access).await?;
            let search = "SET search_path = health_monitor, public";
            reader.batch_execute(search).await?;
            let with = extension.map_or_else(
                || "native partitions".to_owned(),
                |found| format!("TimescaleDB {found}"),
            );
            Ok(Self {
                description: format!("PostgreSQL {version} with {with}, {place}"),
                flavour,
                writer: Mutex::new(write::Writer::new(writer, flavour, durable)),
                reader,
            })
        };
        open.await.map_err(|fault: Fault| match fault.into_error() {
            StoreError::Lost(why) | StoreError::Failed(why) => StoreError::Unavailable { place, why },
            other => other,
        })
    }
}

/// Brings the tables to the present version. It goes on where nobody waits for it any more: what takes longer than whoever
/// opens the history is patient would never be done otherwise.
async fn prepared(mut client: Client, flavour: Flavour, place: String) -> Result<Client, Fault> {
    let prepare = async move {
        schema::prepare(&mut client, flavour, &place).await?;
        Ok(client)
    };
    tokio::spawn(prepare).await.map_err(|_ended| StoreError::Closed)?
}

/// Has transactions not wait for the disk, unless they say so; yields what those have to say.
async fn make_quick(client: &Client) -> Result<String, Fault> {
    let usual: String = client.query_one("SHOW synchronous_commit", &[]).await?.get(0);
    client.batch_execute("SET synchronous_commit = off").await?;
    Ok(if usual == "off" { "on".to_owned() } else { usual })
}

async fn connect(access: &Access) -> Result<Client, Fault> {
    let (host, port) = access.address.rsplit_once(':').unwrap_or((&access.address, "5432"));
    let mut config = Config::new();
    config
        .host(host.trim_matches(['[', ']']))
        .port(port.parse().unwrap_or(5_432))
        .user(&access.user)
        .dbname(&access.database)
        .application_name("health-monitor history")
        .connect_timeout(CONNECT_LIMIT)
        .keepalives_idle(Duration::from_secs(30));
    if let Some(password) = &access.password {
        config.password(password.expose());
    }
    match &access.tls {
        None => {
            let (client, connection) = config.ssl_mode(SslMode::Disable).connect(NoTls).await?;
            tokio::spawn(drive(connection));
            Ok(client)
        }
        Some(trust) => {
            let tls = MakeRustlsConnect::new(tls::config(trust).map_err(StoreError::Failed)?);
            let (client, connection) = config.ssl_mode(SslMode::Require).connect(tls).await?;
            tokio::spawn(drive(connection));
            Ok(client)
        }
    }
}

/// Moves a connection's bytes until it ends; its client is told of that by itself.
async fn drive(connection: impl Future<Output = Result<(), tokio_postgres::Error>>) {
    if let Err(error) = connection.await {
        tracing::debug!(%error, "connection to the history's server ended");
    }
}

#[async_trait]
impl Store for Postgres {
    fn describe(&self) -> String {
        self.description.clone()
    }

    async fn resume(&self) -> Result<Memory, StoreError> {
        read::memory(&self.reader).await.map_err(Fault::into_error)
    }

    async fn append(&self, batch: Arc<Batch>) -> Result<(), StoreError> {
        self.writer.lock().await.append(&batch).await.map_err(Fault::into_error)
    }

    async fn commit(&self, decided: Arc<[Decided]>) -> Result<(), StoreError> {
        self.writer
            .lock()
            .await
            .commit(&decided)
            .await
            .map_err(Fault::into_error)
    }

    async fn maintain(&self, now: Timestamp, retention: &Retention) -> Result<Upkeep, StoreError> {
        self.writer
            .lock()
            .await
            .maintain(now, retention)
            .await
            .map_err(Fault::into_error)
    }

    async fn import(&self, records: Vec<Record>) -> Result<(), StoreError> {
        self.writer
            .lock()
            .await
            .import(&records)
            .await
            .map_err(Fault::into_error)
    }

    async fn close(&self) {
        // Connections say goodbye when their clients are dropped; nothing is left unwritten.
    }

    async fn services(&self) -> Result<Vec<ServiceName>, StoreError> {
        let rows = self
            .reader
            .query("SELECT name FROM service ORDER BY name COLLATE \"C\"", &[])
            .await;
        let rows = rows.map_err(|error| Fault::from(error).into_error())?;
        rows.iter().map(|row| service_name(row.get(0))).collect()
    }

    async fn containers(&self) -> Result<Vec<String>, StoreError> {
        let rows = self
            .reader
            .query(
                "SELECT name FROM (SELECT name FROM container UNION SELECT container FROM event) AS known
                 ORDER BY name COLLATE \"C\"",
                &[],
            )
            .await;
        let rows = rows.map_err(|error| Fault::from(error).into_error())?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn results(
        &self,
        service: &ServiceName,
        span: Span,
        order: Order,
        limit: usize,
    ) -> Result<Vec<RawResult>, StoreError> {
        read::results(&self.reader, service, span, order, limit)
            .await
            .map_err(Fault::into_error)
    }

    async fn buckets(
        &self,
        services: &[ServiceName],
        tier: Tier,
        span: Span,
        detail: Detail,
    ) -> Result<Vec<Vec<Bucket>>, StoreError> {
        read::buckets(&self.reader, services, tier, span, detail)
            .await
            .map_err(Fault::into_error)
    }

    async fn changes(
        &self,
        service: Option<&ServiceName>,
        span: Span,
        order: Order,
        limit: usize,
    ) -> Result<Vec<StatusChange>, StoreError> {
        read::changes(&self.reader, service, span, order, limit)
            .await
            .map_err(Fault::into_error)
    }

    async fn runs(&self, span: Span) -> Result<Vec<Run>, StoreError> {
        read::runs(&self.reader, span).await.map_err(Fault::into_error)
    }

    async fn incidents(&self, wanted: &IncidentQuery) -> Result<Vec<Incident>, StoreError> {
        read::incidents(&self.reader, wanted).await.map_err(Fault::into_error)
    }

    async fn incident(&self, id: IncidentId) -> Result<Option<Incident>, StoreError> {
        read::incident(&self.reader, id).await.map_err(Fault::into_error)
    }

    async fn evidence(&self, id: IncidentId) -> Result<Vec<Evidence>, StoreError> {
        read::evidence(&self.reader, id).await.map_err(Fault::into_error)
    }

    async fn container_events(
        &self,
        containers: &[String],
        span: Span,
        limit: usize,
    ) -> Result<Vec<ContainerEvent>, StoreError> {
        read::container_events(&self.reader, containers, span, limit)
            .await
            .map_err(Fault::into_error)
    }

    async fn usage(&self, container: &str, tier: Tier, span: Span) -> Result<Vec<UsageBucket>, StoreError> {
        read::usage(&self.reader, container, tier, span)
            .await
            .map_err(Fault::into_error)
    }

    async fn saved(&self) -> Result<Vec<SavedService>, StoreError> {
        read::saved(&self.reader).await.map_err(Fault::into_error)
    }

    async fn figures(&self) -> Result<StoreFigures, StoreError> {
        let figures = pieces::figures(&self.reader, self.flavour)
            .await
            .map_err(Fault::into_error)?;
        Ok(StoreFigures {
            store: self.describe(),
            ..figures
        })
    }
}

/// What went wrong.
type Fault = super::fault::Fault<tokio_postgres::Error>;

impl Fault {
    fn into_error(self) -> StoreError {
        let error = match self {
            Fault::Store(error) => return error,
            Fault::Database(error) => error,
        };
        let said = match error.as_db_error() {
            Some(said) => format!("{} ({})", said.message(), said.code().code()),
            None => std::error::Error::source(&error)
                .map_or_else(|| error.to_string(), |source| format!("{error}: {source}")),
        };
        match error.code() {
            _ if error.is_closed() => StoreError::Lost(said),
            Some(&SqlState::DISK_FULL) => StoreError::Full,
            Some(&SqlState::LOCK_NOT_AVAILABLE | &SqlState::T_R_DEADLOCK_DETECTED) => StoreError::Locked,
            Some(
                &SqlState::ADMIN_SHUTDOWN
                | &SqlState::CRASH_SHUTDOWN
                | &SqlState::CANNOT_CONNECT_NOW
                | &SqlState::READ_ONLY_SQL_TRANSACTION,
            )
            | None => StoreError::Lost(said),
            Some(_) => StoreError::Failed(said),
        }
    }
}

/// A time as the server takes it; it knows none before 4713 BC, nor after the year 294276.
fn time(at: Timestamp) -> SystemTime {
    let at = at.clamp(from_millis(FIRST), from_millis(LAST));
    let since = Duration::from_micros(at.as_microsecond().unsigned_abs());
    if at < Timestamp::UNIX_EPOCH {
        SystemTime::UNIX_EPOCH - since
    } else {
        SystemTime::UNIX_EPOCH + since
    }
}

/// The years 1 and 9000, in milliseconds since 1970.
const FIRST: i64 = -62_135_596_800_000;
const LAST: i64 = 221_845_392_000_000;

/// A time as the server gave it.
fn read_time(row: &Row, column: usize) -> Result<Timestamp, StoreError> {
    Timestamp::try_from(row.get::<_, SystemTime>(column)).map_err(|error| StoreError::Failed(error.to_string()))
}

fn service_name(name: &str) -> Result<ServiceName, StoreError> {
    ServiceName::new(name).map_err(|error| StoreError::Failed(error.to_string()))
}

fn status_of(word: &str) -> Result<Status, StoreError> {
    let found = Status::ALL.into_iter().find(|status| status.as_str() == word);
    found.ok_or_else(|| StoreError::Failed(format!("'{word}' is no status")))
}

/// A count as the server takes it.
fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// PostgreSQL's texts hold every character but one.
fn storable(text: &str) -> String {
    text.replace('\0', "")
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// What was saved, in the server's form.
fn read_saved(row: &Row) -> Result<SavedService, Fault> {
    Ok(SavedService {
        service: service_name(row.get(0))?,
        at: read_time(row, 1)?,
        state: serde_json::from_str(row.get(2))?,
    })
}
