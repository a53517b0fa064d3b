//! Addresses, and the way to a TCP connection: every check but `container` begins here.

use std::fmt;
use std::io::Read;
use std::net::{IpAddr, Shutdown, SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

use health_monitor_actors::check::{Attempt, CheckFailure, Finding};
use health_monitor_actors::model::FailureKind;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::blocking::{Calls, Kind};
use super::deadline::Deadline;
use super::failure;

/// How long the resolver may take where Docker's own word on the container can stand in for its answer.
const RESOLVER_PATIENCE: Duration = Duration::from_secs(1);

/// The C library's resolver blocks, and where no name server answers it does so for 10 to 30 seconds. A lookup that is
/// answered takes about a millisecond, so this many at once are enough for thousands of services.
static LOOKUPS: Kind = Kind::new("name lookup", "name lookups", 64);

/// How long the other side may take to close after we did.
pub(super) const CLOSE_PATIENCE: Duration = Duration::from_millis(250);

/// Most that is read and thrown away while the other side closes, in bytes.
const CLOSE_READS: usize = 64 * 1024;

/// A host and a port, as in `kafka:29092`.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Address {
    text: Box<str>,
    host: Box<str>,
    place: Place,
    port: u16,
}

/// Where a host is.
#[derive(Clone)]
enum Place {
    /// Here: it is no name, and nothing needs to be looked up.
    Ip(IpAddr),
    /// To be looked up, in one call at a time.
    Name(Calls),
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not host:port (an IPv6 address stands in brackets: [::1]:1883)")]
pub(super) struct InvalidAddress(String);

/// A connection, and how its address was found.
#[derive(Debug)]
pub(super) struct Dialed {
    /// The connection.
    pub(super) stream: TcpStream,
    /// The name did not resolve, for this reason; the address is the one that Docker gives for the container.
    pub(super) unresolved: Option<String>,
}

/// Connects to the address: resolves its name and tries each address it has, in their order.
///
/// Where the name does not resolve, the addresses are tried that Docker knows for the service's containers of that name:
/// in a Compose network the resolver is Docker's daemon, and a service outlives its daemon's naps.
///
/// # Errors
///
/// Says which step failed and how: the first failure for which the other side is to blame, else the first.
pub(super) async fn dial(address: &Address, attempt: &Attempt, deadline: Deadline) -> Result<Dialed, CheckFailure> {
    let lookups = match &address.place {
        Place::Name(lookups) => lookups,
        Place::Ip(ip) => {
            let stream = connect(address, SocketAddr::new(*ip, address.port), deadline).await?;
            return Ok(Dialed {
                stream,
                unresolved: None,
            });
        }
    };
    let known = attempt.known_addresses(&address.host);
    if attempt.containers_first && !known.is_empty() {
        let known: Vec<_> = known.iter().map(|ip| SocketAddr::new(*ip, address.port)).collect();
        let stream = connect_any(address, &known, deadline).await?;
        return Ok(Dialed {
            stream,
            unresolved: None,
        });
    }
    let is_in_no_network = known.is_empty() && attempt.is_in_no_network(&address.host);
    let hurry = !known.is_empty() || is_in_no_network;
    match resolve(address, lookups, hurry, deadline).await {
        Ok(found) => {
            let stream = connect_any(address, &found, deadline).await?;
            Ok(Dialed {
                stream,
                unresolved: None,
            })
        }
        Err(failure) if is_cut_off(address, attempt, failure.kind, is_in_no_network) => {
            let why = "its container runs, but shares no network with the monitor (docker network connect)";
            let reason = format!("{}: {why}", failure.reason);
            Err(CheckFailure::new(FailureKind::NameNotFound, reason))
        }
        Err(failure) if known.is_empty() => Err(failure),
        Err(failure) => {
            let known: Vec<_> = known.iter().map(|ip| SocketAddr::new(*ip, address.port)).collect();
            let stream = connect_any(address, &known, deadline).await?;
            Ok(Dialed {
                stream,
                unresolved: Some(failure.reason),
            })
        }
    }
}

/// A lookup failed in this way because no network leads from the monitor to the service's container.
///
/// Docker's resolver asks others for a name that it does not know. Where those are silent, so is it; but a container that is
/// in no network has no name that anybody could have told.
fn is_cut_off(address: &Address, attempt: &Attempt, kind: FailureKind, is_in_no_network: bool) -> bool {
    match kind {
        FailureKind::NameNotFound => attempt.is_cut_off(&address.host),
        FailureKind::Resolver | FailureKind::StillRunning => is_in_no_network,
        _ => false,
    }
}

async fn resolve(
    address: &Address,
    lookups: &Calls,
    hurry: bool,
    deadline: Deadline,
) -> Result<Vec<SocketAddr>, CheckFailure> {
    let step = if hurry {
        deadline.step(RESOLVER_PATIENCE)
    } else {
        deadline
    };
    let host = &*address.host;
    let not_asked = |failure: CheckFailure| {
        let reason = format!("cannot look up {host}: {}", failure.reason);
        CheckFailure { reason, ..failure }
    };
    let turn = lookups.begin().map_err(not_asked)?;
    let asked = (address.host.clone(), address.port);
    let lookup = move || (&*asked.0, asked.1).to_socket_addrs().map(Iterator::collect);
    match step.cut(turn.run(step, lookup)).await {
        Some(Ok(Ok(found))) => Ok(found),
        Some(Ok(Err(error))) => Err(failure::of_lookup(host, &error)),
        Some(Err(failure)) => Err(not_asked(failure)),
        None => Err(CheckFailure::new(
            FailureKind::Resolver,
            format!("the resolver gives no answer for {host} in time"),
        )),
    }
}

async fn connect_any(address: &Address, to: &[SocketAddr], deadline: Deadline) -> Result<TcpStream, CheckFailure> {
    let mut failures = Vec::new();
    for (tried, peer) in to.iter().enumerate() {
        // A black hole among the addresses must leave time for the others.
        let share = u32::try_from(to.len() - tried).unwrap_or(u32::MAX);
        let step = deadline.step(deadline.left() / share);
        match connect(address, *peer, step).await {
            Ok(stream) => return Ok(stream),
            Err(failure) => failures.push(failure),
        }
    }
    let telling = failure::most_telling(&failures).cloned();
    Err(telling.unwrap_or_else(|| {
        CheckFailure::new(
            FailureKind::NameNotFound,
            format!("the name {} has no address", address.host),
        )
    }))
}

async fn connect(address: &Address, peer: SocketAddr, deadline: Deadline) -> Result<TcpStream, CheckFailure> {
    let step = || match address.place {
        Place::Ip(_) => format!("cannot connect to {address}"),
        Place::Name(_) => format!("cannot connect to {address} ({})", peer.ip()),
    };
    match deadline.cut(TcpStream::connect(peer)).await {
        Some(Ok(stream)) => {
            // Else a small message that follows another waits 40 ms for the other side's acknowledgement.
            stream
                .set_nodelay(true)
                .map_err(|error| failure::of_io(&step(), &error))?;
            Ok(stream)
        }
        Some(Err(error)) => Err(failure::of_io(&step(), &error)),
        None => Err(deadline.elapsed(&format!("{}: no answer", step()))),
    }
}

/// Ends a connection so that the other side sees an orderly end and not a reset: says that nothing more comes, and reads
/// until the other side says the same, within bounds. Errors no longer matter here.
pub(super) async fn close<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, deadline: Deadline) {
    let farewell = async {
        let mut scrap = [0; 2048];
        let mut read = 0;
        if stream.shutdown().await.is_err() {
            return;
        }
        while read < CLOSE_READS {
            match stream.read(&mut scrap).await {
                Ok(0) | Err(_) => return,
                Ok(bytes) => read += bytes,
            }
        }
    };
    deadline.step(CLOSE_PATIENCE).cut(farewell).await;
}

