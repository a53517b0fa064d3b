//! Feeds whatever reads bytes of others with a small corpus and with what chance makes of it.
//!
//! Each target has a folder `tests/fixtures/corpus/<name>`, mostly of real answers of an engine and of servers. In the tests
//! a fixed number of mutations of it is tried, always the same ones. `make fuzz` goes on for `FUZZ_SECONDS`, from another
//! seed each time, which it prints. An input that breaks a target is left in its folder as `found-…`, so that every later
//! run tries it first.
//!
//! A target panics where a property does not hold; that it must not panic otherwise, end the process, hang or need memory
//! beyond what it read goes for all of them.

mod mutate;

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use crate::{checks, discovery, docker, metrics, settings};
use mutate::Mutator;

/// The seed of the tests, which are to be the same every time.
const SEED: u64 = 42;

/// How long a run goes on where it is not bounded by a number of cases, in seconds.
const TIME: &str = "FUZZ_SECONDS";

/// The seed of such a run; chance chooses one where it is not set.
const SEED_OF_RUN: &str = "FUZZ_SEED";

/// Something that reads bytes of others.
struct Target {
    /// Its name, and its folder in the corpus.
    name: &'static str,
    /// How many mutations are tried in the tests.
    cases: usize,
    /// Reads an input; panics where a property does not hold.
    read: fn(&[u8]),
}

macro_rules! targets {
    ($($test:ident: $name:literal, $cases:literal, $read:path;)*) => {
        /// Every target.
        static TARGETS: &[Target] = &[$(Target { name: $name, cases: $cases, read: $read }),*];

        $(
            #[test]
            fn $test() {
                follow($name);
            }
        )*
    };
}

targets! {
    inspect_answers_of_an_engine: "docker-inspect", 3_000, docker::fuzz::inspect;
    lists_of_an_engine: "docker-list", 3_000, docker::fuzz::list;
    stats_of_an_engine: "docker-stats", 3_000, docker::fuzz::stats;
    versions_of_an_engine: "docker-version", 3_000, docker::fuzz::version;
    events_of_an_engine: "docker-events", 3_000, docker::fuzz::events;
    what_comes_over_an_engines_socket: "docker-wire", 150, docker::fuzz::wire;
    answers_to_srvr: "zookeeper-srvr", 300, checks::fuzz::zookeeper_srvr;
    zookeeper_sessions: "zookeeper-session", 200, checks::fuzz::zookeeper_session;
    http_answers: "http", 300, checks::fuzz::http;
    mqtt_packets: "mqtt", 300, checks::fuzz::mqtt;
    postgres_messages: "postgres", 300, checks::fuzz::postgres;
    configuration_in_toml: "settings-toml", 500, settings::fuzz::toml;
    configuration_in_yaml: "settings-yaml", 500, settings::fuzz::yaml;
    variables_in_values: "expansion", 10_000, settings::fuzz::expansion;
    durations: "duration", 10_000, settings::fuzz::duration;
    labels_of_containers: "container-labels", 3_000, discovery::fuzz::labels;
    secrets_in_texts: "secrets", 1_500, docker::fuzz::secrets;
    label_values: "labels", 5_000, metrics::fuzz::labels;
}

/// Reads the corpus of a target, then mutations of it.
fn follow(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let corpus = corpus(target.name);
    for input in &corpus {
        read(target, input);
    }
    let seconds: Option<f64> = env::var(TIME).ok().map(|text| text.parse().unwrap());
    let seed = match (seconds, env::var(SEED_OF_RUN)) {
        (None, _) => SEED,
        (Some(_), Ok(seed)) => seed.parse().unwrap(),
        (Some(_), Err(_)) => fastrand::u64(..),
    };
    let mut mutator = Mutator::new(seed, &corpus);
    let began = Instant::now();
    let mut cases = 0;
    let goes_on = |cases: usize| match seconds {
        None => cases < target.cases,
        Some(seconds) => began.elapsed() < Duration::from_secs_f64(seconds / TARGETS.len() as f64),
    };
    while goes_on(cases) {
        let input = mutator.next();
        if seconds.is_some() {
            // What ends the process, as an overflown stack does, can be found here.
            fs::write(last_input(target), &input).unwrap();
        }
        read(target, &input);
        cases += 1;
    }
    println!("{name}: {cases} cases in {:.1?} from seed {seed}", began.elapsed());
}

/// Has the target read an input. One that breaks it is left in the corpus.
fn read(target: &Target, input: &[u8]) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.read)(input))) else {
        return;
    };
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let file = folder(target.name).join(format!("found-{:016x}", hasher.finish()));
    fs::write(&file, input).unwrap();
    eprintln!("'{}' is broken by {}", target.name, file.display());
    resume_unwind(panic);
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/corpus")
        .join(name)
}

fn last_input(target: &Target) -> PathBuf {
    env::temp_dir().join(format!("health-monitor-fuzz-{}-{}", std::process::id(), target.name))
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "the corpus of '{name}' is empty");
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

#[test]
fn every_folder_of_the_corpus_has_its_target() {
    let folders = fs::read_dir(folder("")).unwrap();
    let mut folders: Vec<String> = folders
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    folders.sort();
    names.sort_unstable();
    assert_eq!(folders, names);
}
