//! The command line, run as a process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread;

use tempfile::TempDir;

/// The binary with an empty environment, in a folder without any configuration.
fn monitor(folder: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_health-monitor"));
    command.env_clear().current_dir(folder.path());
    command
}

fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let file = folder.path().join(name);
    fs::write(&file, text).unwrap();
    file
}

/// A server that sends each client this answer, whatever it asks, and what its clients sent is dropped.
fn server(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            // Reads one packet, so that the answer does not meet a request that is still under way.
            if client.read(&mut [0; 1024]).is_ok() {
                client.write_all(answer.as_bytes()).unwrap_or_default();
            }
        }
    });
    address
}

/// An address on which nobody listens any more.
fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn the_version_is_printed() {
    let folder = TempDir::new().unwrap();
    let (code, out, _) = run(monitor(&folder).arg("--version"));
    assert_eq!(
        (code, out.as_str()),
        (0, concat!("health-monitor ", env!("CARGO_PKG_VERSION"), "\n"))
    );
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let folder = TempDir::new().unwrap();
    for arguments in [
        &["frobnicate"][..],
        &["check"],
        &["--config"],
        &["healthcheck", "--timeout", "soon"],
    ] {
        let (code, _, error) = run(monitor(&folder).args(arguments));
        assert_eq!(code, 2, "{arguments:?}: {error}");
    }
}

// --- what follows from the program itself

#[test]
fn completions_the_man_page_and_the_schema_are_printed() {
    let folder = TempDir::new().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, out, _) = run(monitor(&folder).args(["completions", shell]));
        assert!(
            code == 0 && out.contains("healthcheck") && out.contains("key-file"),
            "{shell}"
        );
    }
    let (code, out, _) = run(monitor(&folder).arg("man"));
    assert!(code == 0 && out.contains(".TH health"), "{out}");
    for part in [
        ".SS \"health-monitor status\"",
        ".SS \"health-monitor key new\"",
        ".SH \"EXIT STATUS\"",
        "a critical service is down",
        "HEALTH_MONITOR_URL",
        "HEALTH_MONITOR_API_KEY",
        "/etc/health\\-monitor/config.toml",
    ] {
        assert!(out.contains(part), "{part} is missing: {out}");
    }
    let (_, help, _) = run(monitor(&folder).arg("--help"));
    assert!(
        help.contains("Exit codes:") && help.contains("HEALTH_MONITOR_API_KEY_FILE"),
        "{help}"
    );
    let (code, out, _) = run(monitor(&folder).arg("schema"));
    assert!(code == 0 && out.starts_with("{\n") && out.contains("draft-07"), "{out}");
}

// --- validate

#[test]
fn a_valid_file_is_said_to_be() {
    let folder = TempDir::new().unwrap();
    write(&folder, "a.toml", "[services.web]\ncheck = \"container\"\n");
    let (code, out, error) = run(monitor(&folder).args(["validate", "a.toml"]));
    assert_eq!((code, error.as_str()), (0, ""));
    assert_eq!(out, "a.toml is valid; 1 service: web\n");
}

#[test]
fn every_problem_of_a_file_and_of_the_environment_is_said_at_once() {
    let folder = TempDir::new().unwrap();
    write(
        &folder,
        "a.toml",
        "[services.kafka]\ncheck = \"tcp\"\naddress = \"kafka:29092\"\ntimeout = \"12s\"\nintervall = \"10s\"\n",
    );
    let (code, out, error) = run(monitor(&folder)
        .args(["validate", "a.toml"])
        .env("HEALTH_MONITOR__LOG__LEVEL", "loud"));
    assert_eq!((code, out.as_str()), (2, ""));
    let expected = "error: 3 problems in the configuration:
  a.toml:4: services.kafka.timeout (12s) must be shorter than its interval (10s)
  a.toml:5: services.kafka.intervall is not a known key; did you mean 'interval'?
  HEALTH_MONITOR__LOG__LEVEL: log.level must be \"error\", \"warn\", \"info\", \"debug\" or \"trace\", not \"loud\"
";
    assert_eq!(error, expected);
}

#[test]
fn a_syntax_error_is_said_with_its_line_and_column() {
    let folder = TempDir::new().unwrap();
    write(&folder, "a.yaml", "docker:\n  enabled: true\n log: 1\n");
    let (code, _, error) = run(monitor(&folder).args(["validate", "a.yaml"]));
    assert_eq!(code, 2);
    assert!(error.starts_with("error: a.yaml:3:5: "), "{error}");
}

