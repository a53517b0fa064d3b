//! The services that a fault does not touch: none may change its status, none may be checked later than its schedule says, or
//! more often.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use health_monitor_test_support::exposition::Exposition;
use health_monitor_test_support::stack::monitor::Monitor;
use tokio::task::JoinHandle;
use tokio::time::interval;

/// From one look to the next.
const LOOK: Duration = Duration::from_millis(100);

/// How late a cycle may end, in seconds: the check's own duration, and the machine's other work.
const LATE: f64 = 3.0;

/// Cycles beyond those of the schedule: one that an event or the recovery of a dependency brought, and the one at each end.
const EXTRA: f64 = 3.0;

/// A watch over services through all faults, by the metrics of one monitor.
pub(crate) struct Bystanders {
    watched: Arc<Mutex<Watched>>,
    watching: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Watched {
    services: BTreeMap<&'static str, Bystander>,
    /// What they were disturbed by, since the last fault began.
    disturbed: Vec<String>,
}

/// One of them, from when the last fault that touched it was over.
#[derive(Debug, Default)]
struct Bystander {
    is_touched: bool,
    state: String,
    /// When the first and the last cycle ended that were seen, in seconds since 1970.
    cycles: Option<(f64, f64)>,
    /// Cycles after the first one.
    count: f64,
    /// How late the latest of them was, in seconds.
    late: f64,
}

impl Bystanders {
    /// Watches these services of a monitor.
    pub(crate) fn watch(monitor: Monitor, services: &[&'static str]) -> Self {
        let services = services.iter().map(|&name| (name, Bystander::default())).collect();
        let watched = Arc::new(Mutex::new(Watched {
            services,
            disturbed: Vec::new(),
        }));
        let watching = tokio::spawn(watch(monitor, watched.clone()));
        Self { watched, watching }
    }

    /// A fault begins that touches these services only. All are healthy.
    pub(crate) fn begin(&self, touched: &[&str]) {
        let mut watched = self.watched.lock().expect("nobody panics with it");
        watched.disturbed.clear();
        for (name, bystander) in &mut watched.services {
            bystander.is_touched = touched.contains(name);
            // The last look may be older than what was waited for.
            "healthy".clone_into(&mut bystander.state);
            bystander.late = 0.0;
        }
    }

    /// The fault is over and everything has recovered: what was seen of the others, or who was disturbed.
    pub(crate) fn end(&self) -> Result<String, String> {
        let mut watched = self.watched.lock().expect("nobody panics with it");
        let others = watched.services.values().filter(|bystander| !bystander.is_touched);
        let latest = others.clone().map(|bystander| bystander.late).fold(0.0, f64::max);
        let told = match others.count() {
            0 => "every service is touched".to_owned(),
            count => format!("{count} others keep their status and schedule, the latest cycle {latest:.1} s late"),
        };
        for bystander in watched.services.values_mut().filter(|bystander| bystander.is_touched) {
            *bystander = Bystander::default();
        }
        if watched.disturbed.is_empty() {
            Ok(told)
        } else {
            Err(std::mem::take(&mut watched.disturbed).join("; "))
        }
    }
}

impl Drop for Bystanders {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

async fn watch(monitor: Monitor, watched: Arc<Mutex<Watched>>) {
    let mut looks = interval(LOOK);
    loop {
        looks.tick().await;
        let answer = monitor.try_get("/metrics").await;
        let mut watched = watched.lock().expect("nobody panics with it");
        let Watched { services, disturbed } = &mut *watched;
        let mut others = services
            .iter_mut()
            .filter(|(_, bystander)| !bystander.is_touched)
            .peekable();
        match answer {
            // Where every service is touched, the monitor itself may be, too.
            Err(error) if others.peek().is_some() => disturbed.push(format!("the monitor does not answer: {error}")),
            Err(_) => {}
            Ok((status, _)) if !status.is_success() => {
                disturbed.extend(others.peek().map(|_| format!("the monitor answers {status}")));
            }
            Ok((_, text)) => {
                let exposition = Exposition::parse(&text);
                for (name, bystander) in others {
                    disturbed.extend(bystander.look(name, &exposition));
                }
            }
        }
    }
}

impl Bystander {
    /// Looks at the service, and tells what is wrong with it.
    fn look(&mut self, name: &str, exposition: &Exposition) -> Option<String> {
        let state = state_of(name, exposition).unwrap_or_default();
        let before = std::mem::replace(&mut self.state, state);
        if !before.is_empty() && before != self.state {
            return Some(format!(
                "{name} is not touched and went from {before} to {}",
                self.state
            ));
        }
        let interval = value(exposition, "health_check_interval_seconds", name)?;
        let ended = value(exposition, "health_check_last_timestamp_seconds", name)?;
        let Some((first, last)) = self.cycles else {
            self.cycles = Some((ended, ended));
            return None;
        };
        if ended <= last {
            return None;
        }
        self.cycles = Some((first, ended));
        self.count += 1.0;
        let late = ended - last - interval;
        self.late = self.late.max(late);
        if late > LATE {
            return Some(format!("{name} is not touched, and a check of it was {late:.1} s late"));
        }
        let scheduled = (ended - first) / interval;
        (self.count > scheduled + EXTRA).then(|| {
            let elapsed = ended - first;
            format!(
                "{name} is not touched, and was checked {} times in {elapsed:.1} s",
                self.count
            )
        })
    }
}

fn state_of(name: &str, exposition: &Exposition) -> Option<String> {
    let states = &exposition.family("service_state")?.samples;
    let is_now = states
        .iter()
        .find(|sample| is_of(name, &sample.labels) && sample.value > 0.5)?;
    is_now.labels.get("state").cloned()
}

fn value(exposition: &Exposition, family: &str, name: &str) -> Option<f64> {
    let samples = &exposition.family(family)?.samples;
    samples
        .iter()
        .find(|sample| is_of(name, &sample.labels))
        .map(|sample| sample.value)
}

fn is_of(name: &str, labels: &BTreeMap<String, String>) -> bool {
    labels.get("service").is_some_and(|service| service == name)
}
