//! What a cluster's metadata, or librdkafka's failure to get it, says to a person.

use health_monitor_actors::check::{CheckFailure, Finding};
use health_monitor_actors::model::FailureKind;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

use super::super::failure;
use super::client::Said;

/// Name of librdkafka's state in which it has sent its first request, as its messages end with.
const FIRST_REQUEST: &str = "APIVERSION_QUERY";

/// Partitions that a reason names.
const NAMED: usize = 3;

/// Holds the metadata against what a working cluster has.
pub(super) fn judge(server: &str, metadata: &Metadata, said: &Said) -> Result<Finding, CheckFailure> {
    let brokers = metadata.brokers().len();
    if brokers == 0 {
        return Err(CheckFailure::new(
            FailureKind::Rejected,
            format!("{server} answers, but its cluster has no brokers"),
        ));
    }
    let mut partitions = 0_usize;
    let mut leaderless = Vec::new();
    let mut short = Vec::new();
    for topic in metadata.topics() {
        for partition in topic.partitions() {
            partitions += 1;
            if partition.leader() < 0 {
                leaderless.push((topic.name(), partition.id()));
            } else if partition.isr().len() < partition.replicas().len() {
                short.push((topic.name(), partition.id()));
            }
        }
    }
    let mut reason = format!(
        "{server}: {brokers} {}",
        if brokers == 1 { "broker" } else { "brokers" }
    );
    let controller = said.controller.filter(|controller| *controller >= 0);
    if let Some(controller) = controller {
        reason.push_str(&format!(", controller {controller}"));
    } else if said.controller.is_some() {
        reason.push_str(", no controller: topics cannot be made and leaders not elected");
    }
    for (what, which) in [("offline", &leaderless), ("under-replicated", &short)] {
        if !which.is_empty() {
            reason.push_str("; ");
            reason.push_str(&name(what, which, partitions));
        }
    }
    let without_controller = controller.is_none() && said.controller.is_some();
    let finding = Finding {
        warning: without_controller || !leaderless.is_empty() || !short.is_empty(),
        ..Finding::pass(reason)
    };
    let finding = finding
        .with("brokers", brokers)
        .with("topics", metadata.topics().len())
        .with("partitions", partitions)
        .with("offline_partitions", leaderless.len())
        .with("under_replicated_partitions", short.len());
    let finding = match controller {
        Some(controller) => finding.with("controller", controller),
        None => finding,
    };
    Ok(match &said.cluster {
        Some(cluster) => finding.with("cluster_id", failure::said(cluster)),
        None => finding,
    })
}

/// What is known where librdkafka got an answer and then left the server that gave it for the brokers which the answer
/// names, and those names do not resolve. `None` where no answer was heard of, or no controller.
pub(super) fn judge_by_log(server: &str, said: &Said) -> Option<Finding> {
    let controller = said.controller.filter(|controller| *controller >= 0)?;
    let finding = Finding::pass(format!(
        "{server}: controller {controller}; the names of its brokers do not resolve, their partitions are not looked at"
    ));
    let finding = finding.with("controller", controller);
    Some(match &said.cluster {
        Some(cluster) => finding.with("cluster_id", failure::said(cluster)),
        None => finding,
    })
}

fn name(what: &str, which: &[(&str, i32)], of: usize) -> String {
    let mut text = format!("{} of {of} partitions {what} (", which.len());
    for (index, (topic, partition)) in which.iter().take(NAMED).enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        text.push_str(&format!("{comma}{}/{partition}", failure::said(topic)));
    }
    text.push_str(if which.len() > NAMED { ", …)" } else { ")" });
    text
}

/// Something was said that no further waiting will change.
pub(super) fn is_decisive(said: &Said) -> bool {
    said.errors.iter().any(|(code, text)| match kind_of(*code, text) {
        Some(FailureKind::LoginRefused | FailureKind::Tls | FailureKind::WrongProtocol) => true,
        // The bootstrap server closes at the first request, again and again.
        Some(FailureKind::Reset) => text.contains(FIRST_REQUEST),
        _ => false,
    })
}

/// The failure of a question that ended with this error, after this was said; `elapsed` is what holds where nothing was.
pub(super) fn explain(server: &str, error: &KafkaError, said: &Said, elapsed: CheckFailure) -> CheckFailure {
    let telling = |kind: &FailureKind| match kind {
        FailureKind::LoginRefused => 0,
        FailureKind::Tls => 1,
        FailureKind::WrongProtocol => 2,
        _ => 3,
    };
    let causes = said.errors.iter().filter_map(|(code, text)| {
        let kind = kind_of(*code, text)?;
        Some((kind, text.as_str()))
    });
    if let Some((kind, text)) = causes.min_by_key(|(kind, _)| telling(kind)) {
        let remedy = match kind {
            FailureKind::LoginRefused => " (are user, password and sasl_mechanism right?)",
            FailureKind::WrongProtocol | FailureKind::Reset => {
                " (is this a Kafka listener, and does it want what `tls` and `user` say?)"
            }
            _ => "",
        };
        return CheckFailure::new(
            kind,
            format!("no cluster metadata from {server}: {}{remedy}", brief(text)),
        );
    }
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::OperationTimedOut | RDKafkaErrorCode::BrokerTransportFailure) | None => elapsed,
        Some(code) => CheckFailure::new(
            FailureKind::Rejected,
            format!("no cluster metadata from {server}: {code}"),
        ),
    }
}

