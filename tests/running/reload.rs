//! A configuration that changes while the monitor runs.

use std::fs;
use std::os::unix::fs::symlink;

use health_monitor_test_support::authority::{Authority, write};
use health_monitor_test_support::stack::wait::until;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{Keyed, PROGRAM, SEEN, hang_up, listener, tcp};

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
async fn a_reload_keeps_the_streaks_of_what_stays() {
    let (open, address) = listener();
    // Nothing is checked but what is asked for, so that every cycle counts.
    let rare = "interval = \"1h\"\nretry_interval = \"1h\"\nfailure_threshold = 5\nretries = 0\n";
    let keyed = Keyed::start(&tcp("web", address, rare)).await;
    keyed.becomes("web", "healthy").await;
    drop(open);
    let check = async || {
        let (status, answer) = keyed.monitor.request(Method::POST, "/services/web/check", None).await;
        assert_eq!(status, 200, "{answer}");
        answer
    };
    let before = check().await;
    assert_eq!(
        (&before["status"], &before["pending"]["seen"]),
        (&json!("healthy"), &json!(1))
    );

    let (_other, another) = listener();
    let with_another = format!("{}{}", tcp("web", address, rare), tcp("another", another, rare));
    let changed = format!(
        "{}{}",
        tcp("web", address, &format!("{rare}critical = false\n")),
        tcp("another", another, rare)
    );
    for (services, expected) in [(with_another, json!([])), (changed, json!(["web"]))] {
        fs::write(keyed.monitor.file(), keyed.text(&services)).unwrap();
        let (status, answer) = keyed.monitor.request(Method::POST, "/config/reload", None).await;
        assert_eq!((status, &answer["changed"]), (200, &expected), "{answer}");
        let after = keyed.monitor.get("/health/web").await;
        for field in ["status", "since", "pending", "next_check", "health_check"] {
            assert_eq!(before[field], after[field], "{field}");
        }
    }
    assert_eq!(check().await["pending"]["seen"], 2, "the streak goes on");
    assert_eq!(keyed.successes("web").await, 1);
}

/// What the history holds of one service, as an export says it, in the order of time.
async fn kept(keyed: &Keyed, service: &str) -> Vec<Value> {
    let output = Command::new(PROGRAM)
        .current_dir(keyed.monitor.folder.path())
        .env("HEALTH_MONITOR__HISTORY__PATH", "history.db")
        .args(["--config", "monitor.toml", "history", "export"])
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let records = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|record| record["service"] == service).collect()
}

/// Its results among them.
fn results(kept: &[Value]) -> Vec<Value> {
    kept.iter()
        .filter(|record| record["record"] == "result")
        .cloned()
        .collect()
}

#[actix_web::test]
async fn the_store_shows_no_trace_of_reloads_in_what_stays() {
    let (_one, first) = listener();
    let (_two, second) = listener();
    let every_two = "interval = \"2s\"\ntimeout = \"900ms\"\n";
    let stays = tcp("stays", first, every_two);
    let keyed = Keyed::start(&format!("{stays}{}", tcp("goes", second, every_two))).await;
    let more_than = async |count: usize| {
        until("another result in the store", SEEN, async || {
            let kept = kept(&keyed, "stays").await;
            let found = results(&kept).len();
            if found > count {
                Ok(kept)
            } else {
                Err(found.to_string())
            }
        })
        .await
    };
    let mut before = results(&more_than(1).await);
    for (others, changed) in [
        (tcp("comes", second, every_two), "added"),
        (
            tcp("comes", second, &format!("{every_two}critical = false\n")),
            "changed",
        ),
        (String::new(), "removed"),
    ] {
        fs::write(keyed.monitor.file(), keyed.text(&format!("{stays}{others}"))).unwrap();
        let (status, answer) = keyed.monitor.request(Method::POST, "/config/reload", None).await;
        assert_eq!((status, &answer[changed]), (200, &json!(["comes"])), "{answer}");
        let after = results(&more_than(before.len()).await);
        assert_eq!(
            after[..before.len()],
            before,
            "what was kept before the reload stays as it was"
        );
        before = after;
    }
    let kept = kept(&keyed, "stays").await;
    let times: Vec<jiff::Timestamp> = results(&kept)
        .iter()
        .map(|result| result["at"].as_str().unwrap().parse().unwrap())
        .collect();
    for pair in times.windows(2) {
        // One result in each interval: a probe that begins anew asks at once, and one that lost its place skips some.
        let apart = pair[1].duration_since(pair[0]).as_secs_f64();
        assert!((1.1..2.9).contains(&apart), "{apart} s between results: {times:?}");
    }
    let changes = kept.iter().filter(|record| record["record"] == "change").count();
    assert_eq!(changes, 1, "it became healthy, and nothing since: {kept:?}");
    let history = keyed.monitor.get("/services/stays/history?from=5m&step=1m").await;
    let points = history["points"].as_array().unwrap();
    let sum = |field: &str| points.iter().filter_map(|point| point[field].as_u64()).sum::<u64>();
    assert!(sum("checks") >= times.len() as u64, "{history}");
    assert_eq!(sum("failures"), 0, "{history}");
}

