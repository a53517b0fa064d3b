//! What Prometheus scrapes: the text format 0.0.4, written straight from the registry's snapshot.
//!
//! # Layout
//!
//! - [`text`]: the format itself: families, labels, escaping, numbers.
//! - [`services`] and [`containers`]: one sample for each thing in the snapshot, so that `/metrics` never disagrees with
//!   `/health` and no series outlives what it describes.
//! - [`itself`] and [`history`]: what the monitor tells of itself, from the figures that its parts report when asked;
//!   [`process`]: what the kernel tells of its process.
//!
//! A series whose value is not known is absent; nothing is shown as 0 that was not measured.

mod containers;
#[cfg(test)]
pub(crate) mod fuzz;
mod history;
mod itself;
mod process;
mod services;
mod text;

use std::fmt;
use std::sync::Arc;

use health_monitor_actors::model::Snapshot;

pub use itself::{DockerFigures, DockerRequests, SelfFigures};
pub use process::Process;
use text::Text;

/// The only format that is served. Prometheus from 3 on insists on a correct type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the exposition shows beyond what it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Show the last duration also as a plain sample `health_check_duration_seconds`, inside the histogram's family. To
    /// be turned off where Prometheus converts classic histograms to native ones, which take the same name.
    pub plain_duration: bool,
}

/// The whole exposition, piece by piece: with ten thousand services it has tens of megabytes, of which no more is in memory
/// than the client takes.
pub struct Exposition {
    snapshot: Arc<Snapshot>,
    figures: SelfFigures,
    process: Arc<Process>,
    settings: Settings,
    services: Vec<services::Row>,
    containers: Vec<containers::Row>,
    /// Where the next piece begins; `None` after the last one.
    next: Option<Place>,
    /// The family that was announced last.
    announced: &'static str,
}

/// A place in the exposition.
#[derive(Debug, Clone, Copy)]
enum Place {
    Services(Position),
    Containers(Position),
    Rest,
}

/// A place among families that have a sample for each of many rows.
#[derive(Debug, Clone, Copy, Default)]
struct Position {
    family: usize,
    row: usize,
}

/// Bytes at which a piece is handed out.
const PIECE: usize = 16 * 1024;

/// Rows of which one family is written before the piece's size is looked at again.
const ROWS_AT_ONCE: usize = 16;

// === impl Exposition ===

impl Exposition {
    /// Of this snapshot and these figures; the process is read when its turn comes.
    pub fn new(snapshot: Arc<Snapshot>, figures: SelfFigures, process: Arc<Process>, settings: Settings) -> Self {
        Self {
            services: services::rows(&snapshot),
            containers: containers::rows(&snapshot),
            snapshot,
            figures,
            process,
            settings,
            next: Some(Place::Services(Position::default())),
            announced: "",
        }
    }

    /// Writes from `place` on, until the piece is large enough or the next part begins; tells where it goes on.
    fn write(&self, text: &mut Text, place: Place) -> Option<Place> {
        match place {
            Place::Services(position) => {
                let family = |text: &mut Text, family: &services::Family, rows: &_| family(text, rows, self.settings);
                let next = write_rows(text, position, &services::FAMILIES, &self.services, family);
                if let Some(position) = next {
                    return Some(Place::Services(position));
                }
                services::write_totals(text, &self.services);
                Some(Place::Containers(Position::default()))
            }
            Place::Containers(position) => {
                let family = |text: &mut Text, family: &containers::Family, rows: &_| family(text, rows);
                let next = write_rows(text, position, &containers::FAMILIES, &self.containers, family);
                if let Some(position) = next {
                    return Some(Place::Containers(position));
                }
                if self.snapshot.engine.is_up() {
                    containers::write_totals(text, &self.snapshot);
                }
                Some(Place::Rest)
            }
            Place::Rest => {
                itself::write(text, &self.snapshot.engine, &self.figures);
                if let Some(figures) = &self.figures.history {
                    history::write(text, figures);
                }
                None
            }
        }
    }
}

/// Writes families from `position` on, until the piece is large enough; `None` where all are written.
fn write_rows<F, R>(
    text: &mut Text,
    mut position: Position,
    families: &[F],
    rows: &[R],
    write: impl Fn(&mut Text, &F, &[R]),
) -> Option<Position> {
    while let Some(family) = families.get(position.family) {
        let rest = rows.get(position.row..).unwrap_or_default();
        match rest.split_at_checked(ROWS_AT_ONCE) {
            Some((some, _)) => {
                write(text, family, some);
                position.row += ROWS_AT_ONCE;
            }
            None => {
                write(text, family, rest);
                position = Position {
                    family: position.family + 1,
                    row: 0,
                };
            }
        }
        if text.len() >= PIECE {
            return Some(position);
        }
    }
    None
}

impl Iterator for Exposition {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        self.next?;
        let mut text = Text::after(self.announced, 2 * PIECE);
        while let Some(place) = self.next
            && text.len() < PIECE
        {
            self.next = self.write(&mut text, place);
        }
        self.announced = text.announced();
        let mut piece = text.finish();
        if self.next.is_none() {
            self.process.write(&mut piece);
        }
        Some(piece)
    }
}

impl fmt::Debug for Exposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exposition")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self { plain_duration: true }
    }
}
