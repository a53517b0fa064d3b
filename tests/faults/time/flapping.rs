//! Services that come and go by a script, counted where they are asked: cycles and their attempts, the pauses of retries and
//! of the breaker, and who is said to be flapping.

use std::time::Duration;

use fastrand::Rng;
use health_monitor_test_support::exposition::Exposition;
use health_monitor_test_support::local::{Launch, LocalMonitor};
use health_monitor_test_support::stack::wait::{seconds, until};
use tokio::time::{Instant, sleep};

use super::GROUP;
use super::cycles::{ATTEMPTS, Cycle, cycles_of};
use super::histogram::Histogram;
use crate::configuration;
use crate::fault::{Fault, Scene};
use crate::listener::{ANSWERS_AFTER, Listener, Mode};

/// What each service is configured with. Every retry begins within the first half of the timeout, even after the longest
/// pauses.
const DEFAULTS: &str = "[defaults]\ninterval = \"1s\"\ntimeout = \"900ms\"\nretries = 2\nretry_backoff = \"80ms\"\nretry_backoff_max = \"160ms\"\nretry_interval = \"1s\"\n[docker]\nenabled = false\n";
const RETRY_PAUSES: [Duration; ATTEMPTS - 1] = [Duration::from_millis(80), Duration::from_millis(160)];

/// Failing cycles in a row that open the breaker, and the pause before each trial, to a fifth more or less.
const OPENS_AFTER: u32 = 5;
const TRIAL_PAUSES: [Duration; 3] = [seconds(15), seconds(30), seconds(60)];
const TRIAL_JITTER: f64 = 0.2;

/// A pause that no closed breaker makes: longer than several intervals.
const NO_CYCLE: Duration = seconds(6);

/// What a busy machine may add to a pause.
const LATE: Duration = seconds(1);

/// Services, of which some change fast and some not at all.
const SERVICES: usize = 200;
const FAST: usize = 10;
const STEADY: usize = 10;

/// Cycles to be seen of all of them, and the longest that this may take.
const CYCLES: usize = 10_000;
const LIMIT: Duration = seconds(400);

pub(super) fn faults() -> Vec<Fault> {
    vec![Fault::new(
        GROUP,
        "10,000 cycles of services that come and go",
        come_and_go,
    )]
}

async fn come_and_go(scene: Scene) {
    let seed = fastrand::u64(..);
    let ports = configuration::listeners("port", SERVICES).await;
    let monitor = Launch::of(env!("CARGO_BIN_EXE_health-monitor"))
        .start(&format!("{DEFAULTS}{}", configuration::of_listeners(&ports, "")))
        .await;
    let began = Instant::now();
    let script = async {
        let scripts = ports[..SERVICES - STEADY].iter().enumerate().map(|(number, port)| {
            let rng = Rng::with_seed(seed.wrapping_add(number as u64));
            script(port, rng, number < FAST)
        });
        futures_util::future::join_all(scripts).await;
    };
    let enough = async {
        let count = || ports.iter().map(|port| cycles_of(port).len()).sum::<usize>();
        while count() < CYCLES && began.elapsed() < LIMIT {
            sleep(seconds(5)).await;
        }
    };
    tokio::select! {
        () = script => {}
        () = enough => {}
    }
    flapping_is_told(&scene, &monitor, &ports).await;
    for port in &ports {
        port.set(Mode::Up);
    }
    crate::watch::all_healthy(&monitor, seconds(120)).await;
    let counted = counted_alike(&monitor, &ports).await;
    scene.saw_after(
        began,
        format!(
            "{counted} cycles of {SERVICES} services, counted alike by the monitor and by whom it asked (seed {seed})"
        ),
    );
    assert!(counted >= CYCLES, "{counted} cycles");
    assert!(
        ports.iter().all(|port| port.most_at_once() == 1),
        "a check ran twice at once"
    );
    scene.saw("no service was ever asked by two checks at once");
    attempts_are_right(&scene, &ports);
    breakers_are_right(&scene, &ports);
}

/// Up and down by turns: most for seconds, some faster than the breaker, for ever.
async fn script(port: &Listener, mut rng: Rng, is_fast: bool) {
    let (up, down) = if is_fast {
        (1_500..2_500, 2_500..3_500)
    } else {
        (3_000..12_000, 1_000..40_000)
    };
    loop {
        sleep(Duration::from_millis(rng.u64(up.clone()))).await;
        port.set(Mode::Resets);
        sleep(Duration::from_millis(rng.u64(down.clone()))).await;
        port.set(Mode::Up);
    }
}

/// Those that change fast are flapping, those that do not change are not.
async fn flapping_is_told(scene: &Scene, monitor: &LocalMonitor, ports: &[Listener]) {
    let (_, text) = monitor.try_get("/metrics").await.expect("an answer");
    let exposition = Exposition::parse(&text);
    let is_flapping = |port: &&Listener| exposition.value("service_flapping", &[("service", &port.name)]) == Some(1.0);
    let fast = ports[..FAST].iter().filter(is_flapping).count();
    let steady = ports[SERVICES - STEADY..].iter().filter(is_flapping).count();
    let all = ports.iter().filter(is_flapping).count();
    scene.saw(format!("flapping: {fast} of {FAST} that change every few seconds, {steady} of {STEADY} that do not change, {all} of all"));
    assert_eq!(
        (fast, steady),
        (FAST, 0),
        "of those that change fast and those that do not"
    );
}

