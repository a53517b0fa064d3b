use std::path::Path;

use health_monitor::settings::values::Values;
use health_monitor_actors::model::FailureKind;
use tempfile::TempDir;
use tokio::process::Command;

use super::{LONG, SHORT, ask};
use health_monitor_test_support::authority::{Authority, write};
use health_monitor_test_support::process::{Process, free_port, give, program, unprivileged};

const PACKAGE: &str = "postgresql";

/// A PostgreSQL server that wants passwords, with TLS for those who ask for it.
struct Server {
    process: Process,
    folder: TempDir,
    port: u16,
    authority: Authority,
}

impl Server {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let owner = unprivileged("postgres");
        give(folder.path(), owner);
        let data = folder.path().join("data");
        let password = write(folder.path(), "password", "secret");
        give(Path::new(&password), owner);
        let mut initdb = as_owner(program("initdb", PACKAGE), owner);
        initdb.args([
            "--username=postgres",
            "--auth=scram-sha-256",
            "--no-sync",
            "--pwfile",
            &password,
        ]);
        let output = initdb.arg("-D").arg(&data).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

        let authority = Authority::generate();
        let identity = authority.sign_all(&["127.0.0.1", "db.internal"], 90);
        let authorities = write(folder.path(), "ca.pem", &authority.pem());
        // One of its databases asks clients for a certificate besides the password.
        let rules = std::fs::read_to_string(data.join("pg_hba.conf")).unwrap();
        let guarded = "hostssl template1 all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n";
        write(&data, "pg_hba.conf", &format!("{guarded}{rules}"));
        for (name, content) in [("server.crt", &identity.certificate), ("server.key", &identity.key)] {
            let path = write(&data, name, content);
            give(Path::new(&path), owner);
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }

        let port = free_port();
        let mut command = as_owner(program("postgres", PACKAGE), owner);
        command.arg("-D").arg(&data).arg("-p").arg(port.to_string());
        command.arg("-k").arg(folder.path());
        for setting in [
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "ssl=on",
            &format!("ssl_ca_file={authorities}"),
            "log_min_messages=log",
            "log_connections=on",
            "log_disconnections=on",
        ] {
            command.arg("-c").arg(setting);
        }
        Self {
            process: Process::start(command, "ready to accept connections").await,
            folder,
            port,
            authority,
        }
    }

    fn values(&self) -> Values {
        Values::default()
            .with("address", format!("127.0.0.1:{}", self.port))
            .with("password", "secret")
    }
}

fn as_owner(program: impl AsRef<std::ffi::OsStr>, owner: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    if let Some((user, group)) = owner {
        command.uid(user).gid(group);
    }
    command.current_dir("/").env("LC_ALL", "C");
    command
}

#[tokio::test]
async fn a_server_answers_queries_and_sees_orderly_ends() {
    let mut server = Server::start().await;
    let finding = ask("postgres", &server.values(), LONG).await.unwrap();
    let address = format!("127.0.0.1:{}", server.port);
    assert_eq!(
        finding.reason,
        format!("{address} answers queries (postgres on database postgres)")
    );
    assert_eq!(finding.info["in_recovery"], false);
    assert!(
        finding.info["version"].as_str().unwrap().starts_with("15."),
        "{:?}",
        finding.info
    );
    server.process.hear("disconnection: ").await;

    let query = server.values().with("query", "SELECT count(*) FROM pg_database");
    ask("postgres", &query, LONG).await.unwrap();
    server.process.hear("disconnection: ").await;
    let unexpected = server
        .process
        .said()
        .iter()
        .find(|line| line.contains("unexpected EOF"));
    assert_eq!(unexpected, None);
}

#[tokio::test]
async fn the_servers_own_words_say_why_it_refuses() {
    let server = Server::start().await;
    let address = format!("127.0.0.1:{}", server.port);
    for (values, kind, words) in [
        (
            server.values().with("password", "wrong"),
            FailureKind::LoginRefused,
            "says: FATAL 28P01: password authentication failed for user \"postgres\" (postgres on database postgres)",
        ),
        (
            server.values().with("database", "plant"),
            FailureKind::Rejected,
            "says: FATAL 3D000: database \"plant\" does not exist (postgres on database plant)",
        ),
        (
            server.values().with("query", "SELECT * FROM readings"),
            FailureKind::Rejected,
            "says: ERROR 42P01: relation \"readings\" does not exist (postgres on database postgres)",
        ),
    ] {
        let failure = ask("postgres", &values, LONG).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{failure}");
        assert_eq!(failure.reason, format!("{address} {words}"));
    }
    let role = server
        .values()
        .with("query", "CREATE ROLE full LOGIN PASSWORD 'secret' CONNECTION LIMIT 0");
    ask("postgres", &role, LONG).await.unwrap();
    let failure = ask("postgres", &server.values().with("user", "full"), LONG)
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Saturated);
    assert_eq!(failure.info["sqlstate"], "53300");
}

#[tokio::test]
async fn without_a_password_a_server_that_asks_for_one_is_alive() {
    let server = Server::start().await;
    let address = format!("127.0.0.1:{}", server.port);
    let values = Values::default().with("address", address.as_str());
    let finding = ask("postgres", &values, LONG).await.unwrap();
    let reason = format!("{address} answers; not logged in: it asks for a password and none is configured");
    assert_eq!(finding.reason, reason);
}

#[tokio::test]
async fn a_slow_query_and_a_frozen_server_time_out_at_their_step() {
    let server = Server::start().await;
    let slow = server.values().with("query", "SELECT pg_sleep(60)");
    let failure = ask("postgres", &slow, SHORT).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout, "{failure}");

    server.process.signal("STOP").await;
    let failure = ask("postgres", &server.values(), SHORT).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert!(
        failure.reason.ends_with("but the login did not end within 1s500ms"),
        "{failure}"
    );
    server.process.signal("CONT").await;
}

#[tokio::test]
async fn tls_is_verified() {
    let server = Server::start().await;
    let values = server.values().with("tls", "require");
    let ca = server.folder.path().join("ca.pem");
    ask("postgres", &values.clone().with("ca_file", ca.to_str().unwrap()), LONG)
        .await
        .unwrap();
    let failure = ask("postgres", &values, LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls);
    assert!(
        failure.reason.ends_with("invalid peer certificate: UnknownIssuer"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_certificate_is_shown_and_another_name_expected_where_that_is_configured() {
    let server = Server::start().await;
    let folder = server.folder.path();
    let values = server
        .values()
        .with("tls", "require")
        .with("ca_file", folder.join("ca.pem").to_str().unwrap());
    ask("postgres", &values.clone().with("server_name", "db.internal"), LONG)
        .await
        .unwrap();
    let failure = ask("postgres", &values.clone().with("server_name", "other.internal"), LONG)
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls, "{failure}");

    let guarded = values.with("database", "template1");
    let failure = ask("postgres", &guarded, LONG).await.unwrap_err();
    assert!(failure.reason.contains("valid client certificate"), "{failure}");
    let client = server.authority.sign("monitor", 90);
    let guarded = guarded
        .with("certificate_file", write(folder, "client.pem", &client.certificate))
        .with("key_file", write(folder, "client-key.pem", &client.key));
    ask("postgres", &guarded, LONG).await.unwrap();
}
