//! What one cycle of a check found.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What one cycle found: a first attempt and its retries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What the deciding attempt says.
    pub verdict: Verdict,
    /// One sentence for a person: the evidence, and where it helps what to do.
    pub reason: String,
    /// Structured facts found on the way: version, mode, broker count, …
    pub info: Map<String, Value>,
    /// How many attempts were made, at least one.
    pub attempts: u32,
    /// When the cycle began.
    pub started: Timestamp,
    /// When the cycle ended.
    pub ended: Timestamp,
    /// How long the deciding attempt took.
    pub duration: Duration,
}

/// What an attempt says of its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict", content = "kind")]
pub enum Verdict {
    /// The service does its work.
    Pass,
    /// The service does its work, but a person should look.
    Warn,
    /// The attempt failed, in this way.
    Fail(FailureKind),
}

/// How an attempt failed. Which side is at fault follows from it: see [`FailureKind::fault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Nobody listens on the port.
    Refused,
    /// The connection was closed or reset before the protocol was done.
    Reset,
    /// No answer within the attempt's time.
    Timeout,
    /// The host's name does not exist.
    NameNotFound,
    /// There is no way to the host.
    HostUnreachable,
    /// The server refused the credentials, or wants some.
    LoginRefused,
    /// What answers does not speak this protocol.
    WrongProtocol,
    /// TLS could not be agreed on: certificate, name or version.
    Tls,
    /// The server has no room for one more connection.
    Saturated,
    /// The server answered, and says that it does not work.
    Rejected,
    /// The server answered, but not what the configuration expects.
    Assertion,
    /// The server says that it is still starting (PostgreSQL 57P03).
    StartingUp,
    /// The container is not in a state in which the check can pass.
    Container,
    /// The monitor has no file descriptors, memory or local addresses left.
    LocalResources,
    /// The monitor has no network.
    NetworkUnreachable,
    /// The resolver did not answer.
    Resolver,
    /// An earlier blocking call of this check has not returned yet.
    StillRunning,
    /// The check itself panicked.
    Panicked,
    /// Only Docker could tell, and it does not answer.
    DockerUnavailable,
    /// Several containers fit, and which is meant is not known.
    Ambiguous,
}

/// Whose failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The service's: it counts against it.
    Service,
    /// The monitor's: nothing is known of the service, no streak moves.
    Monitor,
    /// Nobody's yet: the service is still starting.
    Startup,
}

// === impl Outcome ===

impl Outcome {
    /// How long the deciding attempt took; `None` for a cycle whose failure was certain without one.
    pub fn measured(&self) -> Option<Duration> {
        (self.attempts > 0).then_some(self.duration)
    }
}

// === impl Verdict ===

impl Verdict {
    /// Whose failure it is; `None` where nothing failed.
    pub fn fault(self) -> Option<Fault> {
        match self {
            Verdict::Pass | Verdict::Warn => None,
            Verdict::Fail(kind) => Some(kind.fault()),
        }
    }
}

// === impl FailureKind ===

impl FailureKind {
    /// Whose failure this kind is.
    pub fn fault(self) -> Fault {
        match self {
            FailureKind::Refused
            | FailureKind::Reset
            | FailureKind::Timeout
            | FailureKind::NameNotFound
            | FailureKind::HostUnreachable
            | FailureKind::LoginRefused
            | FailureKind::WrongProtocol
            | FailureKind::Tls
            | FailureKind::Saturated
            | FailureKind::Rejected
            | FailureKind::Assertion
            | FailureKind::Container => Fault::Service,
            FailureKind::StartingUp => Fault::Startup,
            FailureKind::LocalResources
            | FailureKind::NetworkUnreachable
            | FailureKind::Resolver
            | FailureKind::StillRunning
            | FailureKind::Panicked
            | FailureKind::DockerUnavailable
            | FailureKind::Ambiguous => Fault::Monitor,
        }
    }

    /// A second attempt a moment later may well pass, so it is worth a retry within the cycle.
    pub fn is_transient(self) -> bool {
        matches!(self, FailureKind::Refused | FailureKind::Reset | FailureKind::Timeout)
    }
}
