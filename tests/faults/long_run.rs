//! A long time in compressed form: two monitors with intervals of 1 s, one fault at random after the other, and what their
//! processes hold between faults. First comes every fault once. From then on, and from a twelfth of the time on (minute 5
//! of an hour), all of it must be flat within 5 %.
//!
//! `LONG_RUN` is how long it takes (an hour unless told otherwise), `LONG_RUN_SEED` repeats the faults of another run. Every
//! sample is a line of `long-run.jsonl` in cargo's folder of test output, as soon as it is taken.

mod samples;
mod weather;

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use health_monitor::settings::duration;
use health_monitor_test_support::stack::SERVICES;
use health_monitor_test_support::stack::wait::seconds;
use serde::Serialize;
use tokio::time::Instant;

use crate::fault::{Fault, Scene};
use samples::{Course, FIGURES, Held};
use weather::Weather;

const GROUP: &str = "long run";

/// How long it takes unless told otherwise.
const HOUR: Duration = seconds(3_600);

/// The share of the time after which everything must be flat.
const WARM_UP: u32 = 12;

pub(crate) fn faults() -> Vec<Fault> {
    vec![Fault::new(GROUP, "faults at random, nothing grows", long_run).touching(&SERVICES)]
}

/// A line of the file.
#[derive(Serialize)]
struct Sample<'a> {
    /// Seconds since the start.
    at: f64,
    /// The fault before it.
    after: &'a str,
    monitor: Held,
    misbehaving: Held,
}

async fn long_run(scene: Scene) {
    let length = match std::env::var("LONG_RUN") {
        Ok(text) => duration::parse(&text).expect("LONG_RUN is a time with its unit, such as 90s or 1h"),
        Err(_) => HOUR,
    };
    let seed = match std::env::var("LONG_RUN_SEED") {
        Ok(text) => text.parse().expect("LONG_RUN_SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    scene.saw(format!("{} of faults at random, seed {seed}", duration::format(length)));
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("long-run.jsonl");
    println!("samples: {} (seed {seed})", file.display());
    let mut file = File::create(file).expect("the folder of test output is writable");

    let mut weather = Weather::start(seed).await;
    let began = Instant::now();
    let mut rounds = 0;
    let mut samples: Vec<(f64, Held, Held)> = Vec::new();
    while began.elapsed() < length {
        let after = weather.fault().await;
        weather.calm().await;
        let monitor = Held::by(weather.monitor.pid()).await;
        let misbehaving = Held::by(weather.misbehaving.pid()).await;
        let at = began.elapsed().as_secs_f64();
        let sample = Sample {
            at,
            after: &after,
            monitor,
            misbehaving,
        };
        let line = serde_json::to_string(&sample).expect("numbers and a text");
        writeln!(file, "{line}").expect("the folder of test output is writable");
        rounds += 1;
        if weather.has_seen_all() && at >= length.as_secs_f64() / f64::from(WARM_UP) {
            samples.push((at, monitor, misbehaving));
        }
    }
    weather.tell(&scene);
    let since = samples.first().map_or(0.0, |(at, _, _)| *at);
    scene.saw(format!(
        "{rounds} faults, {} samples that count, from {since:.0} s on",
        samples.len()
    ));
    let mut grown = Vec::new();
    for figure in &FIGURES {
        let monitor: Vec<&Held> = samples.iter().map(|(_, held, _)| held).collect();
        let misbehaving: Vec<&Held> = samples.iter().map(|(_, _, held)| held).collect();
        for (whose, samples) in [("", monitor), (", misbehaving", misbehaving)] {
            let course = Course::of(figure, &samples);
            let told = format!("{}{whose}: {}", figure.name, course.told());
            if !course.is_flat() {
                grown.push(told.clone());
            }
            scene.saw(told);
        }
    }
    assert!(grown.is_empty(), "not flat: {}", grown.join("; "));
}
