//! The lines of a TOML file's keys.

use toml::de::{DeTable, DeValue};

use super::{PlaceNotes, SyntaxError};
use crate::settings::place::{KeyPath, Places};

/// Notes the line of every key.
pub(super) fn read(text: &str, mut notes: PlaceNotes<'_>) -> Result<Places, SyntaxError> {
    let table = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or_default();
        let (line, column) = position(text, span.start);
        let message = match (error.message(), text.get(span)) {
            ("duplicate key", Some(key)) => format!("duplicate key '{key}'"),
            (message, _) => message.to_owned(),
        };
        SyntaxError { line, column, message }
    })?;
    note_table(text, table.get_ref(), &KeyPath::default(), &mut notes);
    Ok(notes.places)
}

fn note_table(text: &str, table: &DeTable<'_>, path: &KeyPath, notes: &mut PlaceNotes<'_>) {
    for (name, value) in table {
        let path = path.join(name.get_ref());
        let (line, _) = position(text, name.span().start);
        notes.note(path.clone(), line);
        note_value(text, value.get_ref(), &path, notes);
    }
}

fn note_value(text: &str, value: &DeValue<'_>, path: &KeyPath, notes: &mut PlaceNotes<'_>) {
    match value {
        DeValue::Table(table) => note_table(text, table, path, notes),
        DeValue::Array(items) => {
            for (position, item) in items.iter().enumerate() {
                note_value(text, item.get_ref(), &path.join(&position.to_string()), notes);
            }
        }
        _ => {}
    }
}

/// Line and column of a byte, both counted from 1, the column in characters.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).map_or(0, |start| start.chars().count()) + 1;
    (line, column)
}
