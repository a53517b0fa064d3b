//! The table that the suite prints, row by row, and leaves as JSON.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

/// Where what was seen begins, and how many characters of it stand in a line.
const INDENT: usize = 74;
const WIDTH: usize = 86;

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
        let told = row.failure.iter().chain(&row.seen);
        let mut lines = told.flat_map(|told| wrapped(told));
        println!(
            "{:<10} {:<44} {:>6.1} s  {verdict:<7} {}",
            row.group,
            row.name,
            row.took.as_secs_f64(),
            lines.next().unwrap_or_default()
        );
        for line in lines {
            println!("{:INDENT$} {line}", "");
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

/// The lines of a text, broken between words where they are too long. What continues a line is indented.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_inclusive(' ') {
            if !line.trim().is_empty() && line.chars().count() + word.trim_end().chars().count() > WIDTH {
                lines.push(line.trim_end().to_owned());
                "  ".clone_into(&mut line);
            }
            line.push_str(word);
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
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
