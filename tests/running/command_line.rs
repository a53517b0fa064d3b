//! The command line, asking a monitor that runs.

use std::fs;
use std::process::{Command, Stdio};

use health_monitor_test_support::authority::{Authority, write};
use health_monitor_test_support::process::{Process, free_port};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

use crate::{HEAD, Keyed, PROGRAM, SEEN, listener, tcp};

/// The binary in the folder of a monitor, with nothing in its environment but what is given.
fn command(keyed: &Keyed, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let output = Command::new(PROGRAM)
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(keyed.monitor.folder.path())
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[actix_web::test]
async fn the_command_line_shows_a_running_monitor() {
    let (open, address) = listener();
    let (closed, nobody) = listener();
    drop(closed);
    let keyed = Keyed::start(&format!(
        "{}{}",
        tcp("web", address, ""),
        tcp("shy", nobody, "critical = false")
    ))
    .await;
    keyed.becomes("web", "healthy").await;
    keyed.becomes("shy", "unhealthy").await;
    let url = format!("http://{}", keyed.monitor.address);
    let key = keyed.key.clone();
    let with_key = [
        ("HEALTH_MONITOR_URL", url.as_str()),
        ("HEALTH_MONITOR_API_KEY", key.as_str()),
    ];

    let (code, out, error) = command(&keyed, &["status"], &with_key);
    assert_eq!(code, 0, "{error}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "degraded: 1 of 2 services up");
    assert!(lines[2].starts_with("SERVICE  STATUS     SINCE"), "{out}");
    assert!(
        lines[3].starts_with("shy      unhealthy  ") && lines[4].starts_with("web      healthy    "),
        "{out}"
    );
    assert!(!out.contains('\u{1b}'), "it is no terminal");
    let (_, out, _) = command(&keyed, &["status", "--color", "always"], &with_key);
    assert!(out.contains("\u{1b}[31munhealthy\u{1b}[0m"), "{out:?}");
    let (_, out, _) = command(&keyed, &["status", "--json"], &with_key);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["total_services"], 2);

    let (code, out, _) = command(&keyed, &["services"], &with_key);
    assert_eq!(code, 0);
    assert!(
        out.contains("file    monitor.toml:") && out.contains(&address.to_string()),
        "{out}"
    );
    let (code, out, _) = command(&keyed, &["containers"], &with_key);
    assert!(code == 0 && out.contains("0 of 0 containers run"), "{out}");

    drop(open);
    keyed.becomes("web", "unhealthy").await;
    let (code, _, _) = command(&keyed, &["status"], &with_key);
    assert_eq!(code, 3, "a critical service is down");

    let (code, _, error) = command(&keyed, &["status"], &[("HEALTH_MONITOR_URL", url.as_str())]);
    assert_eq!(code, 1);
    assert!(
        error.contains("Invalid API key") && error.contains("HEALTH_MONITOR_API_KEY"),
        "{error}"
    );
    fs::write(keyed.monitor.folder.path().join("key"), format!("{key}\n")).unwrap();
    let (code, _, error) = command(&keyed, &["status", "--url", &url, "--key-file", "key"], &[]);
    assert_eq!(code, 3, "{error}");
    let (code, _, error) = command(&keyed, &["status", "--url", &format!("http://{nobody}")], &[]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("cannot connect"), "{error}");
    let (code, _, _) = command(&keyed, &["status", "--url", "ftp://x"], &[]);
    assert_eq!(code, 1);
}

#[actix_web::test]
async fn a_watched_state_is_shown_until_it_is_interrupted() {
    let (_open, address) = listener();
    let keyed = Keyed::start(&tcp("web", address, "")).await;
    keyed.becomes("web", "healthy").await;
    let mut watching = tokio::process::Command::new(PROGRAM)
        .env_clear()
        .env("HEALTH_MONITOR_API_KEY", &keyed.key)
        .args(["status", "--watch", "100ms", "--color", "always", "--url"])
        .arg(format!("http://{}", keyed.monitor.address))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut shown = 0;
    while shown < 3 {
        let line = timeout(SEEN, lines.next_line()).await.unwrap().unwrap().unwrap();
        if line.contains("healthy: 1 of 1 services up") {
            assert!(line.starts_with("\u{1b}[2J\u{1b}[H"), "the screen is cleared: {line:?}");
            shown += 1;
        }
    }
    let pid = watching.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let ended = timeout(SEEN, watching.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
}

#[actix_web::test]
async fn a_monitor_with_tls_is_asked_by_its_own_certificate_or_by_its_authority() {
    let (_open, address) = listener();
    let authority = Authority::generate();
    let identity = authority.sign_all(&["localhost", "127.0.0.1"], 30);
    let folder = tempfile::tempdir().unwrap();
    let other = authority.sign("localhost", 30);
    for (name, content) in [
        ("tls.pem", &identity.certificate),
        ("tls-key.pem", &identity.key),
        ("other.pem", &other.certificate),
        ("other-key.pem", &other.key),
        ("ca.pem", &authority.pem()),
        ("other-ca.pem", &Authority::generate().pem()),
    ] {
        write(folder.path(), name, content);
    }
    let port = free_port();
    let configuration = |identity: &str| {
        format!(
            "{HEAD}[server]\nbind = \"127.0.0.1:{port}\"\ncertificate_file = \"{identity}.pem\"\n\
             key_file = \"{identity}-key.pem\"\n[history]\nenabled = false\n{}",
            tcp("web", address, "")
        )
    };
    write(folder.path(), "monitor.toml", &configuration("tls"));
    write(folder.path(), "other.toml", &configuration("other"));
    let mut command = tokio::process::Command::new(PROGRAM);
    command
        .env_clear()
        .current_dir(folder.path())
        .args(["--config", "monitor.toml", "run"]);
    let _monitor = Process::start(command, "monitor started").await;
    let status = |arguments: &[&str]| {
        let output = Command::new(PROGRAM)
            .env_clear()
            .current_dir(folder.path())
            .arg("services")
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), text.into_owned())
    };
    let by_name = format!("https://localhost:{port}");
    for (arguments, code, expected) in [
        (&["--config", "monitor.toml"][..], 0, "web"),
        (&["--config", "other.toml"], 1, "no TLS"),
        (&["--config", "monitor.toml", "--ca-file", "ca.pem"], 0, "web"),
        (&["--config", "monitor.toml", "--ca-file", "other-ca.pem"], 1, "no TLS"),
        (&["--url", &by_name, "--ca-file", "ca.pem"], 0, "web"),
        (&["--url", &by_name], 1, "no TLS"),
        (
            &["--url", &by_name, "--ca-file", "tls-key.pem"],
            1,
            "holds no certificate",
        ),
        (&["--config", "nowhere.toml"], 2, "nowhere.toml"),
    ] {
        let (ended, text) = status(arguments);
        assert!(
            ended == code && text.contains(expected),
            "{arguments:?} ends with {ended}: {text}"
        );
    }
}