#[actix_web::test]
async fn what_a_rejected_configuration_lacks_is_awaited() {
    let (_open, address) = listener();
    let plain = tcp("plain", address, "");
    let keyed = Keyed::start(&plain).await;
    let folder = keyed.monitor.folder.path();
    let services = format!(
        "{plain}[services.db]\ncheck = \"postgres\"\naddress = \"{address}\"\ncontainer = \"\"\nuser = \"me\"\n\
         password_file = \"password\"\nca_file = \"ca.pem\"\ntls = \"require\"\ntimeout = \"100ms\"\n"
    );
    fs::write(keyed.monitor.file(), keyed.text(&services)).unwrap();
    let rejected_for = async |what: &str| {
        until(&format!("rejected for {what}"), SEEN, async || {
            let ready = keyed.monitor.get("/readyz").await;
            let problem = ready["configuration"]["problem"].as_str().unwrap_or_default();
            if problem.contains(what) {
                Ok(())
            } else {
                Err(ready.to_string())
            }
        })
        .await;
    };
    let (status, answer) = keyed.monitor.request(Method::POST, "/config/reload", None).await;
    assert_eq!(status, 422, "{answer}");
    rejected_for("services.db.password_file").await;
    assert_eq!(keyed.service_names().await, ["plain"]);

    // Nobody says that it is there now, nor that it holds something now.
    fs::write(folder.join("password"), "").unwrap();
    rejected_for("is empty; it must hold the secret").await;
    fs::write(folder.join("password"), "one").unwrap();
    rejected_for("services.db.ca_file").await;
    write(folder, "new.pem", &Authority::generate().pem());
    fs::rename(folder.join("new.pem"), folder.join("ca.pem")).unwrap();
    until("the configuration holds", SEEN, async || {
        let names = keyed.service_names().await;
        if names == ["db", "plain"] {
            Ok(())
        } else {
            Err(keyed.monitor.log())
        }
    })
    .await;
    let ready = keyed.monitor.get("/readyz").await;
    assert_eq!(ready["configuration"]["problem"], Value::Null);
}

#[actix_web::test]
async fn a_secret_or_certificate_beside_the_configuration_is_followed() {
    let (_open, address) = listener();
    let db = format!(
        "[services.db]\ncheck = \"postgres\"\naddress = \"{address}\"\ncontainer = \"\"\nuser = \"me\"\n\
         password_file = \"password\"\ntimeout = \"100ms\"\n"
    );
    let web = format!(
        "[services.web]\ncheck = \"http\"\nurl = \"https://{address}/\"\ncontainer = \"\"\nca_file = \"ca.pem\"\n\
         timeout = \"100ms\"\n"
    );
    let keyed = Keyed::start(&tcp("plain", address, "")).await;
    let folder = keyed.monitor.folder.path();
    fs::write(folder.join("password"), "one").unwrap();
    write(folder, "ca.pem", &Authority::generate().pem());
    let services = format!("{}{db}{web}", tcp("plain", address, ""));
    fs::write(keyed.monitor.file(), keyed.text(&services)).unwrap();
    let (_, answer) = keyed.monitor.request(Method::POST, "/config/reload", None).await;
    assert_eq!(answer["added"], json!(["db", "web"]), "{answer}");

    let is_made_anew = async |service: &str| {
        until(&format!("{service} has other settings"), SEEN, async || {
            let log = keyed.monitor.log();
            let line = format!("\"service\":\"{service}\"");
            let told = log
                .lines()
                .any(|text| text.contains("service has other settings") && text.contains(&line));
            if told { Ok(()) } else { Err(log) }
        })
        .await;
    };
    fs::write(folder.join("password"), "two").unwrap();
    is_made_anew("db").await;
    // As a certificate is renewed: written beside the old one, then moved over it.
    write(folder, "new.pem", &Authority::generate().pem());
    fs::rename(folder.join("new.pem"), folder.join("ca.pem")).unwrap();
    is_made_anew("web").await;
    let log = keyed.monitor.log();
    assert_eq!(
        log.matches("service has other settings").count(),
        2,
        "nobody else was touched: {log}"
    );
}
