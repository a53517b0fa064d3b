//! Check `postgres`: logs in and asks. Where no password is configured it goes as far as the server lets it: a server that
//! asks for a password is alive.

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::FusedFuture;
use health_monitor_actors::check::{Attempt, Check, CheckFailure, Finding};
use health_monitor_actors::model::FailureKind;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Error, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::bounded::Bounded;
use super::deadline::Deadline;
use super::dial::{self, Address};
use super::drive::drive;
use super::failure;
use super::tls::{self, Tls};
use crate::secret::Secret;
use crate::settings::key::{Key, KeyKind};
use crate::settings::values::{InvalidValue, Values};

/// How a server may begin: with an authentication request, an error, or its answer to the question for TLS.
const BEGINS: &[u8] = b"RENSv";

/// Most that is read of a server in one attempt, in bytes.
const ANSWER_LIMIT: usize = 1024 * 1024;

/// How long the server may take to close after it was told goodbye.
const CLOSE_PATIENCE: Duration = Duration::from_millis(250);

/// Asked after the query, for people to read: what the server is, where its answer is no matter of life and death.
const FACTS: &str = "SELECT pg_is_in_recovery(), (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb')";

/// What may be set.
pub(super) const SCHEMA: &[Key] = &[
    Key::new("address", KeyKind::HostPort, "where the server listens, as host:port").required(),
    Key::new("user", KeyKind::Text, "user to log in as").default("postgres"),
    Key::new(
        "password",
        KeyKind::Secret,
        "password to log in with; without one, a server that asks for one is healthy",
    ),
    Key::new("database", KeyKind::Text, "database to log in to").default("postgres"),
    Key::new("query", KeyKind::Text, "query that must succeed").default("SELECT 1"),
    Key::new(
        "tls",
        KeyKind::Choice(&["disable", "prefer", "require"]),
        "whether to encrypt: never, where the server offers it, or always; the certificate is always verified",
    )
    .default("disable"),
    tls::CA_FILE,
    tls::CERTIFICATE_FILE,
    tls::KEY_FILE,
    tls::SERVER_NAME,
];

#[derive(Debug, Deserialize)]
struct Settings {
    /// Where the server listens.
    address: Address,
    /// User to log in as.
    #[serde(default = "postgres")]
    user: String,
    /// Password to log in with; without one, a server that asks for one is healthy.
    password: Option<Secret>,
    /// Database to log in to.
    #[serde(default = "postgres")]
    database: String,
    /// Query that must succeed; `SELECT 1` where it is left out.
    query: Option<String>,
    /// Whether to encrypt.
    #[serde(default)]
    tls: Encryption,
    #[serde(flatten)]
    tls_settings: tls::Settings,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encryption {
    #[default]
    Disable,
    Prefer,
    Require,
}

struct PostgresCheck {
    address: Address,
    login: Config,
    /// Who logs in where, for people to read.
    who: String,
    query: Option<String>,
    tls: Option<(MakeRustlsConnect, String)>,
}

fn postgres() -> String {
    "postgres".to_owned()
}

/// Makes the check.
pub(super) fn build(values: &Values) -> Result<Arc<dyn Check>, InvalidValue> {
    let settings: Settings = values.read()?;
    let mut login = Config::new();
    login
        .user(&settings.user)
        .dbname(&settings.database)
        .application_name("health-monitor")
        .ssl_mode(match settings.tls {
            Encryption::Disable => SslMode::Disable,
            Encryption::Prefer => SslMode::Prefer,
            Encryption::Require => SslMode::Require,
        });
    if let Some(password) = &settings.password {
        login.password(password.expose());
    }
    let tls = match settings.tls {
        Encryption::Disable => None,
        Encryption::Prefer | Encryption::Require => {
            let tls = Tls::new(&settings.tls_settings, settings.address.host())?;
            Some((MakeRustlsConnect::new(tls.config().clone()), tls.name()))
        }
    };
    Ok(Arc::new(PostgresCheck {
        who: format!("{} on database {}", settings.user, settings.database),
        address: settings.address,
        login,
        query: settings.query,
        tls,
    }))
}

#[async_trait]
impl Check for PostgresCheck {
    async fn attempt(&self, attempt: &Attempt) -> Result<Finding, CheckFailure> {
        let deadline = Deadline::of(attempt);
        let dialed = dial::dial(&self.address, attempt, deadline).await?;
        let finding = self.talk(dialed.stream, deadline).await?;
        Ok(dial::with_name_trouble(finding, dialed.unresolved))
    }
}

impl PostgresCheck {
    async fn talk(&self, stream: TcpStream, deadline: Deadline) -> Result<Finding, CheckFailure> {
        let stream = Bounded::new(stream, BEGINS, ANSWER_LIMIT);
        match &self.tls {
            None => self.talk_over(self.login.connect_raw(stream, NoTls), deadline).await,
            Some((maker, name)) => {
                let mut maker = maker.clone();
                let tls =
                    MakeTlsConnect::<Bounded<TcpStream>>::make_tls_connect(&mut maker, name).map_err(|error| {
                        CheckFailure::new(FailureKind::Tls, format!("no TLS with {}: {error}", self.address))
                    })?;
                self.talk_over(self.login.connect_raw(stream, tls), deadline).await
            }
        }
    }

