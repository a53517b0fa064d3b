//! The story of one container's starts and exits: which of them somebody asked for.
//!
//! It is told by two sources that overlap. Events come in order but may be missed; an inspect shows one state without
//! its history, and may be ahead of the events that led to it, or behind them. Both carry times of the engine's clock,
//! and a container cannot start twice without ending in between; that is what puts them together.

use std::collections::VecDeque;
use std::time::Duration;

use health_monitor_actors::model::{ContainerStatus, Start};
use jiff::Timestamp;

use super::event::EventKind;

/// How many starts are kept.
const KEPT: usize = 16;

/// Signals that ask a process to end: HUP is not among them, since servers read their configuration again on it.
const ENDING_SIGNALS: [i64; 5] = [2, 3, 6, 9, 15];

/// Exit codes that a process asked to end leaves behind: 0, and 128 with INT, KILL or TERM.
const ASKED_CODES: [i64; 4] = [0, 130, 137, 143];

/// How long after a signal an exit is its consequence where the container does not allow itself longer.
const PATIENCE: Duration = Duration::from_secs(70);

/// What an inspect says of a container's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Vitals {
    pub(super) status: ContainerStatus,
    pub(super) started_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
    pub(super) exit_code: Option<i64>,
    pub(super) oom_killed: bool,
    pub(super) restart_count: u64,
    /// How long the container is given to stop, where it says so.
    pub(super) stop_timeout: Option<Duration>,
    /// The signal that stops it, where it is not TERM.
    pub(super) stop_signal: Option<i64>,
}

/// One container's starts and exits as far as they are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lifecycle {
    starts: VecDeque<Start>,
    starts_total: u64,
    /// The last start has no end yet.
    is_open: bool,
    /// How the last run ended; `None` before the first end.
    exit: Option<Exit>,
    /// The last signal through the API that asks the present run to end.
    kill: Option<Timestamp>,
    /// The present run met the limit of its memory.
    oom: bool,
    /// It was seen before, or from its creation on: a start that is not known yet is a new one.
    is_known: bool,
    restart_count: u64,
    patience: Option<Duration>,
    stop_signal: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Exit {
    at: Timestamp,
    unplanned: bool,
    exit_code: Option<i64>,
    oom_killed: bool,
    /// Told by an inspect alone; the event, should it still come, knows better.
    is_guess: bool,
}

// === impl Lifecycle ===

impl Lifecycle {
    /// Starts that are known, oldest first.
    pub(super) fn starts(&self) -> Vec<Start> {
        self.starts.iter().copied().collect()
    }

    /// Starts since the monitor watches it; the one that it was found running with does not count.
    pub(super) fn starts_total(&self) -> u64 {
        self.starts_total
    }

    /// The last exit was nobody's wish.
    pub(super) fn exit_unplanned(&self) -> bool {
        self.exit.is_some_and(|exit| exit.unplanned)
    }

    /// How the last run ended, where no later one is known: when, with which code, and whether memory ran out.
    pub(super) fn end_of_last_run(&self) -> Option<(Timestamp, Option<i64>, bool)> {
        let exit = self.exit.filter(|_| !self.is_open)?;
        Some((exit.at, exit.exit_code, exit.oom_killed))
    }

    /// Memory ran out in the last run, and it has ended.
    pub(super) fn ended_out_of_memory(&self) -> bool {
        self.end_of_last_run().is_some_and(|(_, _, oom_killed)| oom_killed)
    }

    /// Takes an event of the engine.
    pub(super) fn event(&mut self, kind: &EventKind, at: Timestamp) {
        match kind {
            EventKind::Kill { signal } if self.is_asked_to_end(*signal) => self.kill = Some(at),
            EventKind::Create => self.is_known = true,
            EventKind::Oom => self.ran_out_of_memory(),
            EventKind::Die { exit_code } => self.died(at, *exit_code),
            EventKind::Stop => self.was_asked(),
            EventKind::Restart => {
                self.was_asked();
                if let Some(last) = self.starts.back_mut() {
                    last.unplanned = false;
                }
            }
            EventKind::Start if !self.is_open => self.started(at),
            EventKind::Start | EventKind::Kill { .. } | EventKind::Destroy | EventKind::Other(_) => {}
        }
    }

