//! What the machine should say, worked out anew from the whole history in the plainest way there is.
//!
//! Nothing here is shared with the machine: what a streak settles is read off the list of all verdicts, and time is whole
//! milliseconds since the begin.

use crate::model::{FailureKind, Fault, ServiceSpec, Verdict};

/// States that flapping looks at.
const SPAN_FLAPPING: usize = 21;

/// Where the check alone leaves the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Up,
    Warned,
    Down,
}

/// What was found, or began anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fact {
    /// Other runs of the containers: what was known is void.
    Anew,
    /// One more container: the cycles are counted anew.
    Joined,
    /// A cycle that counts.
    Counted(Standing),
}

/// The breaker by the book.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Breaker {
    Closed,
    /// With the trials that failed, and when the next one is due, in milliseconds.
    Open(u32, f64),
    HalfOpen(u32, f64),
}

/// The whole history of one service, and what follows from it.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    spec: ServiceSpec,
    facts: Vec<Fact>,
    /// Every state that was settled, or that the containers showed.
    flaps: Vec<Standing>,
    start_period_ends: Option<u64>,
    pub(super) breaker: Breaker,
}

impl Reference {
    pub(super) fn new(spec: &ServiceSpec) -> Self {
        Self {
            spec: spec.clone(),
            facts: Vec::new(),
            flaps: Vec::new(),
            start_period_ends: None,
            breaker: Breaker::Closed,
        }
    }

    // === What happens ===

    /// A cycle that began after the last start ended now. `draw` is the random number that it came with.
    pub(super) fn cycle(&mut self, verdict: Verdict, now: u64, draw: f64) {
        let standing = match verdict {
            Verdict::Pass => Standing::Up,
            Verdict::Warn => Standing::Warned,
            Verdict::Fail(FailureKind::Container) => {
                self.flaps.push(Standing::Down);
                return self.measured_nothing(now, draw);
            }
            Verdict::Fail(kind) if kind.fault() == Fault::Monitor => return self.measured_nothing(now, draw),
            Verdict::Fail(_) if self.is_in_start_period(now) => return self.measured_nothing(now, draw),
            Verdict::Fail(_) => Standing::Down,
        };
        self.facts.push(Fact::Counted(standing));
        if standing == Standing::Down {
            self.breaker = match self.breaker {
                Breaker::Closed if self.settled() == Some(Standing::Down) && self.failures() >= 5 => {
                    self.opened(0, now, draw)
                }
                Breaker::HalfOpen(failed, _) => self.opened(failed + 1, now, draw),
                other => other,
            };
        } else {
            self.start_period_ends = None;
            self.breaker = Breaker::Closed;
        }
        if let Some(settled) = self.settled()
            && !self.is_pending()
        {
            self.flaps.push(settled);
        }
    }

    /// A cycle ended that says nothing of the service.
    pub(super) fn measured_nothing(&mut self, now: u64, draw: f64) {
        match self.breaker {
            Breaker::HalfOpen(failed, _) => self.breaker = self.opened(failed, now, draw),
            Breaker::Open(failed, due) if due <= now as f64 => self.breaker = self.opened(failed, now, draw),
            _ => {}
        }
    }

    /// Its only container started.
    pub(super) fn started(&mut self, unplanned: bool, now: u64) {
        self.begin_anew();
        let period = u64::try_from(self.spec.start_period.as_millis()).unwrap();
        self.start_period_ends = (!unplanned && period > 0).then_some(now + period);
    }

    /// Its only container runs on after a pause.
    pub(super) fn resumed(&mut self) {
        self.begin_anew();
    }

    /// One more container runs, beside another.
    pub(super) fn joined(&mut self) {
        self.facts.push(Fact::Joined);
        self.breaker = Breaker::Closed;
    }

    /// The last container that ran does not.
    pub(super) fn stopped(&mut self) {
        self.start_period_ends = None;
        self.flaps.push(Standing::Down);
    }

    pub(super) fn mended(&mut self, now: u64) {
        if let Breaker::Open(failed, due) = self.breaker {
            self.breaker = Breaker::Open(failed, due.min(now as f64));
        }
    }

