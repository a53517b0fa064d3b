//! What wins: a variable over a file, a file over what is built in.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use health_monitor::settings::{Settings, Sources};
use tempfile::TempDir;

use crate::{ONE_OF_EACH, built_in, load, load_file, service};

#[test]
fn the_first_file_that_exists_is_read() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("second.toml"), "[server]\nbind = \"127.0.0.1:2\"\n[services]\n").unwrap();
    fs::write(path("third.toml"), "[server]\nbind = \"127.0.0.1:3\"\n[services]\n").unwrap();
    let sources = Sources {
        searched: vec![path("first.toml"), path("second.toml"), path("third.toml")],
        ..Sources::default()
    };
    let settings = Settings::load(&sources).unwrap();
    assert_eq!(settings.server.bind.port(), 2);
    assert_eq!(settings.file, Some(path("second.toml")));
}

#[test]
fn a_file_that_names_services_replaces_the_built_in_ones_and_nothing_else() {
    let settings = load("[services.web]\ncheck = \"container\"\n", &[]).unwrap();
    assert_eq!(settings.services.len(), 1);
    assert!(!settings.built_in_services);
    assert_eq!(settings.docker, built_in(&[]).unwrap().docker);
}

#[test]
fn toml_and_yaml_say_the_same() {
    let folder = TempDir::new().unwrap();
    let toml = folder.path().join("a.toml");
    let yaml = folder.path().join("a.yml");
    fs::write(
        &toml,
        "[defaults]\ntimeout = \"1s\"\n[services.a]\ncheck = \"tcp\"\naddress = \"a:1\"\nretries = 1\ncritical = false\n\
         depends_on = [\"b\"]\n[services.b]\ncheck = \"container\"\n",
    )
    .unwrap();
    fs::write(
        &yaml,
        "defaults:\n  timeout: 1s\nservices:\n  a:\n    check: tcp\n    address: a:1\n    retries: 1\n    critical: false\n    \
         depends_on: [b]\n  b: {check: container}\n",
    )
    .unwrap();
    let (toml, yaml) = (load_file(&toml, &[]).unwrap(), load_file(&yaml, &[]).unwrap());
    for (one, other) in toml.services.iter().zip(&yaml.services) {
        assert_eq!(one.spec, other.spec);
        assert_eq!(one.check_values, other.check_values);
    }
    assert_eq!(toml.services.len(), yaml.services.len());
}

#[test]
fn variables_win_over_the_file_whatever_their_case_and_dashes() {
    let settings = load(
        ONE_OF_EACH,
        &[
            ("HEALTH_MONITOR__DOCKER__STATS_INTERVAL", "25s"),
            ("HEALTH_MONITOR__METRICS__PLAIN_DURATION", "false"),
            ("HEALTH_MONITOR__SUPERVISION__LANES", "8"),
            ("HEALTH_MONITOR__SERVICES__MQTT_BROKER__ADDRESS", "other:1884"),
            ("HEALTH_MONITOR__SERVICES__MQTT_BROKER__DEPENDS_ON", "db"),
            ("health_monitor__services__Mqtt-Broker__Retries", "0"),
            ("HEALTH_MONITOR_CONFIG", "not one of these"),
            ("HEALTH_MONITORING__X", "nor this"),
        ],
    )
    .unwrap();
    assert_eq!(settings.docker.stats_interval, Duration::from_secs(25));
    assert!(!settings.metrics.plain_duration);
    assert_eq!(settings.supervision.lanes, 8);
    let spec = &service(&settings, "mqtt-broker").spec;
    assert_eq!(spec.address.as_deref(), Some("other:1884"));
    assert_eq!(spec.depends_on.len(), 1);
    assert_eq!(spec.retries, 0);
}

