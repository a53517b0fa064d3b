//! The configuration as people meet it: defaults, files, variables, and what is said of wrong ones.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use health_monitor::checks;
use health_monitor::settings::schema::{DEFAULTS, NAMED_SECTIONS, SECTIONS, SERVICE};
use health_monitor::settings::{EnvironmentShown, LogFormat, ServiceDefinition, Settings, Sources, json_schema};
use health_monitor_actors::model::{Container, DockerHealth, ServiceName};
use tempfile::TempDir;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    variables.iter().map(owned).collect()
}

fn load_file(file: &Path, variables: &[(&str, &str)]) -> Result<Settings, String> {
    let sources = Sources {
        file: Some(file.to_owned()),
        environment: environment(variables),
        ..Sources::default()
    };
    Settings::load(&sources).map_err(|error| error.to_string())
}

/// Settings of a file with this text, which may refer to other files beside it.
fn load(text: &str, variables: &[(&str, &str)]) -> Result<Settings, String> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("test.toml");
    fs::write(&file, text).unwrap();
    load_file(&file, variables)
}

fn built_in(variables: &[(&str, &str)]) -> Result<Settings, String> {
    let sources = Sources {
        environment: environment(variables),
        ..Sources::default()
    };
    Settings::load(&sources).map_err(|error| error.to_string())
}

fn service<'a>(settings: &'a Settings, name: &str) -> &'a ServiceDefinition {
    let mut services = settings.services.iter();
    services.find(|service| service.spec.name.as_str() == name).unwrap()
}

/// Files of a folder with one of these extensions.
fn files(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let entries = fs::read_dir(project(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|file| extensions.contains(&file.extension().unwrap_or_default().to_str().unwrap()))
        .collect();
    files.sort();
    files
}

// --- defaults

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

// --- wrong files

/// Each file in `tests/fixtures/config/bad` says itself what is expected of it: `# expect: LINE: message` for each
/// problem, with `…` at the end where only the beginning counts, and `# variable: NAME=value` for the environment.
#[test]
fn every_wrong_file_gets_its_message() {
    let fixtures = files("tests/fixtures/config/bad", &["toml", "yaml"]);
    assert!(fixtures.len() >= 25, "only {} fixtures", fixtures.len());
    for fixture in fixtures {
        let text = fs::read_to_string(&fixture).unwrap();
        let notes = |what: &str| -> Vec<String> {
            let prefix = format!("# {what}: ");
            text.lines()
                .filter_map(|line| line.strip_prefix(&prefix))
                .map(str::to_owned)
                .collect()
        };
        let variables = notes("variable");
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|variable| variable.split_once('=').unwrap())
            .collect();
        let error = load_file(&fixture, &variables).expect_err(&fixture.display().to_string());
        let prefix = format!("{}:", fixture.display());
        let mut found = error.lines().filter_map(|line| line.trim_start().strip_prefix(&prefix));
        let expected = notes("expect");
        assert!(!expected.is_empty(), "{} expects nothing", fixture.display());
        for expected in &expected {
            let found = found.next().unwrap_or_default();
            let fits = match expected.strip_suffix('…') {
                Some(beginning) => found.starts_with(beginning),
                None => found == expected,
            };
            assert!(
                fits,
                "{}\nexpected: {expected}\nfound:    {found}\nof: {error}",
                fixture.display()
            );
        }
        let one_line_each = error.lines().count() - usize::from(error.contains("in the configuration:"));
        assert_eq!(one_line_each, expected.len(), "{}: {error}", fixture.display());
    }
}

#[test]
fn a_file_that_is_named_must_exist() {
    let error = load_file(Path::new("/no/such/file.toml"), &[]).unwrap_err();
    assert_eq!(
        error,
        "/no/such/file.toml cannot be read: No such file or directory (os error 2)"
    );
}

