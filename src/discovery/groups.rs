//! Which containers are one service.

use std::collections::BTreeMap;
use std::sync::Arc;

use health_monitor_actors::model::{ContainerKey, ContainerState, ContainerStatus, ServiceName, compose_labels};

/// The containers of one service: the replicas of a Compose service, or one container without Compose. Never empty.
#[derive(Debug)]
pub(super) struct Group {
    /// Compose project and service.
    pub(super) compose: Option<(String, String)>,
    /// The oldest first.
    pub(super) members: Vec<Arc<ContainerState>>,
    first: Arc<ContainerState>,
}

/// What containers of one group have in common. Those of Compose come first, but that order shows nowhere.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bond {
    /// They are of this Compose service of this project.
    Compose { project: String, service: String },
    /// It is one container alone.
    Alone(ContainerKey),
}

/// Puts containers into groups, the one with the oldest container first. Left out are one-off containers
/// (`docker compose run`) and those that are being removed.
///
/// A container that Compose makes to take another's place is of the same Compose service, so of the same group.
pub(super) fn of<'a>(containers: impl Iterator<Item = &'a Arc<ContainerState>>) -> Vec<Group> {
    let mut bound: BTreeMap<Bond, Vec<Arc<ContainerState>>> = BTreeMap::new();
    for container in containers.filter(|container| !is_one_off(container) && !is_leaving(container)) {
        bound.entry(Bond::of(container)).or_default().push(container.clone());
    }
    let mut groups: Vec<Group> = bound
        .into_iter()
        .filter_map(|(bond, members)| Group::new(bond, members))
        .collect();
    groups.sort_by(|a, b| (a.first.created, &a.first.key).cmp(&(b.first.created, &b.first.key)));
    groups
}

fn is_leaving(container: &ContainerState) -> bool {
    container.status == ContainerStatus::Removing
}

fn is_one_off(container: &ContainerState) -> bool {
    let label = container.label(compose_labels::ONE_OFF);
    label.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

// === impl Bond ===

impl Bond {
    fn of(container: &ContainerState) -> Self {
        let label = |name| container.label(name).map(str::to_owned);
        match (label(compose_labels::PROJECT), label(compose_labels::SERVICE)) {
            (Some(project), Some(service)) => Self::Compose { project, service },
            _ => Self::Alone(container.key.clone()),
        }
    }
}

// === impl Group ===

impl Group {
    fn new(bond: Bond, mut members: Vec<Arc<ContainerState>>) -> Option<Self> {
        members.sort_by(|a, b| a.created.cmp(&b.created).then_with(|| a.key.cmp(&b.key)));
        let first = members.first()?.clone();
        let compose = match bond {
            Bond::Compose { project, service } => Some((project, service)),
            Bond::Alone(_) => None,
        };
        Some(Self {
            compose,
            members,
            first,
        })
    }

    /// The oldest container.
    pub(super) fn first(&self) -> &Arc<ContainerState> {
        &self.first
    }

    /// The container whose labels count: the newest, which has those of the last `docker compose up`.
    pub(super) fn bearer(&self) -> &Arc<ContainerState> {
        self.members.last().unwrap_or(&self.first)
    }

    pub(super) fn project(&self) -> Option<&str> {
        self.compose.as_ref().map(|(project, _)| project.as_str())
    }

    /// The Compose service, else the container's name: by it others reach it, and it is called so itself.
    pub(super) fn host(&self) -> &str {
        match &self.compose {
            Some((_, service)) => service,
            None => &self.first.name,
        }
    }

    pub(super) fn name(&self) -> Option<ServiceName> {
        ServiceName::new(self.host()).ok()
    }
}
