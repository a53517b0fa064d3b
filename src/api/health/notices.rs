//! Sentences in `/health` for the person who wonders why it shows what it shows.

use health_monitor_actors::model::{ContainerState, EngineState, Snapshot, compose_labels};

/// The monitor's own container, by the name that the specification gives it.
const OWN_NAME: &str = "health-monitor";

/// What is worth saying of the whole.
pub(super) fn of(snapshot: &Snapshot, built_in_services: bool) -> Vec<String> {
    let mut notices = Vec::new();
    if let EngineState::Down { since, reason } = &snapshot.engine {
        notices.push(format!("Docker daemon unavailable since {since:.0}: {reason}"));
    }
    if snapshot.services.is_empty() {
        notices.push("no service is configured; 'health-monitor init' writes a configuration".to_owned());
    }
    let strangers = strangers(snapshot);
    if built_in_services && strangers > 0 && none_exists(snapshot) {
        let containers = if strangers == 1 { "container" } else { "containers" };
        notices.push(format!(
            "none of the built-in services exists here, but {strangers} other {containers} run; 'health-monitor init' \
             writes a configuration for them"
        ));
    }
    notices
}

/// No service has a container or answers without one.
fn none_exists(snapshot: &Snapshot) -> bool {
    let mut services = snapshot.services.values();
    services.all(|service| service.containers.is_empty() && !service.status.is_up())
}

/// Running containers besides the monitor's own.
fn strangers(snapshot: &Snapshot) -> usize {
    let is_own = |container: &ContainerState| {
        container.name == OWN_NAME || container.label(compose_labels::SERVICE) == Some(OWN_NAME)
    };
    let containers = snapshot.containers.values();
    containers
        .filter(|container| container.is_running() && !is_own(container))
        .count()
}
