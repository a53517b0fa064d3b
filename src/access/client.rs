//! Whose request it is: the peer's address or, behind a proxy that is trusted, the one that the proxy names.

use std::net::{IpAddr, Ipv6Addr};

/// Proxies whose `X-Forwarded-For` counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// Addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

/// Why something is no address or network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be an IP address or a network such as \"10.0.0.0/8\", not \"{0}\"")]
pub struct InvalidNetwork(String);

// === impl TrustedProxies ===

impl TrustedProxies {
    /// Trusts these addresses and networks.
    ///
    /// # Errors
    ///
    /// Where one of them is none.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidNetwork> {
        let networks = texts.into_iter().map(Network::parse);
        networks.collect::<Result<_, _>>().map(Self)
    }

    /// Whose request it is that came from `peer`, with these values of `X-Forwarded-For`, the first header's first.
    ///
    /// Each proxy appends whom it heard, so the list is believed from its end, as far as those that wrote it are trusted:
    /// whatever a client wrote itself stands before that.
    pub fn client<'a>(&self, peer: IpAddr, forwarded: impl DoubleEndedIterator<Item = &'a str>) -> IpAddr {
        let mut client = peer.to_canonical();
        for named in forwarded.rev().flat_map(|value| value.rsplit(',')) {
            if !self.trusts(client) {
                break;
            }
            match address_of(named.trim()) {
                Some(address) => client = address,
                None => break,
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.holds(address))
    }
}

/// An address as proxies write it, some of them with its port.
fn address_of(text: &str) -> Option<IpAddr> {
    let unbracketed = text
        .strip_prefix('[')
        .and_then(|inside| inside.split_once(']'))
        .map(|(address, _port)| address);
    let without_port = || text.rsplit_once(':').map(|(address, _port)| address);
    let address = unbracketed.unwrap_or(text).parse().ok();
    let address = address.or_else(|| without_port()?.parse().ok());
    address.map(|address: IpAddr| address.to_canonical())
}

// === impl Network ===

impl Network {
    fn parse(text: &str) -> Result<Self, InvalidNetwork> {
        let invalid = || InvalidNetwork(text.to_owned());
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_unreadable| invalid())?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().map_err(|_unreadable| invalid())?,
            None => all,
        };
        if bits > all {
            return Err(invalid());
        }
        Ok(Self { address, bits })
    }

    fn holds(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differing = u32::from(network) ^ u32::from(address);
                differing.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differing = u128::from(network) ^ u128::from(address);
                differing.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

/// What counts as one client: an IPv6 network of 64 bits, of which one person has all addresses, else the address.
pub fn group_of(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_what_they_heard_themselves() {
        let proxies = TrustedProxies::parse(["10.0.0.0/8", "192.168.1.1", "fd00::/16"]).unwrap();
        for (peer, forwarded, client) in [
            ("10.1.2.3", vec![], "10.1.2.3"),
            ("203.0.113.5", vec!["198.51.100.7"], "203.0.113.5"),
            ("10.1.2.3", vec!["198.51.100.7"], "198.51.100.7"),
            ("10.1.2.3", vec!["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
            ("10.1.2.3", vec!["1.1.1.1", "198.51.100.7, 192.168.1.1"], "198.51.100.7"),
            ("10.1.2.3", vec!["198.51.100.7:4711"], "198.51.100.7"),
            ("10.1.2.3", vec!["[2001:db8::7]:4711"], "2001:db8::7"),
            ("10.1.2.3", vec!["2001:db8::7"], "2001:db8::7"),
            ("10.1.2.3", vec!["unknown"], "10.1.2.3"),
            ("10.1.2.3", vec![""], "10.1.2.3"),
            ("10.1.2.3", vec!["10.9.9.9"], "10.9.9.9"),
            ("::ffff:10.1.2.3", vec!["198.51.100.7"], "198.51.100.7"),
            ("fd00::1", vec!["::ffff:198.51.100.7"], "198.51.100.7"),
            ("192.168.1.2", vec!["198.51.100.7"], "192.168.1.2"),
        ] {
            let found = proxies.client(ip(peer), forwarded.clone().into_iter());
            assert_eq!(found, ip(client), "{peer} {forwarded:?}");
        }
        let nobody = TrustedProxies::default();
        assert_eq!(nobody.client(ip("10.1.2.3"), ["1.1.1.1"].into_iter()), ip("10.1.2.3"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/",
            "proxy",
            "10.0.0.0/-1",
            "::/129",
            "1.2.3",
        ] {
            assert!(TrustedProxies::parse([bad]).is_err(), "{bad}");
        }
        let all = TrustedProxies::parse(["0.0.0.0/0"]).unwrap();
        assert!(all.trusts(ip("203.0.113.5")) && !all.trusts(ip("::1")));
    }

    #[test]
    fn a_person_with_a_whole_network_is_one_client() {
        assert_eq!(group_of(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
        assert_eq!(group_of(ip("198.51.100.7")), ip("198.51.100.7"));
    }
}
