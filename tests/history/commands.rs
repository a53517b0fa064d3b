//! The commands that show the history, run as processes.

use std::process::Output;
use std::sync::Arc;

use health_monitor::history::model::{
    ContainerEventKind, Evidence, HOUR, IncidentKind, LogExcerpt, MINUTE, ResultKind,
};
use health_monitor::history::sqlite::Sqlite;
use health_monitor::history::store::{Batch, Decided, Store};
use health_monitor_actors::model::Status;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::process::Command;

use crate::world::{DAWN, Writes as _, at, batch, change, event, incident, passed, result};

async fn run(folder: &TempDir, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_health-monitor"));
    command
        .env_clear()
        .current_dir(folder.path())
        .env("HEALTH_MONITOR__HISTORY__PATH", folder.path().join("history.db"))
        .args(arguments);
    let Output { status, stdout, stderr } = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A service that was looked at for two hours until now, and was down for ten minutes an hour ago.
async fn kept(folder: &TempDir) -> Arc<dyn Store> {
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&folder.path().join("history.db")).await.unwrap());
    let now = Timestamp::now().as_millisecond() - DAWN;
    let (began, down, up) = (now - 2 * HOUR, now - HOUR, now - 50 * MINUTE);
    let outage = |ended| Decided {
        incident: Some(incident("db", down, ended, IncidentKind::Crash)),
        ..change("db", down, Status::Healthy, Status::Unhealthy)
    };
    store
        .settle(vec![
            change("db", began, Status::Unknown, Status::Healthy),
            outage(Some(up)),
            change("db", up, Status::Unhealthy, Status::Healthy),
        ])
        .await;
    let results = (0..720).map(|number| passed("db", began + number * 10_000, 1_500));
    store.put(batch(began, now, results.collect())).await;
    store
}

#[tokio::test]
async fn a_service_is_shown_while_a_monitor_has_its_history_open() {
    let folder = TempDir::new().unwrap();
    let _open = kept(&folder).await;
    let (code, out, error) = run(&folder, &["history", "DB", "--since", "3h"]).await;
    assert_eq!((code, error.as_str()), (0, ""));
    let strip = out.lines().nth(2).unwrap().trim();
    assert!(strip.starts_with('·') && strip.ends_with('█'), "{strip}");
    assert!(strip.contains('▁'), "{strip}");
    assert!(out.contains("in 1 incidents, not measured 1h"), "{out}");
    assert!(out.contains("up 91.6"), "{out}");
    let all = out.lines().last().unwrap();
    assert!(
        all.trim_start().starts_with("all") && all.contains(" 720 ") && all.contains("1.50 ms"),
        "{out}"
    );

    let (code, out, _) = run(&folder, &["incidents"]).await;
    assert_eq!(code, 0);
    let row = out.lines().nth(1).unwrap();
    for part in ["10m", "db", "crash", "connection refused"] {
        assert!(row.contains(part), "{row}");
    }
    let (code, out, _) = run(&folder, &["incidents", "--open"]).await;
    assert_eq!((code, out.as_str()), (0, "no incidents\n"));
}

