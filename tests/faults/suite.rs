//! All faults, and how they are run: one after the other, each with the rest of the stack watched.

use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use health_monitor_test_support::stack::wait::RECOVERY;
use health_monitor_test_support::stack::{SERVICES, Stack};
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::bystanders::Bystanders;
use crate::evidence::Evidence;
use crate::fault::{Fault, Scene};
use crate::table::{Row, Table};
use crate::{engine, itself, long_run, services, time};

/// Every fault, in the order in which they are run.
pub(crate) fn all() -> Vec<Fault> {
    let groups = [
        services::faults(),
        engine::faults(),
        itself::faults(),
        time::faults(),
        long_run::faults(),
    ];
    groups.into_iter().flatten().collect()
}

/// Runs these faults, prints the table, and tells whether all passed.
pub(crate) async fn run(faults: Vec<Fault>) -> bool {
    let panics = Panics::remember();
    let bystanders = Bystanders::watch(Stack::get().monitor(), &SERVICES);
    let mut table = Table::begin(faults.len());
    for fault in faults {
        let started = Instant::now();
        let (group, name) = (fault.group, fault.name.clone());
        let scene = Scene::new();
        let failure = one(fault, scene.clone(), &bystanders, &panics).await.err();
        table.add(Row {
            group,
            name,
            seen: scene.take(),
            took: started.elapsed(),
            failure,
        });
    }
    table.end()
}

/// Runs one, from a stack that is healthy to one that is healthy again.
async fn one(fault: Fault, scene: Scene, bystanders: &Bystanders, panics: &Panics) -> Result<(), String> {
    let title = fault.title();
    panics.caught(&title, all_healthy()).await?;
    let before = Evidence::of(&Stack::get().monitor()).await;
    bystanders.begin(&fault.touches);
    let injected = panics.caught(&title, fault.inject(scene.clone())).await;
    let recovered = panics.caught(&title, all_healthy()).await;
    let undisturbed = bystanders.end();
    for shown in Evidence::of(&Stack::get().monitor()).await.since(&before) {
        scene.saw(shown);
    }
    injected?;
    recovered?;
    scene.saw(undisturbed?);
    Ok(())
}

async fn all_healthy() {
    Stack::get().monitor().all_healthy(RECOVERY).await;
}

/// The message of the last panic that was caught, with its place.
#[derive(Clone, Default)]
struct Panics {
    last: Arc<Mutex<Option<String>>>,
    catching: Arc<AtomicBool>,
}

impl Panics {
    /// From now on. What panics outside of [`Panics::caught`] is told as ever.
    fn remember() -> Self {
        let panics = Self::default();
        let (remembered, otherwise) = (panics.clone(), panic::take_hook());
        panic::set_hook(Box::new(move |panic| match remembered.last.lock() {
            Ok(mut last) if remembered.catching.load(Ordering::Relaxed) => *last = Some(panic.to_string()),
            _ => otherwise(panic),
        }));
        panics
    }

    /// Runs something that may panic; its message is the error.
    async fn caught(&self, what: &str, work: impl Future<Output = ()> + 'static) -> Result<(), String> {
        let local = LocalSet::new();
        self.catching.store(true, Ordering::Relaxed);
        let task = local.spawn_local(work);
        let ended = local.run_until(task).await;
        self.catching.store(false, Ordering::Relaxed);
        ended.map_err(|error| {
            let told = self.last.lock().ok().and_then(|mut last| last.take());
            told.unwrap_or_else(|| format!("{what}: {error}"))
        })
    }
}
