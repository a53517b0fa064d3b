use std::fs;

use health_monitor_actors::model::ContainerStatus;
use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::settings::Sources;

/// A configuration and the containers that are there.
struct World {
    settings: Settings,
    containers: BTreeMap<ContainerKey, Arc<ContainerState>>,
    remembered: Remembered,
}

impl World {
    fn new(configuration: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("monitor.toml");
        fs::write(&file, configuration).unwrap();
        let sources = Sources {
            file: Some(file),
            ..Sources::default()
        };
        Self {
            settings: Settings::load(&sources).unwrap(),
            containers: BTreeMap::new(),
            remembered: Remembered::default(),
        }
    }

    /// A container that came after all others.
    fn has(&mut self, name: &str, labels: &[(&str, &str)]) -> &mut ContainerState {
        let number = self.containers.len();
        let key = ContainerKey {
            engine: "local".into(),
            id: format!("{number:064x}").into(),
        };
        let mut container = ContainerState::new(key.clone(), name, ContainerStatus::Running);
        container.created = Some(Timestamp::from_second(1_700_000_000 + number as i64).unwrap());
        container.labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let stored = self.containers.entry(key).or_insert(Arc::new(container));
        Arc::make_mut(stored)
    }

    fn composed(&mut self, name: &str, project: &str, service: &str, labels: &[(&str, &str)]) -> &mut ContainerState {
        let compose = [(compose_labels::PROJECT, project), (compose_labels::SERVICE, service)];
        let all: Vec<_> = compose.iter().chain(labels).copied().collect();
        self.has(name, &all)
    }

    /// The monitor sees the containers as they are now.
    fn found(&mut self) -> Vec<Found> {
        self.remembered.learn(&self.containers);
        discover(&Scene {
            settings: &self.settings,
            containers: &self.containers,
            remembered: &self.remembered,
            own_id: Some("own"),
            project: Some("shop"),
        })
    }

    fn shown(&mut self) -> Vec<String> {
        let show = |found: Found| {
            let spec = &found.defined.definition.spec;
            format!(
                "{} {} {}",
                spec.name,
                spec.check,
                spec.address.as_deref().unwrap_or("-")
            )
        };
        self.found().into_iter().map(show).collect()
    }

    /// What is wrong, all of it.
    fn problems(&mut self) -> Vec<String> {
        self.found()
            .into_iter()
            .flat_map(|found| found.defined.problems)
            .collect()
    }
}

const ENABLED: (&str, &str) = ("health-monitor.enable", "true");

#[test]
fn labels_say_what_the_file_says() {
    let mut world = World::new("[defaults]\ntimeout = \"4s\"\n");
    world.has("stranger", &[("traefik.enable", "true")]);
    world.has(
        "web",
        &[
            ENABLED,
            ("health-monitor.check", "http"),
            ("health-monitor.port", "8080"),
            ("health-monitor.path", "/health"),
            ("health-monitor.interval", "30s"),
            ("health-monitor.critical", "false"),
            ("health-monitor.failure-threshold", "3"),
        ],
    );
    assert_eq!(world.shown(), ["web http http://web:8080/health"]);
    assert_eq!(world.problems(), [""; 0]);
    let found = world.found();
    let spec = &found[0].defined.definition.spec;
    assert_eq!(spec.interval.as_secs(), 30);
    assert_eq!(spec.timeout.as_secs(), 4, "the file's default");
    assert_eq!((spec.critical, spec.thresholds.failure), (false, 3));
    let expected = Container::Discovered {
        project: None,
        name: "web".to_owned(),
    };
    assert_eq!(spec.container, expected);
    let origin = |key: &str| {
        let mut effective = found[0].defined.effective.iter();
        let found = effective.find(|effective| effective.path.names().last().unwrap() == key);
        found.unwrap().origin.to_string()
    };
    assert_eq!(origin("interval"), "label health-monitor.interval of container web");
    assert!(origin("timeout").ends_with("monitor.toml:2"), "{}", origin("timeout"));
    assert_eq!(origin("retries"), "built-in defaults");
}

