//! What README.md and `docs/` say is true: every configuration in them is valid, every command in them exists and those that
//! show an answer get that answer, every table is complete, every link leads somewhere.
//!
//! Of a fenced block, the language says how it is tested:
//!
//! - `toml`, `yaml`: a whole configuration of the monitor, for `health-monitor validate`.
//! - `yaml compose`: a Compose file, for `docker compose config`. `yaml prometheus`: one for `promtool check config`.
//! - `console`: commands after `$`, each with its answer. The command is run, against a monitor that was started for it, and
//!   must answer so; `…` stands for whatever is left out or differs from one time to the next. Of a JSON document the keys and
//!   types must agree. `console stack`: answers of the demo's stack; its monitor is asked where the stack is up.
//! - `bash`: commands without an answer. They are not run, unless they only ask the monitor: what they name must exist.
//! - `text`: a drawing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod answers;
mod blocks;
mod commands;
mod monitor;
mod tables;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use blocks::{Block, blocks};
use commands::Shell;
use monitor::Monitor;
use tempfile::TempDir;

/// The root of the project.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md and everything below `docs/`, by their paths from the root.
fn documents() -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("README.md")];
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(document: &Path) -> String {
    fs::read_to_string(root().join(document)).unwrap()
}

fn all_blocks() -> Vec<Block> {
    documents()
        .iter()
        .flat_map(|document| blocks(document, &read(document)))
        .collect()
}

/// Runs every block through `test`, and fails with everything that any of them found wrong.
fn each(languages: &[&str], test: impl Fn(&Block) -> Vec<String>) {
    let blocks = all_blocks();
    let tested: Vec<&Block> = blocks
        .iter()
        .filter(|block| languages.contains(&block.language.as_str()))
        .collect();
    assert!(!tested.is_empty(), "no block of {languages:?} was found");
    let problems: Vec<String> = tested
        .iter()
        .flat_map(|block| {
            let problems = test(block);
            problems
                .into_iter()
                .map(|problem| format!("{}: {problem}", block.place()))
        })
        .collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A variable of the environment, else of the stack's description, which lies beside cargo's own output.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().or_else(|| {
        let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        let description = fs::read_to_string(root().join(target).join("demo/test.env")).ok()?;
        let mut pairs = description.lines().filter_map(|line| line.split_once('='));
        pairs
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.to_owned())
    })
}

/// The docker client, with the plugins that were unpacked for the stack where it has none of its own.
fn docker() -> Command {
    let mut docker = Command::new("docker");
    if let Some(folder) = variable("DOCKER_CONFIG") {
        docker.env("DOCKER_CONFIG", folder);
    }
    docker
}

/// What a program says where it fails, or that it cannot be started.
fn failure_of(command: &mut Command) -> Option<String> {
    match command.output() {
        Ok(Output { status, .. }) if status.success() => None,
        Ok(Output { stdout, stderr, .. }) => Some(format!("{}{}", text(&stdout), text(&stderr))),
        Err(error) => Some(format!(
            "{} cannot be started: {error}",
            command.get_program().display()
        )),
    }
}

#[test]
fn every_block_says_how_it_is_tested() {
    let known = ["toml", "yaml", "console", "bash", "text"];
    for block in all_blocks() {
        assert!(
            known.contains(&block.language.as_str()),
            "{}: a block of '{}' is not tested; there are {known:?}",
            block.place(),
            block.language
        );
    }
}

#[test]
fn every_configuration_is_valid() {
    each(&["toml", "yaml"], |block| {
        let folder = TempDir::new().unwrap();
        match (block.language.as_str(), block.info.as_str()) {
            (_, "") => monitor::validate(block, &folder),
            ("yaml", "compose") => {
                if failure_of(docker().args(["compose", "version"])).is_some() {
                    return vec!["docker compose is needed (make stack-up sees to it)".to_owned()];
                }
                let file = folder.path().join("compose.yaml");
                fs::write(&file, &block.text).unwrap();
                let mut compose = docker();
                compose
                    .args(["compose", "--file"])
                    .arg(&file)
                    .args(["config", "--quiet"]);
                compose.env("DOCKER_GID", "999").env("HEALTH_MONITOR", root());
                failure_of(&mut compose).into_iter().collect()
            }
            ("yaml", "prometheus") => {
                let file = folder.path().join("prometheus.yml");
                fs::write(&file, &block.text).unwrap();
                failure_of(
                    Command::new("promtool")
                        .args(["check", "config", "--syntax-only"])
                        .arg(&file),
                )
                .into_iter()
                .collect()
            }
            (language, info) => vec![format!("'{language} {info}' is not known")],
        }
    });
}

#[test]
fn every_command_exists() {
    let monitor = Monitor::start();
    let shell = Shell::new(&monitor);
    each(&["bash"], |block| {
        let commands = block.commands();
        commands
            .iter()
            .filter_map(|command| shell.check(command).err())
            .collect()
    });
}

#[test]
fn every_answer_is_the_one_that_is_shown() {
    let monitor = Monitor::start();
    each(&["console"], |block| {
        let asked = match block.info.as_str() {
            "" => Shell::new(&monitor),
            "stack" => match Shell::of_stack() {
                Some(shell) => shell,
                None => {
                    println!(
                        "{}: not run, because the stack is not up (make stack-up)",
                        block.place()
                    );
                    return Vec::new();
                }
            },
            other => return vec![format!("'console {other}' is not known")],
        };
        let problems = || -> Vec<String> {
            let dialogue = block.dialogue();
            let problems = dialogue.iter().filter_map(|(command, expected)| {
                let problem = asked
                    .run(command)
                    .and_then(|actual| answers::compare(expected, &actual));
                problem.err().map(|problem| format!("$ {command}\n{problem}"))
            });
            problems.collect()
        };
        // Somebody may be working on the stack: it has time to come back.
        let attempts = if block.info == "stack" { 20 } else { 1 };
        let mut found = problems();
        for _ in 1..attempts {
            if found.is_empty() {
                break;
            }
            monitor::pause(Duration::from_secs(1));
            found = problems();
        }
        found
    });
}

#[test]
fn every_link_leads_somewhere() {
    for document in documents() {
        let folder = document.parent().unwrap_or(Path::new(""));
        for link in blocks::links(&read(&document)) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() {
                document.clone()
            } else {
                folder.join(file)
            };
            assert!(
                root().join(&target).exists(),
                "{}: '{link}' does not exist",
                document.display()
            );
            let is_there = anchor.is_empty() || blocks::anchors(&read(&target)).iter().any(|known| known == anchor);
            assert!(
                is_there,
                "{}: no heading of {} is '#{anchor}'",
                document.display(),
                target.display()
            );
        }
    }
}