#[test]
fn a_file_must_say_by_its_name_what_it_is() {
    let error = load_file(Path::new("monitor.conf"), &[]).unwrap_err();
    assert!(error.contains("let it end in .toml, .yaml or .yml"), "{error}");
}

// --- layers

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

const ONE_OF_EACH: &str = "
[docker]
stats_interval = \"20s\"
host = \"unix:///from/file.sock\"

[services.mqtt-broker]
check = \"mqtt\"
address = \"broker\"
user = \"monitor\"
password = \"from file\"

[services.db]
check = \"container\"
";

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

// --- secrets

#[test]
fn a_secret_may_stand_in_a_file_beside_the_configuration() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("test.toml");
    fs::write(folder.path().join("secret"), "hunter2 \r\n").unwrap();
    fs::write(
        &file,
        "[services.b]\ncheck = \"mqtt\"\naddress = \"b\"\nuser = \"u\"\npassword_file = \"secret\"\n",
    )
    .unwrap();
    let settings = load_file(&file, &[]).unwrap();
    assert_eq!(
        service(&settings, "b").check_values.get("password").unwrap(),
        "hunter2 "
    );
    fs::write(folder.path().join("secret"), "\n").unwrap();
    let error = load_file(&file, &[]).unwrap_err();
    assert!(
        error.ends_with("services.b.password_file (secret) is empty; it must hold the secret"),
        "{error}"
    );
}

#[test]
fn a_variable_for_a_secrets_file_replaces_the_secret_and_the_other_way_round() {
    let folder = TempDir::new().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "from its file").unwrap();
    let secret = secret.to_str().unwrap();
    let settings = load(
        ONE_OF_EACH,
        &[("HEALTH_MONITOR__SERVICES__MQTT_BROKER__PASSWORD_FILE", secret)],
    )
    .unwrap();
    let password = |settings: &Settings| {
        service(settings, "mqtt-broker")
            .check_values
            .get("password")
            .cloned()
            .unwrap()
    };
    assert_eq!(password(&settings), "from its file");

    let with_file = ONE_OF_EACH.replace("password = \"from file\"", "password_file = \"/no/such/file\"");
    let settings = load(
        &with_file,
        &[("HEALTH_MONITOR__SERVICES__MQTT_BROKER__PASSWORD", "from the variable")],
    )
    .unwrap();
    assert_eq!(password(&settings), "from the variable");
}

#[test]
fn a_secret_is_never_shown() {
    let text = "[services.b]\ncheck = \"mqtt\"\naddress = \"b\"\nuser = \"u\"\npassword = \"hunter2\"\n";
    let settings = load(text, &[]).unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
    let wrong = text.replace("\"hunter2\"", "[\"hunter2\"]");
    let error = load(&wrong, &[]).unwrap_err();
    assert!(
        error.contains("services.b.password must be text") && !error.contains("hunter2"),
        "{error}"
    );
}

#[test]
fn a_url_is_shown_without_what_may_be_a_secret() {
    let text = "[services.web]\ncheck = \"http\"\nurl = \"https://web:8443/status?token=hunter2#hunter2\"\n";
    let settings = load(text, &[]).unwrap();
    assert_eq!(
        service(&settings, "web").spec.address.as_deref(),
        Some("https://web:8443/status")
    );
    assert!(!format!("{settings:?}").contains("hunter2"));
    for wrong in ["ftp://web", "web", "https://", "https://a b"] {
        let error = load(&text.replace("https://web:8443", wrong), &[]).unwrap_err();
        assert!(
            error.contains("services.web.url must be") && !error.contains("hunter2"),
            "{error}"
        );
    }
}

// --- times that have to fit

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

// --- the JSON Schema

/// The file that editors are given.
const SCHEMA: &str = "config/health-monitor.schema.json";

/// A configuration as JSON, whichever of the two it is written in.
fn as_json(file: &Path) -> serde_json::Value {
    let text = fs::read_to_string(file).unwrap();
    let format = match file.extension().unwrap().to_str().unwrap() {
        "toml" => config::FileFormat::Toml,
        _ => config::FileFormat::Yaml,
    };
    let read = config::Config::builder()
        .add_source(config::File::from_str(&text, format))
        .build();
    read.unwrap().try_deserialize().unwrap()
}

