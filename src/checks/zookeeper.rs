//! Check `zookeeper`: asks `srvr` for mode and load, and opens a session, which only a quorum can grant.
//!
//! A session is a write of the whole ensemble, so it is opened once a `session_interval` and not at every attempt, except
//! where `srvr` is not allowed. `ruok` is not used: a node that has lost its quorum still says that it is fine.

mod session;
mod srvr;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use health_monitor_actors::check::{Attempt, Check, CheckFailure, Finding};
use health_monitor_actors::model::FailureKind;
use serde::Deserialize;
use tokio::time::Instant;

use self::srvr::Srvr;
use super::deadline::Deadline;
use super::dial::{self, Address};
use super::tls::{self, Tls};
use crate::settings::duration;
use crate::settings::key::{Key, KeyKind};
use crate::settings::values::{InvalidValue, Values};

/// What may be set.
pub(super) const SCHEMA: &[Key] = tls::with_keys![
    Key::new("address", KeyKind::HostPort, "the server's client port, as host:port").required(),
    Key::new(
        "session_interval",
        KeyKind::Duration {
            min: Duration::ZERO,
            max: Duration::from_secs(86_400),
        },
        "how often to open a session, each a write of the ensemble",
    )
    .default("60s"),
];

#[derive(Debug, Deserialize)]
struct Settings {
    /// The server's client port.
    address: Address,
    /// From one session to the next, unless `srvr` is refused.
    #[serde(default = "one_minute", with = "duration")]
    session_interval: Duration,
    #[serde(flatten)]
    tls: tls::Wanted,
}

struct ZooKeeperCheck {
    settings: Settings,
    tls: Option<Tls>,
    /// When a session last went well; `None` before the first, so that the first attempt opens one.
    last_session: Mutex<Option<Instant>>,
}

fn one_minute() -> Duration {
    Duration::from_secs(60)
}

/// Makes the check.
pub(super) fn build(values: &Values) -> Result<Arc<dyn Check>, InvalidValue> {
    let settings: Settings = values.read()?;
    let tls = settings.tls.connector(settings.address.host())?;
    Ok(Arc::new(ZooKeeperCheck {
        settings,
        tls,
        last_session: Mutex::new(None),
    }))
}

#[async_trait]
impl Check for ZooKeeperCheck {
    async fn attempt(&self, attempt: &Attempt) -> Result<Finding, CheckFailure> {
        let deadline = Deadline::of(attempt);
        let address = &self.settings.address;
        let dialed = dial::dial(address, attempt, deadline).await?;
        let unresolved = dialed.unresolved;
        let stream = tls::secure(self.tls.as_ref(), dialed.stream, address, deadline).await?;
        let shown = stream.shown();
        let said = srvr::ask(stream, address, deadline).await?;
        if let Srvr::NotServing = said {
            return Err(CheckFailure::new(
                FailureKind::Rejected,
                format!(
                    "{address} says that it is not serving requests: it has no quorum (look at the other servers) or is still starting"
                ),
            ));
        }
        let session = match said {
            Srvr::Facts(_) if !self.session_is_due() => None,
            _ => Some(self.open_session(attempt, deadline).await?),
        };
        let finding = describe(address, &said, session.is_some());
        let finding = match session {
            Some(timeout) => finding.with(
                "session_timeout_ms",
                timeout.as_millis().min(u128::from(u32::MAX)) as u64,
            ),
            None => finding,
        };
        let finding = tls::judge(self.tls.as_ref(), finding, shown.as_ref());
        Ok(dial::with_name_trouble(finding, unresolved))
    }
}

impl ZooKeeperCheck {
    fn session_is_due(&self) -> bool {
        let last = *self.last_session.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_none_or(|last| last.elapsed() >= self.settings.session_interval)
    }

    /// Opens a session, reads the root and closes the session again. Returns the timeout that the server granted.
    async fn open_session(&self, attempt: &Attempt, deadline: Deadline) -> Result<Duration, CheckFailure> {
        let address = &self.settings.address;
        let dialed = dial::dial(address, attempt, deadline).await?;
        let stream = tls::secure(self.tls.as_ref(), dialed.stream, address, deadline).await?;
        let granted = session::open_and_close(stream, address, deadline).await?;
        *self.last_session.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(granted)
    }
}

fn describe(address: &Address, said: &Srvr, session: bool) -> Finding {
    let granted = if session { ", session granted" } else { "" };
    match said {
        Srvr::Facts(facts) => {
            let reason = format!("{address} is {}{granted}", facts.mode);
            let finding = if facts.mode == "read-only" {
                Finding::warn(format!("{reason}: it has no quorum and takes no writes"))
            } else {
                Finding::pass(reason)
            };
            let finding = finding
                .with("version", facts.version.clone())
                .with("mode", facts.mode.clone());
            let numbers = [
                ("latency_avg_ms", facts.latency_avg),
                ("latency_max_ms", facts.latency_max),
                ("outstanding_requests", facts.outstanding),
                ("connections", facts.connections),
                ("znodes", facts.nodes),
            ];
            numbers
                .into_iter()
                .fold(finding, |finding, (fact, number)| match number {
                    Some(number) => finding.with(fact, number),
                    None => finding,
                })
        }
        _ => Finding::pass(format!(
            "{address} granted a session; it does not allow srvr, so mode and load are unknown \
             (4lw.commands.whitelist=srvr allows it)"
        )),
    }
}

#[cfg(test)]
mod tests;
