//! What holds where nothing is said, and that the documentation says so.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use health_monitor::checks;
use health_monitor::settings::schema::{DEFAULTS, NAMED_SECTIONS, SECTIONS, SERVICE};
use health_monitor::settings::{EnvironmentShown, LogFormat};
use health_monitor_actors::model::{Container, DockerHealth, ServiceName};
use tempfile::TempDir;

use crate::{built_in, files, load, load_file, project, service};

#[test]
fn without_a_file_the_nine_services_of_the_stack_are_watched() {
    let settings = built_in(&[]).unwrap();
    assert!(settings.built_in_services && settings.file.is_none());
    let summary: BTreeSet<String> = settings
        .services
        .iter()
        .map(|service| {
            let spec = &service.spec;
            let address = spec.address.as_deref().unwrap_or("-");
            let depends_on: Vec<&str> = spec.depends_on.iter().map(ServiceName::as_str).collect();
            assert_eq!(spec.container, Container::Named(spec.name.to_string()));
            assert!(spec.critical);
            format!("{} {} {address} {}", spec.name, spec.check, depends_on.join(","))
        })
        .collect();
    let expected = [
        "mosquitto mqtt mosquitto:1883 ",
        "kafka kafka kafka:29092 zookeeper",
        "postgres postgres postgres:5432 ",
        "timescaledb postgres timescaledb:5432 ",
        "zookeeper zookeeper zookeeper:2181 ",
        "mqtt-kafka-connector container - mosquitto,kafka",
        "data-processor container - kafka",
        "kafka-timescale-sink container - kafka,timescaledb",
        "f2-simulator container - mosquitto",
    ];
    assert_eq!(summary, expected.map(str::to_owned).into());
    for database in ["postgres", "timescaledb"] {
        let values = &service(&settings, database).check_values;
        for (key, value) in [("user", "postgres"), ("password", "password"), ("database", "postgres")] {
            assert_eq!(values.get(key).unwrap(), value);
        }
    }
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let settings = built_in(&[]).unwrap();
    assert_eq!(settings.server.bind.to_string(), "0.0.0.0:8000");
    assert!(settings.docker.enabled);
    assert_eq!(settings.docker.host, "unix:///var/run/docker.sock");
    assert_eq!((&settings.docker.api_version, &settings.docker.project), (&None, &None));
    assert_eq!(settings.docker.stats_interval, Duration::from_secs(15));
    assert_eq!(settings.docker.resync_interval, Duration::from_secs(30));
    assert_eq!(settings.docker.environment, EnvironmentShown::Redacted);
    assert!(settings.metrics.plain_duration);
    assert_eq!(
        (settings.log.level.as_str(), settings.log.format),
        ("info", LogFormat::Auto)
    );
    let spec = &service(&settings, "kafka").spec;
    assert_eq!(
        (spec.interval, spec.timeout),
        (Duration::from_secs(10), Duration::from_secs(5))
    );
    assert_eq!((spec.retries, spec.retry_interval), (2, Duration::from_secs(2)));
    assert_eq!(spec.retry_backoff.min, Duration::from_millis(500));
    assert_eq!(spec.retry_backoff.max, Duration::from_secs(2));
    assert_eq!((spec.thresholds.failure, spec.thresholds.success), (2, 1));
    assert_eq!((spec.start_period, spec.min_replicas), (Duration::from_secs(60), 1));
    assert!(!spec.auth_failure_degrades);
    assert_eq!(spec.docker_health, DockerHealth::Warn);
    assert_eq!(
        service(&settings, "f2-simulator").spec.docker_health,
        DockerHealth::Decide
    );
}

#[test]
fn the_documented_defaults_are_the_built_in_ones() {
    let documented = load_file(&project("config/default.toml"), &[]).unwrap();
    let built_in = built_in(&[]).unwrap();
    assert_eq!(documented.server, built_in.server);
    assert_eq!(documented.docker, built_in.docker);
    assert_eq!(documented.discovery, built_in.discovery);
    assert_eq!(documented.metrics, built_in.metrics);
    assert_eq!(documented.log, built_in.log);
    assert_eq!(documented.supervision, built_in.supervision);
    assert_eq!(documented.services.len(), built_in.services.len());
    for (documented, built_in) in documented.services.iter().zip(&built_in.services) {
        assert_eq!(documented.spec, built_in.spec);
        assert_eq!(documented.check_values, built_in.check_values, "{}", built_in.spec.name);
    }
}

