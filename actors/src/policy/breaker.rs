//! The circuit breaker: a service that is down and stays down is asked less often.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::{BreakerView, Moment, ServiceSpec};

use super::backoff::Backoff;

/// Failing cycles in a row, of a service that is down, after which the breaker opens.
pub(super) const OPENS_AFTER: u32 = 5;
/// From the opening to the first trial, and at most between two, before jitter.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(15), Duration::from_secs(60));
/// Jitter: the share by which a pause may be shorter or longer.
const JITTER: f64 = 0.2;
/// How long after a trial's timeout its result may still come before it is given up as lost.
const TRIAL_GRACE: Duration = Duration::from_secs(5);

/// What may be run now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// A cycle with its retries.
    Cycle,
    /// One attempt without retries: the trial of an open breaker, which is half open from now on.
    Trial,
    /// Nothing before this time: a trial is under way, or not due yet.
    NotBefore(Instant),
}

/// Whether cycles run on schedule, and if not, when the next trial does.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) enum Breaker {
    /// Cycles run on schedule.
    #[default]
    Closed,
    /// Nothing runs before the next trial.
    Open {
        /// Trials that failed since it opened.
        failed_trials: u32,
        /// When the next trial is due.
        next_trial: Instant,
    },
    /// One trial is under way.
    HalfOpen {
        /// Trials that failed since it opened.
        failed_trials: u32,
        /// When the trial is taken for lost. Without it a trial whose probe died would keep the breaker half open.
        lost_at: Instant,
    },
}

// === impl Breaker ===

