//! Checks against servers that answer anything. Whatever comes, a check ends within its time and says so in few words.

use std::net::Ipv4Addr;
use std::time::Duration;

use health_monitor_actors::check::Check;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::time::timeout;

use super::*;
use crate::settings::values::Values;

/// Far longer than an answer of the loopback interface takes.
const ATTEMPT: Duration = Duration::from_secs(5);

/// Longest that a check's reason may be, in bytes: it quotes what was said, and not all of it.
const REASON: usize = 4_000;

pub(crate) fn zookeeper_srvr(answer: &[u8]) {
    against(
        "zookeeper",
        |address| Values::default().with("address", address),
        &[answer],
    );
}

pub(crate) fn zookeeper_session(answer: &[u8]) {
    let srvr = b"Zookeeper version: 3.8.4\nLatency min/avg/max: 0/0.0/0\nMode: standalone\nNode count: 5\n";
    against(
        "zookeeper",
        |address| Values::default().with("address", address),
        &[srvr, answer],
    );
}

pub(crate) fn http(answer: &[u8]) {
    let values = |address: String| {
        Values::default()
            .with("url", format!("http://{address}/health?a=b"))
            .with("expect_body", "ok")
            .with("expect_json", serde_json::json!({ "/queue/size": "3" }))
    };
    against("http", values, &[answer]);
}

pub(crate) fn mqtt(answer: &[u8]) {
    let values = |address: String| Values::default().with("address", address).with("topic", "a/b");
    against("mqtt", values, &[answer]);
}

pub(crate) fn postgres(answer: &[u8]) {
    for encryption in ["disable", "prefer"] {
        let values = |address: String| {
            Values::default()
                .with("address", address)
                .with("password", "password")
                .with("tls", encryption)
        };
        against("postgres", values, &[answer]);
    }
}

/// Runs a check once against a server that gives its connections these answers, the last one for good, and ends each.
fn against(kind: &str, values: impl Fn(String) -> Values, answers: &[&[u8]]) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answers: Vec<Vec<u8>> = answers.iter().map(|answer| answer.to_vec()).collect();
        let server = tokio::spawn(serve(listener, answers));
        let check: Arc<dyn Check> = (find(kind).unwrap().build)(&values(address)).unwrap();
        let attempt = tests::attempt_of(ATTEMPT);
        let found = timeout(ATTEMPT, check.attempt(&attempt))
            .await
            .expect("the check does not end although the server did");
        let reason = match found {
            Ok(finding) => finding.reason,
            Err(failure) => failure.reason,
        };
        assert!(reason.len() < REASON, "{} bytes: {reason}", reason.len());
        server.abort();
    });
}

async fn serve(listener: TcpListener, answers: Vec<Vec<u8>>) {
    let mut number = 0;
    while let Ok((mut stream, _)) = listener.accept().await {
        let answer = answers[number.min(answers.len() - 1)].clone();
        number += 1;
        tokio::spawn(async move {
            // The other side may have seen enough before the end.
            let _is_sent = stream.write_all(&answer).await.is_ok();
            let _is_ended = stream.shutdown().await.is_ok();
            let _is_read = stream.read_to_end(&mut Vec::new()).await.is_ok();
        });
    }
}
