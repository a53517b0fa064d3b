//! At which of a container's addresses the monitor can reach it.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr};

use bollard::models::{EndpointSettings, Network};

use super::Own;

/// Where the monitor stands, and how that reaches others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reach {
    standpoint: Standpoint,
    /// Ids of networks whose addresses the engine's host can reach.
    bridges: BTreeSet<String>,
    /// Ids of all networks that are known or were asked for.
    known: BTreeSet<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Standpoint {
    /// On another machine, as far as is known: no container's own address is reachable.
    #[default]
    Elsewhere,
    /// On the engine's host, or in a container that uses the host's network.
    Host,
    /// In these networks.
    Networks(BTreeSet<String>),
}

// === impl Reach ===

impl Reach {
    pub(super) fn new(own: &Own, host: &str, networks: &[Network]) -> Self {
        let standpoint = match own.id {
            Some(_) if own.uses_host_network => Standpoint::Host,
            Some(_) => Standpoint::Networks(own.networks.clone()),
            None if is_on_this_host(host) => Standpoint::Host,
            None => Standpoint::Elsewhere,
        };
        let is_bridge = |network: &&Network| network.driver.as_deref() == Some("bridge");
        let bridges = networks
            .iter()
            .filter(is_bridge)
            .filter_map(|network| network.id.clone());
        Self {
            standpoint,
            bridges: bridges.collect(),
            known: networks.iter().filter_map(|network| network.id.clone()).collect(),
        }
    }

    /// The first time that a network is met that was not known: it was made since, and the list is to be read again.
    pub(super) fn meets_a_new_one(&mut self, networks: Option<&HashMap<String, EndpointSettings>>) -> bool {
        let live = networks
            .into_iter()
            .flatten()
            .filter(|(_, network)| network.ip_address.as_deref().is_some_and(|address| !address.is_empty()));
        let mut met = false;
        for id in live.filter_map(|(_, network)| network.network_id.as_ref()) {
            met |= self.known.insert(id.clone());
        }
        met
    }

    /// The reachable ones among a container's addresses, in the order of its networks' names.
    pub(super) fn addresses(&self, networks: Option<&HashMap<String, EndpointSettings>>) -> Vec<IpAddr> {
        let mut networks: Vec<_> = networks.into_iter().flatten().collect();
        networks.sort_by_key(|(name, _)| name.as_str());
        let reachable = networks
            .into_iter()
            .flat_map(|(name, network)| self.through(name, network));
        reachable.collect()
    }

    fn through(&self, name: &str, network: &EndpointSettings) -> Vec<IpAddr> {
        if self.standpoint == Standpoint::Host && name == "host" {
            return vec![Ipv4Addr::LOCALHOST.into()];
        }
        let id = network.network_id.as_deref().unwrap_or_default();
        let is_shared = match &self.standpoint {
            Standpoint::Elsewhere => false,
            Standpoint::Host => self.bridges.contains(id),
            Standpoint::Networks(own) => own.contains(id),
        };
        let addresses = [&network.ip_address, &network.global_ipv6_address];
        let read = addresses
            .into_iter()
            .filter_map(|address| address.as_deref()?.parse().ok());
        read.filter(|_| is_shared).collect()
    }
}

/// The engine at this address runs on the monitor's own machine.
fn is_on_this_host(host: &str) -> bool {
    let (scheme, rest) = host.split_once("://").unwrap_or_default();
    if scheme == "unix" {
        return true;
    }
    let name = rest.split('/').next().unwrap_or_default();
    let name = name.rsplit_once(':').map_or(name, |(name, _port)| name);
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks() -> Vec<Network> {
        let network = |id: &str, driver: &str| Network {
            id: Some(id.to_owned()),
            driver: Some(driver.to_owned()),
            ..Default::default()
        };
        vec![
            network("iot", "bridge"),
            network("app", "bridge"),
            network("lan", "macvlan"),
            network("h", "host"),
        ]
    }

    fn places(of: &[(&str, &str, &str)]) -> HashMap<String, EndpointSettings> {
        let place = |(name, id, address): &(&str, &str, &str)| {
            let settings = EndpointSettings {
                network_id: Some((*id).to_owned()),
                ip_address: Some((*address).to_owned()),
                ..Default::default()
            };
            ((*name).to_owned(), settings)
        };
        of.iter().map(place).collect()
    }

    fn inside(networks: &[&str]) -> Own {
        Own {
            id: Some("me".to_owned()),
            project: None,
            networks: networks.iter().map(|id| (*id).to_owned()).collect(),
            uses_host_network: networks.is_empty(),
            is_started_again: false,
        }
    }

    fn shown(own: &Own, host: &str, of: &[(&str, &str, &str)]) -> Vec<String> {
        let reach = Reach::new(own, host, &networks());
        reach
            .addresses(Some(&places(of)))
            .iter()
            .map(IpAddr::to_string)
            .collect()
    }

    const UNIX: &str = "unix:///var/run/docker.sock";

    const EVERYWHERE: [(&str, &str, &str); 3] = [
        ("z", "iot", "172.18.0.3"),
        ("a", "app", "172.19.0.3"),
        ("l", "lan", "10.0.0.3"),
    ];

    #[test]
    fn a_container_reaches_through_shared_networks_only() {
        assert_eq!(shown(&inside(&["iot"]), UNIX, &EVERYWHERE), ["172.18.0.3"]);
        assert!(shown(&inside(&["other"]), UNIX, &EVERYWHERE).is_empty());
    }

    #[test]
    fn the_host_reaches_through_every_bridge() {
        assert_eq!(shown(&Own::default(), UNIX, &EVERYWHERE), ["172.19.0.3", "172.18.0.3"]);
        assert_eq!(shown(&inside(&[]), UNIX, &EVERYWHERE), ["172.19.0.3", "172.18.0.3"]);
        assert_eq!(shown(&Own::default(), UNIX, &[("host", "h", "")]), ["127.0.0.1"]);
        assert!(
            shown(&Own::default(), UNIX, &[("z", "iot", "")]).is_empty(),
            "not running"
        );
    }

    #[test]
    fn a_network_is_new_once() {
        let mut reach = Reach::new(&Own::default(), UNIX, &networks());
        assert!(!reach.meets_a_new_one(Some(&places(&EVERYWHERE))));
        let later = places(&[("new", "new", "172.20.0.2"), ("left", "left", "")]);
        assert!(reach.meets_a_new_one(Some(&later)));
        assert!(!reach.meets_a_new_one(Some(&later)));
    }

    #[test]
    fn another_machine_reaches_none() {
        assert!(shown(&Own::default(), "tcp://10.1.2.3:2375", &EVERYWHERE).is_empty());
        assert!(!shown(&Own::default(), "tcp://127.0.0.1:2375", &EVERYWHERE).is_empty());
        assert!(!shown(&Own::default(), "http://[::1]:2375/", &EVERYWHERE).is_empty());
        assert!(!shown(&Own::default(), "tcp://localhost:2375", &EVERYWHERE).is_empty());
    }
}