/// Ends a connection on which nothing was said and nothing is awaited, without waiting either. The other side may have
/// spoken first, and what is unread at the end would turn it into a reset: so it is told first that nothing more comes,
/// and what has come is read away. What comes later is refused, but by then it can read an orderly end.
pub(super) fn leave(stream: TcpStream) {
    // Past the runtime: its own view of what can be read may be a moment old.
    let Ok(mut stream) = stream.into_std() else { return };
    if stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let mut scrap = [0; 2048];
    let mut read = 0;
    while read < CLOSE_READS {
        match stream.read(&mut scrap) {
            Ok(bytes) if bytes > 0 => read += bytes,
            _ => return,
        }
    }
}

/// Adds to a finding that the name did not resolve, where it did not.
pub(super) fn with_name_trouble(finding: Finding, unresolved: Option<String>) -> Finding {
    match unresolved {
        Some(reason) => finding.with(
            "name_resolution",
            format!("{reason}; asked at the address Docker gives"),
        ),
        None => finding,
    }
}

// === impl Address ===

impl Address {
    /// The name or address of the host, without brackets.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Takes the turn of its lookups, as one that hangs does.
    #[cfg(test)]
    pub(super) fn looks_up(&self) -> super::blocking::Turn {
        match &self.place {
            Place::Name(lookups) => lookups.begin().unwrap(),
            Place::Ip(ip) => panic!("{ip} is not looked up"),
        }
    }

    /// An address of these parts.
    pub(super) fn new(host: &str, port: u16) -> Self {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let ip: Option<IpAddr> = host.parse().ok();
        let text = match ip {
            Some(IpAddr::V6(_)) => format!("[{host}]:{port}"),
            _ => format!("{host}:{port}"),
        };
        Self {
            text: text.into(),
            host: host.into(),
            place: ip.map_or_else(|| Place::Name(Calls::new(&LOOKUPS)), Place::Ip),
            port,
        }
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidAddress(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(invalid)?;
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_host = match bare {
            Some(bare) => bare.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && !host.contains([':', '/', '@', '[', ']', ' ']),
        };
        is_host.then(|| Self::new(host, port)).ok_or_else(invalid)
    }
}

impl TryFrom<String> for Address {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
