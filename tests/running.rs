//! A monitor that runs, without Docker, while people change its configuration and order things of it: the real binary, real
//! signals, real files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use health_monitor::access::key::{KeyHash, new_key};
use health_monitor_test_support::binary::{Binary, key_section};
use health_monitor_test_support::stack::wait::until;
use reqwest::Method;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_health-monitor");

/// How long a change of a file may take to be seen: it is looked at every second, and twice.
const SEEN: Duration = Duration::from_secs(15);

const HEAD: &str = "[docker]\nenabled = false\n[discovery]\ncontainers = \"none\"\n";

/// A service that answers as long as this lives.
fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn tcp(name: &str, address: SocketAddr, more: &str) -> String {
    format!("[services.{name}]\ncheck = \"tcp\"\naddress = \"{address}\"\ncontainer = \"\"\n{more}\n")
}

/// A monitor with an admin key.
struct Keyed {
    monitor: Binary,
    key: String,
    hash: String,
}

impl Keyed {
    async fn start(services: &str) -> Self {
        let key = new_key().unwrap();
        let hash = KeyHash::of(key.expose().as_bytes()).written();
        let monitor = Binary::start(PROGRAM, &format!("{HEAD}{services}"), Some((key.expose(), &hash))).await;
        Self {
            monitor,
            key: key.expose().to_owned(),
            hash,
        }
    }

    /// The text of a configuration with these services and the same key.
    fn text(&self, services: &str) -> String {
        format!("{HEAD}{services}{}", key_section(&self.hash))
    }

    async fn status(&self, service: &str) -> String {
        let document = self.monitor.get(&format!("/health/{service}")).await;
        document["status"].as_str().unwrap_or_default().to_owned()
    }

    async fn becomes(&self, service: &str, status: &str) {
        until(&format!("{service} is {status}"), SEEN, async || {
            let seen = self.status(service).await;
            if seen == status { Ok(()) } else { Err(seen) }
        })
        .await;
    }

