//! A monitor that can be broken from the inside, and what it watches beside the service that misbehaves.

use std::time::Duration;

use health_monitor_test_support::local::{Launch, LocalMonitor};
use health_monitor_test_support::stack::service::Service;
use serde_json::Value;
use tokio::time::Instant;

use crate::configuration;
use crate::fault::Scene;
use crate::listener::Listener;
use crate::misbehaving::{self, FAULTY};
use crate::watch::{self, Told};

/// As short as intervals can be, so that nothing hides in one.
const DEFAULTS: &str = "[defaults]\ninterval = \"1s\"\ntimeout = \"500ms\"\nretries = 0\nretry_interval = \"500ms\"\n";

/// The stack's services, which a busy machine may let wait: their failures are not what is looked for here.
const PATIENT: &str = "interval = \"2s\"\ntimeout = \"1900ms\"\nfailure_threshold = 3";

/// Ports beside the stack's services.
const BYSTANDERS: usize = 8;

/// A monitor that watches the stack's nine services, some ports, and a service that misbehaves.
pub(super) struct Broken {
    pub(super) monitor: LocalMonitor,
    #[expect(dead_code, reason = "they listen for as long as it runs")]
    listeners: Vec<Listener>,
}

impl Broken {
    pub(super) async fn start(launch: Launch) -> Self {
        Self::with(launch, 1).await
    }

    /// One with so many services that misbehave.
    pub(super) async fn with(launch: Launch, faulty: usize) -> Self {
        let mut listeners = configuration::listeners("port", BYSTANDERS).await;
        listeners.push(Listener::start(FAULTY).await);
        listeners.extend(configuration::listeners(FAULTY, faulty - 1).await);
        let services = configuration::stack(PATIENT) + &configuration::of_listeners(&listeners, "");
        let monitor = launch.start(&format!("{DEFAULTS}{services}")).await;
        let broken = Self { monitor, listeners };
        broken.all_healthy(Duration::from_secs(30)).await;
        broken
    }

    pub(super) fn begin(&self, fault: &str) {
        misbehaving::begin(self.monitor.folder(), fault);
    }

    pub(super) fn end(&self) {
        misbehaving::end(self.monitor.folder());
    }

    /// Waits until the service that misbehaves has this status and a reason that holds this text.
    pub(super) async fn faulty(&self, status: &str, reason: &str, limit: Duration) -> Service {
        self.monitor.wait_for(FAULTY, status, reason, limit).await
    }

    /// Does something, and answers what was told of all services meanwhile.
    pub(super) async fn while_doing<T>(&self, work: impl Future<Output = T>) -> (T, Told) {
        watch::while_doing(&self.monitor, work).await
    }

    /// Waits until every service is healthy.
    pub(super) async fn all_healthy(&self, limit: Duration) {
        watch::all_healthy(&self.monitor, limit).await;
    }

    /// What `/internals` shows of the probe of the service that misbehaves.
    pub(super) async fn probe(&self) -> Value {
        let supervisor = self.supervisor().await;
        let children = supervisor["children"].as_array().cloned().unwrap_or_default();
        let name = format!("probe:{FAULTY}");
        children
            .into_iter()
            .find(|child| child["name"] == name.as_str())
            .unwrap_or_default()
    }

    pub(super) async fn supervisor(&self) -> Value {
        self.monitor.get("/internals").await.1["supervisor"].clone()
    }
}

/// Tells that nobody else was disturbed.
pub(super) fn tell(scene: &Scene, told: &Told) {
    let silence = told.silence.as_millis();
    scene.saw(format!(
        "{} others never change, no answer took longer than {silence} ms",
        told.steady()
    ));
}

/// A fault of the service's check or probe, that shows itself as this, and is mended.
pub(super) async fn shows(
    scene: &Scene,
    broken: &Broken,
    fault: &str,
    status: &str,
    reason: &str,
    limit: Duration,
) -> Told {
    let began = Instant::now();
    let work = async {
        broken.begin(fault);
        let told = broken.faulty(status, reason, limit).await;
        scene.saw_after(began, format!("{}: {}", told.status, told.reason));
        broken.end();
        let mended = Instant::now();
        broken.faulty("healthy", "", limit).await;
        scene.saw_after(mended, "healthy");
    };
    let ((), told) = broken.while_doing(work).await;
    told.assert_others(&[FAULTY], &["healthy"]);
    tell(scene, &told);
    told
}