    async fn talk_over<S, T>(
        &self,
        connecting: impl Future<Output = Result<(Client, tokio_postgres::Connection<S, T>), Error>>,
        deadline: Deadline,
    ) -> Result<Finding, CheckFailure>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
        T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let address = &self.address;
        let connected = deadline
            .within(
                || format!("connected to {address}, but the login did not end"),
                connecting,
            )
            .await?;
        let (client, connection) = match connected {
            Ok(connected) => connected,
            Err(error) => return self.without_login(&error),
        };
        let version = connection.parameter("server_version").map(failure::said);
        let mut connection = pin!(connection.fuse());
        let asking = drive(connection.as_mut(), self.ask(&client, deadline));
        let asked = deadline
            .within(
                || format!("logged in to {address} as {}, but no answer to the query", self.who),
                asking,
            )
            .await?;
        let finding = asked.map_err(|error| self.failure(&error))?;
        // Without its client the connection says goodbye and ends.
        drop(client);
        if !connection.is_terminated() {
            deadline.step(CLOSE_PATIENCE).cut(connection).await;
        }
        Ok(match version {
            Some(version) => finding.with("version", version),
            None => finding,
        })
    }

    async fn ask(&self, client: &Client, deadline: Deadline) -> Result<Finding, Error> {
        match &self.query {
            None => client.simple_query("SELECT 1").await?,
            Some(query) => {
                // The server must not go on with it after we are gone.
                let limit = format!("SET statement_timeout = {}", deadline.left().as_millis().max(1));
                client.simple_query(&limit).await?;
                client.simple_query(query).await?
            }
        };
        let finding = Finding::pass(format!("{} answers queries ({})", self.address, self.who));
        // Old or restricted servers may not know; that takes nothing away from the answer before.
        let Ok(facts) = client.simple_query(FACTS).await else {
            return Ok(finding);
        };
        let row = facts.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let Some(row) = row else { return Ok(finding) };
        let finding = match row.try_get(0) {
            Ok(Some(recovering)) => finding.with("in_recovery", recovering == "t"),
            _ => finding,
        };
        Ok(match row.try_get(1) {
            Ok(Some(version)) => finding.with("timescaledb_version", failure::said(version)),
            _ => finding,
        })
    }

    /// What a login that did not succeed says: where none was configured, that the server asks for one is enough.
    fn without_login(&self, error: &Error) -> Result<Finding, CheckFailure> {
        if self.login.get_password().is_some() {
            return Err(self.failure(error));
        }
        let alive = |why: String| Ok(Finding::pass(format!("{} answers; not logged in: {why}", self.address)));
        if is_password_missing(error) {
            return alive("it asks for a password and none is configured".to_owned());
        }
        match error.as_db_error() {
            Some(said) if is_login_refusal(said.code()) => {
                alive(format!("no password is configured ({})", quote(said)))
            }
            _ => Err(self.failure(error)),
        }
    }

    fn failure(&self, error: &Error) -> CheckFailure {
        let address = &self.address;
        if let Some(said) = error.as_db_error() {
            let code = said.code();
            let kind = match *code {
                SqlState::CANNOT_CONNECT_NOW => FailureKind::StartingUp,
                SqlState::TOO_MANY_CONNECTIONS => FailureKind::Saturated,
                SqlState::QUERY_CANCELED => FailureKind::Timeout,
                _ if is_login_refusal(code) => FailureKind::LoginRefused,
                _ => FailureKind::Rejected,
            };
            let failure = CheckFailure::new(kind, format!("{address} says: {} ({})", quote(said), self.who));
            return failure.with("sqlstate", failure::said(code.code()));
        }
        if is_password_missing(error) {
            return CheckFailure::new(
                FailureKind::LoginRefused,
                format!("{address} asks for a password, and none is configured"),
            );
        }
        let source = error.source();
        let io = source.and_then(|source| source.downcast_ref::<io::Error>());
        let text = error.to_string();
        match (text.as_str(), io) {
            ("error performing TLS handshake", Some(io)) => tls::handshake_failure(address, io),
            ("error performing TLS handshake", None) => {
                let why = source.map_or(text.clone(), |source| failure::said(&source.to_string()));
                CheckFailure::new(FailureKind::Tls, format!("no TLS with {address}: {why}"))
            }
            // Bytes that are no message of the protocol.
            ("unexpected message from server" | "error parsing response from server", _) => self.no_postgres(&text),
            (_, Some(io)) if io.kind() == io::ErrorKind::InvalidInput || io.kind() == io::ErrorKind::InvalidData => {
                self.no_postgres(&io.to_string())
            }
            (_, Some(io)) => failure::of_io(&format!("{address} broke off"), io),
            ("authentication error", None) => {
                let why = source.map_or_else(String::new, |source| {
                    format!(": {}", failure::said(&source.to_string()))
                });
                CheckFailure::new(FailureKind::LoginRefused, format!("cannot log in to {address}{why}"))
            }
            _ => CheckFailure::new(
                FailureKind::Reset,
                format!("{address} broke off: {text} (does its log say why?)"),
            ),
        }
    }

    fn no_postgres(&self, why: &str) -> CheckFailure {
        CheckFailure::new(
            FailureKind::WrongProtocol,
            format!("{} is no PostgreSQL server: {}", self.address, failure::said(why)),
        )
    }
}

/// The client's own complaint that the server wants a password. It has no other mark than its text.
fn is_password_missing(error: &Error) -> bool {
    error.as_db_error().is_none()
        && error
            .source()
            .is_some_and(|source| source.to_string() == "password missing")
}

fn is_login_refusal(code: &SqlState) -> bool {
    *code == SqlState::INVALID_PASSWORD || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION
}

/// The server's own words, with its code and its hint, each no longer than a person reads: they may have a megabyte.
fn quote(said: &DbError) -> String {
    let [severity, code, message] = [said.severity(), said.code().code(), said.message()].map(failure::said);
    let hint = said
        .hint()
        .map_or_else(String::new, |hint| format!("; {}", failure::said(hint)));
    format!("{severity} {code}: {message}{hint}")
}

#[cfg(test)]
mod tests;
