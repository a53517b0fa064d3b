//! One outage of a service, from its first down status to its first up one, and what was found around it.

use std::fmt;
use std::str::FromStr;

use health_monitor_actors::model::{ServiceName, Status};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::RawResult;

/// Bits of an incident's id below its start's milliseconds.
const RANDOM_BITS: u32 = 20;

/// Which incident. Later ones have higher numbers. Written as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IncidentId(i64);

/// Why a text is no incident's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an incident's id has 16 hexadecimal digits, such as 0193a5c1f2a4b01c")]
pub struct InvalidIncidentId;

/// One outage of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Which.
    pub id: IncidentId,
    /// Whose.
    pub service: ServiceName,
    /// What sort of outage, as far as can be told from what was known at its start.
    pub kind: IncidentKind,
    /// When the service was first seen down, to the millisecond.
    pub started: Timestamp,
    /// When it was first seen up again, to the millisecond; `None` while it is not.
    pub ended: Option<Timestamp>,
    /// Its status at the start.
    pub status: Status,
    /// The evidence at the start, in one sentence.
    pub cause: String,
    /// A service that it depends on, directly or not, was down when it began.
    pub dependency_down: bool,
    /// Names of the service's containers when it began.
    pub containers: Vec<String>,
    /// Its start was not seen: see [`StatusChange::reconstructed_since`](super::StatusChange::reconstructed_since).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconstructed_since: Option<Timestamp>,
}

/// What sort of outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentKind {
    /// A container ended and nobody had asked it to.
    Crash,
    /// The containers run, and the check fails.
    Protocol,
    /// A container was replaced a short time before.
    Deploy,
    /// Somebody stopped, paused, killed or removed a container.
    Operator,
}

/// Something found around an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "evidence")]
pub enum Evidence {
    /// A result shortly before or after its start or its end.
    Result(RawResult),
    /// Something that happened to a container of the service.
    Container(ContainerEvent),
    /// The last lines that a container logged.
    Logs(LogExcerpt),
}

/// Something that happened to a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerEvent {
    /// When, to the millisecond.
    pub at: Timestamp,
    /// The container's name.
    pub container: String,
    /// The 12-character form of its id.
    pub id: String,
    /// What.
    pub kind: ContainerEventKind,
    /// How its run ended, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// The kernel ended the run because memory ran out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub oom_killed: bool,
    /// Nobody asked for the exit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unplanned: bool,
}

/// What happened to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerEventKind {
    /// It appeared.
    Created,
    /// Its main process was started.
    Started,
    /// Its main process ended.
    Exited,
    /// It was frozen.
    Paused,
    /// It runs again after it was frozen.
    Unpaused,
    /// Its own HEALTHCHECK fails from now on.
    HealthFailed,
    /// Its own HEALTHCHECK passes again.
    HealthPassed,
    /// It is gone.
    Removed,
}

/// The last lines that a container logged before an incident, secrets hidden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogExcerpt {
    /// When they were asked for, to the millisecond.
    pub at: Timestamp,
    /// The container's name.
    pub container: String,
    /// The lines, the oldest first.
    pub lines: Vec<String>,
    /// Why there are none; `None` where there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

// === impl IncidentId ===

impl IncidentId {
    /// A new one for an incident that started at `started`. `random` tells incidents of one millisecond apart.
    pub fn new(started: Timestamp, random: u32) -> Self {
        let below = i64::from(random & ((1 << RANDOM_BITS) - 1));
        Self((started.as_millisecond().max(0) << RANDOM_BITS) | below)
    }

    /// The least id of an incident that started at `started` or later.
    pub fn first_at(started: Timestamp) -> Self {
        Self::new(started, 0)
    }

    /// As a number.
    pub fn number(self) -> i64 {
        self.0
    }

    /// The id with this number.
    pub fn of_number(number: i64) -> Self {
        Self(number)
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for IncidentId {
    type Err = InvalidIncidentId;

    fn from_str(text: &str) -> Result<Self, InvalidIncidentId> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = i64::from_str_radix(text, 16).ok().filter(|_| is_hex);
        number.map(Self).ok_or(InvalidIncidentId)
    }
}

impl TryFrom<String> for IncidentId {
    type Error = InvalidIncidentId;

    fn try_from(text: String) -> Result<Self, InvalidIncidentId> {
        text.parse()
    }
}

impl From<IncidentId> for String {
    fn from(id: IncidentId) -> String {
        id.to_string()
    }
}

// === impl IncidentKind ===

impl IncidentKind {
    /// Every kind.
    pub const ALL: [IncidentKind; 4] = [
        IncidentKind::Crash,
        IncidentKind::Protocol,
        IncidentKind::Deploy,
        IncidentKind::Operator,
    ];

    /// The word used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            IncidentKind::Crash => "crash",
            IncidentKind::Protocol => "protocol",
            IncidentKind::Deploy => "deploy",
            IncidentKind::Operator => "operator",
        }
    }
}

impl FromStr for IncidentKind {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        IncidentKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or(())
    }
}

impl fmt::Display for IncidentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl ContainerEvent ===

impl ContainerEvent {
    /// What tells it from others of the same container and time.
    pub(crate) fn tag(&self) -> String {
        format!("{} {:?}", self.id, self.kind)
    }
}

// === impl Evidence ===

impl Evidence {
    /// What tells it from others of the same incident and time.
    pub(crate) fn tag(&self) -> String {
        match self {
            Evidence::Result(_) => "result".to_owned(),
            Evidence::Container(event) => format!("container {}", event.tag()),
            Evidence::Logs(logs) => format!("logs {}", logs.container),
        }
    }

    /// When it was.
    pub fn at(&self) -> Timestamp {
        match self {
            Evidence::Result(result) => result.at,
            Evidence::Container(event) => event.at,
            Evidence::Logs(logs) => logs.at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_as_they_are_written_and_are_in_the_order_of_time() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let (earlier, later) = (
            IncidentId::new(at(1_700_000_000), u32::MAX),
            IncidentId::new(at(1_700_000_001), 0),
        );
        assert!(earlier < later);
        assert!(
            earlier >= IncidentId::first_at(at(1_700_000_000)) && earlier < IncidentId::first_at(at(1_700_000_001))
        );
        assert_eq!(earlier.to_string().parse(), Ok(earlier));
        for bad in [
            "",
            "1",
            "-193a5c1f2a4b01c",
            "0193a5c1f2a4b01g",
            "0193a5c1f2a4b01c0",
            "ffffffffffffffff",
        ] {
            assert_eq!(bad.parse::<IncidentId>(), Err(InvalidIncidentId), "{bad}");
        }
    }
}
