//! A configuration file: its values as the `config` crate reads them, and the lines on which they stand.

mod toml_places;
mod yaml_places;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use config::{FileFormat, Format, Map, Value};

use super::place::{KeyPath, Place, Places};
use super::problem::SettingsError;

/// A file's values and where they stand.
pub(super) struct Document {
    pub(super) root: Map<String, Value>,
    pub(super) places: Places,
}

/// What makes a text no document at all.
struct SyntaxError {
    /// Counted from 1.
    line: usize,
    /// In characters, counted from 1.
    column: usize,
    message: String,
}

/// Notes the lines of keys while a parser walks through a file.
struct PlaceNotes<'a> {
    file: &'a Arc<str>,
    places: Places,
}

// === impl Document ===

impl Document {
    /// Reads and parses a file; its name says whether it is TOML or YAML.
    pub(super) fn read(file: &Path) -> Result<Self, SettingsError> {
        let extension = file
            .extension()
            .map(|extension| extension.to_string_lossy().to_lowercase());
        let format = match extension.as_deref() {
            Some("toml") => FileFormat::Toml,
            Some("yaml" | "yml") => FileFormat::Yaml,
            _ => return Err(SettingsError::Format { file: file.to_owned() }),
        };
        let text = std::fs::read_to_string(file).map_err(|source| match source.kind() {
            ErrorKind::IsADirectory => SettingsError::Folder { file: file.to_owned() },
            _ => SettingsError::Read {
                file: file.to_owned(),
                source,
            },
        })?;
        let name = Arc::from(file.display().to_string());
        Self::parse(&text, format, &name).map_err(|error| SettingsError::Syntax {
            file: file.to_owned(),
            line: error.line,
            column: error.column,
            message: error.message,
        })
    }

    /// Parses a text. The places come first: that parser says where a syntax error stands.
    fn parse(text: &str, format: FileFormat, file: &Arc<str>) -> Result<Self, SyntaxError> {
        let notes = PlaceNotes {
            file,
            places: Places::default(),
        };
        let places = match format {
            FileFormat::Yaml => yaml_places::read(text, notes)?,
            _ => Some(toml_places::read(text, notes)?),
        };
        let Some(places) = places else {
            return Ok(Self {
                root: Map::new(),
                places: Places::default(),
            });
        };
        let root = format
            .parse(Some(&file.to_string()), text)
            .map_err(|error| SyntaxError {
                line: 1,
                column: 1,
                message: error.to_string(),
            })?;
        Ok(Self { root, places })
    }
}

// === impl PlaceNotes ===

impl PlaceNotes<'_> {
    /// The key at this path stands on this line.
    fn note(&mut self, path: KeyPath, line: usize) {
        let place = Place::File {
            file: self.file.clone(),
            line: Some(line),
        };
        self.places.note(path, place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, format: FileFormat) -> Result<Document, String> {
        Document::parse(text, format, &Arc::from("file"))
            .map_err(|error| format!("{}:{} {}", error.line, error.column, error.message))
    }

    fn place(document: &Document, path: &[&str]) -> String {
        document.places.of(&KeyPath::of(path)).to_string()
    }

    /// Ten values to the power of so many levels, one line a level.
    fn multiplied(levels: usize) -> String {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..levels {
            let below = format!("*a{}", level - 1);
            text.push_str(&format!("a{level}: &a{level} [{}]\n", [below.as_str(); 10].join(", ")));
        }
        text
    }

    #[test]
    fn aliases_that_stand_for_little_are_taken() {
        let document = parse(&multiplied(3), FileFormat::Yaml).unwrap();
        assert_eq!(place(&document, &["a2"]), "file:3");
    }

    #[test]
    fn toml_keys_have_lines() {
        let text = "# a\n[docker]\nenabled = true\n\n[services.\"my.db\"]\ncheck = \"tcp\"\nheaders = { a = \"b\" }\n";
        let document = parse(text, FileFormat::Toml).unwrap();
        assert_eq!(place(&document, &["docker", "enabled"]), "file:3");
        assert_eq!(place(&document, &["services", "my.db"]), "file:5");
        assert_eq!(place(&document, &["services", "my.db", "headers", "a"]), "file:7");
    }

    #[test]
    fn yaml_keys_have_lines() {
        let text =
            "# a\ndocker:\n  enabled: true\nservices:\n  web:\n    depends_on: [a, {b: c}]\n    headers:\n      a: b\n";
        let document = parse(text, FileFormat::Yaml).unwrap();
        assert_eq!(place(&document, &["docker", "enabled"]), "file:3");
        assert_eq!(place(&document, &["services", "web", "depends_on"]), "file:6");
        assert_eq!(place(&document, &["services", "web", "headers", "a"]), "file:8");
    }

    #[test]
    fn nothing_is_a_document_too() {
        for text in ["", "# nothing\n", "---\n", "~\n"] {
            assert!(parse(text, FileFormat::Yaml).unwrap().root.is_empty(), "{text:?}");
        }
        assert!(parse("# nothing\n", FileFormat::Toml).unwrap().root.is_empty());
    }

    #[test]
    fn syntax_errors_have_a_line_and_a_column() {
        for (format, text, expected) in [
            (FileFormat::Toml, "[docker\n", "1:8"),
            (FileFormat::Toml, "a = 1\nb = \n", "2:5"),
            (FileFormat::Toml, "[a]\nb = 1\nb = 2\n", "3:1"),
            (FileFormat::Yaml, "a: 1\n b: 2\n", "2:3"),
            (
                FileFormat::Yaml,
                "a: 1\nb: 2\na: 3\n",
                "3:1 duplicate key 'a'; it stands on line 1 already",
            ),
            (FileFormat::Yaml, "- a\n- b\n", "1:1"),
            (FileFormat::Yaml, "a: 1\n---\nb: 1\n", "2:1 a second document"),
            (
                FileFormat::Yaml,
                &format!("a:\n  {}x\n", "- ".repeat(20_000)),
                "2:129 more than 64 tables and lists within each other",
            ),
            (
                FileFormat::Yaml,
                &multiplied(9),
                "6:45 its aliases stand for more than 1000000 values",
            ),
        ] {
            let Err(error) = parse(text, format) else {
                panic!("{text:?} is a document");
            };
            assert!(error.starts_with(expected), "{text:?}: {error}");
        }
    }
}
