//! Check `mqtt`: the broker accepts a client (CONNECT to CONNACK), and where a topic is set it delivers a message.
//!
//! Only the packets of `rumqttc` are used, not its event loop: that one reconnects by itself, resolves and dials by itself,
//! and keeps to itself which step it is at.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::BytesMut;
use health_monitor_actors::check::{Attempt, Check, CheckFailure, Finding};
use health_monitor_actors::model::{FailureKind, ServiceName};
use rumqttc::mqttbytes::v4::{ConnAck, Connect, ConnectReturnCode, Packet, Publish, Subscribe, SubscribeReasonCode};
use rumqttc::mqttbytes::{Error as PacketError, QoS};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::deadline::Deadline;
use super::dial::{self, Address};
use super::failure;
use super::tls::{self, Stream, Tls};
use crate::secret::Secret;
use crate::settings::key::{Key, KeyKind};
use crate::settings::values::{InvalidValue, Values};

/// Largest packet that is sent or taken, in bytes.
const PACKET_LIMIT: usize = 64 * 1024;

/// First byte of every CONNACK.
const CONNACK: u8 = 0x20;

/// Keep-alive that is announced, in seconds: the broker frees a session that could not be closed after 1.5 times this.
const KEEP_ALIVE: u16 = 30;

/// What may be set.
pub(super) const SCHEMA: &[Key] = tls::with_keys![
    Key::new("address", KeyKind::HostPort, "where the broker listens, as host:port").required(),
    Key::new("user", KeyKind::Text, "user to log in as"),
    Key::new("password", KeyKind::Secret, "password to log in with"),
    Key::new(
        "topic",
        KeyKind::Text,
        "publish a message under this topic each time, not retained, and wait until it comes back",
    ),
];

#[derive(Debug, Deserialize)]
struct Settings {
    /// Where the broker listens.
    address: Address,
    /// User to log in as; anonymous where it is left out.
    user: Option<String>,
    /// Password to log in with.
    password: Option<Secret>,
    /// Topic under which a message is sent to oneself; none is where it is left out.
    topic: Option<String>,
    #[serde(flatten)]
    tls: tls::Wanted,
}

struct MqttCheck {
    settings: Settings,
    tls: Option<Tls>,
    /// Tells this process's clients from those of another monitor that watches the same broker.
    instance: u32,
}

/// Makes the check.
pub(super) fn build(values: &Values) -> Result<Arc<dyn Check>, InvalidValue> {
    let settings: Settings = values.read()?;
    if settings.password.is_some() && settings.user.is_none() {
        return Err(InvalidValue::new("user", "is missing beside password"));
    }
    if let Some(topic) = settings.topic.as_deref()
        && (topic.is_empty() || topic.contains(['+', '#']) || topic.starts_with('$'))
    {
        return Err(InvalidValue::new(
            "topic",
            format!("`{topic}` cannot be published to: it must not be empty, begin with $ or hold + or #"),
        ));
    }
    let tls = settings.tls.connector(settings.address.host())?;
    Ok(Arc::new(MqttCheck {
        settings,
        tls,
        instance: fastrand::u32(..),
    }))
}

#[async_trait]
impl Check for MqttCheck {
    async fn attempt(&self, attempt: &Attempt) -> Result<Finding, CheckFailure> {
        let deadline = Deadline::of(attempt);
        let address = &self.settings.address;
        let dialed = dial::dial(address, attempt, deadline).await?;
        let stream = tls::secure(self.tls.as_ref(), dialed.stream, address, deadline).await?;
        let shown = stream.shown();
        let client = client_id(&attempt.service, self.instance);
        let mut session = Session::new(stream, address, deadline);
        session.log_in(&client, &self.settings).await?;
        let finding = match &self.settings.topic {
            None => Finding::pass(format!("{address} accepts clients")),
            Some(topic) => {
                let topic = format!("{}/{client}", topic.trim_end_matches('/'));
                let begin = Instant::now();
                session.send_to_oneself(&topic, attempt.number).await?;
                let took = begin.elapsed().as_secs_f64() * 1_000.0;
                Finding::pass(format!("{address} accepts clients and delivers messages")).with("round_trip_ms", took)
            }
        };
        session.log_out().await;
        let finding = tls::judge(self.tls.as_ref(), finding, shown.as_ref());
        Ok(dial::with_name_trouble(finding, dialed.unresolved))
    }
}

