//! What a monitor tells of all its services while something is done to it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use health_monitor_test_support::stack::monitor::Monitor;
use health_monitor_test_support::stack::wait::until;
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// From one look to the next.
const LOOK: Duration = Duration::from_millis(50);

/// What was told meanwhile.
#[derive(Debug)]
pub(crate) struct Told {
    /// Each service's different statuses, each with its reason, in their order.
    services: BTreeMap<String, Vec<(String, String)>>,
    /// Looks that were answered.
    pub(crate) answers: u32,
    /// The longest time without an answer.
    pub(crate) silence: Duration,
}

/// Looks while something is done. A look that is not answered is counted as silence.
pub(crate) async fn while_doing<T>(monitor: &Monitor, work: impl Future<Output = T>) -> (T, Told) {
    let mut told = Told {
        services: BTreeMap::new(),
        answers: 0,
        silence: Duration::ZERO,
    };
    let look = async {
        let mut last = Instant::now();
        loop {
            if let Ok((_, text)) = monitor.try_get("/health").await
                && let Ok(health) = serde_json::from_str::<Value>(&text)
                && let Some(services) = health["services"].as_object()
            {
                told.silence = told.silence.max(last.elapsed());
                last = Instant::now();
                told.answers += 1;
                for (name, status) in services {
                    let status = status.as_str().unwrap_or_default().to_owned();
                    let seen = told.services.entry(name.clone()).or_default();
                    if seen.last().is_none_or(|(last, _)| *last != status) {
                        seen.push((status, String::new()));
                        // Why, if it still says so.
                        if let Ok((_, text)) = monitor.try_get(&format!("/health/{name}")).await
                            && let Ok(service) = serde_json::from_str::<Value>(&text)
                            && let (Some(seen), Some(reason)) = (seen.last_mut(), service["reason"].as_str())
                        {
                            reason.clone_into(&mut seen.1);
                        }
                    }
                }
            }
            sleep(LOOK).await;
        }
    };
    let done = tokio::select! {
        () = look => unreachable!("it looks until the work is done"),
        done = work => done,
    };
    (done, told)
}

impl Told {
    /// That no service but these was ever told to be in any other status than these.
    ///
    /// # Panics
    ///
    /// Where one was.
    pub(crate) fn assert_others(&self, but: &[&str], statuses: &[&str]) {
        let others = self
            .services
            .iter()
            .filter(|(name, _)| !but.iter().any(|but| name.starts_with(but)));
        let mut count = 0;
        for (name, seen) in others {
            let is_allowed = seen.iter().all(|(status, _)| statuses.contains(&&**status));
            assert!(is_allowed, "{name} was told to be {seen:?}");
            count += 1;
        }
        assert!(count > 0, "nobody was watched");
    }

    /// That nothing else was told than this, if anything was.
    pub(crate) fn assert_steady_if_any(&self, status: &str) {
        let told = self.services.values().flatten();
        assert!(told.clone().all(|(told, _)| told == status), "{:?}", self.services);
    }

    /// The different statuses of a service, in their order.
    pub(crate) fn statuses(&self, name: &str) -> Vec<&str> {
        self.services
            .get(name)
            .into_iter()
            .flatten()
            .map(|(status, _)| &**status)
            .collect()
    }

    /// Every status that was told, and of how many services.
    pub(crate) fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for seen in self.services.values() {
            let statuses: BTreeSet<&str> = seen.iter().map(|(status, _)| &**status).collect();
            for status in statuses {
                *counts.entry(status).or_default() += 1;
            }
        }
        counts
    }

    /// How many services were watched that never changed.
    pub(crate) fn steady(&self) -> usize {
        self.services.values().filter(|seen| seen.len() == 1).count()
    }
}

/// Waits until every service that it watches is healthy.
pub(crate) async fn all_healthy(monitor: &Monitor, limit: Duration) {
    until("every service healthy", limit, async || {
        let (_, text) = monitor.try_get("/health").await.map_err(|error| error.to_string())?;
        let health: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if health["status_counts"]["healthy"] == health["total_services"] {
            Ok(())
        } else {
            Err(text)
        }
    })
    .await;
}
