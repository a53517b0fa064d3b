//! The lines of a YAML file's keys.

use std::collections::HashMap;

use yaml_rust2::parser::{Event, Parser};
use yaml_rust2::scanner::Marker;

use super::{PlaceNotes, SyntaxError};
use crate::settings::place::{KeyPath, Places};

/// Tables and lists that may stand within each other. The parser calls itself for each level, and a file that has tens of
/// thousands of them would end the process.
const DEEPEST: usize = 64;

/// Values that a document may hold once its aliases are replaced. A few lines of aliases of aliases can stand for more than
/// fits into memory.
const MOST_VALUES: usize = 1_000_000;

/// Notes the line of every key; `None` where the document holds nothing.
pub(super) fn read(text: &str, notes: PlaceNotes<'_>) -> Result<Option<Places>, SyntaxError> {
    let mut receiver = Receiver {
        notes,
        open: Vec::new(),
        documents: 0,
        is_table: false,
        values: 0,
        anchors: HashMap::new(),
        error: None,
    };
    // Event by event, for `Parser::load` calls itself for each level before anybody could say that it is too deep.
    let mut parser = Parser::new_from_str(text);
    loop {
        let (event, mark) = parser.next_token().map_err(|error| SyntaxError {
            line: error.marker().line(),
            column: error.marker().col() + 1,
            message: error.info().to_owned(),
        })?;
        if event == Event::StreamEnd {
            break;
        }
        receiver.on_event(event, mark);
        if let Some(error) = receiver.error {
            return Err(error);
        }
    }
    Ok(receiver.is_table.then_some(receiver.notes.places))
}

/// Follows the parser's events through the nested tables and lists.
struct Receiver<'a> {
    notes: PlaceNotes<'a>,
    /// The tables and lists that are open, the innermost last.
    open: Vec<Level>,
    documents: usize,
    is_table: bool,
    /// Values so far, those that aliases stand for among them.
    values: usize,
    /// How many values each anchor stands for.
    anchors: HashMap<usize, usize>,
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
        began: Began,
    },
    List {
        path: KeyPath,
        next: usize,
        began: Began,
    },
}

/// Where an open table or list began.
#[derive(Debug, Clone, Copy)]
struct Began {
    /// The number of its anchor; 0 where it has none.
    anchor: usize,
    /// Values before it.
    values: usize,
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
            Some(Level::List { path, next, .. }) => {
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
        let Some(Level::Table { path, key, lines, .. }) = self.open.last_mut() else {
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

    fn on_event(&mut self, event: Event, mark: Marker) {
        match event {
            Event::DocumentStart => {
                self.documents += 1;
                if self.documents > 1 {
                    self.fail(mark, "a second document begins; a configuration is one");
                }
            }
            Event::MappingStart(anchor, _) => {
                self.is_table |= self.open.is_empty();
                let began = self.begin(anchor, mark);
                if let Some(path) = self.begin_value(mark) {
                    self.open.push(Level::Table {
                        path,
                        key: None,
                        lines: HashMap::new(),
                        began,
                    });
                }
            }
            Event::SequenceStart(anchor, _) => {
                let began = self.begin(anchor, mark);
                if self.open.is_empty() {
                    self.fail(mark, "expected a table of keys and values, not a list");
                } else if let Some(path) = self.begin_value(mark) {
                    self.open.push(Level::List { path, next: 0, began });
                }
            }
            Event::MappingEnd | Event::SequenceEnd => self.end(),
            Event::Scalar(text, _, anchor, _) => {
                self.anchors.insert(anchor, 1);
                self.count(1, mark);
                self.scalar(text, mark);
            }
            Event::Alias(anchor) => {
                // One of something that is open still is not replaced.
                let stands_for = self.anchors.get(&anchor).copied().unwrap_or(1);
                self.count(stands_for, mark);
                self.begin_value(mark);
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
    }

    /// A table or list begins.
    fn begin(&mut self, anchor: usize, mark: Marker) -> Began {
        if self.open.len() >= DEEPEST {
            self.fail(mark, format!("more than {DEEPEST} tables and lists within each other"));
        }
        let values = self.values;
        self.count(1, mark);
        Began { anchor, values }
    }

    /// The innermost table or list ends.
    fn end(&mut self) {
        if let Some(Level::Table { began, .. } | Level::List { began, .. }) = self.open.pop() {
            self.anchors.insert(began.anchor, self.values - began.values);
        }
    }

    fn count(&mut self, values: usize, mark: Marker) {
        self.values = self.values.saturating_add(values);
        if self.values > MOST_VALUES {
            self.fail(mark, format!("its aliases stand for more than {MOST_VALUES} values"));
        }
    }
}
