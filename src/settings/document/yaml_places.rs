//! The lines of a YAML file's keys.

use std::collections::HashMap;

use yaml_rust2::parser::{Event, MarkedEventReceiver, Parser};
use yaml_rust2::scanner::Marker;

use super::{PlaceNotes, SyntaxError};
use crate::settings::place::{KeyPath, Places};

/// Notes the line of every key; `None` where the document holds nothing.
pub(super) fn read(text: &str, notes: PlaceNotes<'_>) -> Result<Option<Places>, SyntaxError> {
    let mut receiver = Receiver {
        notes,
        open: Vec::new(),
        documents: 0,
        is_table: false,
        error: None,
    };
    let parsed = Parser::new_from_str(text).load(&mut receiver, true);
    if let Some(error) = receiver.error {
        return Err(error);
    }
    parsed.map_err(|error| SyntaxError {
        line: error.marker().line(),
        column: error.marker().col() + 1,
        message: error.info().to_owned(),
    })?;
    Ok(receiver.is_table.then_some(receiver.notes.places))
}

/// Follows the parser's events through the nested tables and lists.
struct Receiver<'a> {
    notes: PlaceNotes<'a>,
    /// The tables and lists that are open, the innermost last.
    open: Vec<Level>,
    documents: usize,
    is_table: bool,
    /// The first thing that makes it no document of ours.
    error: Option<SyntaxError>,
}

/// A table or list that is open.
enum Level {
    Table {
        path: KeyPath,
        /// The key whose value comes next; `None` where a key comes next.
        key: Option<String>,
        /// Lines of the keys so far.
        lines: HashMap<String, usize>,
    },
    List {
        path: KeyPath,
        next: usize,
    },
}

// === impl Receiver ===

impl Receiver<'_> {
    fn fail(&mut self, mark: Marker, message: impl Into<String>) {
        if self.error.is_none() {
            self.error = Some(SyntaxError {
                line: mark.line(),
                column: mark.col() + 1,
                message: message.into(),
            });
        }
    }

    /// The path of the value that begins; in a table that is the one of the key before it.
    fn begin_value(&mut self, mark: Marker) -> Option<KeyPath> {
        match self.open.last_mut() {
            None => Some(KeyPath::default()),
            Some(Level::List { path, next }) => {
                *next += 1;
                Some(path.join(&(*next - 1).to_string()))
            }
            Some(Level::Table { path, key, .. }) => match key.take() {
                Some(key) => Some(path.join(&key)),
                None => {
                    self.fail(mark, "a table or list cannot be a key");
                    None
                }
            },
        }
    }

    /// Takes a scalar: a key, or a value of which nothing is to be noted.
    fn scalar(&mut self, text: String, mark: Marker) {
        let Some(Level::Table { path, key, lines }) = self.open.last_mut() else {
            // Only an empty document may have no table at its root.
            if self.open.is_empty() && !matches!(text.as_str(), "" | "~" | "null") {
                self.fail(mark, "expected a table of keys and values");
            } else {
                self.begin_value(mark);
            }
            return;
        };
        if key.take().is_some() {
            return;
        }
        let path = path.join(&text);
        *key = Some(text.clone());
        if let Some(first) = lines.insert(text.clone(), mark.line()) {
            self.fail(
                mark,
                format!("duplicate key '{text}'; it stands on line {first} already"),
            );
            return;
        }
        self.notes.note(path, mark.line());
    }
}

impl MarkedEventReceiver for Receiver<'_> {
    fn on_event(&mut self, event: Event, mark: Marker) {
        if self.error.is_some() {
            return;
        }
        match event {
            Event::DocumentStart => {
                self.documents += 1;
                if self.documents > 1 {
                    self.fail(mark, "a second document begins; a configuration is one");
                }
            }
            Event::MappingStart(..) => {
                self.is_table |= self.open.is_empty();
                if let Some(path) = self.begin_value(mark) {
                    self.open.push(Level::Table {
                        path,
                        key: None,
                        lines: HashMap::new(),
                    });
                }
            }
            Event::SequenceStart(..) => {
                if self.open.is_empty() {
                    self.fail(mark, "expected a table of keys and values, not a list");
                } else if let Some(path) = self.begin_value(mark) {
                    self.open.push(Level::List { path, next: 0 });
                }
            }
            Event::MappingEnd | Event::SequenceEnd => {
                self.open.pop();
            }
            Event::Scalar(text, ..) => self.scalar(text, mark),
            Event::Alias(_) => {
                self.begin_value(mark);
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
    }
}
