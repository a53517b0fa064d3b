//! Which runs of which containers bear a service, and what a difference between two looks at means.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{ContainerKey, ContainerState, ContainerStatus};

/// A service's containers as they were last seen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Incarnation {
    members: Vec<Member>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Member {
    key: ContainerKey,
    started_at: Option<Timestamp>,
    status: ContainerStatus,
    /// Network names and addresses.
    networks: Vec<(String, String)>,
}

/// What happened between two looks, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Other containers, or other runs of them, bear the service now; `index` is the one that started last.
    Started {
        /// Its place among the containers.
        index: usize,
    },
    /// One more started, while another ran on without a break.
    Joined,
    /// One that was frozen runs again, and none ran on.
    Resumed,
    /// A running one has other networks or addresses.
    Reconnected,
    /// None that runs is left.
    Stopped,
    /// Nothing that could change what a check finds.
    Nothing,
}

// === impl Incarnation ===

impl Incarnation {
    pub(super) fn of(containers: &[Arc<ContainerState>]) -> Self {
        let member = |container: &Arc<ContainerState>| Member {
            key: container.key.clone(),
            started_at: container.started_at,
            status: container.status,
            networks: container
                .networks
                .iter()
                .map(|(name, network)| (name.clone(), network.ip_address.clone()))
                .collect(),
        };
        Self {
            members: containers.iter().map(member).collect(),
        }
    }

    pub(super) fn runs(&self) -> bool {
        self.members.iter().any(Member::runs)
    }

    /// The running member that started last.
    pub(super) fn last_started(&self) -> Option<usize> {
        let running = self.members.iter().enumerate().filter(|(_, member)| member.runs());
        running
            .max_by_key(|(_, member)| member.started_at)
            .map(|(index, _)| index)
    }

    /// What happened since `before`.
    pub(super) fn turn_since(&self, before: &Incarnation) -> Turn {
        let earlier = |member: &Member| before.members.iter().find(|earlier| earlier.is_same_run(member));
        let mut running = self.members.iter().filter(|member| member.runs());
        let ran_on = running.clone().any(|member| earlier(member).is_some_and(Member::runs));
        let any_new = running.clone().any(|member| earlier(member).is_none());
        let any_resumed = running
            .clone()
            .any(|member| earlier(member).is_some_and(|earlier| !earlier.runs()));
        let any_reconnected =
            running.any(|member| earlier(member).is_some_and(|earlier| earlier.networks != member.networks));
        match self.last_started() {
            Some(index) if any_new && !ran_on => Turn::Started { index },
            Some(_) if any_new || (any_resumed && ran_on) => Turn::Joined,
            Some(_) if any_resumed => Turn::Resumed,
            Some(_) if any_reconnected => Turn::Reconnected,
            None if before.runs() => Turn::Stopped,
            _ => Turn::Nothing,
        }
    }
}

// === impl Member ===

impl Member {
    fn runs(&self) -> bool {
        self.status == ContainerStatus::Running
    }

    fn is_same_run(&self, other: &Member) -> bool {
        self.key == other.key && self.started_at == other.started_at
    }
}
