//! Tables for people, in colour where that is wanted.

use std::fmt::Write;
use std::io::{IsTerminal, stdout};

use clap::ValueEnum;

use super::text::{clean, shorten};
use crate::settings::Sources;

/// The widest that a line may be on a terminal, in characters.
const USUAL_WIDTH: usize = 160;

/// When to use colour.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(super) enum Colour {
    /// On a terminal, unless the variable NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// One cell.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    colour: Option<&'static str>,
}

/// Rows below their headings.
#[derive(Debug)]
pub(super) struct Table {
    headings: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
}

impl Colour {
    /// Colour is wanted.
    pub(super) fn is_wanted(self, sources: &Sources) -> bool {
        match self {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => {
                let variable = |name: &str| sources.environment.get(name).filter(|value| !value.is_empty());
                variable("NO_COLOR").is_none()
                    && variable("TERM").map(String::as_str) != Some("dumb")
                    && stdout().is_terminal()
            }
        }
    }
}

impl Cell {
    /// A cell with this text, on one line and without control characters.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: clean(&text.into()),
            colour: None,
        }
    }

    /// A status, in its colour.
    pub(super) fn status(status: &str) -> Self {
        let colour = match status {
            "healthy" | "running" => Some("32"),
            "degraded" | "starting" | "paused" | "restarting" | "created" => Some("33"),
            "unhealthy" | "not_found" | "exited" | "dead" => Some("31"),
            "error" | "unknown" => Some("35"),
            "maintenance" => Some("36"),
            _ => None,
        };
        Self {
            colour,
            ..Self::new(status)
        }
    }
}

impl Table {
    pub(super) fn new(headings: &'static [&'static str]) -> Self {
        Self {
            headings,
            rows: Vec::new(),
        }
    }

    /// A row of cells without colour.
    pub(super) fn texts<const COLUMNS: usize>(&mut self, texts: [String; COLUMNS]) {
        self.rows.push(texts.into_iter().map(Cell::new).collect());
    }

    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The table without colour, each line ended; on a terminal, to fit it.
    pub(super) fn plain(&self) -> String {
        self.render(false, stdout().is_terminal())
    }

    /// The table, each line ended. On a terminal the last column is cut so that a line fits it.
    pub(super) fn render(&self, in_colour: bool, on_terminal: bool) -> String {
        let mut widths: Vec<usize> = self.headings.iter().map(|heading| heading.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.chars().count());
            }
        }
        let before_last: usize = widths.iter().rev().skip(1).map(|width| width + 2).sum();
        if let Some(last) = widths.last_mut().filter(|_| on_terminal) {
            *last = (*last).min(USUAL_WIDTH.saturating_sub(before_last).max(20));
        }
        let mut text = String::new();
        let headings: Vec<Cell> = self.headings.iter().map(|heading| Cell::new(*heading)).collect();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let last = row.len().saturating_sub(1);
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let shown = shorten(&cell.text, *width);
                let padding = if column == last {
                    0
                } else {
                    width + 2 - shown.chars().count()
                };
                // A String takes whatever is written.
                let _written = match cell.colour.filter(|_| in_colour) {
                    Some(colour) => write!(text, "\u{1b}[{colour}m{shown}\u{1b}[0m{:padding$}", ""),
                    None => write!(text, "{shown}{:padding$}", ""),
                };
            }
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_with_and_without_colour() {
        let mut table = Table::new(&["SERVICE", "STATUS", "REASON"]);
        table.row(vec![
            Cell::new("kafka"),
            Cell::status("healthy"),
            Cell::new("3\nbrokers"),
        ]);
        table.row(vec![
            Cell::new("mosquitto"),
            Cell::status("unhealthy"),
            Cell::new("x".repeat(300)),
        ]);
        let plain = table.render(false, true);
        let lines: Vec<&str> = plain.lines().collect();
        assert_eq!(lines[0], "SERVICE    STATUS     REASON");
        assert_eq!(lines[1], "kafka      healthy    3 brokers");
        assert!(lines[2].starts_with("mosquitto  unhealthy  xxx") && lines[2].ends_with('…'));
        assert!(lines[2].chars().count() <= USUAL_WIDTH);
        let whole = table.render(false, false);
        assert!(whole.contains(&"x".repeat(300)), "a program reads all of it");
        let coloured = table.render(true, true);
        assert!(
            coloured.contains("\u{1b}[32mhealthy\u{1b}[0m    3 brokers"),
            "{coloured:?}"
        );
    }
}
