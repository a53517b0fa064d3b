//! The history in one SQLite file, which needs no server.
//!
//! # What lies where
//!
//! The monitor may run on a small board with an SD card, and ten thousand services make a thousand results a second. Were
//! they written in the order in which they are read, by service, every second would touch a thousand pages of 4 KiB. So
//! what comes is appended in the order of time, and put in the order of services once an hour:
//!
//! - `frame`: one row for each second, all results of that second. Its id is the hour and a number, so an hour's frames lie
//!   together.
//! - `raw`, `minute`, `hour`: one row for each hour and service, made from the frames when the hour is over; hours lie one
//!   after the other, so they are appended and deleted as a whole.
//! - `day`: the hours of one day and service; a service's days lie together, because a year of it is read at once.
//! - `change`, `incident`, `evidence`, `event`, `run`, `saved`: few rows, each as it is.
//!
//! The file is in WAL mode. One thread writes and one reads; neither is an arbiter's. Results are written without waiting
//! for the disk, which a killed process survives and a loss of power survives to the last checkpoint; changes of status
//! wait for it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use health_monitor_actors::model::ServiceName;
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::model::{
    Bucket, ContainerEvent, Evidence, Incident, IncidentId, RawResult, Run, SavedService, Span, StatusChange, Tier,
    UsageBucket,
};
use super::store::{
    Batch, Decided, Detail, IncidentQuery, Memory, Order, Record, Retention, Store, StoreError, StoreFigures, Upkeep,
};

mod append;
mod import;
mod merge;
mod names;
mod pack;
mod read;
mod record;
mod roll;
mod rows;
mod schema;
mod sweep;
mod usage;
mod worker;

use read::Reading;
use worker::Worker;

/// How long a lock that somebody else holds is waited for.
const PATIENCE_MILLIS: u32 = 2_000;

/// Questions that may wait at once.
const QUESTIONS: usize = 32;

/// Pages in the write-ahead log at which it is written into the file.
const CHECKPOINT_PAGES: u32 = 1_000;

/// Memory for pages of each of the two connections, in KiB.
const CACHE_KIB: u32 = 1_024;

/// The history in one SQLite file.
pub struct Sqlite {
    path: PathBuf,
    /// `None` where it is open for a look only.
    writer: Option<Worker<append::Writer>>,
    reader: Worker<Connection>,
    questions: tokio::sync::Semaphore,
    /// Held while it is open for writing, so that no second monitor writes to it.
    _lock: Option<File>,
}

impl Sqlite {
    /// Opens the history at `path`, and makes it where it is not there. One that is damaged is moved aside, never
    /// overwritten, and a new one begun.
    ///
    /// # Errors
    ///
    /// Where the file cannot be opened or made, is another monitor's, or a later version's.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        match Self::open_as_it_is(path).await {
            Err(StoreError::Damaged { why, .. }) => {
                Self::set_aside(path, &why)?;
                Self::open_as_it_is(path).await
            }
            opened => opened,
        }
    }

    async fn open_as_it_is(path: &Path) -> Result<Self, StoreError> {
        let lock = take(path)?;
        let (for_writer, for_reader) = (path.to_owned(), path.to_owned());
        let writer = Worker::start("history-write", move || append::Writer::open(&for_writer)).await?;
        let reader = Worker::start("history-read", move || open_to_read(&for_reader)).await?;
        Ok(Self {
            path: path.to_owned(),
            writer: Some(writer),
            reader,
            questions: tokio::sync::Semaphore::new(QUESTIONS),
            _lock: Some(lock),
        })
    }

    /// Opens a history for a look, also while a monitor writes to it; whatever writes is refused then.
    ///
    /// # Errors
    ///
    /// Where there is none, or it cannot be read.
    pub async fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        let for_reader = path.to_owned();
        let reader = Worker::start("history-read", move || open_to_read(&for_reader)).await?;
        Ok(Self {
            path: path.to_owned(),
            writer: None,
            reader,
            questions: tokio::sync::Semaphore::new(QUESTIONS),
            _lock: None,
        })
    }

    /// Moves a damaged history aside, with a name that says when. The log says where it is.
    ///
    /// # Errors
    ///
    /// Where its files cannot be renamed.
    pub fn set_aside(path: &Path, why: &str) -> Result<PathBuf, StoreError> {
        let stamp = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let aside = with_ending(path, &format!(".damaged-{stamp}"));
        for ending in ["", "-wal", "-shm"] {
            let (from, to) = (with_ending(path, ending), with_ending(&aside, ending));
            match std::fs::rename(&from, &to) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(unavailable(
                        path,
                        &format!("it is damaged and cannot be moved aside: {error}"),
                    ));
                }
            }
        }
        tracing::error!(history = %path.display(), why, moved_to = %aside.display(), "history damaged; a new one begins");
        Ok(aside)
    }

    /// Asks the reading connection.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reading<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _permit = self.questions.try_acquire().map_err(|_all_taken| StoreError::Busy)?;
        let answer = self
            .reader
            .call(move |connection| Reading::with(connection, question))
            .await?;
        answer.map_err(|fault| fault.at(&self.path))
    }

    async fn tell<T: Send + 'static>(
        &self,
        order: impl FnOnce(&mut append::Writer) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let writer = self.writer.as_ref().ok_or(StoreError::Closed)?;
        let obey = |writer: &mut append::Writer| {
            let done = order(writer)?;
            writer.release()?;
            Ok(done)
        };
        writer.call(obey).await?.map_err(|fault: Fault| fault.at(&self.path))
    }
}

#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the method alone is not general enough in its lifetimes"
)]
#[async_trait]
impl Store for Sqlite {
    fn describe(&self) -> String {
        format!("SQLite {}, {}", rusqlite::version(), self.path.display())
    }

