//! The lines of a TOML file's keys.

use toml::de::{DeTable, DeValue};

use super::{PlaceNotes, SyntaxError};
use crate::settings::place::{KeyPath, Places};

/// Where the lines of a text begin, so that a place in it is found without counting from its start each time.
struct Lines<'a> {
    text: &'a str,
    /// The first byte of each line.
    starts: Vec<usize>,
}

/// Notes the line of every key.
pub(super) fn read(text: &str, mut notes: PlaceNotes<'_>) -> Result<Places, SyntaxError> {
    let lines = Lines::of(text);
    let table = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or_default();
        let (line, column) = lines.position(span.start);
        let message = match (error.message(), text.get(span)) {
            ("duplicate key", Some(key)) => format!("duplicate key '{key}'"),
            (message, _) => message.to_owned(),
        };
        SyntaxError { line, column, message }
    })?;
    note_table(&lines, table.get_ref(), &KeyPath::default(), &mut notes);
    Ok(notes.places)
}

fn note_table(lines: &Lines<'_>, table: &DeTable<'_>, path: &KeyPath, notes: &mut PlaceNotes<'_>) {
    for (name, value) in table {
        let path = path.join(name.get_ref());
        let (line, _) = lines.position(name.span().start);
        notes.note(path.clone(), line);
        note_value(lines, value.get_ref(), &path, notes);
    }
}

fn note_value(lines: &Lines<'_>, value: &DeValue<'_>, path: &KeyPath, notes: &mut PlaceNotes<'_>) {
    match value {
        DeValue::Table(table) => note_table(lines, table, path, notes),
        DeValue::Array(items) => {
            for (position, item) in items.iter().enumerate() {
                note_value(lines, item.get_ref(), &path.join(&position.to_string()), notes);
            }
        }
        _ => {}
    }
}

// === impl Lines ===

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(newline, _)| newline + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(after_newlines).collect(),
        }
    }

    /// Line and column of a byte, both counted from 1, the column in characters.
    fn position(&self, byte: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= byte).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let column = self.text.get(start..byte).map_or(0, |before| before.chars().count()) + 1;
        (line, column)
    }
}
