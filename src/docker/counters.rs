//! What the Docker side counts of itself.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one engine's client. Cheap to count and to read from any thread.
#[derive(Debug, Default)]
pub struct Counters {
    requests: [[AtomicU64; RequestResult::ALL.len()]; Endpoint::ALL.len()],
    reconnects: AtomicU64,
    events: AtomicU64,
}

/// What is asked of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `GET /_ping`
    Ping,
    /// `GET /version`
    Version,
    /// `GET /events`, counted when the stream begins
    Events,
    /// `GET /containers/json`
    List,
    /// `GET /containers/{id}/json`
    Inspect,
    /// `GET /containers/{id}/stats`
    Stats,
    /// `GET /networks`
    Networks,
    /// `GET /containers/{id}/logs`
    Logs,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestResult {
    /// Answered.
    Ok,
    /// 404.
    NotFound,
    /// Another error that the engine answered with.
    Refused,
    /// No complete answer in time.
    Timeout,
    /// No connection, or it broke.
    Unreachable,
    /// The answer could not be read.
    Malformed,
}

// === impl Endpoint ===

impl Endpoint {
    /// All of them.
    pub const ALL: [Endpoint; 8] = [
        Endpoint::Ping,
        Endpoint::Version,
        Endpoint::Events,
        Endpoint::List,
        Endpoint::Inspect,
        Endpoint::Stats,
        Endpoint::Networks,
        Endpoint::Logs,
    ];

    /// The value of the metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Endpoint::Ping => "ping",
            Endpoint::Version => "version",
            Endpoint::Events => "events",
            Endpoint::List => "list",
            Endpoint::Inspect => "inspect",
            Endpoint::Stats => "stats",
            Endpoint::Networks => "networks",
            Endpoint::Logs => "logs",
        }
    }
}

// === impl RequestResult ===

impl RequestResult {
    /// All of them.
    pub const ALL: [RequestResult; 6] = [
        RequestResult::Ok,
        RequestResult::NotFound,
        RequestResult::Refused,
        RequestResult::Timeout,
        RequestResult::Unreachable,
        RequestResult::Malformed,
    ];

    /// The value of the metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            RequestResult::Ok => "ok",
            RequestResult::NotFound => "not_found",
            RequestResult::Refused => "refused",
            RequestResult::Timeout => "timeout",
            RequestResult::Unreachable => "unreachable",
            RequestResult::Malformed => "malformed",
        }
    }
}

// === impl Counters ===

impl Counters {
    /// Requests by endpoint and result, for `health_monitor_docker_requests_total`.
    pub fn requests(&self) -> impl Iterator<Item = (Endpoint, RequestResult, u64)> + '_ {
        let rows = Endpoint::ALL.into_iter().zip(&self.requests);
        rows.flat_map(|(endpoint, row)| {
            let cells = RequestResult::ALL.into_iter().zip(row);
            cells.map(move |(result, count)| (endpoint, result, count.load(Ordering::Relaxed)))
        })
    }

    /// How often the event stream had to be opened again.
    pub fn reconnects(&self) -> u64 {
        self.reconnects.load(Ordering::Relaxed)
    }

    /// Events received, those seen before not counted.
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    pub(super) fn count_request(&self, endpoint: Endpoint, result: RequestResult) {
        let cell = Endpoint::ALL
            .iter()
            .position(|other| *other == endpoint)
            .zip(RequestResult::ALL.iter().position(|other| *other == result));
        if let Some(count) = cell.and_then(|(row, column)| self.requests.get(row)?.get(column)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn count_reconnect(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_event(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_where_it_belongs_and_nowhere_else() {
        let counters = Counters::default();
        counters.count_request(Endpoint::Inspect, RequestResult::NotFound);
        counters.count_request(Endpoint::Inspect, RequestResult::NotFound);
        let counted: Vec<_> = counters.requests().filter(|(_, _, count)| *count > 0).collect();
        assert_eq!(counted, [(Endpoint::Inspect, RequestResult::NotFound, 2)]);
        assert_eq!(counters.requests().count(), 48);
    }
}