/// Every cycle, passed or failed, is in the monitor's counters.
async fn counted_alike(monitor: &LocalMonitor, ports: &[Listener]) -> usize {
    // Between two cycles of each service; one that is under way is counted a moment later.
    until("the same counts", seconds(60), async || {
        let (_, text) = monitor.try_get("/metrics").await.map_err(|error| error.to_string())?;
        let exposition = Exposition::parse(&text);
        let mut all = 0;
        for port in ports {
            let cycles = cycles_of(port);
            let passed = cycles.iter().filter(|cycle| cycle.has_passed).count();
            let count = |name: &str| exposition.value(name, &[("service", &port.name)]).unwrap_or_default() as usize;
            let told = (count("health_check_success_total"), count("health_check_failure_total"));
            let seen = (passed, cycles.len() - passed);
            if told.0.abs_diff(seen.0) > 1 || told.1 != seen.1 {
                return Err(format!("{}: {told:?} told, {seen:?} seen (passed, failed)", port.name));
            }
            all += seen.0 + seen.1;
        }
        Ok(all)
    })
    .await
}

/// A cycle that passes at first makes one attempt, one that fails all of them, a trial and a first cycle one.
fn attempts_are_right(scene: &Scene, ports: &[Listener]) {
    let mut pauses: [Vec<Duration>; ATTEMPTS - 1] = Default::default();
    let (mut whole, mut cut_short) = (0, 0);
    for port in ports {
        let cycles = cycles_of(port);
        for (number, cycle) in cycles.iter().enumerate() {
            for (pauses, pair) in pauses.iter_mut().zip(cycle.attempts.windows(2)) {
                pauses.push((pair[1] - pair[0]).saturating_sub(ANSWERS_AFTER));
            }
            if !cycle.has_passed && !is_trial(&cycles, number) && number > 0 {
                // A retry that comes late is not made, where the machine was busy.
                *(if cycle.attempts.len() == ATTEMPTS {
                    &mut whole
                } else {
                    &mut cut_short
                }) += 1;
            }
        }
    }
    scene.saw(format!(
        "failing cycles: {whole} with {ATTEMPTS} attempts, {cut_short} with fewer"
    ));
    assert!(
        cut_short * 20 <= whole,
        "{cut_short} of {whole} failing cycles made fewer attempts"
    );
    for (number, (pauses, bound)) in pauses.into_iter().zip(RETRY_PAUSES).enumerate() {
        let histogram = Histogram::of(&pauses, Duration::ZERO, bound);
        scene.saw(format!("pauses before retry {}, {}", number + 1, histogram.told()));
        histogram.assert_spread();
    }
}

/// The breaker opens after five failing cycles and not before; its trials come one at a time, after longer and longer pauses.
fn breakers_are_right(scene: &Scene, ports: &[Listener]) {
    let mut pauses: [Vec<Duration>; TRIAL_PAUSES.len()] = Default::default();
    for port in ports {
        let cycles = cycles_of(port);
        let (mut failures, mut trials) = (0_u32, 0_usize);
        for (number, cycle) in cycles.iter().enumerate() {
            if let Some(before) = number.checked_sub(1).map(|before| &cycles[before]) {
                let pause = cycle.start() - before.end();
                if failures >= OPENS_AFTER {
                    let level = trials.min(TRIAL_PAUSES.len() - 1);
                    let usual = TRIAL_PAUSES[level];
                    let bounds = usual.mul_f64(1.0 - TRIAL_JITTER)..=usual.mul_f64(1.0 + TRIAL_JITTER) + LATE;
                    assert!(bounds.contains(&pause), "{}: trial {trials} after {pause:?}", port.name);
                    assert_eq!(cycle.attempts.len(), 1, "{}: a trial is one attempt", port.name);
                    pauses[level].push(pause);
                    trials += 1;
                } else {
                    assert!(
                        pause < NO_CYCLE,
                        "{}: {pause:?} without a cycle after {failures} failures",
                        port.name
                    );
                }
            }
            if cycle.has_passed {
                (failures, trials) = (0, 0);
            } else {
                failures += 1;
            }
        }
    }
    for (number, (pauses, usual)) in pauses.into_iter().zip(TRIAL_PAUSES).enumerate() {
        if pauses.is_empty() {
            continue;
        }
        let histogram = Histogram::of(
            &pauses,
            usual.mul_f64(1.0 - TRIAL_JITTER),
            usual.mul_f64(1.0 + TRIAL_JITTER),
        );
        scene.saw(format!("pauses before trial {}, {}", number + 1, histogram.told()));
        if pauses.len() >= 100 {
            histogram.assert_spread();
        }
    }
}

/// It came after a breaker had opened.
fn is_trial(cycles: &[Cycle], number: usize) -> bool {
    let before = cycles[..number].iter().rev();
    before.take_while(|cycle| !cycle.has_passed).count() >= OPENS_AFTER as usize
}
