//! Two monitors and what they watch while the engine is broken: the stack's own, which has the socket mounted as the
//! specification says, and one that has the socket's folder and four containers made for the fault.

use std::time::Duration;

use health_monitor_test_support::exposition::Exposition;
use health_monitor_test_support::stack::docker::{Made, docker, pid_of, run, unique};
use health_monitor_test_support::stack::monitor::Monitor;
use health_monitor_test_support::stack::quick::{DETECTED, SPOKEN, quick_with};
use health_monitor_test_support::stack::service::Service;
use health_monitor_test_support::stack::wait::{seconds, until};
use health_monitor_test_support::stack::{SERVICES, Stack};
use serde_json::Value;

use super::record::Record;

/// Until an outage shows: a ping's interval and its time, and the machine's other work.
pub(super) const NOTICED: Duration = seconds(20);

/// Until all is right again after the engine is back: one full list, and the machine's other work.
pub(super) const RESYNC: Duration = seconds(35);

/// The containers that are made for a fault, as the services are called that they are.
const DYING: &str = "dying";
const LASTING: &str = "lasting";
const DOWN: &str = "down";
const WEB: &str = "web";
const LOST_WEB: &str = "lost-web";

/// What does not die of itself, but for [`DYING`] and [`LOST_WEB`], which a fault kills, and [`DOWN`], which was before.
const DEAD: [&str; 3] = [DYING, LOST_WEB, DOWN];

pub(super) struct Watched {
    /// The stack's own, past the published port, which does not outlive the engine.
    pub(super) stack: Monitor,
    pub(super) own: Monitor,
    pub(super) stack_record: Record,
    pub(super) own_record: Record,
    victims: [String; 2],
    #[expect(dead_code, reason = "removed with it")]
    containers: Vec<Made>,
}

impl Watched {
    pub(super) async fn begin(purpose: &str) -> Self {
        let mut containers = Vec::new();
        let mut configuration = String::new();
        for name in [LASTING, DYING, DOWN, WEB, LOST_WEB] {
            let is_web = [WEB, LOST_WEB].contains(&name);
            let made = serve(&format!("{purpose}-{name}")).await;
            let check = if is_web {
                format!("check = \"tcp\"\naddress = \"{}:80\"", made.name)
            } else {
                "check = \"container\"".to_owned()
            };
            configuration += &format!("[services.{name}]\ncontainer = \"{}\"\n{check}\n", made.name);
            if name == DOWN {
                docker(&["kill", &made.name]).await;
            }
            containers.push(made);
        }
        let folder = [
            "--volume=/var/run:/host/run:ro",
            "--env=DOCKER_HOST=unix:///host/run/docker.sock",
        ];
        let mut own = quick_with(purpose, &configuration, &folder).await;
        let own_url = inside(own.container()).await;
        own.ask_at(&own_url);
        for name in [LASTING, DYING, WEB, LOST_WEB] {
            own.healthy(name, NOTICED).await;
        }
        own.wait_for(DOWN, "unhealthy", "exited", NOTICED).await;
        let stack_url = inside("health-monitor").await;
        let published = Stack::get().variable("STACK_HEALTH_MONITOR_URL").to_owned();
        Self {
            stack: Monitor::at(&stack_url),
            stack_record: Record::of(vec![stack_url, published]),
            own_record: Record::of(vec![own_url]),
            victims: [pid_of(&containers[1].name).await, pid_of(&containers[4].name).await],
            own,
            containers,
        }
    }

    /// Kills two containers behind the engine's back.
    pub(super) async fn kill_victims(&self) {
        for pid in &self.victims {
            run("kill", &["-KILL", pid]).await;
        }
    }

    /// While the engine is away: what only Docker can tell is in error, everything else is checked on, by name too.
    pub(super) async fn is_away(&self) {
        let spoken = SPOKEN.map(|spoken| spoken.name);
        let apps: Vec<_> = SERVICES.into_iter().filter(|name| !spoken.contains(name)).collect();
        docker_tells_nothing(&self.own, &[LASTING, DYING, DOWN]).await;
        docker_tells_nothing(&self.stack, &apps).await;
        self.figures().await;
        tokio::join!(checks_go_on(&self.own, &[WEB]), checks_go_on(&self.stack, &spoken));
        let (_, web) = self.own.get("/health/web").await;
        let told = web["health_check"]["info"]["name_resolution"]
            .as_str()
            .unwrap_or_default();
        assert!(told.contains("asked at the address Docker gives"), "{web}");
        let (_, health) = self.stack.get("/health").await;
        assert_eq!(health["status"], "degraded", "no outage is told: {health}");
    }

