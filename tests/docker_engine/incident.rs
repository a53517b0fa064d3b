//! What is kept of an incident of a real container: its last log lines, its end, and the checks around.

use health_monitor_test_support::binary::Binary;
use health_monitor_test_support::stack::wait::until;
use serde_json::{Value, json};

use crate::containers::{Made, docker};
use crate::discovery::{LIMIT, becomes, monitor_with};

/// The incident of a service, once its timeline holds what is awaited.
async fn incident(monitor: &Binary, service: &str, what: &str, holds: impl Fn(&[Value]) -> bool) -> Value {
    until(what, LIMIT, async || {
        let page = monitor.get(&format!("/incidents?service={service}")).await;
        let Some(id) = page["incidents"][0]["id"].as_str() else {
            return Err(page.to_string());
        };
        let document = monitor.get(&format!("/incidents/{id}")).await;
        let timeline = document["timeline"].as_array().unwrap();
        if holds(timeline) {
            Ok(document)
        } else {
            Err(document.to_string())
        }
    })
    .await
}

fn of_type<'a>(timeline: &'a [Value], kind: &str) -> Vec<&'a Value> {
    timeline.iter().filter(|found| found["type"] == kind).collect()
}

#[actix::test]
async fn a_container_that_dies_leaves_its_last_words_and_its_exit_code() {
    let network = Made::network("words");
    let on_network = format!("--network={}", network.name);
    // It serves until it is told to end.
    let script = "rm -f /tmp/end; mkdir /www; echo well > /www/index.html; httpd -p 8080 -h /www; \
        number=1; while [ $number -le 60 ]; do echo line $number; number=$((number + 1)); done; \
        until test -f /tmp/end; do sleep 0.05; done; \
        echo disk is gone; echo login with password=geheimnis failed >&2; exit 7";
    let container = Made::named("words");
    let monitor = monitor_with(&format!(
        "[discovery]\ncontainers = \"none\"\n[history]\nlog_lines = 20\n\
         [services.words]\ncheck = \"http\"\ncontainer = \"{0}\"\nurl = \"http://{0}:8080/index.html\"\n",
        container.name
    ))
    .await;
    container.run_again(&[on_network.as_str()], script);
    becomes(&monitor, "words", Some("healthy")).await;
    until("a check is written", LIMIT, async || {
        let internals = monitor.get("/internals").await;
        match internals["history"]["results_written"].as_u64() {
            Some(2..) => Ok(()),
            _ => Err(internals["history"].to_string()),
        }
    })
    .await;
    docker(&["exec", &container.name, "touch", "/tmp/end"]);
    let service = becomes(&monitor, "words", Some("unhealthy")).await;
    let document = incident(
        &monitor,
        "words",
        "the last words, the end and the checks before",
        |timeline| {
            ["logs", "container", "result"]
                .iter()
                .all(|kind| !of_type(timeline, kind).is_empty())
        },
    )
    .await;
    assert_eq!(
        (&document["kind"], &document["open"], &document["containers"]),
        (&json!("crash"), &json!(true), &json!([container.name])),
        "{document}"
    );
    assert!(
        document["cause"].as_str().unwrap().contains("code 7"),
        "{document} {service}"
    );
    let timeline = document["timeline"].as_array().unwrap();

    let logs = of_type(timeline, "logs");
    assert_eq!((logs.len(), &logs[0]["missing"]), (1, &Value::Null), "{document}");
    let lines: Vec<&str> = logs[0]["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap())
        .collect();
    assert_eq!((lines.len(), lines[0]), (20, "line 43"), "{lines:?}");
    // Standard output and standard error have no order among each other.
    let mut last = lines[18..].to_vec();
    last.sort_unstable();
    assert_eq!(last, ["disk is gone", "login with password=*** failed"]);

    let events = of_type(timeline, "container");
    let exit = events.iter().find(|event| event["event"] == "exited");
    let exit = exit.unwrap_or_else(|| panic!("{document}"));
    assert_eq!(
        (&exit["container"], &exit["exit_code"], &exit["unplanned"]),
        (&json!(container.name), &json!(7), &json!(true))
    );
    let passed = of_type(timeline, "result");
    assert!(passed.iter().any(|result| result["kind"] == "pass"), "{document}");
    let at = |found: &Value| found["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let started = document["started"]
        .as_str()
        .unwrap()
        .parse::<jiff::Timestamp>()
        .unwrap();
    assert!(at(exit) <= started, "{document}");
    assert!(passed.iter().any(|result| at(result) <= started), "{document}");

    // It ends once the container works again, and what was found stays with it.
    docker(&["start", &container.name]);
    becomes(&monitor, "words", Some("healthy")).await;
    let over = until("it is over", LIMIT, async || {
        let over = monitor
            .get(&format!("/incidents/{}", document["id"].as_str().unwrap()))
            .await;
        if over["open"] == false {
            Ok(over)
        } else {
            Err(over.to_string())
        }
    })
    .await;
    let timeline = over["timeline"].as_array().unwrap();
    assert_eq!(of_type(timeline, "logs"), logs, "{over}");
    let last = of_type(timeline, "status").pop();
    assert_eq!(last.map(|change| &change["to"]), Some(&json!("healthy")), "{over}");
}