    async fn service_names(&self) -> Vec<String> {
        let document = self.monitor.get("/services").await;
        let services = document["services"].as_array().unwrap().clone();
        services
            .iter()
            .map(|service| service["service"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn successes(&self, service: &str) -> u64 {
        let metrics = self.monitor.text("/metrics").await;
        let line = format!("health_check_success_total{{service=\"{service}\"}} ");
        let value = metrics.lines().find_map(|text| text.strip_prefix(&line)).unwrap();
        value.parse::<f64>().unwrap() as u64
    }
}

fn hang_up(pid: u32) {
    let status = Command::new("kill").args(["-HUP", &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

#[actix_web::test]
async fn a_reload_changes_what_differs_and_leaves_the_rest_alone() {
    let (_one, first) = listener();
    let (_two, second) = listener();
    let stays = tcp("stays", first, "interval = \"60s\"");
    let keyed = Keyed::start(&format!("{stays}{}", tcp("goes", second, "interval = \"60s\""))).await;
    keyed.becomes("stays", "healthy").await;
    keyed.becomes("goes", "healthy").await;
    let before = keyed.monitor.get("/health/stays").await;
    let changed = keyed.text(&format!("{stays}{}", tcp("comes", second, "interval = \"2s\"")));
    fs::write(keyed.monitor.file(), changed).unwrap();
    let (status, answer) = keyed.monitor.request(Method::POST, "/config/reload", None).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        answer,
        json!({"status": "reloaded", "added": ["comes"], "changed": [], "removed": ["goes"], "needs_restart": []})
    );
    keyed.becomes("comes", "healthy").await;
    assert_eq!(keyed.service_names().await, ["comes", "stays"]);
    let after = keyed.monitor.get("/health/stays").await;
    for field in ["since", "next_check", "health_check"] {
        assert_eq!(before[field], after[field], "{field}");
    }
    assert_eq!(keyed.successes("stays").await, 1, "it was not asked again");
    let (status, _) = keyed.monitor.request(Method::GET, "/health/goes", None).await;
    assert_eq!(status, 404);
}

#[actix_web::test]
async fn a_service_with_other_settings_keeps_its_streaks_and_its_place_in_the_schedule() {
    let (_one, address) = listener();
    let keyed = Keyed::start(&tcp("web", address, "interval = \"60s\"")).await;
    keyed.becomes("web", "healthy").await;
    let before = keyed.monitor.get("/health/web").await;
    fs::write(
        keyed.monitor.file(),
        keyed.text(&tcp("web", address, "interval = \"60s\"\ncritical = false")),
    )
    .unwrap();
    let (_, answer) = keyed.monitor.request(Method::POST, "/config/reload", None).await;
    assert_eq!(answer["changed"], json!(["web"]));
    let after = keyed.monitor.get("/health/web").await;
    assert_eq!(after["critical"], false);
    for field in ["status", "since", "next_check", "health_check"] {
        assert_eq!(before[field], after[field], "{field}");
    }
}

#[actix_web::test]
async fn a_bad_file_changes_nothing_and_is_told_everywhere() {
    let (_one, address) = listener();
    let keyed = Keyed::start(&tcp("web", address, "")).await;
    keyed.becomes("web", "healthy").await;
    let good = fs::read_to_string(keyed.monitor.file()).unwrap();
    let bad = keyed.text(&tcp("web", address, "intervall = \"5s\""));
    fs::write(keyed.monitor.file(), &bad).unwrap();
    let (status, answer) = keyed.monitor.request(Method::POST, "/config/reload", None).await;
    assert_eq!((status, &answer["status"]), (422, &json!("rejected")));
    let expected = "services.web.intervall is not a known key; did you mean 'interval'?";
    assert!(answer["reason"].as_str().unwrap().contains(expected), "{answer}");
    let (status, ready) = keyed.monitor.request(Method::GET, "/readyz", None).await;
    assert_eq!(status, 200, "it goes on with the one before: {ready}");
    assert_eq!(ready["configuration"]["status"], "rejected");
    assert!(ready["configuration"]["problem"].as_str().unwrap().contains(expected));
    let metrics = keyed.monitor.text("/metrics").await;
    assert!(metrics.contains("health_monitor_config_last_reload_successful 0\n"));
    assert!(metrics.contains("health_monitor_config_reloads_total{result=\"rejected\"}"));
    let log = keyed.monitor.log();
    assert!(
        log.contains("configuration rejected") && log.contains("did you mean 'interval'"),
        "{log}"
    );
    assert_eq!(keyed.service_names().await, ["web"]);

    fs::write(keyed.monitor.file(), good).unwrap();
    let (status, _) = keyed.monitor.request(Method::POST, "/config/reload", None).await;
    assert_eq!(status, 200);
    assert_eq!(
        keyed.monitor.get("/readyz").await["configuration"]["problem"],
        Value::Null
    );
    assert!(
        keyed
            .monitor
            .text("/metrics")
            .await
            .contains("health_monitor_config_last_reload_successful 1\n")
    );
}

#[actix_web::test]
async fn a_signal_a_replaced_file_and_a_moved_link_are_followed() {
    let (_one, address) = listener();
    let keyed = Keyed::start(&tcp("first", address, "")).await;
    let services = async |expected: &str| {
        until(&format!("{expected} is watched"), SEEN, async || {
            let names = keyed.service_names().await;
            if names == [expected] {
                Ok(())
            } else {
                Err(format!("{names:?}"))
            }
        })
        .await;
    };
    services("first").await;

    fs::write(keyed.monitor.file(), keyed.text(&tcp("signalled", address, ""))).unwrap();
    hang_up(keyed.monitor.pid());
    services("signalled").await;
    // The file is read once more when it is seen to have changed, with nothing to change.
    let folder = keyed.monitor.folder.path();
    fs::write(folder.join("new"), keyed.text(&tcp("replaced", address, ""))).unwrap();
    fs::rename(folder.join("new"), keyed.monitor.file()).unwrap();
    services("replaced").await;

    // As Kubernetes mounts a ConfigMap: the file is a link through a link, and the inner one is replaced.
    for (version, name) in [("v1", "linked"), ("v2", "moved")] {
        fs::create_dir(folder.join(version)).unwrap();
        fs::write(
            folder.join(version).join("monitor.toml"),
            keyed.text(&tcp(name, address, "")),
        )
        .unwrap();
    }
    symlink("v1", folder.join("..data")).unwrap();
    symlink("..data/monitor.toml", folder.join("link")).unwrap();
    fs::rename(folder.join("link"), keyed.monitor.file()).unwrap();
    services("linked").await;
    symlink("v2", folder.join("..new")).unwrap();
    fs::rename(folder.join("..new"), folder.join("..data")).unwrap();
    services("moved").await;
}

#[actix_web::test]
async fn what_cannot_change_while_it_runs_is_said() {
    let (_one, address) = listener();
    let keyed = Keyed::start(&tcp("web", address, "")).await;
    let text = format!(
        "{}[supervision]\nlanes = 3\n[log]\nlevel = \"debug\"\n",
        keyed.text(&tcp("web", address, ""))
    );
    fs::write(keyed.monitor.file(), text).unwrap();
    let (_, answer) = keyed.monitor.request(Method::POST, "/config/reload", None).await;
    assert_eq!(answer["needs_restart"], json!(["log.level", "supervision.lanes"]));
    let config = keyed.monitor.get("/config").await;
    assert_eq!(config["reload"]["needs_restart"], answer["needs_restart"]);
}

#[actix_web::test]
async fn a_check_is_run_now_and_answers_with_what_it_found() {
    let (open, address) = listener();
    let keyed = Keyed::start(&tcp(
        "web",
        address,
        "interval = \"1h\"\nfailure_threshold = 1\nretries = 0",
    ))
    .await;
    keyed.becomes("web", "healthy").await;
    drop(open);
    let (status, answer) = keyed.monitor.request(Method::POST, "/services/WEB/check", None).await;
    assert_eq!((status, &answer["status"]), (200, &json!("unhealthy")), "{answer}");
    let back = TcpListener::bind(address).unwrap();
    let (_, answer) = keyed.monitor.request(Method::POST, "/services/web/check", None).await;
    assert_eq!(answer["status"], "healthy", "{answer}");
    drop(back);
    let (status, _) = keyed
        .monitor
        .request(Method::POST, "/services/nobody/check", None)
        .await;
    assert_eq!(status, 404);
    let log = keyed.monitor.log();
    assert!(
        log.contains("check ordered") && log.contains("\"key\":\"tests\""),
        "{log}"
    );
}

#[actix_web::test]
async fn maintenance_pauses_a_service_until_it_is_taken_back() {
    let (open, address) = listener();
    let keyed = Keyed::start(&tcp(
        "web",
        address,
        "interval = \"1s\"\nfailure_threshold = 1\nretries = 0\ntimeout = \"500ms\"",
    ))
    .await;
    keyed.becomes("web", "healthy").await;
    let path = "/services/web/maintenance";
    for body in [
        json!({}),
        json!({"reason": "no end"}),
        json!({"for": "soon"}),
        json!({"for": "0s"}),
        json!({"for": "400d"}),
        json!({"for": "1h", "until": "tomorrow"}),
        json!({"for": "1h", "reason": "a\nb"}),
        json!([]),
    ] {
        let (status, answer) = keyed.monitor.request(Method::POST, path, Some(body.clone())).await;
        assert_eq!(
            (status, &answer["status"]),
            (400, &json!("bad_request")),
            "{body}: {answer}"
        );
    }
    let (status, _) = keyed.monitor.request(Method::DELETE, path, None).await;
    assert_eq!(status, 409, "there is none to end");

    let order = json!({"for": "2h", "reason": "new disk"});
    let (status, answer) = keyed.monitor.request(Method::POST, path, Some(order)).await;
    assert_eq!((status, &answer["status"]), (200, &json!("maintenance")), "{answer}");
    assert_eq!(answer["maintenance"]["reason"], "new disk");
    assert_eq!(answer["maintenance"]["origin"], "key tests");
    assert!(answer["reason"].as_str().unwrap().contains("new disk"));
    drop(open);
    let metrics = keyed.monitor.text("/metrics").await;
    assert!(metrics.contains("service_maintenance{service=\"web\"} 1\n"));
    assert!(!metrics.contains("service_health_status{service=\"web\"}"));
    // A check that a person asks for runs, and changes nothing of it.
    let (_, answer) = keyed.monitor.request(Method::POST, "/services/web/check", None).await;
    assert_eq!(answer["status"], "maintenance");
    assert!(
        answer["health_check"]["result"].as_str().unwrap().contains("refused"),
        "{answer}"
    );

    let (status, answer) = keyed.monitor.request(Method::DELETE, path, None).await;
    assert_eq!((status, &answer["maintenance"]), (200, &Value::Null));
    keyed.becomes("web", "unhealthy").await;
}

#[actix_web::test]
async fn a_window_of_maintenance_holds_by_itself() {
    let (_open, address) = listener();
    let always = "[maintenance.always]\nstart = \"00:00\"\nfor = \"26h\"\ntime_zone = \"America/New_York\"\nreason = \"for the test\"\n";
    let keyed = Keyed::start(&format!("{}{always}", tcp("web", address, ""))).await;
    keyed.becomes("web", "maintenance").await;
    let document = keyed.monitor.get("/health/web").await;
    assert_eq!(document["maintenance"]["origin"], "window always");
    fs::write(keyed.monitor.file(), keyed.text(&tcp("web", address, ""))).unwrap();
    keyed.monitor.request(Method::POST, "/config/reload", None).await;
    keyed.becomes("web", "healthy").await;
}

#[actix_web::test]
async fn every_value_has_its_origin_and_no_secret_is_shown() {
    let (_open, address) = listener();
    let services = format!(
        "{}[services.db]\ncheck = \"postgres\"\naddress = \"{address}\"\ncontainer = \"\"\nuser = \"me\"\npassword = \"hunter2\"\n",
        tcp("web", address, "")
    );
    let keyed = Keyed::start(&services).await;
    let text = keyed.monitor.text("/config").await + &keyed.monitor.text("/services").await;
    assert!(!text.contains("hunter2"), "{text}");
    let config = keyed.monitor.get("/config").await;
    let setting = |path: &str| {
        config["settings"]
            .pointer(path)
            .unwrap_or_else(|| unreachable!("{path}: {config}"))
            .clone()
    };
    assert_eq!(setting("/services/db/password")["value"], "***");
    assert_eq!(
        setting("/docker/enabled"),
        json!({"value": false, "origin": "monitor.toml:2"})
    );
    assert_eq!(
        setting("/defaults/interval"),
        json!({"value": "10s", "origin": "built-in defaults"})
    );
    assert_eq!(setting("/server/bind")["origin"], "HEALTH_MONITOR__SERVER__BIND");
    assert_eq!(
        setting("/services/web/interval"),
        json!({"value": "10s", "origin": "built-in defaults"})
    );
    assert_eq!(config["file"], "monitor.toml");
    let services = keyed.monitor.get("/services").await;
    let web = &services["services"][1];
    assert_eq!((&web["service"], &web["origin"]), (&json!("web"), &json!("file")));
    assert!(web["defined_at"].as_str().unwrap().starts_with("monitor.toml:"));
    assert_eq!(web["settings"]["address"]["value"], address.to_string());
}

#[actix_web::test]
async fn without_an_admin_key_nothing_can_be_ordered() {
    let (_open, address) = listener();
    let monitor = Binary::start(PROGRAM, &format!("{HEAD}{}", tcp("web", address, "")), None).await;
    for (method, path) in [
        (Method::POST, "/config/reload"),
        (Method::POST, "/services/web/check"),
        (Method::POST, "/services/web/maintenance"),
        (Method::DELETE, "/services/web/maintenance"),
        (Method::POST, "/services/nobody/check"),
    ] {
        let (status, answer) = monitor.request(method, path, None).await;
        assert_eq!((status, &answer["error"]), (401, &json!("Invalid API key")), "{path}");
        assert!(answer["reason"].as_str().unwrap().contains("admin"), "{answer}");
    }
    let (status, _) = monitor.request(Method::GET, "/services/web/check", None).await;
    assert_eq!(status, 405);
}

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
