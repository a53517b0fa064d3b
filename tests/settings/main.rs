//! The configuration as people meet it: defaults, files, variables, and what is said of wrong ones.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod defaults;
mod editors;
mod layers;
mod maintenance;
mod refused;
mod secrets;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use health_monitor::settings::{ServiceDefinition, Settings, Sources};
use tempfile::TempDir;

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
