use std::fs;

use health_monitor_actors::model::{ContainerKey, ContainerState, ContainerStatus};
use tempfile::TempDir;

use super::*;
use crate::discovery::Remembered;
use crate::settings::Sources;

struct World {
    settings: Settings,
    containers: BTreeMap<ContainerKey, Arc<ContainerState>>,
}

impl World {
    fn new(configuration: Option<&str>) -> Self {
        let folder = TempDir::new().unwrap();
        let file = configuration.map(|text| {
            let file = folder.path().join("monitor.toml");
            fs::write(&file, text).unwrap();
            file
        });
        let sources = Sources {
            file,
            ..Sources::default()
        };
        Self {
            settings: Settings::load(&sources).unwrap(),
            containers: BTreeMap::new(),
        }
    }

    fn has(mut self, name: &str, labels: &[(&str, &str)]) -> Self {
        let key = ContainerKey {
            engine: "local".into(),
            id: format!("{:064x}", self.containers.len()).into(),
        };
        let mut container = ContainerState::new(key.clone(), name, ContainerStatus::Running);
        container.labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        self.containers.insert(key, Arc::new(container));
        self
    }

    fn plan(&self) -> Plan {
        let scene = Scene {
            settings: &self.settings,
            containers: &self.containers,
            remembered: &Remembered::default(),
            own_id: None,
            project: None,
        };
        plan(&scene, &configured(&self.settings))
    }
}

fn origins(plan: &Plan) -> Vec<String> {
    plan.services
        .iter()
        .map(|(name, watched)| format!("{name} {}", watched.origin.as_str()))
        .collect()
}

const TCP: [(&str, &str); 2] = [("health-monitor.check", "tcp"), ("health-monitor.port", "80")];

#[test]
fn the_file_wins_over_labels_by_name_and_by_container() {
    let world = World::new(Some(
        "[services.web]\ncheck = \"container\"\n[services.store]\ncheck = \"container\"\ncontainer = \"db\"\n",
    ));
    let plan = world.has("web", &TCP).has("db", &TCP).has("cache", &TCP).plan();
    assert_eq!(origins(&plan), ["cache label", "store file", "web file"]);
    let notes = &plan.services["web"].notes;
    assert_eq!(
        notes,
        &["the labels of container web are not used: the file defines this service"]
    );
    assert_eq!(plan.services["store"].notes.len(), 1);
    assert!(
        plan.services["store"]
            .origin
            .place()
            .unwrap()
            .ends_with("monitor.toml:3")
    );
}

#[test]
fn labels_win_over_the_built_in_services() {
    let plan = World::new(None).has("kafka", &TCP).plan();
    assert_eq!(plan.services.len(), 9);
    assert_eq!(plan.services["kafka"].origin, Origin::Label("kafka".to_owned()));
    assert_eq!(plan.services["kafka"].definition.spec.check, "tcp");
    assert_eq!(plan.services["postgres"].origin, Origin::BuiltIn);
}

#[test]
fn whoever_says_what_to_discover_does_without_the_built_in_services() {
    let plan = World::new(Some("[discovery]\ncontainers = \"running\"\n"))
        .has("app", &[])
        .plan();
    assert_eq!(origins(&plan), ["app container"]);
}

#[test]
fn dependencies_that_make_no_sense_are_left_out_and_told() {
    let needs = |names: &'static str| [("health-monitor.depends-on", names)];
    let plan = World::new(Some("[services.base]\ncheck = \"container\"\n"))
        .has("a", &needs("BASE,nobody"))
        .has("b", &needs("c"))
        .has("c", &needs("b"))
        .has("d", &needs("d"))
        .plan();
    let of = |name: &str| {
        let spec = &plan.services[name].definition.spec;
        spec.depends_on.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(of("a"), ["base"]);
    assert_eq!(
        plan.services["a"].problems,
        ["a depends on 'nobody', which is not watched"]
    );
    assert_eq!((of("b"), of("c")), (vec![], vec!["b".to_owned()]));
    assert_eq!(
        plan.services["b"].problems,
        ["the dependencies of b lead back to it; they are left out"]
    );
    assert_eq!(plan.services["d"].problems, ["d cannot depend on itself"]);
}

#[test]
fn windows_hold_for_discovered_services_too() {
    let world = World::new(Some(
        "[services]\n[maintenance.nightly]\nservices = [\"APP\", \"gone\"]\nstart = \"02:00\"\nfor = \"1h\"\n",
    ));
    let plan = world.has("app", &TCP).has("other", &TCP).plan();
    assert_eq!(plan.services["app"].definition.spec.maintenance.len(), 1);
    assert_eq!(plan.services["other"].definition.spec.maintenance.len(), 0);
    assert_eq!(
        plan.idle_windows,
        ["maintenance.nightly names 'gone', which is not watched"]
    );
}

#[test]
fn what_has_not_changed_is_like_itself() {
    let world = World::new(Some("[services.web]\ncheck = \"tcp\"\naddress = \"web:80\"\n")).has("app", &TCP);
    let (one, other) = (world.plan(), world.plan());
    for (name, watched) in &one.services {
        assert!(watched.definition.is_like(&other.services[name].definition), "{name}");
    }
}
