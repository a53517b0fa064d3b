//! The configuration, whatever is in it: valid settings, or an error that names a place.

use std::collections::BTreeMap;
use std::fs;

use tempfile::TempDir;

use super::*;

pub(crate) fn toml(text: &[u8]) {
    load("test.toml", text);
}

pub(crate) fn yaml(text: &[u8]) {
    load("test.yaml", text);
}

fn load(name: &str, text: &[u8]) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join(name);
    fs::write(&file, text).unwrap();
    let sources = Sources {
        file: Some(file),
        environment: BTreeMap::from([("HOST".to_owned(), "kafka".to_owned())]),
        ..Sources::default()
    };
    if let Err(error) = Settings::load(&sources) {
        let error = error.to_string();
        assert!(error.contains(name), "an error that names no place: {error}");
    }
    // Whatever else is wrong, a look at these must not break either.
    let _is_known = (
        Settings::server_of(&sources).is_ok(),
        Settings::docker_of(&sources).is_ok(),
    );
}

pub(crate) fn expansion(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let environment = [("HOST", "kafka"), ("EMPTY", ""), ("A", "${HOST}")];
    let environment: BTreeMap<String, String> = environment
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    match expand::expand(&text, &environment) {
        Ok(None) => assert!(!text.contains("${")),
        Ok(Some(expanded)) => assert!(text.contains("${") && expanded.len() <= text.len() * 8),
        Err(problem) => assert!(problem.contains("${"), "an error without a remedy: {problem}"),
    }
}

pub(crate) fn duration(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    if let Some(parsed) = duration::parse(&text) {
        let written = duration::format(parsed);
        assert_eq!(
            duration::parse(&written),
            Some(parsed),
            "{text:?} is written as {written:?}"
        );
        assert!(parsed <= std::time::Duration::from_secs(3_650 * 86_400));
    }
}