    /// Takes what an inspect says.
    pub(super) fn inspected(&mut self, vitals: &Vitals) {
        self.patience = vitals.stop_timeout;
        self.stop_signal = vitals.stop_signal;
        if let Some(started_at) = vitals.started_at {
            self.align_start(started_at, vitals);
        }
        if is_over(vitals.status) {
            self.align_exit(vitals);
        }
        if !self.is_known {
            self.explain_first_start(vitals.restart_count);
        }
        self.restart_count = vitals.restart_count;
        self.is_known = true;
    }

    /// The event of the first start may have come without that of the exit before it. Docker's own count tells whether
    /// there was one.
    fn explain_first_start(&mut self, restarts: u64) {
        let told = self.starts.iter().filter(|start| start.unplanned).count();
        if let Some(first) = self.starts.front_mut() {
            first.unplanned |= u64::try_from(told).is_ok_and(|told| restarts > told);
        }
    }

    fn is_asked_to_end(&self, signal: Option<i64>) -> bool {
        signal.is_none_or(|signal| ENDING_SIGNALS.contains(&signal) || self.stop_signal == Some(signal))
    }

    /// The engine may notice only after it has told of the exit, and then no inspect ever says it.
    fn ran_out_of_memory(&mut self) {
        match self.exit.as_mut().filter(|_| !self.is_open) {
            Some(exit) => exit.oom_killed = true,
            None => self.oom = true,
        }
    }

    /// The exit that was just seen came after a stop or restart through the API.
    fn was_asked(&mut self) {
        if let Some(exit) = &mut self.exit {
            exit.unplanned = false;
        }
    }

    fn died(&mut self, at: Timestamp, exit_code: Option<i64>) {
        let refines_a_guess = !self.is_open && self.exit.is_some_and(|exit| exit.is_guess);
        let began_later = self.starts.back().is_some_and(|last| at < last.at);
        if began_later {
            self.explain_last_start(at, exit_code);
        } else if self.is_open || refines_a_guess || self.starts.is_empty() {
            self.end(Exit {
                at,
                unplanned: !self.was_killed_before(at),
                exit_code,
                oom_killed: self.oom,
                is_guess: false,
            });
        }
    }

    /// An inspect was ahead and showed a start before the event of the exit that led to it.
    fn explain_last_start(&mut self, at: Timestamp, exit_code: Option<i64>) {
        let before = self
            .starts
            .len()
            .checked_sub(2)
            .and_then(|index| self.starts.get(index));
        let is_of_an_older_run = before.is_some_and(|before| at < before.at);
        let unplanned = !self.was_killed_before(at);
        let oom_killed = self.oom;
        if let Some(last) = self
            .starts
            .back_mut()
            .filter(|last| last.exit_code.is_none() && !is_of_an_older_run)
        {
            last.exit_code = exit_code;
            last.unplanned = unplanned;
            last.oom_killed = last.oom_killed || oom_killed;
            self.exit = Some(Exit {
                at,
                unplanned,
                exit_code,
                oom_killed,
                is_guess: false,
            });
            self.oom = false;
            self.kill = self.kill.filter(|kill| *kill > at);
        }
    }

    fn end(&mut self, exit: Exit) {
        self.exit = Some(exit);
        self.is_open = false;
        self.oom = exit.is_guess && self.oom;
        if !exit.is_guess {
            self.kill = None;
        }
    }

    fn was_killed_before(&self, at: Timestamp) -> bool {
        let patience = self.patience.map_or(PATIENCE, |allowed| allowed.max(PATIENCE));
        self.kill.is_some_and(|kill| {
            let waited = at.duration_since(kill);
            !waited.is_negative() && waited.unsigned_abs() <= patience
        })
    }