/// A name by which the broker's log tells whose client it was: at most 23 characters, which every broker takes. The same
/// as long as the monitor runs, so that a session which could not be closed is taken over and not left behind.
fn client_id(service: &ServiceName, instance: u32) -> String {
    const SHOWN: usize = 11;
    let service: String = service
        .as_str()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(SHOWN)
        .collect();
    format!("hm-{service}-{instance:08x}")
}

/// One connection to a broker.
struct Session<'a> {
    stream: Stream,
    address: &'a Address,
    deadline: Deadline,
    read: BytesMut,
}

impl<'a> Session<'a> {
    fn new(stream: Stream, address: &'a Address, deadline: Deadline) -> Self {
        Self {
            stream,
            address,
            deadline,
            read: BytesMut::new(),
        }
    }

    async fn log_in(&mut self, client: &str, settings: &Settings) -> Result<(), CheckFailure> {
        let mut connect = Connect::new(client);
        connect.keep_alive = KEEP_ALIVE;
        if let Some(user) = &settings.user {
            let password = settings.password.as_ref().map_or("", Secret::expose);
            connect.set_login(user, password);
        }
        self.send(&Packet::Connect(connect)).await?;
        match self.receive("no CONNACK").await? {
            Packet::ConnAck(ConnAck { code, .. }) => accepted(code, self.address, settings.user.as_deref()),
            other => Err(self.unexpected(&other, "CONNACK")),
        }
    }

    /// Subscribes to the topic, publishes to it, and waits for the message to come back.
    async fn send_to_oneself(&mut self, topic: &str, number: u64) -> Result<(), CheckFailure> {
        let mut subscribe = Subscribe::new(topic, QoS::AtMostOnce);
        subscribe.pkid = 1;
        self.send(&Packet::Subscribe(subscribe)).await?;
        match self.receive("no SUBACK").await? {
            Packet::SubAck(granted) if granted.return_codes.contains(&SubscribeReasonCode::Failure) => {
                return Err(CheckFailure::new(
                    FailureKind::LoginRefused,
                    format!(
                        "{} does not allow to subscribe to {topic}: look at its ACL",
                        self.address
                    ),
                ));
            }
            Packet::SubAck(_) => {}
            other => return Err(self.unexpected(&other, "SUBACK")),
        }
        let payload = format!("{number} {:016x}", fastrand::u64(..));
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload.as_str());
        publish.pkid = 2;
        self.send(&Packet::Publish(publish)).await?;
        loop {
            // A broker's ACL may swallow the message without a word.
            match self
                .receive("the message did not come back (does an ACL forbid it?)")
                .await?
            {
                Packet::Publish(back) if back.payload == payload.as_bytes() => return Ok(()),
                Packet::Publish(_) | Packet::PubAck(_) => {}
                other => return Err(self.unexpected(&other, "PUBLISH")),
            }
        }
    }

    /// Says goodbye, so that the broker does not log a lost client.
    async fn log_out(mut self) {
        if self.send(&Packet::Disconnect).await.is_ok() {
            dial::close(self.stream, self.deadline).await;
        }
    }

    async fn send(&mut self, packet: &Packet) -> Result<(), CheckFailure> {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, PACKET_LIMIT).map_err(|error| {
            CheckFailure::new(
                FailureKind::Assertion,
                format!("what is configured does not fit into a packet: {error}"),
            )
        })?;
        let address = self.address;
        let sending = async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        };
        self.deadline
            .within(|| format!("connected to {address}, but it takes no data"), sending)
            .await?
            .map_err(|error| failure::of_io(&format!("cannot send to {address}"), &error))
    }

    /// Reads one packet; `missing` says what did not come where the time is over.
    async fn receive(&mut self, missing: &str) -> Result<Packet, CheckFailure> {
        let address = self.address;
        let deadline = self.deadline;
        loop {
            // The first packet is a CONNACK: whatever begins otherwise is not worth waiting for.
            if missing == "no CONNACK" && self.read.first().is_some_and(|first| *first != CONNACK) {
                return Err(no_mqtt(address, &self.read));
            }
            match Packet::read(&mut self.read, PACKET_LIMIT) {
                Ok(packet) => return Ok(packet),
                Err(PacketError::InsufficientBytes(_)) => {}
                Err(PacketError::InvalidConnectReturnCode(code)) => {
                    return Err(CheckFailure::new(
                        FailureKind::Rejected,
                        format!("{address} refuses clients of MQTT 3.1.1 (code {code})"),
                    ));
                }
                Err(_) => return Err(no_mqtt(address, &self.read)),
            }
            let read = deadline
                .within(
                    || format!("connected to {address}, but {missing}"),
                    self.stream.read_buf(&mut self.read),
                )
                .await?
                .map_err(|error| failure::of_io(&format!("{address}: {missing}"), &error))?;
            if read == 0 {
                return Err(CheckFailure::new(
                    FailureKind::Reset,
                    format!("{address}: {missing}, it closed the connection (does its log say why?)"),
                ));
            }
        }
    }

    fn unexpected(&self, packet: &Packet, due: &str) -> CheckFailure {
        CheckFailure::new(
            FailureKind::WrongProtocol,
            format!("{} sent a {} where a {due} was due", self.address, name_of(packet)),
        )
    }
}