#[test]
fn a_folder_in_the_place_of_the_file_is_said_to_be_one() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("a.toml")).unwrap();
    let (code, _, error) = run(monitor(&folder).args(["validate", "a.toml"]));
    assert_eq!(code, 2);
    assert!(error.starts_with("error: a.toml is a folder; "), "{error}");
}

#[test]
fn the_file_is_found_where_run_finds_it() {
    let folder = TempDir::new().unwrap();
    let (code, out, _) = run(monitor(&folder).arg("validate"));
    assert_eq!(code, 0);
    assert!(
        out.starts_with("no configuration file; the built-in defaults hold; 9 built-in services: "),
        "{out}"
    );

    write(
        &folder,
        "health-monitor.toml",
        "[services.here]\ncheck = \"container\"\n",
    );
    let (_, out, _) = run(monitor(&folder).arg("validate"));
    assert_eq!(out, "health-monitor.toml is valid; 1 service: here\n");

    let named = write(&folder, "named.toml", "[services.named]\ncheck = \"container\"\n");
    let (_, out, _) = run(monitor(&folder).arg("validate").env("HEALTH_MONITOR_CONFIG", &named));
    assert!(out.ends_with("is valid; 1 service: named\n"), "{out}");

    let (code, _, error) = run(monitor(&folder).args(["validate", "--config", "none.toml"]));
    assert_eq!(code, 2);
    assert_eq!(
        error,
        "error: none.toml cannot be read: No such file or directory (os error 2)\n"
    );
}

#[test]
fn run_refuses_a_wrong_configuration() {
    let folder = TempDir::new().unwrap();
    write(&folder, "health-monitor.toml", "[servr]\n");
    for arguments in [&[][..], &["run"], &["check", "web"]] {
        let (code, out, error) = run(monitor(&folder).args(arguments));
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(
            error.contains("health-monitor.toml:1: servr is not a section; did you mean 'server'?"),
            "{error}"
        );
    }
}

#[test]
fn run_refuses_a_filter_that_is_none() {
    let folder = TempDir::new().unwrap();
    let (code, _, error) = run(monitor(&folder).arg("run").env("RUST_LOG", "info,=nonsense=x"));
    assert_eq!(code, 2);
    assert!(
        error.starts_with("error: RUST_LOG (info,=nonsense=x) is not a level"),
        "{error}"
    );
}

// --- check

fn checked(folder: &TempDir, address: SocketAddr, more: &str) -> PathBuf {
    let text = format!(
        "[services.Port]\ncheck = \"tcp\"\naddress = \"{address}\"\ncontainer = \"\"\ninterval = \"2s\"\ntimeout = \"300ms\"\n{more}"
    );
    write(folder, "health-monitor.toml", &text)
}

#[test]
fn a_check_that_passes_ends_with_0() {
    let folder = TempDir::new().unwrap();
    let address = server("PONG\n");
    checked(&folder, address, "send = \"PING\"\nexpect = \"PONG\"\n");
    let (code, out, error) = run(monitor(&folder).args(["check", "port"]));
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    for line in [
        "service   Port",
        &format!("check     tcp at {address}"),
        "status    healthy",
        "reason    ",
        "duration  ",
    ] {
        assert!(
            out.lines().any(|found| found.starts_with(line)),
            "{line} is not in:\n{out}"
        );
    }
}

#[test]
fn a_check_does_not_show_what_may_be_a_secret() {
    let folder = TempDir::new().unwrap();
    let address = server("HTTP/1.1 204 No Content\r\n\r\n");
    let text = format!(
        "[services.Web]\ncheck = \"http\"\nurl = \"http://{address}/status?token=hunter2\"\ncontainer = \"\"\n"
    );
    write(&folder, "health-monitor.toml", &text);
    let (code, out, error) = run(monitor(&folder).args(["check", "web"]));
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    assert!(
        out.contains(&format!("check     http at http://{address}/status\n")),
        "{out}"
    );
    assert!(!out.contains("hunter2"), "{out}");
}

#[test]
fn a_check_that_fails_ends_with_1_and_says_why() {
    let folder = TempDir::new().unwrap();
    checked(&folder, closed(), "");
    let (code, out, _) = run(monitor(&folder).args(["check", "Port"]));
    assert_eq!(code, 1);
    assert!(out.contains("status    unhealthy") && out.contains("refused"), "{out}");
}

