//! A plain thread that looks at the pulses of the two actors that must not fail. One that ends is noticed anyway; one whose
//! thread is blocked can tell nobody, and with the supervisor goes all that would notice.

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use health_monitor_actors::supervisor::Pulse;
use tokio::time::Instant;

use super::{Failure, Vital};

/// From one look to the next.
const LOOK: Duration = Duration::from_secs(1);

/// Looks in a row without a beat after which an actor is taken for lost. Both beat at least once a second.
const LOOKS: u32 = 15;

/// A look that comes later than this was not the actors' fault: the process, or the machine, stood still.
const LATE: Duration = Duration::from_secs(2);

/// An actor that is looked at.
pub(super) struct Watched {
    pulse: Pulse,
    seen: u64,
    still: u32,
    actor: Vital,
}

impl Watched {
    pub(super) fn new(actor: Vital, pulse: Pulse) -> Self {
        Self {
            seen: pulse.count(),
            pulse,
            still: 0,
            actor,
        }
    }

    /// Looks at it; tells the failure where it has been still for too long.
    fn look(&mut self, is_late: bool) -> Option<Failure> {
        let count = self.pulse.count();
        if count != self.seen || is_late {
            self.seen = count;
            self.still = 0;
            return None;
        }
        self.still += 1;
        (self.still >= LOOKS).then(|| Failure::Blocked {
            actor: self.actor,
            seconds: LOOK.saturating_mul(self.still).as_secs(),
        })
    }
}

/// Watches from now on, and ends the process where one of them is still.
///
/// # Errors
///
/// Where no thread can be had.
pub(super) fn start(mut watched: [Watched; 2]) -> io::Result<()> {
    let watch = move || {
        let (_open, never) = mpsc::channel::<()>();
        let mut last = Instant::now();
        while never.recv_timeout(LOOK).is_err() {
            let is_late = last.elapsed() > LATE;
            last = Instant::now();
            if let Some(failure) = watched.iter_mut().find_map(|watched| watched.look(is_late)) {
                tracing::error!(%failure, "monitor ends");
                std::process::exit(failure.exit_code().into());
            }
        }
    };
    thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(watch)
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_still_for_a_while_on_a_machine_that_runs_is_lost() {
        let pulse = Pulse::default();
        let mut watched = Watched::new(Vital::Registry, pulse.clone());
        let mut looks = |count, is_late| (0..count).find_map(|_| watched.look(is_late));
        assert!(looks(LOOKS - 1, false).is_none());
        pulse.beat();
        assert!(looks(LOOKS, false).is_none());
        assert!(looks(1, true).is_none());
        assert!(looks(LOOKS - 1, false).is_none());
        let failure = looks(1, false).unwrap();
        assert_eq!(failure.exit_code(), 3);
        assert_eq!(failure.to_string(), "the registry has been blocked for 15 s");
    }
}
