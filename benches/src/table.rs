//! The one table of all results, and the same as JSON.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::engine;
use crate::options::Options;
use crate::row::Row;

/// Everything that was measured, on what.
pub(crate) struct Table {
    machine: Value,
    runs: usize,
    is_judged: bool,
    rows: Vec<Row>,
}

const HEAD: [&str; 6] = ["what", "target", "this run", "reference", "ratio", "verdict"];

// === impl Table ===

impl Table {
    /// Without rows yet.
    pub(crate) async fn new(options: &Options) -> Self {
        Self {
            machine: machine().await,
            runs: options.runs,
            is_judged: options.is_judged,
            rows: Vec::new(),
        }
    }

    /// Adds what a part measured.
    pub(crate) fn add(&mut self, rows: Vec<Row>) {
        self.rows.extend(rows);
    }

    /// The row that says this.
    pub(crate) fn find(&self, what: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.what() == what)
    }

    /// Prints it as a table of Markdown, which reads well as it is.
    pub(crate) fn print(&self) {
        let mut lines: Vec<[String; 6]> = vec![HEAD.map(str::to_owned)];
        lines.extend(self.rows.iter().map(|row| row.cells(self.is_judged)));
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: [usize; 6] = std::array::from_fn(width);
        let show = |line: &[String; 6]| {
            let cells = line.iter().zip(widths);
            let cells: Vec<String> = cells.map(|(cell, width)| format!("{cell:width$}")).collect();
            println!("| {} |", cells.join(" | "));
        };
        for (number, line) in lines.iter().enumerate() {
            show(line);
            if number == 0 {
                show(&widths.map(|width| "-".repeat(width)));
            }
        }
    }

    /// Leaves it as JSON.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
        let document = json!({"machine": self.machine, "runs": self.runs, "judged": self.is_judged, "rows": rows});
        let file = folder.join("results.json");
        fs::write(&file, format!("{document:#}\n"))?;
        println!("\nwith every run: {}", file.display());
        Ok(())
    }

    /// Everything was measured that should have been.
    pub(crate) fn check_complete(&self) -> Result<()> {
        ensure!(!self.rows.is_empty(), "nothing was measured");
        for row in &self.rows {
            ensure!(row.is_complete(), "not measured: {row:?}");
        }
        Ok(())
    }
}

/// What the results are results of.
async fn machine() -> Value {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let memory = read("/proc/meminfo");
    let memory = memory.lines().next().and_then(|line| line.split_whitespace().nth(1));
    let memory = memory.and_then(|kibibytes| kibibytes.parse::<u64>().ok());
    let model = read("/proc/cpuinfo");
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "processor": model.map(|(_, name)| name),
        "memory_mib": memory.map(|kibibytes| kibibytes / 1_024),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "engine": engine::version().await,
    })
}
