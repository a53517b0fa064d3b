//! What the writer looks at by itself: the clocks, and what containers use.

use std::collections::HashMap;
use std::time::Duration;

use health_monitor_actors::model::{ContainerKey, Moment, ResourceUsage, Snapshot};
use jiff::Timestamp;

use crate::history::model::{Run, UsageSample, to_millis};

/// How far the clocks may drift apart in one beat before the wall clock counts as set.
const STEP: Duration = Duration::from_secs(2);

/// How long a beat may be late before nobody can be said to have looked meanwhile.
const STANDSTILL: Duration = Duration::from_secs(15);

/// Watches both clocks, and tells since when the monitor has looked without a break.
#[derive(Debug)]
pub(super) struct Clock {
    started: Timestamp,
    last: Moment,
}

impl Clock {
    /// From now on.
    pub(super) fn start() -> Self {
        let now = Moment::now();
        Self {
            started: to_millis(now.wall),
            last: now,
        }
    }

    /// The monitor still looks. True where it did not meanwhile, or the wall clock was set: a new run begins.
    pub(super) fn beat(&mut self) -> bool {
        self.beat_at(Moment::now())
    }

    fn beat_at(&mut self, now: Moment) -> bool {
        let passed = now.mono.saturating_duration_since(self.last.mono);
        let by_wall = now.wall.as_millisecond() - self.last.wall.as_millisecond();
        let apart = by_wall - i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        let is_broken = u128::from(apart.unsigned_abs()) > STEP.as_millis() || passed > STANDSTILL;
        self.last = now;
        if is_broken {
            self.started = to_millis(now.wall);
        }
        is_broken
    }

    /// When the monitor was last known to look.
    pub(super) fn last(&self) -> Timestamp {
        to_millis(self.last.wall)
    }

    /// The run under way, until now.
    pub(super) fn run(&self) -> Run {
        Run {
            started: self.started,
            until: self.last().max(self.started),
        }
    }
}

/// Makes samples of what containers use out of their growing counters.
#[derive(Debug, Default)]
pub(super) struct UsageWatch {
    last: HashMap<ContainerKey, ResourceUsage>,
}

impl UsageWatch {
    /// The samples that are new in the snapshot.
    pub(super) fn look(&mut self, snapshot: &Snapshot) -> Vec<UsageSample> {
        self.last.retain(|key, _| snapshot.containers.contains_key(key));
        let mut samples = Vec::new();
        for (key, container) in &snapshot.containers {
            let Some(usage) = container.usage.as_deref() else {
                continue;
            };
            let before = self.last.get(key);
            if before.is_some_and(|before| before.at == usage.at) {
                continue;
            }
            // Counters begin anew with every run of a container: what is less than before counts from nothing.
            let grown = |now: Option<u64>, before: Option<Option<u64>>| match (now, before.flatten()) {
                (Some(now), Some(before)) => now.checked_sub(before).unwrap_or(now),
                _ => 0,
            };
            samples.push(UsageSample {
                container: container.name.clone(),
                at: to_millis(usage.at),
                cpu_millicores: usage.cpu_cores.map(|cores| (cores.max(0.0) * 1_000.0).round() as u64),
                memory: usage.memory_working_set,
                memory_limit: usage.memory_limit,
                network_received: grown(usage.network_receive, before.map(|before| before.network_receive)),
                network_sent: grown(usage.network_transmit, before.map(|before| before.network_transmit)),
                block_read: grown(usage.block_read, before.map(|before| before.block_read)),
                block_written: grown(usage.block_write, before.map(|before| before.block_write)),
            });
            self.last.insert(key.clone(), *usage);
        }
        samples
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use health_monitor_actors::model::{ContainerState, ContainerStatus, EngineState};

    use super::*;
    use crate::history::model::from_millis;

    fn later(moment: Moment, mono: u64, wall: i64) -> Moment {
        Moment {
            mono: moment.mono + Duration::from_millis(mono),
            wall: from_millis(moment.wall.as_millisecond() + wall),
        }
    }

    #[test]
    fn a_clock_that_is_set_and_a_standstill_begin_a_new_run() {
        let mut clock = Clock::start();
        let mut now = clock.last;
        let started = clock.run().started;
        for (mono, wall, breaks) in [
            (1_000, 1_000, false),
            (1_000, 2_500, false),
            (1_000, 3_600_000, true),
            (1_000, 1_000, false),
            (1_000, -3_600_000, true),
            (14_000, 14_000, false),
            (16_000, 16_000, true),
        ] {
            now = later(now, mono, wall);
            assert_eq!(clock.beat_at(now), breaks, "{mono} {wall}");
            let run = clock.run();
            assert_eq!(run.until, to_millis(now.wall));
            assert_eq!(run.started == run.until, breaks);
        }
        assert_ne!(clock.run().started, started);
    }

    #[test]
    fn counters_become_what_was_used_since() {
        let key = ContainerKey {
            engine: "local".into(),
            id: "a".into(),
        };
        let snapshot = |at: i64, received: u64| {
            let usage = ResourceUsage {
                at: from_millis(at),
                cpu_percent: None,
                cpu_cores: Some(0.25),
                cpu_seconds: 1.0,
                memory_usage: 9,
                memory_working_set: 7,
                memory_limit: 100,
                network_receive: Some(received),
                network_transmit: None,
                block_read: Some(received / 2),
                block_write: None,
            };
            let mut container = ContainerState::new(key.clone(), "kafka", ContainerStatus::Running);
            container.usage = Some(Arc::new(usage));
            Snapshot {
                version: 1,
                at: from_millis(at),
                services: BTreeMap::new(),
                containers: BTreeMap::from([(key.clone(), Arc::new(container))]),
                engine: EngineState::Up,
            }
        };
        let mut watch = UsageWatch::default();
        let mut look = |at, received| {
            let samples = watch.look(&snapshot(at, received));
            samples
                .first()
                .map(|sample| (sample.network_received, sample.block_read))
        };
        assert_eq!(look(1_000, 500), Some((0, 0)));
        assert_eq!(look(1_000, 500), None, "the same sample");
        assert_eq!(look(2_000, 800), Some((300, 150)));
        assert_eq!(look(3_000, 40), Some((40, 20)), "it was started again");
    }
}
