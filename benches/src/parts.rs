//! What is measured, one file a part.

mod answering;
pub(crate) mod cost;
mod nine;
mod noticing;
mod share;
mod start;

use anyhow::{Result, bail};

use crate::options::Options;
use crate::row::Row;

/// A part of the benchmarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// What a check costs.
    Cost,
    /// How fast and at what price requests are answered.
    Answering,
    /// How soon a container's end is noticed.
    Noticing,
    /// What the monitor costs Docker.
    Share,
    /// How soon it is there, and how big it is.
    Start,
    /// What the specified nine services take.
    Nine,
}

// === impl Part ===

impl Part {
    /// All of them, in the order of the table.
    pub(crate) const ALL: [Part; 6] = [
        Part::Cost,
        Part::Answering,
        Part::Noticing,
        Part::Share,
        Part::Start,
        Part::Nine,
    ];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Part::Cost => "cost",
            Part::Answering => "answering",
            Part::Noticing => "noticing",
            Part::Share => "share",
            Part::Start => "start",
            Part::Nine => "nine",
        }
    }

    /// The part of this name.
    pub(crate) fn find(name: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|part| part.name() == name) {
            Some(part) => Ok(part),
            None => bail!("no part {name}; there are {}", Self::ALL.map(Self::name).join(", ")),
        }
    }

    /// Measures it.
    pub(crate) async fn run(self, options: &Options) -> Result<Vec<Row>> {
        eprintln!("==> {}", self.name());
        match self {
            Part::Cost => cost::run(options).await,
            Part::Answering => answering::run(options).await,
            Part::Noticing => noticing::run(options).await,
            Part::Share => share::run(options).await,
            Part::Start => start::run(options).await,
            Part::Nine => nine::run(options).await,
        }
    }
}
