//! Which runs of which containers bear a service, and what a difference between two looks at means.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{ContainerKey, ContainerState, ContainerStatus, Network};

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
        Self {
            members: containers.iter().map(|container| Member::of(container)).collect(),
        }
    }

    /// These containers make no other incarnation than this one. Asked with every result, so it copies nothing.
    pub(super) fn is_of(&self, containers: &[Arc<ContainerState>]) -> bool {
        let mut pairs = self.members.iter().zip(containers);
        self.members.len() == containers.len() && pairs.all(|(member, container)| member.is_of(container))
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
    fn of(container: &ContainerState) -> Self {
        let place = |(name, network): (&String, &Network)| (name.clone(), network.ip_address.clone());
        Self {
            key: container.key.clone(),
            started_at: container.started_at,
            status: container.status,
            networks: container.networks.iter().map(place).collect(),
        }
    }

    fn is_of(&self, container: &ContainerState) -> bool {
        let places = container.networks.iter();
        let places = places.map(|(name, network)| (name.as_str(), network.ip_address.as_str()));
        let known = self
            .networks
            .iter()
            .map(|(name, address)| (name.as_str(), address.as_str()));
        self.key == container.key
            && self.started_at == container.started_at
            && self.status == container.status
            && known.eq(places)
    }

    fn runs(&self) -> bool {
        self.status == ContainerStatus::Running
    }

    fn is_same_run(&self, other: &Member) -> bool {
        self.key == other.key && self.started_at == other.started_at
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::*;
    use super::*;

    fn turn(before: &[&ContainerState], after: &[&ContainerState]) -> Turn {
        let listed = |containers: &[&ContainerState]| -> Vec<Arc<ContainerState>> {
            containers
                .iter()
                .map(|container| Arc::new((*container).clone()))
                .collect()
        };
        let (before, after) = (listed(before), listed(after));
        let earlier = Incarnation::of(&before);
        assert!(earlier.is_of(&before));
        assert_eq!(earlier.is_of(&after), earlier == Incarnation::of(&after));
        Incarnation::of(&after).turn_since(&earlier)
    }

    #[test]
    fn a_difference_means_the_most_that_happened() {
        let now = start();
        let a = running("a", seconds(900), now);
        let b = running("b", seconds(9), now);
        let a_again = restarted(&a, now.wall, false);
        let a_exited = exited(&a, 1, now.wall);
        let a_paused = with_status(&a, ContainerStatus::Paused);
        let a_connected = in_network(a.clone(), "iot", &[]);
        let unborn = created("b", now);
        for (before, after, expected) in [
            (vec![], vec![&a], Turn::Started { index: 0 }),
            (vec![&a], vec![&b], Turn::Started { index: 0 }),
            (vec![&a], vec![&a_again], Turn::Started { index: 0 }),
            (vec![&a_exited], vec![&a_again], Turn::Started { index: 0 }),
            (vec![&unborn], vec![&b], Turn::Started { index: 0 }),
            (vec![], vec![&a, &b], Turn::Started { index: 1 }),
            (vec![&a], vec![&a, &b], Turn::Joined),
            (vec![&a, &b], vec![&a_again, &b], Turn::Joined),
            (vec![&a_paused, &b], vec![&a, &b], Turn::Joined),
            (vec![&a_paused], vec![&a], Turn::Resumed),
            (vec![&a], vec![&a_connected], Turn::Reconnected),
            (vec![&a_connected], vec![&a], Turn::Reconnected),
            (vec![&a], vec![&a_exited], Turn::Stopped),
            (vec![&a], vec![&a_paused], Turn::Stopped),
            (vec![&a], vec![], Turn::Stopped),
            (vec![&a, &b], vec![&a], Turn::Nothing),
            (vec![&a], vec![&a, &unborn], Turn::Nothing),
            (vec![&a_paused], vec![&a_exited], Turn::Nothing),
        ] {
            assert_eq!(turn(&before, &after), expected, "{before:?} to {after:?}");
        }
    }
}