    /// A cycle asks to run: whether it may, and whether it is a trial.
    pub(super) fn admits(&mut self, now: u64) -> Option<bool> {
        match self.breaker {
            Breaker::Closed => Some(false),
            Breaker::Open(failed, due) | Breaker::HalfOpen(failed, due) if due <= now as f64 => {
                let patience = (self.spec.timeout.as_millis() + 5_000) as f64;
                self.breaker = Breaker::HalfOpen(failed, now as f64 + patience);
                Some(true)
            }
            _ => None,
        }
    }

    // === What follows ===

    /// What is settled: the last run of equal verdicts that was long enough says it, and the first verdict in any case.
    pub(super) fn settled(&self) -> Option<Standing> {
        let segments = self.segments();
        let mut is_down = None;
        for run in segments
            .iter()
            .flat_map(|segment| segment.chunk_by(|a, b| is_up(*a) == is_up(*b)))
        {
            let goes_up = is_up(run[0]);
            let needed = if goes_up {
                self.spec.thresholds.success
            } else {
                self.spec.thresholds.failure
            };
            if is_down.is_none() || run.len() >= needed as usize {
                is_down = Some(!goes_up);
            }
        }
        if is_down? {
            return Some(Standing::Down);
        }
        segments
            .iter()
            .flatten()
            .rev()
            .find(|standing| is_up(**standing))
            .copied()
    }

    pub(super) fn failures(&self) -> u32 {
        self.trailing(|standing| !is_up(standing))
    }

    pub(super) fn successes(&self) -> u32 {
        self.trailing(is_up)
    }

    /// The last verdict since the count began says otherwise than what is settled.
    pub(super) fn is_pending(&self) -> bool {
        let segments = self.segments();
        let last = segments.last().and_then(|segment| segment.last());
        match (self.settled(), last) {
            (Some(settled), Some(last)) => is_up(settled) != is_up(*last),
            _ => false,
        }
    }

    pub(super) fn is_in_start_period(&self, now: u64) -> bool {
        self.start_period_ends.is_some_and(|ends| now < ends)
    }

    /// Whether the service flaps, told from the whole list of its states.
    pub(super) fn is_flapping(&self) -> bool {
        let mut flaps = false;
        for end in 1..=self.flaps.len() {
            let share = changed(&self.flaps[..end]);
            flaps = share >= 30.0 || (flaps && share > 20.0);
        }
        flaps
    }

    fn begin_anew(&mut self) {
        self.facts.push(Fact::Anew);
        self.start_period_ends = None;
        self.breaker = Breaker::Closed;
    }

    fn opened(&self, failed: u32, now: u64, draw: f64) -> Breaker {
        let pause = [15_000.0, 30_000.0, 60_000.0][failed.min(2) as usize] * (0.8 + 0.4 * draw);
        Breaker::Open(failed, now as f64 + pause.max(self.spec.interval.as_millis() as f64))
    }

    /// The verdicts since the last fresh start, parted where the count began anew.
    fn segments(&self) -> Vec<Vec<Standing>> {
        let begin = self
            .facts
            .iter()
            .rposition(|fact| *fact == Fact::Anew)
            .map_or(0, |at| at + 1);
        let parts = self.facts[begin..].split(|fact| *fact == Fact::Joined);
        let counted = |fact: &Fact| match fact {
            Fact::Counted(standing) => Some(*standing),
            Fact::Anew | Fact::Joined => None,
        };
        parts.map(|part| part.iter().filter_map(counted).collect()).collect()
    }

    fn trailing(&self, is_counted: impl Fn(Standing) -> bool) -> u32 {
        let segments = self.segments();
        let last = segments.last().into_iter().flatten().rev();
        u32::try_from(last.take_while(|standing| is_counted(**standing)).count()).unwrap()
    }
}

fn is_up(standing: Standing) -> bool {
    standing != Standing::Down
}

/// Nagios' weighted share of changes among the last 21 states, in percent.
fn changed(states: &[Standing]) -> f64 {
    let mut all = vec![states[0]; SPAN_FLAPPING.saturating_sub(states.len())];
    all.extend_from_slice(&states[states.len().saturating_sub(SPAN_FLAPPING)..]);
    let mut sum = 0.0;
    for index in 1..SPAN_FLAPPING {
        if all[index] != all[index - 1] {
            sum += 0.75 + 0.5 * (index - 1) as f64 / 19.0;
        }
    }
    sum / 20.0 * 100.0
}