    async fn resume(&self) -> Result<Memory, StoreError> {
        self.tell(append::Writer::resume).await
    }

    async fn append(&self, batch: Arc<Batch>) -> Result<(), StoreError> {
        self.tell(move |writer| writer.append(&batch)).await
    }

    async fn commit(&self, decided: Arc<[Decided]>) -> Result<(), StoreError> {
        self.tell(move |writer| writer.commit(&decided)).await
    }

    async fn maintain(&self, now: Timestamp, retention: &Retention) -> Result<Upkeep, StoreError> {
        let retention = retention.clone();
        self.tell(move |writer| writer.maintain(now, &retention)).await
    }

    async fn import(&self, records: Vec<Record>) -> Result<(), StoreError> {
        self.tell(move |writer| writer.import(&records)).await
    }

    async fn close(&self) {
        self.reader.stop().await;
        if let Some(writer) = &self.writer {
            writer.stop().await;
        }
    }

    async fn services(&self) -> Result<Vec<ServiceName>, StoreError> {
        self.ask(|reading| reading.services()).await
    }

    async fn containers(&self) -> Result<Vec<String>, StoreError> {
        self.ask(|reading| reading.containers()).await
    }

    async fn results(
        &self,
        service: &ServiceName,
        span: Span,
        order: Order,
        limit: usize,
    ) -> Result<Vec<RawResult>, StoreError> {
        let service = service.clone();
        self.ask(move |reading| reading.results(&service, span, order, limit))
            .await
    }

    async fn buckets(
        &self,
        services: &[ServiceName],
        tier: Tier,
        span: Span,
        detail: Detail,
    ) -> Result<Vec<Vec<Bucket>>, StoreError> {
        let services = services.to_vec();
        self.ask(move |reading| reading.buckets(&services, tier, span, detail))
            .await
    }

    async fn changes(
        &self,
        service: Option<&ServiceName>,
        span: Span,
        order: Order,
        limit: usize,
    ) -> Result<Vec<StatusChange>, StoreError> {
        let service = service.cloned();
        self.ask(move |reading| reading.changes(service.as_ref(), span, order, limit))
            .await
    }

    async fn runs(&self, span: Span) -> Result<Vec<Run>, StoreError> {
        self.ask(move |reading| reading.runs(span)).await
    }

    async fn incidents(&self, wanted: &IncidentQuery) -> Result<Vec<Incident>, StoreError> {
        let wanted = wanted.clone();
        self.ask(move |reading| reading.incidents(&wanted)).await
    }

    async fn incident(&self, id: IncidentId) -> Result<Option<Incident>, StoreError> {
        self.ask(move |reading| reading.incident(id)).await
    }

    async fn evidence(&self, id: IncidentId) -> Result<Vec<Evidence>, StoreError> {
        self.ask(move |reading| reading.evidence(id)).await
    }

    async fn container_events(
        &self,
        containers: &[String],
        span: Span,
        limit: usize,
    ) -> Result<Vec<ContainerEvent>, StoreError> {
        let containers = containers.to_vec();
        self.ask(move |reading| reading.container_events(&containers, span, limit))
            .await
    }

    async fn usage(&self, container: &str, tier: Tier, span: Span) -> Result<Vec<UsageBucket>, StoreError> {
        let container = container.to_owned();
        self.ask(move |reading| reading.usage(&container, tier, span)).await
    }

    async fn saved(&self) -> Result<Vec<SavedService>, StoreError> {
        self.ask(|reading| reading.saved()).await
    }

    async fn figures(&self) -> Result<StoreFigures, StoreError> {
        let (store, path) = (self.describe(), self.path.clone());
        let figures = self.ask(|reading| reading.figures()).await?;
        let sizes =
            ["", "-wal"].map(|ending| std::fs::metadata(with_ending(&path, ending)).map_or(0, |file| file.len()));
        Ok(StoreFigures {
            store,
            bytes: sizes.iter().sum(),
            ..figures
        })
    }
}

/// What went wrong in a worker, before it is known where.
type Fault = super::fault::Fault<rusqlite::Error>;

impl Fault {
    fn at(self, path: &Path) -> StoreError {
        match self {
            Fault::Store(error) => error,
            Fault::Database(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked,
                Some(ErrorCode::DiskFull) => StoreError::Full,
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged {
                    place: path.display().to_string(),
                    why: error.to_string(),
                },
                Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                    unavailable(path, &error.to_string())
                }
                _ => StoreError::Failed(error.to_string()),
            },
        }
    }
}

/// Takes the history for this process. The lock is on a file beside it, because one on the file itself would stand in
/// the way of `health-monitor history export` and of every other reader.
fn take(path: &Path) -> Result<File, StoreError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| unavailable(path, &error.to_string()))?;
    }
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(with_ending(path, ".lock"));
    let file = file.map_err(|error| unavailable(path, &error.to_string()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Taken {
            place: path.display().to_string(),
        }),
        Err(TryLockError::Error(error)) => Err(unavailable(path, &error.to_string())),
    }
}

fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> Result<Connection, Fault> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(std::time::Duration::from_millis(PATIENCE_MILLIS.into()))?;
        connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB))?;
        Ok(connection)
    };
    open().map_err(|fault| fault.at(path))
}

fn unavailable(path: &Path, why: &str) -> StoreError {
    StoreError::Unavailable {
        place: path.display().to_string(),
        why: why.to_owned(),
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// An opened history as others hold it.
impl From<Sqlite> for Arc<dyn Store> {
    fn from(sqlite: Sqlite) -> Self {
        Arc::new(sqlite)
    }
}
