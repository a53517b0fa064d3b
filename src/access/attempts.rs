//! Wrong keys: how many an address has sent lately, and how long it waits for the answer to the next.
//!
//! This is no defence of the keys, which nobody can guess, but of the log and of the machine. So a good key is never asked
//! how many wrong ones came from where it comes from, and an answer waits only where there is room for it to wait: else
//! those that are kept waiting would take the connections that others need.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::client::group_of;

/// Wrong keys that are answered at once, within one window.
const FREE: u32 = 5;

/// How long the answer to the first one after that waits; it doubles from one to the next.
const FIRST_DELAY: Duration = Duration::from_millis(250);

/// The longest that an answer waits.
const LONGEST_DELAY: Duration = Duration::from_secs(4);

/// An address that sent no wrong key for so long begins anew.
const WINDOW: Duration = Duration::from_secs(60);

/// Addresses that are told apart; all further ones count as one.
const ADDRESSES: usize = 1_024;

/// Answers that wait at a time. The others are given at once, and end their connection.
const WAITING: usize = 32;

/// Who sent wrong keys lately.
#[derive(Debug)]
pub struct Attempts {
    known: Mutex<Known>,
    waiting: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Known {
    by_address: HashMap<IpAddr, Record>,
    /// Of all addresses for which there was no room.
    others: Record,
    swept: Option<Instant>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Record {
    failures: u32,
    last: Option<Instant>,
}

/// What follows from a wrong key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consequence {
    /// Wrong keys of this address in a row, this one included.
    pub failures: u32,
    /// How long the answer waits.
    pub delay: Duration,
}

// === impl Attempts ===

impl Default for Attempts {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            waiting: Arc::new(Semaphore::new(WAITING)),
        }
    }
}

impl Attempts {
    /// A wrong key came from this client.
    pub fn failed(&self, client: IpAddr, now: Instant) -> Consequence {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let record = known.record(group_of(client), now);
        let is_over = record.last.is_none_or(|last| now.duration_since(last) >= WINDOW);
        record.failures = if is_over { 1 } else { record.failures.saturating_add(1) };
        record.last = Some(now);
        Consequence {
            failures: record.failures,
            delay: delay_after(record.failures),
        }
    }

    /// Room for an answer to wait; `None` where too many wait already.
    pub fn room_to_wait(&self) -> Option<OwnedSemaphorePermit> {
        self.waiting.clone().try_acquire_owned().ok()
    }
}

fn delay_after(failures: u32) -> Duration {
    match failures.checked_sub(FREE + 1) {
        None => Duration::ZERO,
        Some(further) => {
            let factor = 2_u32.saturating_pow(further);
            FIRST_DELAY
                .checked_mul(factor)
                .map_or(LONGEST_DELAY, |delay| delay.min(LONGEST_DELAY))
        }
    }
}

// === impl Known ===

impl Known {
    fn record(&mut self, group: IpAddr, now: Instant) -> &mut Record {
        if self.by_address.len() >= ADDRESSES && !self.by_address.contains_key(&group) {
            self.sweep(now);
            if self.by_address.len() >= ADDRESSES {
                return &mut self.others;
            }
        }
        self.by_address.entry(group).or_default()
    }

    /// Forgets whose window is over; at most once a second, however many ask.
    fn sweep(&mut self, now: Instant) {
        let is_recent = |then: Instant, limit| now.duration_since(then) < limit;
        if self.swept.is_some_and(|swept| is_recent(swept, Duration::from_secs(1))) {
            return;
        }
        self.swept = Some(now);
        self.by_address
            .retain(|_, record| record.last.is_some_and(|last| is_recent(last, WINDOW)));
    }
}

// === impl Consequence ===

impl Consequence {
    /// Whether the log names it: the first of a row, the second, the fourth and so on, so that nobody can flood the log.
    pub fn is_news(&self) -> bool {
        self.failures.is_power_of_two()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(number))
    }

    #[test]
    fn the_answers_to_wrong_keys_come_later_and_later() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let delays: Vec<u128> = (0..12)
            .map(|_| attempts.failed(CLIENT, now).delay.as_millis())
            .collect();
        assert_eq!(delays, [0, 0, 0, 0, 0, 250, 500, 1000, 2000, 4000, 4000, 4000]);
        assert_eq!(delay_after(u32::MAX), LONGEST_DELAY);
        assert_eq!(
            attempts.failed(address(7), now).delay,
            Duration::ZERO,
            "somebody else's"
        );
    }

    #[test]
    fn who_stops_begins_anew() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for _ in 0..9 {
            attempts.failed(CLIENT, now);
        }
        assert_eq!(attempts.failed(CLIENT, now + WINDOW / 2).failures, 10);
        assert_eq!(attempts.failed(CLIENT, now + WINDOW / 2 + WINDOW).failures, 1);
    }

    #[test]
    fn no_number_of_addresses_takes_more_memory() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..10_000 {
            attempts.failed(address(number), now);
        }
        let known = |attempts: &Attempts| attempts.known.lock().unwrap().by_address.len();
        assert_eq!(known(&attempts), ADDRESSES);
        assert!(
            attempts.failed(address(1_000_000), now).delay > Duration::ZERO,
            "counted as one"
        );
        attempts.failed(address(1_000_000), now + WINDOW);
        assert_eq!(known(&attempts), 1, "forgotten in time");
    }

    #[test]
    fn few_answers_wait_at_a_time() {
        let attempts = Attempts::default();
        let waiting: Vec<_> = std::iter::from_fn(|| attempts.room_to_wait()).take(1_000).collect();
        assert_eq!(waiting.len(), WAITING);
        drop(waiting);
        assert!(attempts.room_to_wait().is_some());
    }

    #[test]
    fn the_log_is_not_flooded() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let named = (0..1_000).filter(|_| attempts.failed(CLIENT, now).is_news());
        assert_eq!(named.count(), 10);
    }
}
