//! Whatever stands in a container's labels: everybody who may start a container writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use health_monitor_actors::model::{ContainerKey, ContainerState, ContainerStatus};

use super::{Remembered, Scene, discover};
use crate::settings::labels::PREFIX;
use crate::settings::{Settings, Sources};

/// What stands for a secret in the corpus.
const PLANTED: &str = "hunter2-planted";

/// One label a line, its name before the first `=`.
pub(crate) fn labels(bytes: &[u8]) {
    static SETTINGS: LazyLock<Settings> = LazyLock::new(|| Settings::load(&Sources::default()).unwrap());
    let text = String::from_utf8_lossy(bytes);
    let labels: BTreeMap<String, String> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    // Moved to where a name or a port is said, it is no secret, and shown as what it is.
    let is_planted = |text: &str| text.contains(PLANTED);
    let is_secret = labels
        .iter()
        .all(|(name, value)| !is_planted(name) && (!is_planted(value) || name.ends_with(".password")));
    let key = ContainerKey {
        engine: "local".into(),
        id: "f".repeat(64).into(),
    };
    let mut container = ContainerState::new(key.clone(), "web", ContainerStatus::Running);
    container.labels = labels;
    let containers = BTreeMap::from([(key, Arc::new(container))]);
    let found = discover(&Scene {
        settings: &SETTINGS,
        containers: &containers,
        remembered: &Remembered::default(),
        own_id: None,
        project: None,
    });
    let mut names = BTreeSet::new();
    for found in found {
        let defined = &found.defined;
        let spec = &defined.definition.spec;
        assert!(
            names.insert(spec.name.folded()),
            "two services are called {}",
            spec.name
        );
        assert!(spec.timeout < spec.interval, "{}: {:?}", spec.name, spec.timeout);
        if !defined.problems.is_empty() {
            assert_eq!(spec.check, "container", "{:?}", defined.problems);
        }
        for problem in &defined.problems {
            assert!(!is_secret || !is_planted(problem), "{problem}");
            assert!(problem.contains("web"), "it does not name the container: {problem}");
        }
        for effective in &defined.effective {
            let is_secret = effective.path.names().last().is_some_and(|key| key == "password");
            assert!(!is_secret || effective.value == "***", "{effective:?}");
        }
        // What a label reads is below one folder.
        assert!(
            defined.files.iter().all(|file| file.starts_with("/run/secrets")),
            "{:?}",
            defined.files
        );
        assert!(text.contains(PREFIX.trim_end_matches('.')));
    }
}