#[test]
fn every_key_is_documented() {
    let text = fs::read_to_string(project("config/default.toml")).unwrap();
    let names_key = |part: &str, key: &str| {
        let mut lines = part.lines().map(|line| line.trim_start_matches("# "));
        lines.any(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(" =")))
    };
    let mut missing = Vec::new();
    for section in SECTIONS {
        let part = text
            .split(&format!("\n[{}]\n", section.name))
            .nth(1)
            .unwrap_or_default();
        let part = part.split("\n[").next().unwrap();
        let keys = section.keys.iter().filter(|key| !names_key(part, key.name));
        missing.extend(keys.map(|key| format!("[{}] {}", section.name, key.name)));
    }
    for section in NAMED_SECTIONS {
        let part = text
            .split(&format!("\n# [{}.", section.name))
            .nth(1)
            .unwrap_or_default();
        let part = part.split("\n\n").next().unwrap();
        let keys = section.keys.iter().filter(|key| !names_key(part, key.name));
        missing.extend(keys.map(|key| format!("[{}.NAME] {}", section.name, key.name)));
    }
    let part = text
        .split("# Keys of every service")
        .nth(1)
        .unwrap()
        .split("\n[")
        .next()
        .unwrap();
    missing.extend(
        SERVICE
            .iter()
            .filter(|key| !names_key(part, key.name))
            .map(|key| key.name.to_owned()),
    );
    for kind in checks::KINDS {
        let part = text
            .split(&format!("\n## check = \"{}\"", kind.name))
            .nth(1)
            .unwrap_or_else(|| {
                panic!("config/default.toml has no part `## check = \"{}\"`", kind.name);
            });
        let part = part.split("\n##").next().unwrap();
        for key in kind.schema {
            let line = key.default.map(|default| format!("# {} = {default}", key.name));
            let is_there = match &line {
                // Quotes, of texts and lists, may stand around the default.
                Some(line) => part.replace(['"', '[', ']'], "").contains(line.as_str()),
                None => names_key(part, key.name),
            };
            if !is_there {
                missing.push(format!(
                    "check = \"{}\": {}",
                    kind.name,
                    line.unwrap_or(key.name.to_owned())
                ));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "config/default.toml does not document:\n{}",
        missing.join("\n")
    );
}

#[test]
fn every_default_service_key_is_one_that_a_service_takes() {
    for key in DEFAULTS {
        let value = key.default.unwrap_or("ignore");
        let value = if value.parse::<u32>().is_ok() {
            value.to_owned()
        } else {
            format!("{value:?}")
        };
        let text = format!("[services.web]\ncheck = \"container\"\n{} = {value}\n", key.name);
        load(&text, &[]).unwrap();
    }
}

#[test]
fn every_example_is_valid() {
    let secrets = TempDir::new().unwrap();
    fs::write(secrets.path().join("database-monitor"), "hunter2\n").unwrap();
    let variables = [
        ("SECRETS", secrets.path().to_str().unwrap()),
        ("MQTT_PASSWORD", "hunter2"),
        ("TIMESCALEDB_PASSWORD", "hunter2"),
    ];
    let examples = files("config/examples", &["toml", "yaml"]);
    assert!(examples.len() >= 3, "{examples:?}");
    for example in examples {
        let settings = load_file(&example, &variables).unwrap();
        assert!(
            !settings.services.is_empty() && !settings.built_in_services,
            "{}",
            example.display()
        );
    }
}

#[test]
fn a_time_that_was_not_asked_for_gives_way() {
    let settings = load(
        "[services.web]\ncheck = \"container\"\ninterval = \"1s\"\n[services.db]\ncheck = \"container\"\n",
        &[],
    )
    .unwrap();
    let spec = &service(&settings, "web").spec;
    assert_eq!(spec.timeout, Duration::from_millis(500));
    assert_eq!(spec.retry_interval, Duration::from_secs(1));
    assert_eq!(service(&settings, "db").spec.timeout, Duration::from_secs(5));
}

#[test]
fn a_service_without_a_container_says_so() {
    let settings = load(
        "[services.web]\ncheck = \"tcp\"\naddress = \"w:1\"\ncontainer = \"\"\n",
        &[],
    )
    .unwrap();
    assert_eq!(service(&settings, "web").spec.container, Container::None);
}
