//! The REST API: one file a resource.
//!
//! # Layout
//!
//! - [`server`]: the HTTP server and its limits; [`certificate`]: its certificate, where it speaks TLS; [`turnstile`]: how
//!   much of a connection is read ahead; [`crowd`]: which connection goes where there are too many; [`pieces`]: how answers
//!   are handed out; [`routes`]: which path is which resource, and which key it needs; [`access`]: who asks.
//! - [`state`]: what handlers ask: the registry for its snapshot, and the other actors for what they show of themselves.
//! - [`error`]: the one error type, and the one place where it becomes HTTP.
//! - [`wire`]: how times and other small things are written in JSON; [`query`]: how a query is read; [`rendered`]: what
//!   many requests share.
//! - [`openapi`]: what is written of all of it for programs, [`docs`]: for people.
//! - the resources: [`index`], [`health`], [`containers`], [`exposition`] (`/metrics`), [`livez`], [`readyz`],
//!   [`internals`].
//!
//! Every answer is made from one snapshot of the registry at the time of the request. No handler waits for Docker, for a
//! service or, beyond its limit, for an actor.

mod access;
mod actions;
mod badge;
mod certificate;
mod config;
mod containers;
mod crowd;
mod docs;
mod error;
mod exposition;
mod guard;
mod health;
mod history;
mod index;
mod internals;
mod livez;
mod openapi;
mod pieces;
mod query;
mod readyz;
mod rendered;
mod routes;
mod server;
mod services;
mod state;
mod turnstile;
mod wire;

pub use certificate::{CertificateFiles, Look, ServerCertificate};
pub use error::ApiError;
pub(crate) use history::incident_document;
pub use server::{Limits, serve};
pub use state::{ApiState, Section, Settings};