    /// What protocols find out goes on.
    pub(super) async fn lost_web_is_found_out(&self) {
        self.own
            .wait_for(LOST_WEB, "unhealthy", "cannot connect to", DETECTED)
            .await;
    }

    /// The metrics while it is away.
    async fn figures(&self) {
        let (_, text) = self.own.try_get("/metrics").await.expect("an answer");
        let exposition = Exposition::parse(&text);
        let status = |name| exposition.value("service_health_status", &[("service", name)]);
        assert_eq!(status(LASTING), None, "it was well, and nobody knows now");
        assert_eq!(status(DOWN), Some(0.0), "it was down");
        assert_eq!(status(WEB), Some(1.0), "its check goes on");
        assert_eq!(exposition.value("health_monitor_docker_up", &[]), Some(0.0));
        let (_, internals) = self.own.get("/internals").await;
        assert!(
            internals["snapshot"]["engine"].to_string().contains("reason"),
            "{internals}"
        );
    }

    /// After it is back: everything is right, and what died meanwhile is told. Answers how the dead are told.
    pub(super) async fn is_right_again(&self) -> String {
        let dead = self
            .own
            .wait_for(DYING, "unhealthy", "Container status: exited", RESYNC)
            .await;
        self.own
            .wait_for(LOST_WEB, "unhealthy", "Container status: exited", RESYNC)
            .await;
        for name in [LASTING, WEB] {
            let is_right = |service: &Service| service.status == "healthy" && service.container_id.is_some();
            self.own.wait(name, RESYNC, is_right).await;
        }
        let (status, containers) = self.own.get("/containers").await;
        assert_eq!(status.as_u16(), 200, "{containers}");
        dead.reason
    }

    /// That nothing was reported down because of the engine, from the beginning until now.
    pub(super) fn nothing_was_called_down(&self) {
        let outage = ["unhealthy", "not_found"];
        self.own_record.never_said(&outage, &DEAD);
        self.stack_record.never_said(&outage, &[]);
    }
}

/// A container that listens on port 80 until it is killed, in the stack's network.
pub(super) async fn serve(purpose: &str) -> Made {
    let stack = Stack::get();
    let arguments = [
        "--network",
        stack.variable("STACK_NETWORK"),
        "--no-healthcheck",
        "--user=root",
        "--entrypoint=/bin/busybox",
        stack.variable("HEALTH_MONITOR_IMAGE"),
        "httpd",
        "-f",
        "-p",
        "80",
    ];
    Made::run(unique(purpose), &arguments).await
}

/// Where a container's monitor answers without a published port: the process that serves one ends with the engine.
pub(super) async fn inside(container: &str) -> String {
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    format!(
        "http://{}:8000",
        docker(&["inspect", "--format", format, container]).await
    )
}

async fn docker_tells_nothing(monitor: &Monitor, names: &[&str]) {
    for name in names {
        let away = monitor
            .wait_for(name, "error", "Docker daemon unavailable: ", NOTICED)
            .await;
        assert_eq!((away.container_id, away.container_status), (None, None));
    }
    let (status, containers) = monitor.get("/containers").await;
    assert_eq!(status.as_u16(), 503, "{containers}");
    assert_eq!(
        (&containers["status"], &containers["reason"]),
        (&Value::from("error"), &Value::from("Docker daemon unavailable"))
    );
    assert!(containers["stale_since"].is_string(), "{containers}");
    assert!(
        containers["containers"]
            .as_array()
            .is_some_and(|rows| rows.len() > SERVICES.len()),
        "{containers}"
    );
}

/// Waits until each of them was checked once more, and is healthy.
pub(super) async fn checks_go_on(monitor: &Monitor, names: &[&str]) {
    for name in names {
        let last = async || {
            let (_, service) = monitor.get(&format!("/health/{name}")).await;
            assert_eq!(service["status"], "healthy", "{service}");
            service["health_check"]["last_check"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let before = last().await;
        until("a check that goes on", NOTICED, async || {
            let now = last().await;
            if now == before { Err(now) } else { Ok(()) }
        })
        .await;
    }
}
