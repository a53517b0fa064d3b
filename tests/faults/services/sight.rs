//! How soon a monitor must see what befalls a service, and that it is over.

use std::time::Duration;

use health_monitor_test_support::stack::monitor::Monitor;
use health_monitor_test_support::stack::service::Service;
use health_monitor_test_support::stack::wait::{seconds, until};
use jiff::Timestamp;
use tokio::time::Instant;

/// A protocol's failure shows within interval + 2 × timeout + retry interval; the monitor's defaults are 10 s, 5 s and 2 s.
pub(super) const DETECTED_BY_DEFAULT: Duration = seconds(22);

/// What is allowed beyond a promised time, for a machine with other work: of the processes that break and mend, of the
/// monitor, and of this one, which looks.
pub(super) const SLACK: Duration = seconds(3);

/// A container's event shows within a tenth of a second where nothing else runs. Here it may wait for the processor.
pub(super) const EVENT: Duration = seconds(2);

/// The longest pause between two trials of an open breaker: 60 s and a fifth.
const LONGEST_PAUSE: f64 = 72.0;

/// Waits until the monitor says, within the time that its default settings promise, that the service is unhealthy for this
/// reason.
pub(super) async fn detected(monitor: &Monitor, name: &str, reason: &str) -> Service {
    let limit = DETECTED_BY_DEFAULT + SLACK;
    monitor.wait_for(name, "unhealthy", reason, limit).await
}

/// Waits until the service's breaker is open, so that only its trials look at it.
pub(super) async fn opened(monitor: &Monitor, name: &str, limit: Duration) {
    let is_open = |service: &Service| service.breaker.state == "open";
    let open = monitor.wait(name, limit, is_open).await;
    assert!(open.reason.contains("breaker open: "), "{}", open.reason);
}

/// Waits until the service works again, which nothing but its own schedule can find: the next cycle, or the next trial of
/// an open breaker. What was mended must be so before the call.
pub(super) async fn found_by_schedule(monitor: &Monitor, name: &str) -> &'static str {
    // A trial that is under way may have begun before.
    let trial = seconds(20);
    let planned = monitor
        .wait(name, trial, |service| service.breaker.state != "half_open")
        .await;
    if planned.is_up() {
        return "found by the trial that was under way";
    }
    let next = planned.next_check.expect("a cycle is due");
    let until_next = next.duration_since(Timestamp::now()).as_secs_f64().max(0.0);
    let check = &planned.health_check;
    let (most, found) = match planned.breaker.state.as_str() {
        "open" => (until_next, "found by the breaker's next trial"),
        // The cycle that is due may be under way, and have met what is mended by now.
        _ => (check.interval_seconds, "found by the next cycle"),
    };
    assert!(most <= LONGEST_PAUSE.max(check.interval_seconds), "{planned:?}");
    let limit = Duration::from_secs_f64(most + check.timeout_seconds) + SLACK;
    up(monitor, name, limit).await;
    found
}

/// Waits until the service works, with or without a warning.
pub(super) async fn up(monitor: &Monitor, name: &str, limit: Duration) {
    monitor.wait(name, limit, Service::is_up).await;
}

/// Waits until these services of a monitor are healthy.
pub(super) async fn all_up(monitor: &Monitor, names: &[&str], limit: Duration) {
    until("services that work", limit, async || {
        let (_, health) = monitor.get("/health").await;
        let is_up = |name: &&str| health["services"][*name] == "healthy";
        if names.iter().all(is_up) {
            Ok(())
        } else {
            Err(health["services"].to_string())
        }
    })
    .await;
}

/// The times of some services, as a row of the table tells them: `mqtt 12.1s, http 14.0s`.
pub(super) fn times(times: &[(&str, Duration)]) -> String {
    let times = times
        .iter()
        .map(|(name, time)| format!("{name} {:.1}s", time.as_secs_f64()));
    times.collect::<Vec<_>>().join(", ")
}

/// How long something took.
pub(super) async fn timed<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let begun = Instant::now();
    let done = work.await;
    (begun.elapsed(), done)
}