#[tokio::test]
async fn one_incident_is_shown_with_what_was_found_around_it() {
    let folder = TempDir::new().unwrap();
    let store = kept(&folder).await;
    let (code, list, error) = run(&folder, &["incidents"]).await;
    assert_eq!(code, 0, "{error}");
    let id = list.lines().nth(1).unwrap().split(' ').next().unwrap();
    let found = store.incident(id.parse().unwrap()).await.unwrap().unwrap();
    let down = found.started.as_millisecond() - DAWN;
    let logs = LogExcerpt {
        at: at(down + 5),
        container: "db".to_owned(),
        lines: vec!["going down".to_owned(), "\u{1b}[2Jgone".to_owned()],
        missing: None,
    };
    let failed = result("db", down, ResultKind::Fail, Some(2_500), "refused");
    let evidence = [
        Evidence::Result(failed.result),
        Evidence::Container(event("db", down - 100, ContainerEventKind::Exited)),
        Evidence::Logs(logs),
    ];
    let now = Timestamp::now().as_millisecond() - DAWN;
    store
        .put(Batch {
            evidence: evidence.map(|found| (id.parse().unwrap(), found)).to_vec(),
            ..batch(now, now, Vec::new())
        })
        .await;
    let (code, out, error) = run(&folder, &["incidents", id]).await;
    assert_eq!((code, error.as_str()), (0, ""));
    let lines: Vec<&str> = out.lines().map(str::trim).collect();
    assert_eq!(lines[0], format!("incident {id} of db"));
    for (label, value) in [
        ("started", " UTC"),
        ("ended", " UTC, after 10m"),
        ("kind", "crash"),
        ("status", "unhealthy"),
        ("cause", "connection refused"),
        ("containers", "db"),
    ] {
        let line = lines.iter().find(|line| line.starts_with(label));
        assert!(line.is_some_and(|line| line.ends_with(value)), "{label}: {out}");
    }
    // By time, and no line of a log can move the cursor.
    assert!(!out.contains('\u{1b}'), "{out}");
    let timeline = [
        "container   db (0123456789ab) exited with code 137, nobody had asked it to",
        "status      healthy -> unhealthy: it is unhealthy",
        "check fail  refused, 2.50 ms, 3 attempts",
        "log         db logged last:",
        "going down",
        "[2Jgone",
        "status      unhealthy -> healthy: it is healthy",
    ];
    let mut rest = lines.iter();
    for part in timeline {
        assert!(rest.any(|line| line.ends_with(part)), "{part}: {out}");
    }

    let (code, out, _) = run(&folder, &["incidents", id, "--json"]).await;
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &document["id"], &document["duration_seconds"]),
        (0, &id.into(), &600.into())
    );
    let types = document["timeline"].as_array().unwrap().iter();
    let types: Vec<&str> = types.map(|found| found["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["container", "status", "result", "logs", "status"]);
}

#[tokio::test]
async fn what_cannot_be_shown_is_said() {
    let folder = TempDir::new().unwrap();
    let (code, _, error) = run(&folder, &["history", "db"]).await;
    assert!(code == 1 && error.contains("cannot open the history"), "{code} {error}");
    let _open = kept(&folder).await;
    for (arguments, expected, says) in [
        (
            vec!["history", "web"],
            1,
            "nothing is kept of a service 'web'; there are db",
        ),
        (vec!["history", "db", "--since", "soon"], 2, "use RFC 3339"),
        (vec!["history"], 2, "required"),
        (
            vec!["incidents", "--service", "web"],
            1,
            "nothing is kept of a service 'web'",
        ),
        (vec!["incidents", "--since", "-1d"], 2, ""),
        (vec!["incidents", "--limit", "0"], 2, "1..=10000"),
        (vec!["incidents", "1"], 2, "16 hexadecimal digits"),
        (
            vec!["incidents", "0000000000000001"],
            1,
            "no incident '0000000000000001' is kept",
        ),
        (
            vec!["incidents", "0000000000000001", "--open"],
            2,
            "cannot be used with",
        ),
        (vec!["incidents", "--json"], 2, "required"),
    ] {
        let (code, _, error) = run(&folder, &arguments).await;
        assert!(
            code == expected && error.contains(says),
            "{arguments:?}: {code} {error}"
        );
    }
}

#[tokio::test]
async fn an_export_is_imported_into_another_file() {
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let open = kept(&from).await;
    let file = to.path().join("lines");
    let (code, _, said) = run(&from, &["history", "export", file.to_str().unwrap()]).await;
    assert!(code == 0 && said.contains("records exported"), "{said}");
    drop(open);
    for _twice_does_no_harm in 0..2 {
        let (code, said, error) = run(&to, &["history", "import", file.to_str().unwrap()]).await;
        assert!(code == 0 && said.contains("records imported"), "{error}");
    }
    let both = ["history", "db", "--since", "2h"];
    let ((_, before, _), (_, after, _)) = (run(&from, &both).await, run(&to, &both).await);
    let total = |shown: &str| shown.lines().last().unwrap().to_owned();
    assert_eq!(total(&before), total(&after));
}
