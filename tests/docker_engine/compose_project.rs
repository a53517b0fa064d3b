//! A project of the real Docker Compose, watched without a label.

use std::process::Command;

use health_monitor_test_support::stack::wait::until;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::containers::{IMAGE, Made, import_image};
use crate::discovery::{LIMIT, SOON, becomes, listed, monitor_with};

/// A Compose project, taken down again whatever happens.
struct Project {
    name: String,
    folder: TempDir,
}

impl Project {
    fn new() -> Self {
        import_image();
        let lasting = format!(
            "{{image: {IMAGE}, command: [/bin/sh, -c, exec sleep 600], stop_grace_period: 0s, pull_policy: never"
        );
        let file = format!(
            "services:\n  db: {lasting}}}\n  migrate: {{image: {IMAGE}, command: [/bin/sh, -c, 'true'], pull_policy: never}}\n  \
             web: {lasting}, depends_on: {{db: {{condition: service_started}}, migrate: {{condition: \
             service_completed_successfully}}}}}}\n"
        );
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("compose.yml"), file).unwrap();
        Self {
            name: Made::named("composed").name.clone(),
            folder,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut compose = Command::new("docker");
        let file = self.folder.path().join("compose.yml");
        compose
            .args(["compose", "--project-name", &self.name, "--file"])
            .arg(file)
            .args(arguments);
        compose
    }

    fn compose(&self, arguments: &[&str]) {
        let output = self.command(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let down = self.command(&["down", "--timeout", "0", "--remove-orphans"]).output();
        let is_gone = down.is_ok_and(|down| down.status.success());
        assert!(is_gone || std::thread::panicking(), "the project is left behind");
    }
}

/// The services that are watched because of this project: others have containers in this engine too.
fn of_project<'a>(document: &'a Value, project: &str) -> Vec<&'a Value> {
    let services = document["services"].as_array().unwrap().iter();
    let is_of_it = |service: &&Value| {
        service["defined_at"]
            .as_str()
            .is_some_and(|container| container.contains(project))
    };
    services.filter(is_of_it).collect()
}

fn names<'a>(services: &[&'a Value]) -> Vec<&'a str> {
    services
        .iter()
        .map(|service| service["service"].as_str().unwrap())
        .collect()
}

#[actix::test]
async fn a_project_is_watched_as_compose_describes_it() {
    let project = Project::new();
    let monitor = monitor_with(&format!(
        "[discovery]\ncontainers = \"project\"\nproject = \"{}\"\n",
        project.name
    ))
    .await;
    let _stranger = Made::run("stranger", &[], "exec sleep 600");
    project.compose(&["up", "--detach", "--scale", "web=2"]);
    let web = becomes(&monitor, "web", Some("healthy")).await;
    assert_eq!(
        web["settings"]["depends_on"]["value"],
        json!(["db"]),
        "the job that ended is none"
    );
    becomes(&monitor, "db", Some("healthy")).await;
    let replicas = async || {
        let health = monitor.get("/health/web").await;
        health["containers"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(replicas().await, 2);

    project.compose(&["run", "--detach", "--no-deps", "web", "/bin/sh", "-c", "exec sleep 600"]);
    // Compose makes each replica anew: the service stays one, and is there all the time. The new ones no longer say that they
    // waited for the job; it is none for that.
    let began = Instant::now();
    let mut recreating = tokio::process::Command::from(project.command(&[
        "up",
        "--detach",
        "--force-recreate",
        "--no-deps",
        "--scale",
        "web=2",
        "web",
    ]))
    .stderr(std::process::Stdio::null())
    .spawn()
    .unwrap();
    let mut looks = 0;
    while recreating.try_wait().unwrap().is_none() {
        let document = monitor.get("/services").await;
        let services = of_project(&document, &project.name);
        assert_eq!(names(&services), ["db", "web"], "{document}");
        let status = &services[1]["status"];
        assert!(
            ["healthy", "degraded", "starting"].iter().any(|known| status == *known),
            "{document}"
        );
        looks += 1;
        assert!(began.elapsed() < LIMIT * 3, "Compose does not end");
    }
    assert!(looks > 10, "it was looked at {looks} times");
    becomes(&monitor, "web", Some("healthy")).await;
    assert_eq!(replicas().await, 2);

    project.compose(&["down", "--timeout", "0", "--remove-orphans"]);
    let began = Instant::now();
    until("nothing is watched", LIMIT, async || {
        let document = monitor.get("/services").await;
        if of_project(&document, &project.name).is_empty() {
            Ok(())
        } else {
            Err(document.to_string())
        }
    })
    .await;
    println!(
        "after docker compose down the last service went within {:?}",
        began.elapsed()
    );
    assert!(began.elapsed() < SOON);
    assert_eq!(listed(&monitor, "web").await, Value::Null);
}