#[test]
fn dockers_own_variables_win_over_the_file_and_lose_to_ours() {
    let settings = load(
        ONE_OF_EACH,
        &[
            ("DOCKER_HOST", "tcp://engine:2375"),
            ("DOCKER_API_VERSION", "1.41"),
            ("DOCKER_CERT_PATH", "/certs"),
        ],
    )
    .unwrap();
    assert_eq!(settings.docker.host, "tcp://engine:2375");
    assert_eq!(settings.docker.api_version.as_deref(), Some("1.41"));
    assert_eq!(settings.docker.cert_path, None, "DOCKER_TLS_VERIFY is not set");
    let settings = load(
        ONE_OF_EACH,
        &[
            ("DOCKER_HOST", "tcp://engine:2375"),
            ("DOCKER_CERT_PATH", "/certs"),
            ("DOCKER_TLS_VERIFY", "1"),
            ("DOCKER_API_VERSION", ""),
            ("HEALTH_MONITOR__DOCKER__HOST", "unix:///ours.sock"),
        ],
    )
    .unwrap();
    assert_eq!(settings.docker.host, "unix:///ours.sock");
    assert_eq!(settings.docker.api_version, None);
    assert_eq!(settings.docker.cert_path, Some(PathBuf::from("/certs")));
}

#[test]
fn a_wrong_variable_is_named() {
    for (variable, value, expected) in [
        (
            "HEALTH_MONITOR__DOCKR__HOST",
            "x",
            "names the section 'dockr', which does not exist; did you mean 'docker'?",
        ),
        (
            "HEALTH_MONITOR__DOCKER__HOTS",
            "x",
            "names the key 'hots', which does not exist; did you mean 'host'?",
        ),
        ("HEALTH_MONITOR__DOCKER", "x", "must be HEALTH_MONITOR__DOCKER__KEY"),
        (
            "HEALTH_MONITOR__SERVICES__DB",
            "x",
            "must be HEALTH_MONITOR__SERVICES__NAME__KEY",
        ),
        (
            "HEALTH_MONITOR__SERVICES__DBB__CHECK",
            "tcp",
            "names the service 'dbb', which does not exist; did you mean 'db'?; variables change services, a file names them",
        ),
        (
            "HEALTH_MONITOR__LOG__LEVEL",
            "loud",
            "log.level must be \"error\", \"warn\", \"info\", \"debug\" or \"trace\", not \"loud\"",
        ),
        (
            "HEALTH_MONITOR__SUPERVISION__LANES",
            "many",
            "supervision.lanes must be a whole number from 2 to 64, not \"many\"",
        ),
        (
            "DOCKER_HOST",
            "ssh://engine",
            "docker.host must be \"unix://…\", \"tcp://…\", \"http://…\" or \"https://…\", not \"ssh://engine\"",
        ),
    ] {
        let error = load(ONE_OF_EACH, &[(variable, value)]).unwrap_err();
        assert_eq!(
            error,
            format!("1 problem in the configuration:\n  {variable}: {expected}")
        );
    }
}

#[test]
fn two_variables_for_one_key_are_a_contradiction() {
    let error = load(
        ONE_OF_EACH,
        &[
            ("HEALTH_MONITOR__LOG__LEVEL", "info"),
            ("health_monitor__log__level", "debug"),
        ],
    )
    .unwrap_err();
    assert!(
        error.contains("health_monitor__log__level: sets log.level, and so does HEALTH_MONITOR__LOG__LEVEL"),
        "{error}"
    );
}

#[test]
fn text_of_a_variable_becomes_what_its_key_is() {
    let text = "
        [supervision]
        lanes = \"${LANES}\"
        [services.a]
        check = \"tcp\"
        address = \"${HOST:-localhost}:${PORT:-80}\"
        critical = \"${CRITICAL}\"
        depends_on = [\"${OTHER}\"]
        interval = \"${SECONDS}s\"
        [services.b]
        check = \"container\"
    ";
    let variables = [
        ("LANES", "3"),
        ("PORT", "81"),
        ("CRITICAL", "false"),
        ("OTHER", "b"),
        ("SECONDS", "30"),
    ];
    let settings = load(text, &variables).unwrap();
    assert_eq!(settings.supervision.lanes, 3);
    let spec = &service(&settings, "a").spec;
    assert_eq!(spec.address.as_deref(), Some("localhost:81"));
    assert!(!spec.critical);
    assert_eq!(spec.depends_on[0].as_str(), "b");
    assert_eq!(spec.interval, Duration::from_secs(30));
}

#[test]
fn whoever_says_what_to_discover_does_without_the_built_in_services() {
    let settings = load("[discovery]\ncontainers = \"running\"\n", &[]).unwrap();
    assert!(settings.services.is_empty() && !settings.built_in_services);
    let settings = built_in(&[("HEALTH_MONITOR__DISCOVERY__CONTAINERS", "project")]).unwrap();
    assert!(settings.services.is_empty() && !settings.built_in_services);
}
