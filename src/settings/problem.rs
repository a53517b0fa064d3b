//! Everything that can be wrong with a configuration.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::place::{KeyPath, Place};

/// One thing that is wrong: where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it stands.
    pub place: Place,
    /// The key at fault; empty where it is not known which key is meant.
    pub path: KeyPath,
    /// The key's path, what is wrong with it, and what would be right.
    pub message: String,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file does not exist or cannot be read.
    #[error("{} cannot be read: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is a folder in the file's place.
    #[error("{} is a folder; Docker makes an empty one where a mounted file does not exist: remove it, then write the file", file.display())]
    Folder {
        /// The file.
        file: PathBuf,
    },
    /// The file's name does not say what it is.
    #[error("{} is neither TOML nor YAML by its name: let it end in .toml, .yaml or .yml", file.display())]
    Format {
        /// The file.
        file: PathBuf,
    },
    /// The file cannot be understood at all.
    #[error("{}:{line}:{column}: {message}", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// What was met and what was expected.
        message: String,
    },
    /// The layers cannot be put together.
    #[error("configuration cannot be put together: {0}")]
    Layers(#[from] config::ConfigError),
    /// It can be understood and must not be used.
    #[error("{}", Report { problems })]
    Invalid {
        /// All that is wrong, in the order of their places.
        problems: Vec<Problem>,
        /// The files beside the configuration that were read for it, or were to be: it may be one of them that is wrong.
        files: Vec<PathBuf>,
    },
}

/// All problems, one a line.
struct Report<'a> {
    problems: &'a [Problem],
}

// === impl Problem ===

impl Problem {
    /// Something is wrong with the value at this path.
    pub(super) fn new(place: Place, path: &KeyPath, message: impl fmt::Display) -> Self {
        Self {
            place,
            path: path.clone(),
            message: format!("{path} {message}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

// === impl SettingsError ===

impl SettingsError {
    /// These problems, in the order in which a person meets them.
    pub(super) fn invalid(mut problems: Vec<Problem>) -> Self {
        // Files come before variables in `Place`, and the one file there is goes by line.
        problems.sort();
        problems.dedup();
        Self::Invalid {
            problems,
            files: Vec::new(),
        }
    }

    /// The files beside the configuration in which what is wrong may be set right.
    pub fn files(&self) -> &[PathBuf] {
        match self {
            SettingsError::Invalid { files, .. } => files,
            _ => &[],
        }
    }

    /// The same, after these files were read.
    pub(super) fn of_files(self, read: Vec<PathBuf>) -> Self {
        match self {
            SettingsError::Invalid { problems, .. } => SettingsError::Invalid { problems, files: read },
            other => other,
        }
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => f.write_str("1 problem in the configuration:")?,
            count => write!(f, "{count} problems in the configuration:")?,
        }
        for problem in self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}
