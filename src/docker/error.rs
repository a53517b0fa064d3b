//! What can go wrong between the monitor and the container engine.

use std::error::Error as _;
use std::time::Duration;

use bollard::errors::Error as ClientError;

use super::{Endpoint, RequestResult};

/// Why the engine could not be asked, or what it answered instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The configured address cannot be used.
    #[error("cannot use docker host '{host}': {why}")]
    Host {
        /// The address as configured.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// No connection, or it broke.
    #[error("cannot reach {host}: {why}")]
    Unreachable {
        /// The address as configured.
        host: String,
        /// The cause, with a remedy where there is one.
        why: String,
    },
    /// No complete answer in time.
    #[error("{host} did not answer '{endpoint}' within {after:?}", endpoint = endpoint.as_str())]
    Timeout {
        /// The address as configured.
        host: String,
        /// What was asked.
        endpoint: Endpoint,
        /// How long it was waited for.
        after: Duration,
    },
    /// There is no such container.
    #[error("{0}")]
    NotFound(String),
    /// The engine answered with an error.
    #[error("the engine refused '{endpoint}' with status {status}: {message}", endpoint = endpoint.as_str())]
    Refused {
        /// What was asked.
        endpoint: Endpoint,
        /// HTTP status.
        status: u16,
        /// The engine's own words.
        message: String,
    },
    /// The answer is not what the API promises.
    #[error("cannot read the engine's answer to '{endpoint}': {why}", endpoint = endpoint.as_str())]
    Malformed {
        /// What was asked.
        endpoint: Endpoint,
        /// What is wrong with it.
        why: String,
    },
}

// === impl EngineError ===

impl EngineError {
    /// The engine itself is away, as opposed to an engine that answers with an error.
    pub fn is_away(&self) -> bool {
        matches!(
            self,
            EngineError::Host { .. } | EngineError::Unreachable { .. } | EngineError::Timeout { .. }
        )
    }

    /// The engine answers, but not as one that works.
    pub(super) fn is_out_of_order(&self) -> bool {
        matches!(
            self,
            EngineError::Refused { status: 500.., .. } | EngineError::Malformed { .. }
        )
    }

    /// There is no such container.
    pub fn is_not_found(&self) -> bool {
        matches!(self, EngineError::NotFound(_))
    }

    pub(super) fn result(&self) -> RequestResult {
        match self {
            EngineError::Host { .. } | EngineError::Unreachable { .. } => RequestResult::Unreachable,
            EngineError::Timeout { .. } => RequestResult::Timeout,
            EngineError::NotFound(_) => RequestResult::NotFound,
            EngineError::Refused { .. } => RequestResult::Refused,
            EngineError::Malformed { .. } => RequestResult::Malformed,
        }
    }

    /// Sorts what the client library reports by what it means.
    pub(super) fn from_client(host: &str, endpoint: Endpoint, after: Duration, error: &ClientError) -> Self {
        let host = host.to_owned();
        match error {
            ClientError::DockerResponseServerError {
                status_code: 404,
                message,
            } => EngineError::NotFound(message.clone()),
            ClientError::DockerResponseServerError { status_code, message } => EngineError::Refused {
                endpoint,
                status: *status_code,
                message: message.clone(),
            },
            ClientError::RequestTimeoutError => EngineError::Timeout { host, endpoint, after },
            ClientError::SocketNotFoundError(path) => EngineError::Unreachable {
                host,
                why: format!("there is no socket at {path}; is the engine running, and its socket mounted?"),
            },
            ClientError::UnsupportedURISchemeError { .. } => EngineError::Host {
                host,
                why: "use unix://, tcp:// or http://; with DOCKER_CERT_PATH also https://".to_owned(),
            },
            ClientError::NoHomePathError
            | ClientError::CertPathError { .. }
            | ClientError::CertMultipleKeys { .. }
            | ClientError::CertParseError { .. }
            | ClientError::NoNativeCertsError { .. }
            | ClientError::LoadNativeCertsErrors { .. }
            | ClientError::URLParseError { .. }
            | ClientError::InvalidURIError { .. }
            | ClientError::InvalidURIPartsError { .. } => EngineError::Host {
                host,
                why: innermost(error),
            },
            ClientError::JsonDataError { .. }
            | ClientError::JsonSerdeError { .. }
            | ClientError::StrParseError { .. }
            | ClientError::APIVersionParseError {} => EngineError::Malformed {
                endpoint,
                why: innermost(error),
            },
            _ => EngineError::Unreachable {
                host,
                why: connection_cause(error),
            },
        }
    }
}

/// The last error of the chain: the cause, without the layers that only say that something failed.
fn innermost(error: &ClientError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// The cause of a failed connection, with a remedy for the one that people meet.
fn connection_cause(error: &ClientError) -> String {
    let mut cause = error.source();
    while let Some(deeper) = cause {
        if let Some(io) = deeper.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::PermissionDenied
        {
            return "permission denied; run the monitor as root or with the group of the socket".to_owned();
        }
        cause = deeper.source();
    }
    innermost(error)
}
