//! Everything that a monitor says of its services' status while something is broken.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};

/// From one look to the next.
const LOOK: Duration = Duration::from_millis(100);

/// A record that is being kept until it is dropped.
pub(super) struct Record {
    seen: Arc<Mutex<Seen>>,
    keeping: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Different statuses of each service, in their order, each with the reason.
    statuses: BTreeMap<String, Vec<String>>,
    /// The longest time without an answer.
    silence: Duration,
}

impl Record {
    /// Of the monitor at the first of these addresses that answers.
    pub(super) fn of(urls: Vec<String>) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let keeping = tokio::spawn(keep(urls, seen.clone()));
        Self { seen, keeping }
    }

    /// That no service had one of these statuses, but for some that did die.
    pub(super) fn never_said(&self, statuses: &[&str], but_for: &[&str]) {
        let seen = self.seen.lock().expect("nobody panics with it");
        for (name, said) in seen
            .statuses
            .iter()
            .filter(|(name, _)| !but_for.contains(&name.as_str()))
        {
            let wrong = said.iter().any(|status| statuses.contains(&status.as_str()));
            assert!(!wrong, "{name} is well all the time and was said to be {said:?}");
        }
        assert!(!seen.statuses.is_empty(), "nothing was recorded");
    }

    /// The longest time in which it did not answer.
    pub(super) fn silence(&self) -> Duration {
        self.seen.lock().expect("nobody panics with it").silence
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

async fn keep(urls: Vec<String>, seen: Arc<Mutex<Seen>>) {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).build();
    let client = client.expect("a client");
    let mut looks = interval(LOOK);
    let mut last = Instant::now();
    loop {
        looks.tick().await;
        for url in &urls {
            let Some(health) = ask(&client, url).await else {
                continue;
            };
            let mut seen = seen.lock().expect("nobody panics with it");
            seen.silence = seen.silence.max(last.elapsed());
            last = Instant::now();
            for (name, status) in health["services"].as_object().into_iter().flatten() {
                let said = seen.statuses.entry(name.clone()).or_default();
                let status = status.as_str().unwrap_or_default();
                if said.last().is_none_or(|last| last != status) {
                    said.push(status.to_owned());
                }
            }
            break;
        }
    }
}

async fn ask(client: &reqwest::Client, url: &str) -> Option<Value> {
    let response = client.get(format!("{url}/health")).send().await.ok()?;
    serde_json::from_str(&response.text().await.ok()?).ok()
}
