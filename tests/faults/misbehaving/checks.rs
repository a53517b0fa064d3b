//! A check that misbehaves.

use std::fs::File;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use health_monitor_actors::check::{Attempt, Check, CheckFailure, Finding};

use super::Switch;

/// Bytes that it keeps with every attempt while it leaks memory.
const LEAK: usize = 8 * 1024 * 1024;

/// Tasks that it leaves behind with every attempt while it leaks them.
const TASKS: usize = 100;

/// A check that does as it should, but for the time in which it is told otherwise.
struct Misbehaving {
    well: Arc<dyn Check>,
    switch: Switch,
    /// All settings, as `Debug` prints them.
    settings: Arc<str>,
    leaked: Mutex<Leaked>,
}

#[derive(Default)]
struct Leaked {
    memory: Vec<Vec<u8>>,
    files: Vec<File>,
}

/// Puts one in the place of another.
pub(super) fn misbehaving(well: Arc<dyn Check>, switch: Switch, settings: Arc<str>) -> Arc<dyn Check> {
    Arc::new(Misbehaving {
        well,
        switch,
        settings,
        leaked: Mutex::default(),
    })
}

/// A panic's payload that panics in its turn, where the probe lets go of it.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "injected into a panic's payload");
    }
}

#[async_trait]
#[expect(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "to block and to panic is the fault"
)]
impl Check for Misbehaving {
    async fn attempt(&self, attempt: &Attempt) -> Result<Finding, CheckFailure> {
        match self.switch.fault().as_deref() {
            Some("check panics") => panic!("injected into a check"),
            Some("check panics with all settings") => panic!("injected with {}", self.settings),
            Some("check panics twice") => std::panic::panic_any(Bomb),
            Some("check hangs") => std::future::pending().await,
            Some("check blocks") => {
                while self.switch.fault().is_some() {
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
            Some("check stops its lane") => {
                actix::Arbiter::current().stop();
                std::future::pending::<()>().await;
            }
            Some("check stops the system") => actix::System::current().stop(),
            Some("check leaks memory") => self.leak(|leaked| leaked.memory.push(vec![1; LEAK])),
            Some("check leaks descriptors") => self.leak(|leaked| {
                while let Ok(file) = File::open("/dev/null") {
                    leaked.files.push(file);
                }
            }),
            Some("check leaks tasks") => {
                for _ in 0..TASKS {
                    drop(actix::spawn(std::future::pending::<()>()));
                }
            }
            Some(_) => {}
            None => self.leak(|leaked| *leaked = Leaked::default()),
        }
        self.well.attempt(attempt).await
    }
}

impl Misbehaving {
    fn leak(&self, how: impl FnOnce(&mut Leaked)) {
        how(&mut self.leaked.lock().expect("nobody panics with it"));
    }
}