#[test]
fn the_port_is_the_checks_own_or_the_only_one_that_is_exposed() {
    let mut world = World::new("");
    world.has("broker", &[("health-monitor.check", "mqtt")]);
    let one = world.has("one", &[("health-monitor.check", "tcp")]);
    one.ports = BTreeMap::from([("6379/tcp".to_owned(), vec![]), ("53/udp".to_owned(), vec![])]);
    let two = world.has("two", &[("health-monitor.check", "tcp")]);
    two.ports = BTreeMap::from([("80/tcp".to_owned(), vec![]), ("443/tcp".to_owned(), vec![])]);
    world.has("none", &[("health-monitor.check", "http")]);
    assert_eq!(
        world.shown(),
        [
            "broker mqtt broker:1883",
            "one tcp one:6379",
            "two container -",
            "none container -"
        ]
    );
    let problems = world.problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems[0].contains("container two: it exposes the ports 80, 443; say which one"),
        "{problems:?}"
    );
    assert!(
        problems[1].contains("container none: it exposes no port"),
        "{problems:?}"
    );
}

#[test]
fn replicas_are_one_service_and_one_off_containers_none() {
    let mut world = World::new("");
    let labels = [ENABLED, ("health-monitor.port", "80")];
    world.composed("shop-web-1", "shop", "web", &labels);
    world.composed("shop-web-2", "shop", "web", &labels);
    world.composed(
        "shop-web-run-1",
        "shop",
        "web",
        &[ENABLED, (compose_labels::ONE_OFF, "True")],
    );
    // Made to take the place of the first.
    world.composed(
        "0123456789ab_shop-web-1",
        "shop",
        "web",
        &[
            labels[0],
            ("health-monitor.port", "81"),
            (compose_labels::REPLACE, "shop-web-1"),
        ],
    );
    assert_eq!(world.shown(), ["web tcp web:81"]);
    assert_eq!(world.found()[0].containers.len(), 3);
    let expected = Container::Discovered {
        project: Some("shop".to_owned()),
        name: "web".to_owned(),
    };
    assert_eq!(world.found()[0].defined.definition.spec.container, expected);
}

#[test]
fn two_services_of_one_name_are_told_apart() {
    let mut world = World::new("");
    world.composed("shop-db-1", "shop", "db", &[ENABLED]);
    world.composed("blog-db-1", "blog", "db", &[ENABLED]);
    world.has("DB", &[ENABLED]);
    let names: Vec<String> = world
        .found()
        .iter()
        .map(|found| found.defined.definition.spec.name.to_string())
        .collect();
    assert_eq!(names, ["db", "blog.db", "DB.000000000000"]);
}

#[test]
fn several_checks_stand_on_one_container() {
    let mut world = World::new("");
    world.has(
        "edge",
        &[
            ("health-monitor.1.check", "http"),
            ("health-monitor.1.port", "80"),
            ("health-monitor.2.check", "mqtt"),
            ("health-monitor.2.name", "broker"),
        ],
    );
    assert_eq!(
        world.shown(),
        ["edge-http http http://edge:80/", "broker mqtt edge:1883"]
    );
}

#[test]
fn a_stopped_container_stays_a_service() {
    let mut world = World::new("");
    world.has("web", &[ENABLED]).status = ContainerStatus::Exited;
    assert_eq!(world.shown(), ["web container -"]);
}

#[test]
fn disabled_is_disabled_whatever_else_is_said() {
    let mut world = World::new("[discovery]\ncontainers = \"running\"\n");
    world.has(
        "web",
        &[("health-monitor.enable", "false"), ("health-monitor.check", "http")],
    );
    assert_eq!(world.shown(), [""; 0]);
}

