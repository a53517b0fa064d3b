//! One fault: what is broken, whom it may touch, and what is seen meanwhile.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

type Injected = Pin<Box<dyn Future<Output = ()>>>;

/// A fault that can be injected. Its work panics where the monitor does not do what it must.
pub(crate) struct Fault {
    pub(crate) group: &'static str,
    pub(crate) name: String,
    /// It belongs to the short form.
    pub(crate) is_short: bool,
    /// The services of the stack whose status it may change. Every other must keep its status and its schedule.
    pub(crate) touches: Vec<&'static str>,
    inject: Box<dyn FnOnce(Scene) -> Injected>,
}

impl Fault {
    /// `inject` breaks something, waits for what must be seen, mends it, and waits for the recovery.
    pub(crate) fn new<F, W>(group: &'static str, name: impl Into<String>, inject: F) -> Self
    where
        F: FnOnce(Scene) -> W + 'static,
        W: Future<Output = ()> + 'static,
    {
        Self {
            group,
            name: name.into(),
            is_short: false,
            touches: Vec::new(),
            inject: Box::new(|scene| Box::pin(inject(scene))),
        }
    }

    /// Makes it a part of the short form.
    pub(crate) fn short(mut self) -> Self {
        self.is_short = true;
        self
    }

    /// Services of the stack that it may touch.
    pub(crate) fn touching(mut self, services: &[&'static str]) -> Self {
        self.touches.extend(services);
        self
    }

    pub(crate) fn title(&self) -> String {
        format!("{}: {}", self.group, self.name)
    }

    /// The work of it, to be polled.
    pub(crate) fn inject(self, scene: Scene) -> Injected {
        (self.inject)(scene)
    }
}

/// Where a fault tells what it sees.
#[derive(Clone)]
pub(crate) struct Scene {
    seen: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self { seen: Arc::default() }
    }

    /// Something that was seen, for the table.
    pub(crate) fn saw(&self, what: impl Into<String>) {
        self.seen.lock().expect("nobody panics with it").push(what.into());
    }

    /// Something that was seen some time after `since`.
    pub(crate) fn saw_after(&self, since: Instant, what: impl AsRef<str>) {
        let after = since.elapsed();
        let after = if after.as_secs() < 1 {
            format!("{} ms", after.as_millis())
        } else {
            format!("{:.1} s", after.as_secs_f64())
        };
        self.saw(format!("{after}: {}", what.as_ref()));
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().expect("nobody panics with it"))
    }
}