/// Why a value does not fit a schema, by the keywords of JSON Schema that ours uses; an unknown one fails the test, so that
/// none is passed over.
fn refusal(schema: &serde_json::Value, value: &serde_json::Value, at: &str) -> Option<String> {
    let refused = |why: &str| Some(format!("{at}: {why}: {value}"));
    for (keyword, wanted) in schema.as_object().unwrap() {
        let found = match keyword.as_str() {
            "$schema" | "title" | "description" | "default" | "examples" | "then" => None,
            "type" => {
                let all: Vec<&str> = match wanted {
                    serde_json::Value::String(one) => vec![one],
                    several => several
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|one| one.as_str().unwrap())
                        .collect(),
                };
                let fits = |name: &&str| match *name {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "integer" => value.is_u64() || value.is_i64(),
                    "boolean" => value.is_boolean(),
                    "null" => value.is_null(),
                    other => unreachable!("unknown type {other}"),
                };
                if all.iter().any(fits) {
                    None
                } else {
                    refused("wrong type")
                }
            }
            "const" => {
                if value == wanted {
                    None
                } else {
                    refused("another value")
                }
            }
            "enum" => {
                if wanted.as_array().unwrap().contains(value) {
                    None
                } else {
                    refused("none of the words")
                }
            }
            "minimum" => value
                .as_u64()
                .filter(|number| *number < wanted.as_u64().unwrap())
                .and_then(|_| refused("too small")),
            "maximum" => value
                .as_u64()
                .filter(|number| *number > wanted.as_u64().unwrap())
                .and_then(|_| refused("too large")),
            "minLength" => {
                let is_short = value
                    .as_str()
                    .is_some_and(|text| (text.len() as u64) < wanted.as_u64().unwrap());
                if is_short { refused("too short") } else { None }
            }
            "pattern" => {
                let fits = value
                    .as_str()
                    .is_none_or(|text| fits_pattern(wanted.as_str().unwrap(), text));
                if fits {
                    None
                } else {
                    refused("does not fit the pattern")
                }
            }
            "required" => {
                let missing =
                    |key: &&serde_json::Value| value.is_object() && value.get(key.as_str().unwrap()).is_none();
                if wanted.as_array().unwrap().iter().any(|key| missing(&key)) {
                    refused("a key is missing")
                } else {
                    None
                }
            }
            "items" => value
                .as_array()
                .into_iter()
                .flatten()
                .find_map(|item| refusal(wanted, item, at)),
            "anyOf" => {
                let refusals: Vec<_> = wanted
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|one| refusal(one, value, at))
                    .collect();
                if refusals.iter().any(Option::is_none) {
                    None
                } else {
                    refused("fits none of several")
                }
            }
            "allOf" => wanted
                .as_array()
                .unwrap()
                .iter()
                .find_map(|one| refusal(one, value, at)),
            "if" if refusal(wanted, value, at).is_none() => refusal(&schema["then"], value, at),
            "if" => None,
            "properties" => {
                let mut known = wanted.as_object().unwrap().iter();
                known.find_map(|(key, schema)| refusal(schema, value.get(key)?, &format!("{at}.{key}")))
            }
            "additionalProperties" => {
                let known = schema["properties"].as_object();
                let others = value.as_object().into_iter().flatten();
                let mut others = others.filter(|(key, _)| known.is_none_or(|known| !known.contains_key(*key)));
                others.find_map(|(key, value)| match wanted {
                    serde_json::Value::Bool(false) => refused(&format!("unknown key {key}")),
                    schema => refusal(schema, value, &format!("{at}.{key}")),
                })
            }
            "propertyNames" => {
                let mut names = value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, _)| serde_json::Value::from(name.as_str()));
                names.find_map(|name| refusal(wanted, &name, at))
            }
            other => unreachable!("unknown keyword {other}"),
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// The few patterns of the schema, by what they mean.
fn fits_pattern(pattern: &str, text: &str) -> bool {
    if let Some(schemes) = pattern.strip_prefix("^(").and_then(|rest| rest.strip_suffix(")://")) {
        return text
            .split_once("://")
            .is_some_and(|(scheme, _)| schemes.split('|').any(|known| known == scheme));
    }
    match pattern {
        r"\$\{" => text.contains("${"),
        "^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$" => ServiceName::new(text).is_ok(),
        times if times.starts_with("^([0-9]+d)?") => health_monitor::settings::duration::parse(text).is_some(),
        other => unreachable!("unknown pattern {other}"),
    }
}