#[test]
fn all_that_run_or_all_of_a_project() {
    for (setting, expected) in [
        ("labelled", vec![]),
        ("running", vec!["plain", "web", "other"]),
        ("project", vec!["web", "crashed"]),
        ("none", vec![]),
    ] {
        let mut world = World::new(&format!("[discovery]\ncontainers = \"{setting}\"\n"));
        world.has("plain", &[]);
        world.composed("shop-web-1", "shop", "web", &[]);
        world.composed("blog-web-1", "blog", "other", &[]);
        let migration = world.composed("shop-migrate-1", "shop", "migrate", &[]);
        (migration.status, migration.exit_code) = (ContainerStatus::Exited, Some(0));
        let crashed = world.composed("shop-crashed-1", "shop", "crashed", &[]);
        (crashed.status, crashed.exit_code) = (ContainerStatus::Exited, Some(137));
        let own = world.has("health-monitor", &[]);
        own.key.id = "own".into();
        let names: Vec<String> = world
            .found()
            .iter()
            .map(|found| found.defined.definition.spec.name.to_string())
            .collect();
        assert_eq!(names, expected, "{setting}");
    }
}

#[test]
fn a_job_whose_end_others_wait_for_is_no_service_unless_it_fails() {
    let mut world = World::new("[discovery]\ncontainers = \"project\"\n");
    let compose = "migrate:service_completed_successfully:false";
    world.composed("shop-web-1", "shop", "web", &[(compose_labels::DEPENDS_ON, compose)]);
    let job = world.composed("shop-migrate-1", "shop", "migrate", &[]).key.clone();
    for (status, exit_code, expected) in [
        (ContainerStatus::Running, None, &["web container -"][..]),
        (ContainerStatus::Exited, Some(0), &["web container -"]),
        (
            ContainerStatus::Exited,
            Some(3),
            &["web container -", "migrate container -"],
        ),
    ] {
        let migrate = Arc::make_mut(world.containers.get_mut(&job).unwrap());
        (migrate.status, migrate.exit_code) = (status, exit_code);
        assert_eq!(world.shown(), expected, "{status:?} {exit_code:?}");
    }
}

#[test]
fn a_job_stays_one_when_those_that_waited_for_it_are_made_anew_without_their_dependencies() {
    let mut world = World::new("[discovery]\ncontainers = \"project\"\n");
    let compose = "migrate:service_completed_successfully:false";
    let web = world.composed("shop-web-1", "shop", "web", &[(compose_labels::DEPENDS_ON, compose)]);
    let web = web.key.clone();
    let job = world.composed("shop-migrate-1", "shop", "migrate", &[]).key.clone();
    assert_eq!(world.shown(), ["web container -"], "it runs");
    let ended = |world: &mut World, exit_code| {
        let migrate = Arc::make_mut(world.containers.get_mut(&job).unwrap());
        (migrate.status, migrate.exit_code) = (ContainerStatus::Exited, Some(exit_code));
    };
    ended(&mut world, 0);
    Arc::make_mut(world.containers.get_mut(&web).unwrap()).labels = BTreeMap::from([
        (compose_labels::PROJECT.to_owned(), "shop".to_owned()),
        (compose_labels::SERVICE.to_owned(), "web".to_owned()),
    ]);
    assert_eq!(world.shown(), ["web container -"], "it ended well");
    let known = std::mem::take(&mut world.remembered);
    assert_eq!(world.shown(), ["web container -"], "a monitor that never saw it run");
    world.remembered = known;
    ended(&mut world, 1);
    assert_eq!(world.shown(), ["web container -", "migrate container -"], "it failed");
    ended(&mut world, 0);
    let migrate = world.containers.remove(&job).unwrap();
    assert_eq!(world.shown(), ["web container -"], "it is removed, and forgotten");
    let again = ContainerState {
        status: ContainerStatus::Running,
        ..ContainerState::clone(&migrate)
    };
    world.containers.insert(job.clone(), Arc::new(again));
    assert_eq!(world.shown(), ["web container -", "migrate container -"]);
}

#[test]
fn a_service_whose_replicas_are_all_made_anew_stays() {
    let mut world = World::new("[discovery]\ncontainers = \"project\"\n");
    let replaces = [(compose_labels::REPLACE, "shop-web-1")];
    for (labels, expected) in [(&[][..], &[][..]), (&replaces, &["web container -"])] {
        world.containers.clear();
        world.composed("new", "shop", "web", labels).status = ContainerStatus::Created;
        assert_eq!(world.shown(), expected);
    }
}

