use std::path::Path;

use health_monitor::settings::values::Values;
use health_monitor_actors::model::FailureKind;
use tempfile::TempDir;
use tokio::process::Command;

use super::{LONG, SHORT, ask};
use health_monitor_test_support::authority::{Authority, write};
use health_monitor_test_support::process::{Process, free_port, program};

/// A Mosquitto with a user `monitor`, who may use topics under `monitor/`, one listener without and one with TLS,
/// and one that asks clients for certificates and is called broker.internal.
struct Broker {
    process: Process,
    folder: TempDir,
    port: u16,
    tls_port: u16,
    mutual_port: u16,
    authority: Authority,
}

impl Broker {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (port, tls_port, mutual_port) = (free_port(), free_port(), free_port());
        let authority = Authority::generate();
        let identity = authority.sign("127.0.0.1", 90);
        write(folder.path(), "ca.pem", &authority.pem());
        write(folder.path(), "certificate.pem", &identity.certificate);
        write(folder.path(), "key.pem", &identity.key);
        let inner = authority.sign("broker.internal", 90);
        let inner_certificate = write(folder.path(), "inner.pem", &inner.certificate);
        let inner_key = write(folder.path(), "inner-key.pem", &inner.key);
        write(folder.path(), "acl", "user monitor\ntopic readwrite monitor/#\n");
        passwords(folder.path()).await;
        let (passwords, acl) = (at("passwords"), at("acl"));
        let (certificate, key, authorities) = (at("certificate.pem"), at("key.pem"), at("ca.pem"));
        let configuration = format!(
            "log_dest stderr\nlog_type all\nuser root\nallow_anonymous false\npassword_file {passwords}\nacl_file {acl}\n\
             listener {port} 127.0.0.1\nlistener {tls_port} 127.0.0.1\ncertfile {certificate}\nkeyfile {key}\n\
             listener {mutual_port} 127.0.0.1\ncertfile {inner_certificate}\nkeyfile {inner_key}\ncafile {authorities}\n\
             require_certificate true\n"
        );
        let configuration = write(folder.path(), "mosquitto.conf", &configuration);
        let mut command = Command::new(program("mosquitto", "mosquitto"));
        command.arg("-c").arg(configuration);
        Self {
            process: Process::start(command, " running").await,
            folder,
            port,
            tls_port,
            mutual_port,
            authority,
        }
    }

    fn values(&self) -> Values {
        Values::default()
            .with("address", format!("127.0.0.1:{}", self.port))
            .with("user", "monitor")
            .with("password", "secret")
    }
}

async fn passwords(folder: &Path) {
    let path = write(folder, "passwords", "");
    let mut command = Command::new(program("mosquitto_passwd", "mosquitto"));
    let status = command.args(["-b", &path, "monitor", "secret"]).status().await.unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn a_broker_takes_good_logins_refuses_others_and_sees_goodbyes() {
    let mut broker = Broker::start().await;
    let address = format!("127.0.0.1:{}", broker.port);

    let finding = ask("mqtt", &broker.values(), LONG).await.unwrap();
    assert_eq!(finding.reason, format!("{address} accepts clients"));
    broker.process.hear("disconnected").await;
    let last = broker.process.said().last().unwrap();
    assert!(last.contains("Client hm-service-"), "{last}");
    assert!(
        !last.contains("closed its connection"),
        "not an orderly goodbye: {last}"
    );

    let anonymous = Values::default().with("address", address.as_str());
    let failure = ask("mqtt", &anonymous, LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::LoginRefused);
    let reason = format!("{address} refuses an anonymous login: not authorised: set user and password");
    assert_eq!(failure.reason, reason);

    let wrong = broker.values().with("password", "wrong");
    let failure = ask("mqtt", &wrong, LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::LoginRefused);
    assert_eq!(
        failure.reason,
        format!("{address} refuses the login of monitor: not authorised")
    );
}

#[tokio::test]
async fn a_message_comes_back_where_the_broker_lets_it() {
    let broker = Broker::start().await;
    let allowed = broker.values().with("topic", "monitor/east");
    let finding = ask("mqtt", &allowed, LONG).await.unwrap();
    assert!(
        finding.reason.ends_with("accepts clients and delivers messages"),
        "{}",
        finding.reason
    );
    assert!(finding.info["round_trip_ms"].as_f64().unwrap() > 0.0);

    let swallowed = broker.values().with("topic", "factory");
    let failure = ask("mqtt", &swallowed, SHORT).await.unwrap_err();
    assert!(failure.reason.contains("ACL"), "{failure}");
}

#[tokio::test]
async fn a_broker_with_tls_is_verified() {
    let broker = Broker::start().await;
    let values = broker
        .values()
        .with("address", format!("127.0.0.1:{}", broker.tls_port))
        .with("tls", true);
    let trusted = values
        .clone()
        .with("ca_file", broker.folder.path().join("ca.pem").to_str().unwrap());
    let finding = ask("mqtt", &trusted, LONG).await.unwrap();
    assert!(!finding.warning, "{}", finding.reason);
    assert_eq!(finding.info["tls_version"], "1.3");

    let failure = ask("mqtt", &values, LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls);
    assert!(
        failure.reason.ends_with("invalid peer certificate: UnknownIssuer"),
        "{failure}"
    );

    // Another authority than the one that signed.
    let other = write(broker.folder.path(), "other.pem", &Authority::generate().pem());
    assert_ne!(broker.authority.pem(), other);
    let failure = ask("mqtt", &values.clone().with("ca_file", other), LONG)
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls);

    let plain = trusted.with("tls", false);
    let failure = ask("mqtt", &plain, LONG).await.unwrap_err();
    assert!(
        matches!(failure.kind, FailureKind::Reset | FailureKind::WrongProtocol),
        "{failure}"
    );
}

#[tokio::test]
async fn a_broker_that_asks_for_a_certificate_gets_one_and_may_bear_another_name() {
    let broker = Broker::start().await;
    let folder = broker.folder.path();
    let client = broker.authority.sign("monitor", 90);
    let nameless = broker
        .values()
        .with("address", format!("127.0.0.1:{}", broker.mutual_port))
        .with("tls", true)
        .with("ca_file", folder.join("ca.pem").to_str().unwrap());
    let values = nameless.clone().with("server_name", "broker.internal");
    let certified = values
        .clone()
        .with("certificate_file", write(folder, "client.pem", &client.certificate))
        .with("key_file", write(folder, "client-key.pem", &client.key));
    ask("mqtt", &certified, LONG).await.unwrap();

    let failure = ask("mqtt", &values, LONG).await.unwrap_err();
    assert!(
        matches!(failure.kind, FailureKind::Tls | FailureKind::Reset),
        "without a certificate: {failure}"
    );
    let failure = ask("mqtt", &nameless, LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls, "by another name: {failure}");
}

#[tokio::test]
async fn a_frozen_broker_times_out_with_the_step_it_is_at() {
    let broker = Broker::start().await;
    broker.process.signal("STOP").await;
    let failure = ask("mqtt", &broker.values(), SHORT).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert!(failure.reason.ends_with("but no CONNACK within 1s500ms"), "{failure}");
}
