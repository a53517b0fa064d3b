//! What one row of the engine's container list says.

use std::collections::BTreeMap;

use bollard::models::ContainerSummary;

/// A container as the list shows it, for those who only look once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Full id.
    pub id: String,
    /// Name without the leading slash.
    pub name: String,
    /// Image as the container was created with it.
    pub image: String,
    /// It runs.
    pub running: bool,
    /// Labels as they are, not redacted.
    pub labels: BTreeMap<String, String>,
    /// Exposed ports, each once, in order.
    pub ports: Vec<ListedPort>,
    /// Names of its networks, in order.
    pub networks: Vec<String>,
}

/// One exposed port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedPort {
    /// Port in the container.
    pub container: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// Port on the host, where it is published.
    pub host: Option<u16>,
}

// === impl Listed ===

impl Listed {
    /// Reads a row; `None` where it has no id or no name.
    pub(super) fn read(row: ContainerSummary) -> Option<Self> {
        let name = own_name(row.names.as_deref().unwrap_or_default())?.to_owned();
        let mut ports: Vec<_> = row
            .ports
            .unwrap_or_default()
            .into_iter()
            .map(ListedPort::read)
            .collect();
        ports.sort();
        // Published on IPv4 and on IPv6, it is listed twice.
        ports.dedup();
        let networks = row
            .network_settings
            .and_then(|settings| settings.networks)
            .unwrap_or_default();
        let mut networks: Vec<_> = networks.into_keys().collect();
        networks.sort();
        Some(Self {
            id: row.id?,
            name,
            image: row.image.unwrap_or_default(),
            running: row.state == Some(bollard::models::ContainerSummaryStateEnum::RUNNING),
            labels: row.labels.unwrap_or_default().into_iter().collect(),
            ports,
            networks,
        })
    }
}

impl ListedPort {
    fn read(port: bollard::models::PortSummary) -> Self {
        Self {
            container: port.private_port,
            protocol: port
                .typ
                .map_or_else(|| "tcp".to_owned(), |protocol| protocol.to_string()),
            host: port.public_port,
        }
    }
}

/// A container's own name among those of the list, which has its links' names too: the one with a single slash.
pub(super) fn own_name(names: &[String]) -> Option<&str> {
    let mut plain = names.iter().map(|name| name.strip_prefix('/').unwrap_or(name));
    plain.clone().find(|name| !name.contains('/')).or_else(|| plain.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_row() {
        let row = serde_json::from_str(
            r#"{"Id":"ab","Names":["/web/db","/db"],"Image":"postgres:15","State":"running",
               "Labels":{"com.docker.compose.service":"postgres"},
               "Ports":[{"IP":"::","PrivatePort":5432,"PublicPort":15432,"Type":"tcp"},
                        {"IP":"0.0.0.0","PrivatePort":5432,"PublicPort":15432,"Type":"tcp"},
                        {"PrivatePort":53,"Type":"udp"}],
               "NetworkSettings":{"Networks":{"iot":{},"app":{}}}}"#,
        );
        let listed = Listed::read(row.unwrap()).unwrap();
        assert_eq!((listed.name.as_str(), listed.running), ("db", true));
        assert_eq!(listed.labels["com.docker.compose.service"], "postgres");
        assert_eq!(listed.networks, ["app", "iot"]);
        let port = |container, protocol: &str, host| ListedPort {
            container,
            protocol: protocol.to_owned(),
            host,
        };
        assert_eq!(listed.ports, [port(53, "udp", None), port(5432, "tcp", Some(15432))]);
    }
}
