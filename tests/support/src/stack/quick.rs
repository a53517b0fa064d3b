//! A monitor of the same services that looks more often, so that what only a check can find shows in seconds.

use std::time::Duration;

use super::monitor::Monitor;
use super::wait::seconds;

/// Until a protocol's failure shows: an interval, two timeouts and a retry interval, and the machine's other work.
pub const DETECTED: Duration = seconds(15);

/// A service with its own protocol.
pub struct Spoken {
    pub name: &'static str,
    pub port: &'static str,
}

/// The services that are asked in their own protocol.
pub const SPOKEN: [Spoken; 5] = [
    Spoken {
        name: "mosquitto",
        port: "1883",
    },
    Spoken {
        name: "zookeeper",
        port: "2181",
    },
    Spoken {
        name: "kafka",
        port: "29092",
    },
    Spoken {
        name: "postgres",
        port: "5432",
    },
    Spoken {
        name: "timescaledb",
        port: "5432",
    },
];

const TIMES: [&str; 4] = [
    "--env=HEALTH_MONITOR__DEFAULTS__INTERVAL=2s",
    "--env=HEALTH_MONITOR__DEFAULTS__TIMEOUT=1500ms",
    "--env=HEALTH_MONITOR__DEFAULTS__RETRIES=0",
    "--env=HEALTH_MONITOR__DEFAULTS__RETRY_INTERVAL=300ms",
];

/// Starts one with the built-in services. `options` are further ones of `docker run`.
pub async fn quick(purpose: &str, options: &[&str]) -> Monitor {
    Monitor::start(purpose, "", &[&TIMES, options].concat()).await
}

/// Starts one with the services of this configuration.
pub async fn quick_with(purpose: &str, configuration: &str, options: &[&str]) -> Monitor {
    Monitor::start(purpose, configuration, &[&TIMES, options].concat()).await
}