impl Breaker {
    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Breaker::Closed)
    }

    /// What a restart needs of it: whether it is closed, and how far its trials have come, as long as that makes a
    /// difference to the next one's time.
    pub(super) fn gist(&self) -> Option<u32> {
        const DECIDES: u32 = 4;
        match self {
            Breaker::Closed => None,
            Breaker::Open { failed_trials, .. } | Breaker::HalfOpen { failed_trials, .. } => {
                Some((*failed_trials).min(DECIDES))
            }
        }
    }

    /// When the next cycle may run at the earliest; `None` while closed.
    pub(super) fn not_before(&self) -> Option<Instant> {
        match self {
            Breaker::Closed => None,
            Breaker::Open { next_trial, .. } => Some(*next_trial),
            Breaker::HalfOpen { lost_at, .. } => Some(*lost_at),
        }
    }

    /// Asks to run a cycle. At most one trial is under way at any time.
    pub(super) fn admit(&mut self, spec: &ServiceSpec, now: Moment) -> Admission {
        match *self {
            Breaker::Closed => Admission::Cycle,
            Breaker::Open {
                failed_trials,
                next_trial: due,
            }
            | Breaker::HalfOpen {
                failed_trials,
                lost_at: due,
            } if due <= now.mono => {
                *self = Breaker::HalfOpen {
                    failed_trials,
                    lost_at: now.mono + spec.timeout + TRIAL_GRACE,
                };
                Admission::Trial
            }
            Breaker::Open { next_trial: due, .. } | Breaker::HalfOpen { lost_at: due, .. } => Admission::NotBefore(due),
        }
    }

    /// A cycle or trial failed, by the service's fault. `failures` counts the failing cycles in a row, this one included.
    pub(super) fn failed(&mut self, spec: &ServiceSpec, is_down: bool, failures: u32, now: Moment, random: f64) {
        *self = match *self {
            Breaker::Closed if is_down && failures >= OPENS_AFTER => Self::open(0, spec, now, random),
            Breaker::Closed => Breaker::Closed,
            Breaker::HalfOpen { failed_trials, .. } => Self::open(failed_trials.saturating_add(1), spec, now, random),
            // A cycle that was under way when the breaker opened tells nothing that is not known.
            open @ Breaker::Open { .. } => open,
        };
    }

    /// A trial, or the cycle in its place, ended without having measured the service: it is repeated, and not counted.
    pub(super) fn unmeasured(&mut self, spec: &ServiceSpec, now: Moment, random: f64) {
        match *self {
            Breaker::HalfOpen { failed_trials, .. } => *self = Self::open(failed_trials, spec, now, random),
            // A cycle that its containers ended before it could become the trial. Left due, it would be so for ever.
            Breaker::Open {
                failed_trials,
                next_trial,
            } if next_trial <= now.mono => *self = Self::open(failed_trials, spec, now, random),
            Breaker::Open { .. } | Breaker::Closed => {}
        }
    }

    /// Something happened that could have mended the service: the next trial is due at once. True where there is one.
    pub(super) fn mended(&mut self, now: Moment) -> bool {
        match self {
            Breaker::Open { next_trial, .. } => {
                *next_trial = now.mono.min(*next_trial);
                true
            }
            Breaker::Closed | Breaker::HalfOpen { .. } => false,
        }
    }

    pub(super) fn view(&self, now: Moment) -> BreakerView {
        match self {
            Breaker::Closed => BreakerView::Closed,
            Breaker::Open { next_trial, .. } => BreakerView::Open {
                next_trial: now.wall_at(*next_trial),
            },
            Breaker::HalfOpen { .. } => BreakerView::HalfOpen,
        }
    }

    /// Open until a trial that does not come sooner than a closed breaker's cycle would.
    fn open(failed_trials: u32, spec: &ServiceSpec, now: Moment, random: f64) -> Self {
        let jitter = 1.0 - JITTER + 2.0 * JITTER * random.clamp(0.0, 1.0);
        // The interval is held against it last: jitter must not make a broken service's trial come before its cycle would.
        let pause = PAUSES.ceiling(failed_trials).mul_f64(jitter).max(spec.interval);
        Breaker::Open {
            failed_trials,
            next_trial: now.mono + pause,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::*;
    use super::*;

    fn opened(now: Moment) -> Breaker {
        let mut breaker = Breaker::Closed;
        breaker.failed(&spec(), true, OPENS_AFTER, now, MIDDLE);
        breaker
    }

    #[test]
    fn it_opens_for_a_service_that_is_down_after_five_failing_cycles() {
        for (is_down, failures, opens) in [(true, 4, false), (false, 9, false), (true, 5, true), (true, 8, true)] {
            let mut breaker = Breaker::Closed;
            breaker.failed(&spec(), is_down, failures, start(), MIDDLE);
            assert_eq!(!breaker.is_closed(), opens, "down {is_down}, {failures} failures");
        }
    }

    #[test]
    fn pauses_double_from_15_s_to_60_s() {
        let mut now = start();
        let mut breaker = opened(now);
        for pause in [15, 30, 60, 60] {
            assert_eq!(breaker.not_before(), Some(now.mono + seconds(pause)));
            assert_eq!(
                breaker.admit(&spec(), now + seconds(pause - 1)),
                Admission::NotBefore(now.mono + seconds(pause))
            );
            now = now + seconds(pause);
            assert_eq!(breaker.admit(&spec(), now), Admission::Trial);
            breaker.failed(&spec(), true, 9, now, MIDDLE);
        }
    }

    #[test]
    fn a_trial_comes_no_sooner_than_a_cycle_would() {
        let hourly = ServiceSpec {
            interval: seconds(3_600),
            ..spec()
        };
        let now = start();
        for random in [0.0, MIDDLE, 1.0] {
            let mut breaker = Breaker::Closed;
            breaker.failed(&hourly, true, OPENS_AFTER, now, random);
            assert_eq!(breaker.not_before(), Some(now.mono + seconds(3_600)));
        }
    }

    #[test]
    fn jitter_does_not_bring_a_trial_before_the_interval() {
        let spec = ServiceSpec {
            interval: seconds(30),
            ..spec()
        };
        let now = start();
        let mut breaker = Breaker::Closed;
        breaker.failed(&spec, true, OPENS_AFTER, now, 0.0);
        assert_eq!(breaker.not_before(), Some(now.mono + seconds(30)), "and not 24 s");
    }

    #[test]
    fn jitter_is_a_fifth_either_way() {
        let now = start();
        for (random, milliseconds) in [(0.0, 12_000), (0.5, 15_000), (1.0, 18_000)] {
            let mut breaker = Breaker::Closed;
            breaker.failed(&spec(), true, OPENS_AFTER, now, random);
            let pause = breaker.not_before().unwrap() - now.mono;
            assert_eq!(pause.as_secs_f64().round() * 1_000.0, f64::from(milliseconds));
        }
    }

    #[test]
    fn a_lost_trial_does_not_keep_it_half_open() {
        let begin = start();
        let now = begin + seconds(15);
        let mut breaker = opened(begin);
        assert_eq!(breaker.admit(&spec(), now), Admission::Trial);
        assert_eq!(breaker.view(now), BreakerView::HalfOpen);
        let lost_at = now + spec().timeout + TRIAL_GRACE;
        assert_eq!(breaker.admit(&spec(), now), Admission::NotBefore(lost_at.mono));
        assert_eq!(breaker.admit(&spec(), lost_at), Admission::Trial);
    }

    #[test]
    fn the_view_tells_the_trials_time_of_day() {
        let now = start();
        let view = opened(now).view(now + seconds(5));
        assert_eq!(
            view,
            BreakerView::Open {
                next_trial: now.wall + seconds(15)
            }
        );
    }
}
