//! What the containers of today no longer tell of themselves: that they ran, and that they are jobs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use health_monitor_actors::model::{ContainerKey, ContainerState, compose_labels};

use super::needs::{self, ENDS_WELL};

/// What was learned of containers that are still there. Empty at the monitor's start, and told of every state of the
/// engine from then on.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    ran: BTreeSet<ContainerKey>,
    /// By project and Compose service, so that a job that is made anew stays one. That it is one stands only in the labels of
    /// those that wait for its end, and `docker compose up --no-deps` makes them anew without.
    jobs: BTreeSet<(String, String)>,
}

// === impl Remembered ===

impl Remembered {
    /// Learns what these containers tell, and forgets what is of none of them. They are all that there are.
    pub fn learn(&mut self, containers: &BTreeMap<ContainerKey, Arc<ContainerState>>) {
        let running = containers.values().filter(|container| container.status.has_processes());
        self.ran.extend(running.map(|container| container.key.clone()));
        self.ran.retain(|key| containers.contains_key(key));
        self.jobs
            .extend(containers.values().flat_map(|container| jobs_before(container)));
        let there = containers.values().filter_map(|container| compose_service(container));
        let there: BTreeSet<_> = there.collect();
        self.jobs.retain(|job| there.contains(job));
    }

    /// The container has run since the monitor's start.
    pub(super) fn ran(&self, key: &ContainerKey) -> bool {
        self.ran.contains(key)
    }

    /// Another service of the project waits for this one's end, or did.
    pub(super) fn is_job(&self, service: &(String, String)) -> bool {
        self.jobs.contains(service)
    }
}

/// The Compose services, each with its project, that have to have ended well before this container starts.
fn jobs_before(container: &ContainerState) -> impl Iterator<Item = (String, String)> {
    let jobs = needs::of(container).filter(|(_, condition)| *condition == ENDS_WELL);
    let project = container.label(compose_labels::PROJECT);
    jobs.filter_map(move |(service, _)| Some((project?.to_owned(), service.to_owned())))
}

fn compose_service(container: &ContainerState) -> Option<(String, String)> {
    let label = |name| container.label(name).map(str::to_owned);
    Some((label(compose_labels::PROJECT)?, label(compose_labels::SERVICE)?))
}
