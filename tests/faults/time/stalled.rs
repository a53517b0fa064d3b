//! A monitor that stood still: what it missed is not made up for, and nothing that it measured meanwhile counts.

use std::time::Duration;

use health_monitor_test_support::local::Launch;
use health_monitor_test_support::stack::wait::seconds;
use tokio::time::{Instant, sleep};

use super::GROUP;
use crate::configuration;
use crate::fault::{Fault, Scene};
use crate::listener::Listener;
use crate::watch;

/// Services with the shortest interval, and as many with the usual one.
const EACH: usize = 50;
const SHORT: Duration = seconds(1);
const USUAL: Duration = seconds(10);

/// After the end of the standstill.
const WINDOW: Duration = Duration::from_millis(100);

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault::new(GROUP, "the monitor stands still for 3 s", |scene| {
            stands_still(seconds(3), scene)
        })
        .short(),
        Fault::new(GROUP, "the monitor stands still for 30 s", |scene| {
            stands_still(seconds(30), scene)
        }),
    ]
}

async fn stands_still(long: Duration, scene: Scene) {
    let hasty = configuration::listeners("hasty", EACH).await;
    let usual = configuration::listeners("usual", EACH).await;
    let services = configuration::of_listeners(&hasty, "interval = \"1s\"") + &configuration::of_listeners(&usual, "");
    let monitor = Launch::of(env!("CARGO_BIN_EXE_health-monitor"))
        .start(&format!("[docker]\nenabled = false\n{services}"))
        .await;
    watch::all_healthy(&monitor, seconds(30)).await;
    // Until every service has its own place in the interval.
    sleep(USUAL).await;

    monitor.signal("STOP").await;
    sleep(long).await;
    let resumed = Instant::now();
    monitor.signal("CONT").await;
    let ((), told) = watch::while_doing(&monitor, sleep(USUAL + SHORT)).await;
    told.assert_others(&[], &["healthy"]);
    scene.saw(format!("{} services, none changes its status", told.steady()));

    let all = hasty.iter().chain(&usual);
    let at_once = all
        .map(|listener| asked_within(listener, resumed, WINDOW))
        .sum::<usize>();
    let expected =
        EACH as f64 * (WINDOW.as_secs_f64() / SHORT.as_secs_f64() + WINDOW.as_secs_f64() / USUAL.as_secs_f64());
    scene.saw(format!(
        "checks in the first {} ms: {at_once}, where {expected} are usual and {} would be a burst",
        WINDOW.as_millis(),
        2 * EACH
    ));
    assert!(at_once <= EACH / 2, "{at_once} checks at once");
    for (listeners, interval) in [(&hasty, SHORT), (&usual, USUAL)] {
        let most = listeners
            .iter()
            .map(|listener| asked_within(listener, resumed, interval))
            .max()
            .unwrap_or_default();
        scene.saw(format!(
            "checks of one service in the first {} s: {most} at most",
            interval.as_secs()
        ));
        assert!(most <= 2, "{most} checks of one service in {interval:?}");
        for listener in listeners {
            assert!(
                asked_within(listener, resumed, interval * 2) >= 1 || interval == USUAL,
                "{} is not asked",
                listener.name
            );
            assert_eq!(
                listener.most_at_once(),
                1,
                "{} is asked by two checks at once",
                listener.name
            );
        }
    }
}

/// How often it was asked in this time after a moment.
fn asked_within(listener: &Listener, after: Instant, time: Duration) -> usize {
    let visits = listener.visits();
    visits
        .iter()
        .filter(|visit| visit.at > after && visit.at <= after + time)
        .count()
}
