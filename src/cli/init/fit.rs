//! Which check fits a container, by its image and its ports.

/// A check that fits, and where it would go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fit {
    /// Kind of the check.
    pub(super) check: &'static str,
    /// Port in the container.
    pub(super) port: u16,
    /// Path, for `http`.
    pub(super) path: &'static str,
}

/// Images by the last part of their names, with what they usually answer to.
struct Image {
    names: &'static [&'static str],
    fit: Fit,
}

const fn image(names: &'static [&'static str], check: &'static str, port: u16, path: &'static str) -> Image {
    Image {
        names,
        fit: Fit { check, port, path },
    }
}

const IMAGES: &[Image] = &[
    image(
        &["mosquitto", "emqx", "vernemq", "hivemq-ce", "hivemq4", "nanomq"],
        "mqtt",
        1883,
        "",
    ),
    image(&["kafka", "kafka-native", "redpanda"], "kafka", 9092, ""),
    image(
        &[
            "postgres",
            "postgresql",
            "timescaledb",
            "timescaledb-ha",
            "postgis",
            "pgvector",
            "pgbouncer",
        ],
        "postgres",
        5432,
        "",
    ),
    image(&["zookeeper"], "zookeeper", 2181, ""),
    image(
        &["grafana", "grafana-oss", "grafana-enterprise"],
        "http",
        3000,
        "/api/health",
    ),
    image(&["prometheus"], "http", 9090, "/-/healthy"),
    image(&["alertmanager"], "http", 9093, "/-/healthy"),
    image(&["influxdb"], "http", 8086, "/health"),
    image(&["elasticsearch", "opensearch"], "http", 9200, "/_cluster/health"),
];

/// Ports that say enough where the image says nothing.
const PORTS: &[(u16, &str)] = &[
    (1883, "mqtt"),
    (29092, "kafka"),
    (9092, "kafka"),
    (5432, "postgres"),
    (2181, "zookeeper"),
];

/// The check that fits; `None` where only the container itself can be looked at.
///
/// `ports` are the TCP ports that the container exposes.
pub(super) fn fit(image: &str, ports: &[u16]) -> Option<Fit> {
    let name = last_part(image);
    let known = IMAGES
        .iter()
        .find(|known| known.names.iter().any(|known| is_kind_of(name, known)));
    if let Some(known) = known {
        return Some(Fit {
            // The port that is open, where the usual one is not: 29092 inside of a Compose network, say.
            port: nearest_port(known.fit, ports),
            ..known.fit
        });
    }
    let spoken = PORTS.iter().find(|(port, _)| ports.contains(port));
    if let Some((port, check)) = spoken {
        return Some(Fit {
            check,
            port: *port,
            path: "",
        });
    }
    ports.first().map(|port| Fit {
        check: "tcp",
        port: *port,
        path: "",
    })
}

fn nearest_port(fit: Fit, ports: &[u16]) -> u16 {
    let of_this_kind = || {
        PORTS
            .iter()
            .filter(|(_, check)| *check == fit.check)
            .map(|(port, _)| *port)
    };
    let open = of_this_kind().find(|port| ports.contains(port));
    open.unwrap_or(fit.port)
}

/// `registry:5000/library/postgres:15@sha256:…` is `postgres`.
fn last_part(image: &str) -> &str {
    let without_digest = image.split('@').next().unwrap_or(image);
    let last = without_digest.rsplit('/').next().unwrap_or(without_digest);
    last.split(':').next().unwrap_or(last)
}

/// `cp-kafka` and `eclipse-mosquitto` are; `kafka-ui`, `postgres-exporter` and `mqtt-kafka-connector` are not.
fn is_kind_of(name: &str, known: &str) -> bool {
    name.strip_suffix(known)
        .is_some_and(|before| before.is_empty() || before.ends_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(image: &str, ports: &[u16]) -> String {
        fit(image, ports).map_or_else(String::new, |fit| format!("{} {}{}", fit.check, fit.port, fit.path))
    }

    #[test]
    fn images_are_known_by_the_end_of_their_names() {
        for (image, expected) in [
            ("eclipse-mosquitto:2.0", "mqtt 1883"),
            ("confluentinc/cp-kafka:7.4.0", "kafka 9092"),
            ("registry.example:5000/apache/kafka@sha256:00", "kafka 9092"),
            ("timescale/timescaledb:latest-pg15", "postgres 5432"),
            ("postgres", "postgres 5432"),
            ("confluentinc/cp-zookeeper:7.4.0", "zookeeper 2181"),
            ("grafana/grafana:10.0.0", "http 3000/api/health"),
            ("provectuslabs/kafka-ui", ""),
            ("iot/mqtt-kafka-connector", ""),
            ("prometheuscommunity/postgres-exporter", ""),
        ] {
            assert_eq!(shown(image, &[]), expected, "{image}");
        }
    }

    #[test]
    fn ports_help_where_images_do_not() {
        assert_eq!(shown("cp-kafka", &[9092, 29092]), "kafka 29092");
        assert_eq!(shown("my/broker", &[1883, 9001]), "mqtt 1883");
        assert_eq!(shown("my/thing", &[7000, 7001]), "tcp 7000");
        assert_eq!(shown("grafana", &[3000, 5432]), "http 3000/api/health");
        assert_eq!(shown("my/worker", &[]), "");
    }
}