#[test]
fn a_check_without_an_answer_ends_at_its_timeout() {
    let folder = TempDir::new().unwrap();
    // Takes the connection into its backlog and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    checked(&folder, silent.local_addr().unwrap(), "expect = \"PONG\"\n");
    let (code, out, _) = run(monitor(&folder).args(["check", "Port"]));
    assert_eq!(code, 1);
    assert!(out.contains("status    unhealthy"), "{out}");
    let duration = out.lines().find_map(|line| line.strip_prefix("duration  ")).unwrap();
    let milliseconds: u64 = duration.strip_suffix(" ms").unwrap().parse().unwrap();
    assert!((250..2_000).contains(&milliseconds), "{out}");
}

#[test]
fn a_service_that_is_none_is_a_wrong_command_line() {
    let folder = TempDir::new().unwrap();
    checked(&folder, closed(), "");
    let (code, _, error) = run(monitor(&folder).args(["check", "prot"]));
    assert_eq!(code, 2);
    assert_eq!(error, "error: 'prot' is not a service; there are Port\n");
}

// --- healthcheck

fn healthcheck(folder: &TempDir, address: SocketAddr) -> (i32, String, String) {
    let bind = format!("127.0.0.1:{}", address.port());
    run(monitor(folder)
        .args(["healthcheck", "--timeout", "2s"])
        .env("HEALTH_MONITOR__SERVER__BIND", bind))
}

#[test]
fn a_monitor_that_lives_is_healthy() {
    let folder = TempDir::new().unwrap();
    let address = server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let (code, out, _) = healthcheck(&folder, address);
    assert_eq!((code, out), (0, format!("alive at {address}\n")));
}

#[test]
fn a_monitor_on_every_address_is_asked_on_the_loopback() {
    let folder = TempDir::new().unwrap();
    let address = server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let file = write(
        &folder,
        "a.toml",
        &format!("[server]\nbind = \"0.0.0.0:{}\"\n", address.port()),
    );
    let (code, out, _) = run(monitor(&folder).arg("healthcheck").arg("--config").arg(&file));
    assert_eq!((code, out), (0, format!("alive at {address}\n")));
}

#[test]
fn whatever_else_is_wrong_does_not_make_a_living_monitor_unhealthy() {
    let folder = TempDir::new().unwrap();
    let address = server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    write(
        &folder,
        "health-monitor.toml",
        &format!("[server]\nbind = \"{address}\"\n[services.web]\ncheck = \"nonsense\"\n"),
    );
    assert_eq!(run(monitor(&folder).arg("healthcheck")).0, 0);
}

#[test]
fn anything_else_ends_with_1_and_never_with_2() {
    let folder = TempDir::new().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for (address, expected) in [
        (closed(), "cannot connect"),
        (
            server("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"),
            "503",
        ),
        (server("220 mail ready\r\n"), "no HTTP answer"),
        (silent.local_addr().unwrap(), "no answer within 2s"),
    ] {
        let (code, _, error) = healthcheck(&folder, address);
        assert_eq!(code, 1, "{error}");
        assert!(error.contains(expected), "{expected}: {error}");
    }
    write(&folder, "health-monitor.toml", "not toml");
    let (code, _, error) = run(monitor(&folder).arg("healthcheck"));
    assert_eq!(code, 1, "{error}");
}

// --- with and without a container engine

#[test]
fn without_an_engine_nothing_is_written_and_the_reason_is_said() {
    let folder = TempDir::new().unwrap();
    let (code, out, error) = run(monitor(&folder)
        .arg("init")
        .env("DOCKER_HOST", "unix:///no/such/docker.sock"));
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        error.starts_with("error: ") && error.contains("/no/such/docker.sock"),
        "{error}"
    );
    assert!(!folder.path().join("health-monitor.toml").exists());
}

#[test]
fn a_container_that_nobody_can_see_is_an_error_and_no_outage() {
    let folder = TempDir::new().unwrap();
    write(
        &folder,
        "health-monitor.toml",
        "[services.web]\ncheck = \"container\"\n",
    );
    let (code, out, _) = run(monitor(&folder)
        .args(["check", "web"])
        .env("DOCKER_HOST", "unix:///no/such/docker.sock"));
    assert_eq!(code, 1);
    assert!(
        out.contains("status    error") && out.contains("container unknown: "),
        "{out}"
    );
}
