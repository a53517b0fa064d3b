//! Check `kafka`: asks the cluster for its metadata: brokers, controller, and partitions without a leader or short of
//! replicas. It writes nothing.
//!
//! First a bare connection to a bootstrap server: it fails at once and says how, where librdkafka would retry until the
//! time is over and then say "broker transport failure". On it the first words of the protocol, for some servers would end the
//! whole process by their answer (see [`greeting`]). Then librdkafka itself, in a blocking call (see [`client`]).

mod client;
mod greeting;
mod report;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use health_monitor_actors::check::{Attempt, Check, CheckFailure, Finding};
use health_monitor_actors::model::FailureKind;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use serde::Deserialize;
use tokio::time::timeout;

use self::client::Call;
use super::blocking::{Calls, Kind};
use super::deadline::Deadline;
use super::dial::{self, Address};
use super::failure;
use super::tls::{self, Tls};
use crate::secret::Secret;
use crate::settings::key::{Key, KeyKind};
use crate::settings::values::{InvalidValue, Values};

/// Few at once: each takes about five threads while it lasts.
static CALLS: Kind = Kind::new("call into the Kafka client", "calls into the Kafka client", 8);

/// The share of a server's time that its first words may take; librdkafka asks in what is left.
const GREETING_SHARE: u32 = 4;

/// What may be set.
pub(super) const SCHEMA: &[Key] = &[
    Key::new(
        "address",
        KeyKind::HostPortList,
        "bootstrap servers, as host:port; the first that takes a connection is asked",
    )
    .required(),
    Key::new("user", KeyKind::Text, "user to log in as, with SASL"),
    Key::new("password", KeyKind::Secret, "password to log in with, with SASL"),
    Key::new(
        "sasl_mechanism",
        KeyKind::Choice(&["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]),
        "how to log in where user is set",
    )
    .default("PLAIN"),
    tls::TLS,
    tls::CA_FILE,
    tls::CERTIFICATE_FILE,
    tls::KEY_FILE,
];

#[derive(Debug, Deserialize)]
struct Settings {
    /// Bootstrap servers.
    address: Vec<Address>,
    /// User to log in as; no SASL where it is left out.
    user: Option<String>,
    /// Password to log in with.
    password: Option<Secret>,
    /// How to log in.
    #[serde(default = "plain")]
    sasl_mechanism: String,
    /// Connect with TLS.
    #[serde(default)]
    tls: bool,
    #[serde(flatten)]
    tls_settings: tls::Settings,
}

struct KafkaCheck {
    servers: Vec<Address>,
    /// It speaks TLS.
    tls: bool,
    client: ClientConfig,
    calls: Calls,
}

/// Tells a blocking call, when it is dropped, that nobody waits for it any more.
struct Waiting(Arc<AtomicBool>);

fn plain() -> String {
    "PLAIN".to_owned()
}

/// Makes the check.
pub(super) fn build(values: &Values) -> Result<Arc<dyn Check>, InvalidValue> {
    let settings: Settings = values.read()?;
    let Some(first) = settings.address.first() else {
        return Err(InvalidValue::new("address", "names no server"));
    };
    let mut client = ClientConfig::new();
    // At `debug` librdkafka tells which broker is the controller, which its interface does not.
    client.set_log_level(RDKafkaLogLevel::Debug).set("debug", "metadata");
    client
        .set("client.id", "health-monitor")
        .set("allow.auto.create.topics", "false")
        .set("topic.metadata.refresh.interval.ms", "-1")
        .set("reconnect.backoff.max.ms", "1000");
    let protocol = match (settings.tls, &settings.user) {
        (false, None) => "plaintext",
        (false, Some(_)) => "sasl_plaintext",
        (true, None) => "ssl",
        (true, Some(_)) => "sasl_ssl",
    };
    client.set("security.protocol", protocol);
    if let Some(user) = &settings.user {
        let Some(password) = &settings.password else {
            return Err(InvalidValue::new("password", "is missing beside user"));
        };
        client
            .set("sasl.mechanism", &settings.sasl_mechanism)
            .set("sasl.username", user)
            .set("sasl.password", password.expose());
    } else if settings.password.is_some() {
        return Err(InvalidValue::new("user", "is missing beside password"));
    }
    if settings.tls {
        // librdkafka reads the files at every attempt; that they can be used is to be told now.
        Tls::new(&settings.tls_settings, first.host())?;
        let files = [
            ("ssl.ca.location", &settings.tls_settings.ca_file),
            ("ssl.certificate.location", &settings.tls_settings.certificate_file),
            ("ssl.key.location", &settings.tls_settings.key_file),
        ];
        for (key, file) in files {
            if let Some(file) = file {
                client.set(key, file);
            }
        }
    }
    Ok(Arc::new(KafkaCheck {
        servers: settings.address,
        tls: settings.tls,
        client,
        calls: Calls::new(&CALLS),
    }))
}

#[async_trait]
impl Check for KafkaCheck {
    async fn attempt(&self, attempt: &Attempt) -> Result<Finding, CheckFailure> {
        let deadline = Deadline::of(attempt);
        let turn = self.calls.begin()?;
        let (server, unresolved) = self.find_server(attempt, deadline).await?;
        let waiting = Waiting(Arc::new(AtomicBool::new(true)));
        let call = Call {
            config: self.client.clone(),
            server,
            without_names: unresolved.is_some(),
            deadline,
            waited_for: Arc::clone(&waiting.0),
        };
        // The client's end is part of the call, not of the answer: it waits for threads that look up the names which the
        // brokers gave, however long a resolver takes that does not answer.
        let finding = turn.run_past_answer(deadline, move |answer| call.run(answer)).await??;
        Ok(dial::with_name_trouble(finding, unresolved))
    }
}

impl KafkaCheck {
    /// The first bootstrap server that takes a connection, as librdkafka should be told it.
    async fn find_server(
        &self,
        attempt: &Attempt,
        deadline: Deadline,
    ) -> Result<(String, Option<String>), CheckFailure> {
        let mut failures = Vec::new();
        for (tried, server) in self.servers.iter().enumerate() {
            // A black hole among the servers must leave time for the others, and for the question itself.
            let share = u32::try_from(self.servers.len() - tried).unwrap_or(u32::MAX);
            let step = deadline.step(deadline.left() / share);
            match dial::dial(server, attempt, step).await {
                Ok(mut dialed) => {
                    // With TLS librdkafka hears nobody but whom the certificates name.
                    let time = step.left() / GREETING_SHARE;
                    if !self.tls
                        && let Ok(true) = timeout(time, greeting::has_no_versions(&mut dialed.stream)).await
                    {
                        dial::leave(dialed.stream);
                        failures.push(CheckFailure::new(
                            FailureKind::WrongProtocol,
                            format!("{server} is no Kafka broker: it answers zeros"),
                        ));
                        continue;
                    }
                    // Where the name does not resolve here, it does not in librdkafka.
                    let found = match (&dialed.unresolved, dialed.stream.peer_addr()) {
                        (Some(_), Ok(peer)) => peer.to_string(),
                        _ => server.to_string(),
                    };
                    dial::leave(dialed.stream);
                    return Ok((found, dialed.unresolved));
                }
                Err(failure) => failures.push(failure),
            }
        }
        let reasons: Vec<_> = failures.iter().map(|failure| failure.reason.as_str()).collect();
        let reason = reasons.join("; ");
        Err(match failure::most_telling(&failures) {
            Some(telling) => CheckFailure::new(telling.kind, reason),
            None => CheckFailure::new(FailureKind::Refused, "no bootstrap server is configured"),
        })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