/// What an error of librdkafka means; `None` where it only repeats others.
fn kind_of(code: RDKafkaErrorCode, text: &str) -> Option<FailureKind> {
    match code {
        RDKafkaErrorCode::AllBrokersDown => None,
        RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed => {
            Some(FailureKind::LoginRefused)
        }
        RDKafkaErrorCode::UnsupportedSASLMechanism => Some(FailureKind::LoginRefused),
        RDKafkaErrorCode::SSL => Some(FailureKind::Tls),
        RDKafkaErrorCode::Resolve => Some(FailureKind::NameNotFound),
        RDKafkaErrorCode::BadMessage => Some(FailureKind::WrongProtocol),
        _ if text.contains("Invalid response size") => Some(FailureKind::WrongProtocol),
        _ if text.contains("Connection refused") => Some(FailureKind::Refused),
        _ => Some(FailureKind::Reset),
    }
}

/// An error's text without the client's own noise in it.
fn brief(text: &str) -> String {
    let text = text.split(" (after ").next().unwrap_or(text);
    let text = text.rsplit_once("/bootstrap: ").map_or(text, |(_, rest)| rest);
    let text = text.split(": receive 0 after").next().unwrap_or(text);
    // The four bytes where a length is due are the first letters of another protocol.
    let size = text
        .split_once("Invalid response size ")
        .and_then(|(_, rest)| rest.split(' ').next()?.parse::<i32>().ok());
    match size {
        Some(size) => format!("it answers {}…", failure::quote(&size.to_be_bytes())),
        None => failure::said(text),
    }
}

/// Reads cluster and controller from librdkafka's log of a metadata answer (`rd_kafka_parse_Metadata` writes it).
pub(super) fn read_controller(line: &str) -> Option<(Option<String>, i32)> {
    let (_, rest) = line.split_once("ClusterId: ")?;
    let (cluster, controller) = rest.split_once(", ControllerId: ")?;
    let controller = controller.trim().parse().ok()?;
    let cluster = Some(cluster.to_owned()).filter(|cluster| !cluster.is_empty() && cluster != "(null)");
    Some((cluster, controller))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_controller_is_read_from_the_log() {
        let line = "[thrd:main]: 127.0.0.1:29092/1: ClusterId: Some4Id, ControllerId: 2";
        assert_eq!(read_controller(line), Some((Some("Some4Id".to_owned()), 2)));
        let old = "[thrd:main]: kafka:9092/1: ClusterId: , ControllerId: -1";
        assert_eq!(read_controller(old), Some((None, -1)));
        assert_eq!(read_controller("[thrd:main]: 1 brokers, 3 topics"), None);
    }

    #[test]
    fn an_answer_that_was_only_heard_of_passes() {
        let mut said = Said::default();
        assert!(judge_by_log("10.0.0.7:9092", &said).is_none());
        said.controller = Some(-1);
        assert!(judge_by_log("10.0.0.7:9092", &said).is_none());
        said.controller = Some(2);
        let finding = judge_by_log("10.0.0.7:9092", &said).unwrap();
        assert!(
            !finding.warning && finding.reason.starts_with("10.0.0.7:9092: controller 2; "),
            "{}",
            finding.reason
        );
    }

    #[test]
    fn partitions_are_named_but_not_all() {
        let which: Vec<_> = (0..5).map(|partition| ("orders", partition)).collect();
        let text = name("offline", &which, 30);
        assert_eq!(text, "5 of 30 partitions offline (orders/0, orders/1, orders/2, …)");
        assert_eq!(
            name("offline", &which[..1], 30),
            "1 of 30 partitions offline (orders/0)"
        );
    }

    #[test]
    fn the_clients_own_noise_is_left_out() {
        let text = "127.0.0.1:9/bootstrap: Connect to ipv4#127.0.0.1:9 failed: Connection refused (after 0ms in state CONNECT)";
        assert_eq!(brief(text), "Connect to ipv4#127.0.0.1:9 failed: Connection refused");
        let text =
            "[thrd:x]: k:1/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN (after 0ms)";
        assert_eq!(brief(text), "Disconnected: connection closed by peer");
        let text = "k:1/bootstrap: Receive failed: Invalid response size 1213486160 (0..100000000): increase something";
        assert_eq!(brief(text), "it answers \"HTTP\"…");
    }
}
