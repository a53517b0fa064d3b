//! When a service was up, down, or not measured.

use health_monitor_actors::model::Status;

/// What a status says of the time in which a service has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It did its work.
    Up,
    /// It was seen not to.
    Down,
    /// Nothing is known: nobody looked, could look, or was to look; or it was within its start period.
    Gap,
}

impl Standing {
    /// What the status says.
    pub fn of(status: Status) -> Self {
        match status {
            Status::Healthy | Status::Degraded => Standing::Up,
            Status::Unhealthy | Status::NotFound => Standing::Down,
            Status::Error | Status::Unknown | Status::Starting | Status::Maintenance => Standing::Gap,
        }
    }
}

/// When one service was up, down, or not measured: pieces of time in order, without overlap, in milliseconds since 1970.
/// What lies between two pieces is a gap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    from: i64,
    to: i64,
    is_up: bool,
}

/// A change of status as a timeline needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// What the service was from then on.
    pub to: Status,
    /// From when on nothing was known of the service; see
    /// [`StatusChange::reconstructed_since`](super::model::StatusChange::reconstructed_since).
    pub unknown_since: Option<i64>,
}

/// Milliseconds of a stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measured {
    /// In which the service was up.
    pub up: u64,
    /// In which it was down.
    pub down: u64,
}

impl Timeline {
    /// Of a service's changes and the monitor's runs, both in the order of time, within `from` to `to`. The first change is
    /// the last one before `from`, where there is one: before the first change nothing is known. Runs may overlap, where the
    /// wall clock was set back: time that was lived twice counts once.
    pub fn new(changes: &[Mark], runs: &[(i64, i64)], from: i64, to: i64) -> Self {
        let mut pieces = Vec::new();
        for (index, change) in changes.iter().enumerate() {
            let is_up = match Standing::of(change.to) {
                Standing::Up => true,
                Standing::Down => false,
                Standing::Gap => continue,
            };
            let next = changes.get(index + 1);
            let until = next.map_or(to, |next| next.unknown_since.unwrap_or(next.at).min(next.at));
            let (begin, end) = (change.at.max(from), until.min(to));
            let mut covered = begin;
            for (started, stopped) in runs {
                let (piece_from, piece_to) = ((*started).max(covered), (*stopped).min(end));
                if piece_from < piece_to {
                    pieces.push(Piece {
                        from: piece_from,
                        to: piece_to,
                        is_up,
                    });
                    covered = piece_to;
                }
            }
        }
        Self { pieces }
    }

    /// What was measured from `from` to before `to`.
    pub fn measured(&self, from: i64, to: i64) -> Measured {
        let mut measured = Measured::default();
        let first = self.pieces.partition_point(|piece| piece.to <= from);
        for piece in self.pieces.iter().skip(first).take_while(|piece| piece.from < to) {
            let length = (piece.to.min(to) - piece.from.max(from)).unsigned_abs();
            if piece.is_up {
                measured.up += length;
            } else {
                measured.down += length;
            }
        }
        measured
    }

    /// Nothing was measured at all.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mark(at: i64, to: Status) -> Mark {
        Mark {
            at,
            to,
            unknown_since: None,
        }
    }

    fn measured(changes: &[Mark], runs: &[(i64, i64)]) -> (u64, u64) {
        let Measured { up, down } = Timeline::new(changes, runs, 0, 1_000).measured(0, 1_000);
        (up, down)
    }

    #[test]
    fn a_status_holds_until_the_next_one() {
        let changes = [
            mark(100, Status::Healthy),
            mark(300, Status::Unhealthy),
            mark(400, Status::Degraded),
        ];
        assert_eq!(measured(&changes, &[(0, 1_000)]), (800, 100));
        let timeline = Timeline::new(&changes, &[(0, 1_000)], 0, 1_000);
        assert_eq!(timeline.measured(250, 350), Measured { up: 50, down: 50 });
        assert_eq!(timeline.measured(0, 100), Measured::default());
    }

    #[test]
    fn time_in_which_nobody_looked_or_could_counts_as_neither() {
        let up = [mark(0, Status::Healthy)];
        assert_eq!(measured(&up, &[(0, 300), (500, 1_000)]), (800, 0));
        assert_eq!(measured(&up, &[]), (0, 0));
        for gap in [Status::Error, Status::Unknown, Status::Starting, Status::Maintenance] {
            let changes = [mark(0, Status::Healthy), mark(200, gap), mark(900, Status::Unhealthy)];
            assert_eq!(measured(&changes, &[(0, 1_000)]), (200, 100), "{gap}");
        }
        assert_eq!(measured(&[], &[(0, 1_000)]), (0, 0));
    }

    #[test]
    fn a_change_that_was_found_out_later_leaves_a_gap_before_it() {
        let down = Mark {
            unknown_since: Some(300),
            ..mark(520, Status::Unhealthy)
        };
        let changes = [mark(0, Status::Healthy), down];
        assert_eq!(measured(&changes, &[(0, 300), (500, 1_000)]), (300, 480));
    }

    #[test]
    fn time_that_was_lived_twice_counts_once() {
        // The clock was set back from 600 to 200.
        assert_eq!(
            measured(&[mark(0, Status::Healthy)], &[(0, 600), (200, 1_000)]),
            (1_000, 0)
        );
    }

    proptest! {
        #[test]
        fn no_more_is_measured_than_there_is_time(
            changes in proptest::collection::vec((0..1_000_i64, 0..8_usize, proptest::option::of(0..1_000_i64)), 0..20),
            runs in proptest::collection::vec((0..1_000_i64, 0..1_000_i64), 0..6),
            cut in 0..1_000_i64,
        ) {
            let mut changes: Vec<Mark> = changes
                .into_iter()
                .map(|(at, status, unknown_since)| Mark { at, to: Status::ALL[status], unknown_since })
                .collect();
            changes.sort_by_key(|change| change.at);
            let mut runs = runs;
            runs.sort_unstable();
            let timeline = Timeline::new(&changes, &runs, 0, 1_000);
            let whole = timeline.measured(0, 1_000);
            prop_assert!(whole.up + whole.down <= 1_000);
            let (before, after) = (timeline.measured(0, cut), timeline.measured(cut, 1_000));
            prop_assert_eq!(before.up + after.up, whole.up);
            prop_assert_eq!(before.down + after.down, whole.down);
        }
    }
}
