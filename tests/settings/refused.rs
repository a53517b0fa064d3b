//! Wrong files, each with its message.

use std::fs;
use std::path::Path;

use crate::{files, load_file};

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
