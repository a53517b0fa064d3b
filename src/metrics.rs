//! What Prometheus scrapes: the text format 0.0.4, written straight from the registry's snapshot.
//!
//! # Layout
//!
//! - [`text`]: the format itself: families, labels, escaping, numbers.
//! - [`services`] and [`containers`]: one sample for each thing in the snapshot, so that `/metrics` never disagrees with
//!   `/health` and no series outlives what it describes.
//! - [`itself`]: what the monitor tells of itself, from the figures that its parts report when asked; [`process`]: what
//!   the kernel tells of its process.
//!
//! A series whose value is not known is absent; nothing is shown as 0 that was not measured.

mod containers;
mod itself;
mod process;
mod services;
mod text;

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

/// Writes the whole exposition.
pub fn render(snapshot: &Snapshot, figures: &SelfFigures, process: &Process, settings: Settings) -> String {
    let services = services::rows(snapshot);
    let containers = containers::rows(snapshot);
    let size = services::size(&services) + containers::size(&containers) + itself::SIZE;

    let mut text = Text::with_capacity(size);
    services::write(&mut text, &services, settings);
    containers::write(&mut text, &containers);
    if snapshot.engine.is_up() {
        containers::write_totals(&mut text, snapshot);
    }
    itself::write(&mut text, &snapshot.engine, figures);
    let mut out = text.finish();
    process.write(&mut out);
    out
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self { plain_duration: true }
    }
}
