//! What Prometheus scrapes: the text format 0.0.4, written straight from the registry's snapshot.
//!
//! # Layout
//!
//! - [`text`]: the format itself: families, labels, escaping, numbers.
//! - [`services`] and [`containers`]: one sample for each thing in the snapshot, so that `/metrics` never disagrees with
//!   `/health` and no series outlives what it describes.
//! - [`itself`] and [`history`]: what the monitor tells of itself, from the figures that its parts report when asked; [`process`]: what
//!   the kernel tells of its process.
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
    /// Where the next piece begins; `None` after the last one.
    next: Option<Position>,
    /// The family that was announced last.
    announced: &'static str,
}

/// A place among the families of services.
#[derive(Debug, Clone, Copy, Default)]
struct Position {
    family: usize,
    service: usize,
}

/// Bytes at which a piece is handed out.
const PIECE: usize = 64 * 1024;

/// Services of which one family is written before the piece's size is looked at again.
const SERVICES_AT_ONCE: usize = 128;

// === impl Exposition ===

impl Exposition {
    /// Of this snapshot and these figures; the process is read when its turn comes.
    pub fn new(snapshot: Arc<Snapshot>, figures: SelfFigures, process: Arc<Process>, settings: Settings) -> Self {
        Self {
            services: services::rows(&snapshot),
            snapshot,
            figures,
            process,
            settings,
            next: Some(Position::default()),
            announced: "",
        }
    }

    /// Writes families of services from `position` on, until the piece is large enough; `None` where all are written.
    fn write_services(&self, text: &mut Text, mut position: Position) -> Option<Position> {
        while let Some(family) = services::FAMILIES.get(position.family) {
            let rest = self.services.get(position.service..).unwrap_or_default();
            match rest.split_at_checked(SERVICES_AT_ONCE) {
                Some((some, _)) => {
                    family(text, some, self.settings);
                    position.service += SERVICES_AT_ONCE;
                }
                None => {
                    family(text, rest, self.settings);
                    position = Position {
                        family: position.family + 1,
                        service: 0,
                    };
                }
            }
            if text.len() >= PIECE {
                return Some(position);
            }
        }
        None
    }

    /// Writes all that does not grow with the number of services.
    fn write_rest(&self, text: &mut Text) {
        services::write_totals(text, &self.services);
        containers::write(text, &containers::rows(&self.snapshot));
        if self.snapshot.engine.is_up() {
            containers::write_totals(text, &self.snapshot);
        }
        itself::write(text, &self.snapshot.engine, &self.figures);
        if let Some(figures) = &self.figures.history {
            history::write(text, figures);
        }
    }
}

impl Iterator for Exposition {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let position = self.next?;
        let mut text = Text::after(self.announced, 2 * PIECE);
        self.next = self.write_services(&mut text, position);
        if self.next.is_some() {
            self.announced = text.announced();
            return Some(text.finish());
        }
        self.write_rest(&mut text);
        let mut last = text.finish();
        self.process.write(&mut last);
        Some(last)
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