    /// A start that was seen.
    fn started(&mut self, at: Timestamp) {
        let exit = self.exit;
        self.push(Start {
            at,
            unplanned: exit.is_some_and(|exit| exit.unplanned),
            exit_code: exit.and_then(|exit| exit.exit_code),
            oom_killed: exit.is_some_and(|exit| exit.oom_killed),
        });
        self.starts_total += 1;
        if exit.is_some_and(|exit| exit.unplanned) {
            self.restart_count += 1;
        }
    }

    fn push(&mut self, start: Start) {
        self.starts.push_back(start);
        while self.starts.len() > KEPT {
            self.starts.pop_front();
        }
        self.is_open = true;
        self.kill = self.kill.filter(|kill| *kill > start.at);
        self.oom = false;
    }

    /// Brings the last known start in line with the one that an inspect shows.
    fn align_start(&mut self, started_at: Timestamp, vitals: &Vitals) {
        let Some(last) = self.starts.back().copied() else {
            if self.is_known {
                self.started(started_at);
            } else {
                self.found_started(started_at);
            }
            return;
        };
        let is_old_news = self.exit.is_some_and(|exit| started_at < exit.at);
        if started_at > last.at {
            if self.is_open {
                self.missed(last.at, started_at, vitals);
            } else {
                self.started(started_at);
            }
        } else if self.is_open && !is_old_news {
            // The event comes a little after the start that it tells of.
            if let Some(last) = self.starts.back_mut() {
                last.at = started_at;
            }
        }
    }

    /// The first that is seen of a container: it was started before.
    fn found_started(&mut self, at: Timestamp) {
        self.push(Start {
            at,
            unplanned: false,
            exit_code: None,
            oom_killed: false,
        });
    }

    /// It started again, and no event told of the exit before. Docker's own restarts are counted, not timed: they fell
    /// somewhere between the two starts that are known, and are spread evenly there.
    fn missed(&mut self, from: Timestamp, to: Timestamp, vitals: &Vitals) {
        let restarts = vitals.restart_count.saturating_sub(self.restart_count);
        let count = restarts.max(1);
        let kept = u32::try_from(count.min(KEPT as u64)).unwrap_or(1);
        let pause = to.duration_since(from).unsigned_abs() / kept;
        for remaining in (0..kept).rev() {
            self.push(Start {
                at: to.checked_sub(pause * remaining).unwrap_or(to),
                unplanned: restarts > 0,
                exit_code: None,
                oom_killed: false,
            });
        }
        self.starts_total += count;
        self.exit = Some(Exit {
            at: from,
            unplanned: restarts > 0,
            exit_code: None,
            oom_killed: false,
            is_guess: true,
        });
    }

    /// Brings the end of the last run in line with the one that an inspect shows.
    fn align_exit(&mut self, vitals: &Vitals) {
        let Some(at) = vitals.finished_at else { return };
        if !self.is_open {
            // The flag that memory ran out is set by the time of the exit, its event may come later.
            if let Some(exit) = self.exit.as_mut().filter(|_| vitals.oom_killed) {
                exit.oom_killed = true;
            }
            return;
        }
        let is_of_an_older_run = self.starts.back().is_some_and(|last| at < last.at);
        if is_of_an_older_run {
            return;
        }
        let was_asked_for = self.was_killed_before(at);
        let looks_asked_for = vitals.exit_code.is_none_or(|code| ASKED_CODES.contains(&code));
        let restarts_itself = vitals.status == ContainerStatus::Restarting;
        self.end(Exit {
            at,
            unplanned: !was_asked_for && (restarts_itself || vitals.oom_killed || !looks_asked_for),
            exit_code: vitals.exit_code,
            oom_killed: vitals.oom_killed,
            is_guess: true,
        });
    }
}

/// The last run of a container in this state has ended.
fn is_over(status: ContainerStatus) -> bool {
    match status {
        ContainerStatus::Restarting | ContainerStatus::Exited | ContainerStatus::Dead | ContainerStatus::Removing => {
            true
        }
        ContainerStatus::Created | ContainerStatus::Running | ContainerStatus::Paused => false,
    }
}

#[cfg(test)]
mod tests;