#[test]
fn what_ran_once_stays_until_it_is_removed() {
    let mut world = World::new("[discovery]\ncontainers = \"running\"\n");
    let key = world.has("web", &[]).key.clone();
    assert_eq!(world.shown(), ["web container -"]);
    Arc::make_mut(world.containers.get_mut(&key).unwrap()).status = ContainerStatus::Exited;
    assert_eq!(world.shown(), ["web container -"]);
    // Another of its name is not the one that ran.
    world.containers.clear();
    world.has("db", &[]);
    world.has("web", &[]).status = ContainerStatus::Exited;
    assert_eq!(world.shown(), ["db container -"]);
}

#[test]
fn dependencies_come_from_labels_or_from_compose() {
    let mut world = World::new("");
    let compose = "db:service_healthy:false,migrate:service_completed_successfully:false";
    world.composed(
        "shop-web-1",
        "shop",
        "web",
        &[ENABLED, (compose_labels::DEPENDS_ON, compose)],
    );
    world.composed(
        "shop-api-1",
        "shop",
        "api",
        &[
            ("health-monitor.depends-on", "cache, web"),
            (compose_labels::DEPENDS_ON, compose),
        ],
    );
    let needs: Vec<Vec<String>> = world
        .found()
        .iter()
        .map(|found| {
            found
                .defined
                .definition
                .spec
                .depends_on
                .iter()
                .map(ToString::to_string)
                .collect()
        })
        .collect();
    assert_eq!(needs, [vec!["db"], vec!["cache", "web"]]);
}

#[test]
fn mistakes_leave_the_containers_state() {
    for (labels, expected) in [
        (
            vec![("health-monitor.intervall", "5s")],
            "label health-monitor.intervall of container web is not known; did you mean 'interval'?",
        ),
        (vec![("health-monitor.enabled", "true")], "did you mean 'enable'?"),
        (
            vec![("health-monitor.interval", "5")],
            "label health-monitor.interval of container web: services.web.interval must be a time with its unit",
        ),
        (
            vec![("health-monitor.check", "htpp")],
            "label health-monitor.check of container web must be one of container, http",
        ),
        (
            vec![("health-monitor.check", "http"), ("health-monitor.port", "http")],
            "label health-monitor.port must be a port",
        ),
        (
            vec![("health-monitor.port", "80"), ("health-monitor.address", "web:81")],
            "contradict each other",
        ),
        (
            vec![
                ("health-monitor.check", "tcp"),
                ("health-monitor.port", "80"),
                ("health-monitor.method", "GET"),
            ],
            "is not for check \"tcp\"; \"http\" has it",
        ),
        (
            vec![
                ("health-monitor.check", "postgres"),
                ("health-monitor.password", "hunter2"),
            ],
            "must not hold a secret",
        ),
        (
            vec![
                ("health-monitor.check", "postgres"),
                ("health-monitor.password-file", "/etc/shadow"),
            ],
            "must be a file below /run/secrets",
        ),
        (
            vec![
                ("health-monitor.check", "postgres"),
                ("health-monitor.password-file", "../../etc/shadow"),
            ],
            "must be a file below /run/secrets",
        ),
        (
            vec![("health-monitor.name", "the web")],
            "'the web' is not a service name",
        ),
        (vec![("health-monitor.1", "http")], "has a number and no key"),
        (vec![("health-monitor.enable", "on")], "must be true or false"),
        (
            vec![("health-monitor.timeout", "20s"), ("health-monitor.interval", "10s")],
            "must be shorter than its interval",
        ),
        (vec![("health-monitor.container", "other")], "is not for labels"),
        (
            vec![("health-monitor.path", "health"), ("health-monitor.port", "80")],
            "must begin with /",
        ),
    ] {
        let mut world = World::new("");
        world.has("web", &labels);
        let problems = world.problems();
        assert_eq!(problems.len(), 1, "{labels:?}: {problems:?}");
        assert!(problems[0].contains(expected), "{labels:?}: {problems:?}");
        assert!(!problems[0].contains("hunter2"), "{problems:?}");
        assert_eq!(world.shown(), ["web container -"], "{labels:?}");
    }
}
