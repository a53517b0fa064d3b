//! Everything that can be wrong with a request, and the one place where it becomes HTTP.

use std::time::Duration;

use actix::MailboxError;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use schemars::JsonSchema;
use serde::Serialize;

use crate::access::key::Scope;

/// Longest piece of a request that an answer repeats, in characters.
const SHOWN: usize = 128;

/// Why a request gets no document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// A wrong key, or none where one is needed.
    #[error("Invalid API key")]
    InvalidKey,
    /// It changes the monitor's state, and no key that may is configured.
    #[error(
        "this changes the monitor's state, which needs a key with the scope 'admin'; none is configured: \
         health-monitor key new NAME --scope admin makes one"
    )]
    NoAdminKey,
    /// The key is good, but not for this.
    #[error("the key '{key}' does not have the scope '{scope}', which this needs")]
    Forbidden {
        /// The key's name.
        key: String,
        /// What it lacks.
        scope: Scope,
    },
    /// No service of this name.
    #[error("service '{name}' is not monitored; GET /health lists the services that are")]
    NoSuchService {
        /// As asked for.
        name: String,
    },
    /// No container of this name or id.
    #[error("container '{name}' does not exist; GET /containers lists those that do")]
    NoSuchContainer {
        /// As asked for.
        name: String,
    },
    /// The configuration does without Docker.
    #[error("container '{name}' is not known: Docker is turned off in the configuration ([docker] enabled = false)")]
    DockerDisabled {
        /// As asked for.
        name: String,
    },
    /// No such path.
    #[error("nothing is at '{path}'; GET / lists what there is")]
    NoSuchEndpoint {
        /// As asked for.
        path: String,
    },
    /// The path exists, but not for this method.
    #[error("{method} is not allowed here; allowed: {allowed}")]
    MethodNotAllowed {
        /// As asked for.
        method: String,
        /// Those that are, with commas between them.
        allowed: String,
    },
    /// A part of the path cannot be read.
    #[error("the path cannot be read: {problem}")]
    BadPath {
        /// What is wrong.
        problem: String,
    },
    /// A query parameter has a value that it cannot have.
    #[error("query parameter '{name}' cannot be '{value}'; use {remedy}")]
    BadParameter {
        /// Which parameter.
        name: &'static str,
        /// What it was given.
        value: String,
        /// What would be right.
        remedy: &'static str,
    },
    /// A request's body cannot be read.
    #[error("the body cannot be used: {problem}")]
    BadBody {
        /// What is wrong.
        problem: String,
    },
    /// What was ordered is impossible as things are.
    #[error("{problem}")]
    Conflict {
        /// Why.
        problem: String,
    },
    /// A check that was ordered has not ended.
    #[error("the check of {service} has not ended within {} s; GET /health/{service} tells when it has", .limit.as_secs())]
    CheckUnfinished {
        /// Which service.
        service: String,
        /// How long the answer waited.
        limit: Duration,
    },
    /// A configuration is bad, and the one before holds.
    #[error("{problem}")]
    ConfigRejected {
        /// What is wrong with it.
        problem: String,
    },
    /// This monitor runs without the part that is asked for.
    #[error("this monitor runs without the part that could do this")]
    NotOffered,
    /// What is asked for makes no sense together.
    #[error("{sentence}")]
    BadQuery {
        /// What is allowed.
        sentence: String,
    },
    /// No incident of this id.
    #[error("there is no incident '{id}'; GET /incidents lists those that are kept")]
    NoSuchIncident {
        /// As asked for.
        id: String,
    },
    /// The configuration does without a history.
    #[error("no history is kept: it is turned off in the configuration ([history] enabled = false)")]
    HistoryDisabled,
    /// The history cannot be read now.
    #[error("the history cannot be read: {problem}")]
    HistoryAway {
        /// Why.
        problem: String,
    },
    /// Path and query are longer than allowed.
    #[error("path and query have {length} bytes; at most {limit} are allowed")]
    UriTooLong {
        /// Theirs, in bytes.
        length: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The headers are longer than allowed.
    #[error("the headers have {length} bytes; at most {limit} are allowed")]
    HeadersTooLong {
        /// All names and values together, in bytes.
        length: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The body is longer than allowed.
    #[error("the body is longer than the {limit} bytes that are allowed")]
    BodyTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The body did not come in time.
    #[error("the body did not come within {} ms", .limit.as_millis())]
    BodyTooSlow {
        /// How long it was given.
        limit: Duration,
    },
    /// The client takes no form in which the answer can be sent.
    #[error("the answer can be sent as it is or as gzip, and 'Accept-Encoding' allows neither")]
    NotAcceptable,
    /// The registry did not answer in time.
    #[error("the registry did not answer within {} ms; try again", .limit.as_millis())]
    RegistrySilent {
        /// How long it was given.
        limit: Duration,
    },
    /// The registry has ended.
    #[error("the registry has ended; the monitor is stopping or about to be restarted")]
    RegistryGone,
    /// The answer could not be written: a bug of the monitor.
    #[error("the answer could not be written: {problem}")]
    Unwritable {
        /// What went wrong.
        problem: String,
    },
}

/// The specified document of a wrong key, with the reason where there is more to say.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "InvalidKey")]
pub(super) struct InvalidKeyBody {
    error: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The document of any other error.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub(super) struct Body {
    status: &'static str,
    reason: String,
}

// === impl ApiError ===

impl ApiError {
    /// The registry's answer did not come.
    pub(super) fn from_registry(error: MailboxError, limit: Duration) -> Self {
        match error {
            MailboxError::Timeout => ApiError::RegistrySilent { limit },
            MailboxError::Closed => ApiError::RegistryGone,
        }
    }

    /// An answer could not be written.
    pub(super) fn unwritable(error: serde_json::Error) -> Self {
        ApiError::Unwritable {
            problem: error.to_string(),
        }
    }

    fn status_word(&self) -> &'static str {
        match self {
            ApiError::InvalidKey | ApiError::NoAdminKey => "unauthorized",
            ApiError::Forbidden { .. } => "forbidden",
            ApiError::NoSuchService { .. }
            | ApiError::NoSuchContainer { .. }
            | ApiError::DockerDisabled { .. }
            | ApiError::NoSuchIncident { .. }
            | ApiError::HistoryDisabled
            | ApiError::NoSuchEndpoint { .. } => "not_found",
            ApiError::MethodNotAllowed { .. } => "method_not_allowed",
            ApiError::BadPath { .. }
            | ApiError::BadParameter { .. }
            | ApiError::BadQuery { .. }
            | ApiError::BadBody { .. } => "bad_request",
            ApiError::BodyTooLong { .. } => "body_too_long",
            ApiError::BodyTooSlow { .. } => "body_too_slow",
            ApiError::Conflict { .. } => "conflict",
            ApiError::CheckUnfinished { .. } => "unfinished",
            ApiError::ConfigRejected { .. } => "rejected",
            ApiError::UriTooLong { .. } => "uri_too_long",
            ApiError::HeadersTooLong { .. } => "headers_too_long",
            ApiError::NotAcceptable => "not_acceptable",
            ApiError::RegistrySilent { .. }
            | ApiError::RegistryGone
            | ApiError::NotOffered
            | ApiError::HistoryAway { .. }
            | ApiError::Unwritable { .. } => "error",
        }
    }
}

impl actix_web::ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            ApiError::InvalidKey | ApiError::NoAdminKey => StatusCode::UNAUTHORIZED,
            ApiError::Forbidden { .. } => StatusCode::FORBIDDEN,
            ApiError::NoSuchService { .. }
            | ApiError::NoSuchContainer { .. }
            | ApiError::DockerDisabled { .. }
            | ApiError::NoSuchIncident { .. }
            | ApiError::HistoryDisabled
            | ApiError::NoSuchEndpoint { .. } => StatusCode::NOT_FOUND,
            ApiError::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            ApiError::BadPath { .. }
            | ApiError::BadParameter { .. }
            | ApiError::BadQuery { .. }
            | ApiError::BadBody { .. } => StatusCode::BAD_REQUEST,
            ApiError::BodyTooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            ApiError::BodyTooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            ApiError::Conflict { .. } => StatusCode::CONFLICT,
            ApiError::CheckUnfinished { .. } => StatusCode::GATEWAY_TIMEOUT,
            ApiError::ConfigRejected { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            ApiError::UriTooLong { .. } => StatusCode::URI_TOO_LONG,
            ApiError::HeadersTooLong { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            ApiError::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            ApiError::RegistrySilent { .. }
            | ApiError::RegistryGone
            | ApiError::NotOffered
            | ApiError::HistoryAway { .. } => StatusCode::SERVICE_UNAVAILABLE,
            ApiError::Unwritable { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut builder = HttpResponse::build(self.status_code());
        match self {
            ApiError::InvalidKey | ApiError::NoAdminKey => {
                builder.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
                return builder.json(InvalidKeyBody {
                    error: "Invalid API key",
                    reason: matches!(self, ApiError::NoAdminKey).then(|| self.to_string()),
                });
            }
            ApiError::MethodNotAllowed { allowed, .. } => {
                builder.insert_header((header::ALLOW, allowed.as_str()));
            }
            _ => {}
        }
        builder.json(Body {
            status: self.status_word(),
            reason: self.to_string(),
        })
    }
}

/// A piece of a request, cut to a length that can be repeated in an answer.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}