/// The packet's name in the protocol. Its content may have 64 KiB, and says nothing more here.
fn name_of(packet: &Packet) -> &'static str {
    match packet {
        Packet::Connect(_) => "CONNECT",
        Packet::ConnAck(_) => "CONNACK",
        Packet::Publish(_) => "PUBLISH",
        Packet::PubAck(_) => "PUBACK",
        Packet::PubRec(_) => "PUBREC",
        Packet::PubRel(_) => "PUBREL",
        Packet::PubComp(_) => "PUBCOMP",
        Packet::Subscribe(_) => "SUBSCRIBE",
        Packet::SubAck(_) => "SUBACK",
        Packet::Unsubscribe(_) => "UNSUBSCRIBE",
        Packet::UnsubAck(_) => "UNSUBACK",
        Packet::PingReq => "PINGREQ",
        Packet::PingResp => "PINGRESP",
        Packet::Disconnect => "DISCONNECT",
    }
}

fn no_mqtt(address: &Address, said: &[u8]) -> CheckFailure {
    CheckFailure::new(
        FailureKind::WrongProtocol,
        format!("{address} is no MQTT broker: it says {}", failure::quote(said)),
    )
}

fn accepted(code: ConnectReturnCode, address: &Address, user: Option<&str>) -> Result<(), CheckFailure> {
    let login = user.map_or_else(
        || "an anonymous login".to_owned(),
        |user| format!("the login of {user}"),
    );
    let (kind, reason) = match code {
        ConnectReturnCode::Success => return Ok(()),
        ConnectReturnCode::BadUserNamePassword => (
            FailureKind::LoginRefused,
            format!("{address} refuses {login}: bad user name or password"),
        ),
        ConnectReturnCode::NotAuthorized => {
            let remedy = if user.is_none() { ": set user and password" } else { "" };
            (
                FailureKind::LoginRefused,
                format!("{address} refuses {login}: not authorised{remedy}"),
            )
        }
        ConnectReturnCode::RefusedProtocolVersion => (
            FailureKind::Rejected,
            format!("{address} does not take clients of MQTT 3.1.1"),
        ),
        ConnectReturnCode::BadClientId => (FailureKind::Rejected, format!("{address} refuses the client id")),
        ConnectReturnCode::ServiceUnavailable => (
            FailureKind::Rejected,
            format!("{address} says that its service is unavailable"),
        ),
    };
    Err(CheckFailure::new(kind, reason))
}

#[cfg(test)]
mod tests;