#[test]
fn the_schema_for_editors_is_the_programs_own() {
    let mut text = serde_json::to_string_pretty(&json_schema()).unwrap();
    text.push('\n');
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(project(SCHEMA), &text).unwrap();
    }
    let written = fs::read_to_string(project(SCHEMA)).unwrap();
    assert!(
        written == text,
        "{SCHEMA} is behind: run UPDATE_DOCS=1 cargo test --test settings"
    );
}

#[test]
fn the_schema_takes_every_good_configuration_and_refuses_what_it_can_tell() {
    let schema = json_schema();
    let mut good = files("config/examples", &["toml", "yaml"]);
    good.push(project("config/default.toml"));
    for file in good {
        let found = refusal(&schema, &as_json(&file), "");
        assert_eq!(found, None, "{}", file.display());
    }
    for name in [
        "unknown-section",
        "unknown-key",
        "unknown-key-of-a-service",
        "unknown-check",
        "check-missing",
        "check-is-a-number",
        "key-of-another-check",
        "number-out-of-range",
        "number-in-quotes",
        "boolean-in-words",
        "choice-misspelled",
        "duration-misspelled",
        "duration-without-a-unit",
        "list-is-a-text",
        "section-is-a-value",
        "service-is-a-value",
        "bad-service-name",
        "discovery-misspelled",
        "window-without-a-start",
        "window-key-misspelled",
    ] {
        let file = project(&format!("tests/fixtures/config/bad/{name}.toml"));
        assert!(refusal(&schema, &as_json(&file), "").is_some(), "{name} is taken");
    }
}

// --- windows of maintenance

#[test]
fn windows_are_read_for_the_services_that_they_name() {
    let settings = load(
        "[services.db]\ncheck = \"container\"\n[services.web]\ncheck = \"container\"\n\
         [maintenance.all]\nstart = \"03:00\"\nfor = \"30m\"\n\
         [maintenance.backup]\nservices = [\"DB\"]\ndays = [\"mon\", \"Thursday\"]\nstart = \"02:30\"\nfor = \"45m\"\n\
         time_zone = \"Europe/Berlin\"\nreason = \"backup\"\n",
        &[("HEALTH_MONITOR__MAINTENANCE__BACKUP__FOR", "1h")],
    )
    .unwrap();
    let windows = |name: &str| -> Vec<String> {
        let windows = service(&settings, name).spec.maintenance.iter();
        windows
            .map(|window| format!("{} {:?} {}", window.name, window.length, window.days.len()))
            .collect()
    };
    assert_eq!(windows("web"), ["all 1800s 0"]);
    assert_eq!(windows("db"), ["all 1800s 0", "backup 3600s 2"]);
}

#[test]
fn whoever_says_what_to_discover_does_without_the_built_in_services() {
    let settings = load("[discovery]\ncontainers = \"running\"\n", &[]).unwrap();
    assert!(settings.services.is_empty() && !settings.built_in_services);
    let settings = built_in(&[("HEALTH_MONITOR__DISCOVERY__CONTAINERS", "project")]).unwrap();
    assert!(settings.services.is_empty() && !settings.built_in_services);
}
