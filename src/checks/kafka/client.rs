//! One call into librdkafka: makes a client, asks for the metadata, and lets the client go, all of it blocking.
//!
//! `fetch_metadata` says nothing of a cause, and does not return before its timeout when it cannot get through. The cause
//! comes by callbacks. So it is asked with growing patience, and in between the callbacks are heard: a refused login, say,
//! ends the call early.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use health_monitor_actors::check::{CheckFailure, Finding};
use health_monitor_actors::model::FailureKind;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Message as _};
use tokio::sync::oneshot;

use super::super::deadline::Deadline;
use super::report;

/// Time for the first question; each further one gets twice as long, up to the end of the attempt.
const FIRST_PATIENCE: Duration = Duration::from_millis(250);

/// Errors that are remembered of one call.
const REMEMBERED: usize = 16;

/// Callbacks that are heard between two questions, at most.
const HEARD_AT_ONCE: usize = 10_000;

/// One call, to be run where blocking is allowed.
pub(super) struct Call {
    pub(super) config: ClientConfig,
    /// The bootstrap server.
    pub(super) server: String,
    /// Names do not resolve now. librdkafka would go on to the names that the brokers give, so that its first answer counts.
    pub(super) without_names: bool,
    pub(super) deadline: Deadline,
    /// False once the attempt was dropped: then the call ends after the question it is at.
    pub(super) waited_for: Arc<AtomicBool>,
}

/// What librdkafka said by callbacks.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Errors, in their order.
    pub(super) errors: Vec<(RDKafkaErrorCode, String)>,
    /// Id of the cluster; `None` on brokers before 0.10.1.
    pub(super) cluster: Option<String>,
    /// Number of the broker that is the controller; -1 where there is none.
    pub(super) controller: Option<i32>,
    /// Counts the callbacks.
    heard: u64,
}

/// Hears the callbacks.
#[derive(Default)]
struct Ear(Mutex<Said>);

// === impl Call ===

impl Call {
    /// Asks, answers, and lets the client go.
    pub(super) fn run(mut self, answer: oneshot::Sender<Result<Finding, CheckFailure>>) {
        self.config.set("bootstrap.servers", &self.server);
        let made: Result<BaseConsumer<Ear>, _> = self.config.create_with_context(Ear::default());
        let found = match &made {
            Ok(client) => self.ask(client),
            Err(error) => Err(CheckFailure::new(
                FailureKind::LocalResources,
                format!("the Kafka client cannot be made: {error}"),
            )),
        };
        // Where nobody waits for it any more, nobody needs it.
        let _is_heard = answer.send(found).is_ok();
    }

    fn ask(&self, client: &BaseConsumer<Ear>) -> Result<Finding, CheckFailure> {
        let mut patience = FIRST_PATIENCE;
        loop {
            let left = self.deadline.left();
            // What is left after this question would be too little for another.
            let time = if left < patience * 3 { left } else { patience };
            let answer = client.fetch_metadata(None, time);
            hear(client);
            let said = client.context().said();
            match answer {
                Ok(metadata) => return report::judge(&self.server, &metadata, &said),
                Err(error) => {
                    if self.without_names
                        && let Some(finding) = report::judge_by_log(&self.server, &said)
                    {
                        return Ok(finding);
                    }
                    let over = time == left || self.deadline.left().is_zero();
                    if over || report::is_decisive(&said) || !self.waited_for.load(Ordering::Relaxed) {
                        let waiting = format!("connected to {}, but no cluster metadata", self.server);
                        return Err(report::explain(
                            &self.server,
                            &error,
                            &said,
                            self.deadline.elapsed(&waiting),
                        ));
                    }
                }
            }
            patience *= 2;
        }
    }
}

/// Has waiting callbacks called, without waiting for any.
fn hear(client: &BaseConsumer<Ear>) {
    let mut before = None;
    for _ in 0..HEARD_AT_ONCE {
        let heard = client.context().count();
        if before == Some(heard) {
            return;
        }
        before = Some(heard);
        if let Some(Ok(message)) = client.poll(Duration::ZERO) {
            // It is subscribed to nothing.
            tracing::debug!(topic = message.topic(), "kafka message without a subscription");
        }
    }
}

// === impl Said ===

impl Said {
    fn remember(&mut self, code: RDKafkaErrorCode, text: &str) {
        if self.errors.len() < REMEMBERED {
            self.errors.push((code, text.to_owned()));
        }
    }
}

// === impl Ear ===

impl Ear {
    fn said(&self) -> Said {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Said {
            errors: said.errors.clone(),
            cluster: said.cluster.clone(),
            ..*said
        }
    }

    fn count(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).heard
    }
}

impl ClientContext for Ear {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, line: &str) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.heard += 1;
        // That a server closed the connection is logged, but is no error to librdkafka.
        if facility == "FAIL" {
            said.remember(RDKafkaErrorCode::BrokerTransportFailure, line);
        }
        if let Some((cluster, controller)) = report::read_controller(line) {
            said.cluster = cluster;
            said.controller = Some(controller);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.heard += 1;
        if let Some(code) = error.rdkafka_error_code() {
            said.remember(code, reason);
        }
    }
}

impl ConsumerContext for Ear {}
