//! What may be set outside the checks: one table a section. Each check brings a table of its own.

use std::time::Duration;

use super::key::{Key, KeyKind};

/// A section of the configuration with fixed keys.
#[derive(Debug)]
pub struct Section {
    /// As it is written in the file.
    pub name: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const YEARS: Duration = Duration::from_secs(3_650 * 86_400);

/// The name of the section with a table for each service.
pub const SERVICES: &str = "services";

/// The name of the section of what holds for services that do not say otherwise.
pub const DEFAULTS_SECTION: &str = "defaults";

/// The name of the section on services that are made for containers.
pub const DISCOVERY_SECTION: &str = "discovery";

/// What follows the name of a secret where it names the file that holds it.
pub const FILE_SUFFIX: &str = "_file";

/// The name of the section with a table for each key of the API.
pub const API_KEYS: &str = "api_keys";

/// The name of the section with a table for each recurring window of maintenance.
pub const MAINTENANCE: &str = "maintenance";

/// Every section with fixed keys.
pub const SECTIONS: &[Section] = &[
    Section {
        name: "server",
        keys: SERVER,
    },
    Section {
        name: "docker",
        keys: DOCKER,
    },
    Section {
        name: "discovery",
        keys: DISCOVERY,
    },
    Section {
        name: "defaults",
        keys: DEFAULTS,
    },
    Section {
        name: "metrics",
        keys: METRICS,
    },
    Section { name: "log", keys: LOG },
    Section {
        name: "supervision",
        keys: SUPERVISION,
    },
    Section {
        name: "history",
        keys: HISTORY,
    },
];

/// Every section with a table for each name that a person gives, but `services`: the keys of each of these tables.
pub const NAMED_SECTIONS: &[Section] = &[
    Section {
        name: API_KEYS,
        keys: API_KEY,
    },
    Section {
        name: MAINTENANCE,
        keys: WINDOW,
    },
];

/// `[server]`: the REST API.
pub const SERVER: &[Key] = &[
    Key::new(
        "bind",
        KeyKind::Text,
        "IP address and port on which the API listens; port 0 takes any free one",
    )
    .default("0.0.0.0:8000"),
    Key::new(
        "certificate_file",
        KeyKind::Path,
        "PEM file with the server's certificate, its chain after it; with it the API is https alone; read anew when it changes",
    ),
    Key::new(
        "key_file",
        KeyKind::Path,
        "PEM file with the private key of the server's certificate",
    ),
    Key::new(
        "open_badges",
        KeyKind::Bool,
        "/badge/{service}.svg needs no key even where there are API keys: whoever guesses a service's name learns its status",
    )
    .default("false"),
    Key::new(
        "trusted_proxies",
        KeyKind::TextList,
        "addresses and networks of proxies whose X-Forwarded-For names the client",
    ),
];

/// `[api_keys.NAME]`: a key of the API.
pub const API_KEY: &[Key] = &[
    Key::new(
        "hash",
        KeyKind::Secret,
        "SHA-256 of the key, as health-monitor key new prints it",
    )
    .required(),
    Key::new(
        "scopes",
        KeyKind::TextList,
        "what it opens: read (all that only reads, except /metrics), metrics (/metrics), admin (everything)",
    )
    .default("read"),
];

/// `[docker]`: the container engine.
pub const DOCKER: &[Key] = &[
    Key::new("enabled", KeyKind::Bool, "false: no container is looked at, and no service may need one").default("true"),
    Key::new(
        "host",
        KeyKind::Url(&["unix", "tcp", "http", "https"]),
        "where the engine listens; the variable DOCKER_HOST wins over the file",
    )
    .default("unix:///var/run/docker.sock"),
    Key::new(
        "api_version",
        KeyKind::Text,
        "version of its API, such as 1.41; negotiated if left out; the variable DOCKER_API_VERSION wins over the file",
    ),
    Key::new(
        "cert_path",
        KeyKind::Path,
        "folder of ca.pem, cert.pem and key.pem for an engine behind TLS; with DOCKER_TLS_VERIFY, DOCKER_CERT_PATH wins over the file",
    ),
    Key::new(
        "project",
        KeyKind::Text,
        "Compose project whose service names are matched; the monitor's own project if left out",
    ),
    Key::new("stats_interval", within(SECOND, DAY), "from one sample of each container's resources to the next")
        .default("15s"),
    Key::new(
        "resync_interval",
        within(SECOND, DAY),
        "from one full list of containers to the next, beside the events",
    )
    .default("30s"),
    Key::new(
        "request_timeout",
        within(Duration::from_millis(100), Duration::from_secs(600)),
        "total time for one call to the engine",
    )
    .default("5s"),
    Key::new(
        "environment",
        KeyKind::Choice(&["redacted", "names", "all"]),
        "what /containers/NAME shows of a container's environment: values with secrets as ***, names alone, or everything",
    )
    .default("redacted"),
];

/// `[discovery]`: services that are made for containers.
pub const DISCOVERY: &[Key] = &[
    Key::new(
        "containers",
        KeyKind::Choice(&["none", "labelled", "project", "running"]),
        "which containers are watched without a service in the file: none, those with health-monitor labels, beside them \
         those of a Compose project, or beside them all that run",
    )
    .default("labelled"),
    Key::new(
        "project",
        KeyKind::Text,
        "Compose project for containers = \"project\"; docker.project or the monitor's own if left out",
    ),
    Key::new(
        "files",
        KeyKind::Path,
        "folder of the files that labels may name, such as those of passwords; nothing outside it is read for a label",
    )
    .default("/run/secrets"),
];

/// `[maintenance.NAME]`: a window of maintenance that recurs.
pub const WINDOW: &[Key] = &[
    Key::new(
        "services",
        KeyKind::TextList,
        "services that are not checked meanwhile; all if left out",
    ),
    Key::new(
        "days",
        KeyKind::TextList,
        "days on which it begins: mon, tue, wed, thu, fri, sat, sun; every day if left out",
    ),
    Key::new(
        "start",
        KeyKind::Text,
        "local time at which it begins, such as \"02:30\"",
    )
    .required(),
    Key::new(
        "for",
        within(SECOND, Duration::from_secs(7 * 86_400)),
        "how long it lasts, elapsed and not by the clock",
    )
    .required(),
    Key::new(
        "time_zone",
        KeyKind::Text,
        "whose local time it is, such as \"Europe/Berlin\"; summer time is taken into account",
    )
    .default("UTC"),
    Key::new("reason", KeyKind::Text, "one sentence that is shown meanwhile"),
];

/// `[defaults]`: what holds for a service that does not say otherwise. Every key may stand in a service too.
pub const DEFAULTS: &[Key] = &[
    Key::new(
        "interval",
        within(SECOND, DAY),
        "from the start of one cycle to the start of the next",
    )
    .default("10s"),
    Key::new(
        "timeout",
        within(Duration::from_millis(10), DAY),
        "time for one cycle, an attempt and its retries; shorter than the interval",
    )
    .default("5s"),
    Key::new(
        "retries",
        KeyKind::Number { min: 0, max: 10 },
        "attempts after the first within one cycle, for failures that a moment may mend",
    )
    .default("2"),
    Key::new(
        "retry_backoff",
        within(Duration::from_millis(1), DAY),
        "upper bound of the pause before the first retry; it doubles from one retry to the next",
    )
    .default("500ms"),
    Key::new(
        "retry_backoff_max",
        within(Duration::from_millis(1), DAY),
        "upper bound of the pause before any retry",
    )
    .default("2s"),
    Key::new(
        "retry_interval",
        within(Duration::from_millis(100), DAY),
        "from one cycle to the next while a change of status is pending; not longer than the interval",
    )
    .default("2s"),
    Key::new(
        "failure_threshold",
        KeyKind::Number { min: 1, max: 100 },
        "failing cycles in a row that make a service unhealthy",
    )
    .default("2"),
    Key::new(
        "success_threshold",
        KeyKind::Number { min: 1, max: 100 },
        "passing cycles in a row that make it healthy again",
    )
    .default("1"),
    Key::new(
        "start_period",
        within(Duration::ZERO, DAY),
        "time after a container's start in which failures are not held against it",
    )
    .default("60s"),
    Key::new(
        "docker_health",
        KeyKind::Choice(&["decide", "warn", "ignore"]),
        "what the container's own HEALTHCHECK does; decide for the check container and warn for any other if left out",
    ),
    Key::new(
        "min_replicas",
        KeyKind::Number { min: 1, max: 1_000 },
        "containers of a scaled service that must be good for it to be at least degraded",
    )
    .default("1"),
    Key::new(
        "auth_failure",
        KeyKind::Choice(&["unhealthy", "degraded"]),
        "what a refused login makes of a service",
    )
    .default("unhealthy"),
];

/// What any service may say besides the keys of [`DEFAULTS`] and those of its check.
pub const SERVICE: &[Key] = &[
    Key::new("check", KeyKind::Text, "kind of its check").required(),
    Key::new(
        "container",
        KeyKind::Text,
        "name or id of its container, else Compose service, else network alias; the service's own name if left out, \"\" for none",
    ),
    Key::new("depends_on", KeyKind::TextList, "services that it cannot work without"),
    Key::new("critical", KeyKind::Bool, "its outage makes the whole unhealthy").default("true"),
];

/// `[metrics]`: what `/metrics` shows.
pub const METRICS: &[Key] = &[
    Key::new(
        "plain_duration",
        KeyKind::Bool,
        "beside the histogram health_check_duration_seconds, also the plain last value under that name",
    )
    .default("true"),
    Key::new(
        "open",
        KeyKind::Bool,
        "/metrics needs no key even where there are API keys",
    )
    .default("false"),
];

/// `[log]`: what is logged, and how.
pub const LOG: &[Key] = &[
    Key::new(
        "level",
        KeyKind::Choice(&["error", "warn", "info", "debug", "trace"]),
        "least important level that is logged; the variable RUST_LOG, with a level or a filter, wins",
    )
    .default("info"),
    Key::new(
        "format",
        KeyKind::Choice(&["auto", "human", "json"]),
        "auto: for people on a terminal, JSON otherwise",
    )
    .default("auto"),
];

/// `[supervision]`: how probes are spread over threads.
pub const SUPERVISION: &[Key] = &[Key::new(
    "lanes",
    KeyKind::Number { min: 2, max: 64 },
    "threads that probes run on",
)
.default("2")];

/// `[history]`: what is kept of the past, where and how long.
pub const HISTORY: &[Key] = &[
    Key::new("enabled", KeyKind::Bool, "false: nothing is kept, and a restart begins with nothing").default("true"),
    Key::new(
        "store",
        KeyKind::Choice(&["sqlite", "postgres"]),
        "sqlite: a file, without a server; postgres: PostgreSQL or TimescaleDB at history.address",
    )
    .default("sqlite"),
    Key::new(
        "path",
        KeyKind::Path,
        "the SQLite file; if left out, history.db in /var/lib/health-monitor where that folder exists, else in ~/.local/state/health-monitor",
    ),
    Key::new(
        "address",
        KeyKind::HostPort,
        "where PostgreSQL listens; the store postgres needs it",
    ),
    Key::new("user", KeyKind::Text, "PostgreSQL user who may create tables in the database").default("postgres"),
    Key::new("password", KeyKind::Secret, "its password; none if left out"),
    Key::new("database", KeyKind::Text, "PostgreSQL database; it must exist").default("postgres"),
    Key::new(
        "tls",
        KeyKind::Choice(&["disable", "require"]),
        "require: PostgreSQL is spoken to over TLS alone, and its certificate is verified",
    )
    .default("disable"),
    Key::new(
        "ca_file",
        KeyKind::Path,
        "certificates to trust for PostgreSQL instead of the public authorities",
    ),
    Key::new("raw_retention", within(HOUR, YEARS), "how long each result is kept").default("48h"),
    Key::new(
        "raw_max_size",
        KeyKind::Number { min: 1, max: 1_048_576 },
        "MiB that results may take; where that is too little for raw_retention, the oldest go first",
    )
    .default("1024"),
    Key::new("minute_retention", within(HOUR, YEARS), "how long minutes are kept").default("30d"),
    Key::new("hour_retention", within(DAY, YEARS), "how long hours are kept").default("730d"),
    Key::new(
        "event_retention",
        within(DAY, YEARS),
        "how long changes of status and incidents are kept",
    )
    .default("1825d"),
    Key::new(
        "buffer",
        KeyKind::Number {
            min: 1_000,
            max: 10_000_000,
        },
        "results and changes of status that wait in memory while the store is away; above it the oldest results go first",
    )
    .default("100000"),
    Key::new(
        "log_lines",
        KeyKind::Number { min: 0, max: 1_000 },
        "lines of a container's log that are kept with an incident, secrets hidden; 0 for none",
    )
    .default("50"),
];

/// Times within these bounds, both included.
const fn within(min: Duration, max: Duration) -> KeyKind {
    KeyKind::Duration { min, max }
}
