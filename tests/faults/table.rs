//! The table that the suite prints, row by row, and leaves as JSON.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

/// What came of one fault.
pub(crate) struct Row {
    pub(crate) group: &'static str,
    pub(crate) name: String,
    pub(crate) seen: Vec<String>,
    pub(crate) took: Duration,
    /// Why it failed; `None` where it passed.
    pub(crate) failure: Option<String>,
}

pub(crate) struct Table {
    rows: Vec<Row>,
}

impl Table {
    pub(crate) fn begin(faults: usize) -> Self {
        println!("\n{faults} faults");
        println!(
            "{:<10} {:<44} {:>8}  {:<7} what was seen",
            "group", "fault", "took", "verdict"
        );
        Self { rows: Vec::new() }
    }

    /// Prints a row.
    pub(crate) fn add(&mut self, row: Row) {
        let verdict = if row.failure.is_none() { "passed" } else { "FAILED" };
        let mut lines = row.failure.iter().chain(&row.seen);
        println!(
            "{:<10} {:<44} {:>6.1} s  {verdict:<7} {}",
            row.group,
            row.name,
            row.took.as_secs_f64(),
            lines.next().map_or("", String::as_str)
        );
        for line in lines {
            println!("{:<74} {line}", "");
        }
        self.rows.push(row);
    }

    /// Prints the count, and tells whether all passed.
    pub(crate) fn end(self) -> bool {
        let failed = self.rows.iter().filter(|row| row.failure.is_some()).count();
        println!("\n{} passed, {failed} failed", self.rows.len() - failed);
        let rows: Vec<_> = self.rows.iter().map(Row::json).collect();
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("faults.json");
        fs::write(&file, format!("{:#}\n", json!({ "faults": rows }))).expect("the folder of test output is writable");
        println!("as JSON: {}", file.display());
        failed == 0
    }
}

impl Row {
    fn json(&self) -> serde_json::Value {
        json!({
            "group": self.group,
            "fault": self.name,
            "seen": self.seen,
            "seconds": self.took.as_secs_f64(),
            "passed": self.failure.is_none(),
            "failure": self.failure,
        })
    }
}
