//! A policy state in a form that outlives the process.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::model::{Maintenance, Moment, ServiceSpec};

use super::PolicyState;
use super::breaker::Breaker;
use super::flapping::FlapWindow;
use super::incarnation::Incarnation;
use super::start_period::StartPeriod;
use super::thresholds::Streaks;

/// A saved [`PolicyState`]: durations that remained at a wall time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedPolicy {
    saved_at: Timestamp,
    incarnation: Option<Incarnation>,
    counts_for: Option<Duration>,
    fresh: bool,
    start_period_left: Option<Duration>,
    streaks: Streaks,
    breaker: Option<SavedBreaker>,
    flapping: FlapWindow,
    heard_ago: Option<Duration>,
    was_unmeasured: bool,
    /// From the saving to a tick of the schedule's phase, which may have passed.
    tick_in: Option<SignedDuration>,
    /// What a person ordered, with its end by the wall clock. Absent in what earlier versions saved.
    #[serde(default)]
    maintenance: Option<Maintenance>,
}

/// A breaker that is not closed. A trial under way is lost with the process, so it is due again at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SavedBreaker {
    failed_trials: u32,
    next_trial_in: Duration,
}

impl PolicyState {
    /// The state as it is now, for [`PolicyState::restore`].
    pub fn save(&self, now: Moment) -> SavedPolicy {
        let age = |at: Instant| now.mono.saturating_duration_since(at);
        let breaker = match self.breaker {
            Breaker::Closed => None,
            Breaker::Open {
                failed_trials,
                next_trial,
            } => Some(SavedBreaker {
                failed_trials,
                next_trial_in: next_trial.saturating_duration_since(now.mono),
            }),
            Breaker::HalfOpen { failed_trials, .. } => Some(SavedBreaker {
                failed_trials,
                next_trial_in: Duration::ZERO,
            }),
        };
        SavedPolicy {
            saved_at: now.wall,
            incarnation: self.incarnation.clone(),
            counts_for: self.counts_from.map(age),
            fresh: self.fresh,
            start_period_left: self
                .start_period
                .ends
                .map(|ends| ends.saturating_duration_since(now.mono)),
            streaks: self.streaks.clone(),
            breaker,
            flapping: self.flapping.clone(),
            heard_ago: self.last_heard.map(age),
            was_unmeasured: self.was_unmeasured,
            tick_in: self
                .anchor
                .map(|anchor| signed(anchor.saturating_duration_since(now.mono)) - signed(age(anchor))),
            maintenance: self.maintenance.clone(),
        }
    }

    /// What a restart would make of it changed enough since `before` to be written down again. Numbers that grow with every
    /// cycle and decide nothing any more do not count, nor does the wording of reasons.
    pub fn needs_saving_after(&self, before: &Self) -> bool {
        self.incarnation != before.incarnation
            || self.fresh != before.fresh
            || self.start_period.ends != before.start_period.ends
            || self.flapping != before.flapping
            || self.maintenance != before.maintenance
            || self.streaks.gist() != before.streaks.gist()
            || self.breaker.gist() != before.breaker.gist()
    }

    /// A wall time at which a cycle on schedule is due; `None` before the first cycle has ended.
    pub fn phase(&self, now: Moment) -> Option<Timestamp> {
        self.anchor.map(|anchor| now.wall_at(anchor))
    }

    /// Cycles on schedule fall on this wall time and whole intervals from it.
    pub fn keep_phase(&mut self, phase: Timestamp, spec: &ServiceSpec, now: Moment) {
        let interval = i128::try_from(spec.interval.as_nanos()).unwrap_or(i128::MAX).max(1);
        let ahead = (phase.as_nanosecond() - now.wall.as_nanosecond()).rem_euclid(interval);
        self.anchor = Some(now.mono + Duration::from_nanos(u64::try_from(ahead).unwrap_or(0)));
    }

    /// The state that was saved, with the time since then taken into account by the wall clock.
    pub fn restore(saved: SavedPolicy, now: Moment) -> Self {
        let elapsed = now.since_wall(saved.saved_at);
        let deadline = |left: Duration| now.mono + left.saturating_sub(elapsed);
        // A machine that runs for a shorter time than the state is old has no such moment.
        let past = |ago: Duration| now.mono.checked_sub(ago.saturating_add(elapsed));
        let tick = |tick_in: SignedDuration| {
            let length = tick_in.unsigned_abs();
            match tick_in.is_negative() {
                true => past(length),
                false => past(Duration::ZERO).and_then(|saved_at| saved_at.checked_add(length)),
            }
        };
        Self {
            incarnation: saved.incarnation,
            counts_from: saved.counts_for.map(|counts_for| past(counts_for).unwrap_or(now.mono)),
            fresh: saved.fresh,
            start_period: StartPeriod {
                ends: saved.start_period_left.map(deadline),
            },
            streaks: saved.streaks,
            breaker: match saved.breaker {
                None => Breaker::Closed,
                Some(SavedBreaker {
                    failed_trials,
                    next_trial_in,
                }) => Breaker::Open {
                    failed_trials,
                    next_trial: deadline(next_trial_in),
                },
            },
            flapping: saved.flapping,
            was_unmeasured: saved.was_unmeasured,
            anchor: saved.tick_in.and_then(tick),
            last_heard: saved.heard_ago.map(|ago| past(ago).unwrap_or(now.mono)),
            maintenance: saved.maintenance,
        }
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
