//! What may be set: one [`Key`] a line of a schema. Configuration is checked against schemas, never by hand.

use std::time::Duration;

/// One key of a section or of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// As it is written in the file: `snake_case`.
    pub name: &'static str,
    /// What its value must be.
    pub kind: KeyKind,
    /// Leaving it out is an error.
    pub required: bool,
    /// What holds where it is left out, as one would write it; `None` where leaving it out means "none".
    pub default: Option<&'static str>,
    /// One sentence for a person: what it does, in which unit.
    pub help: &'static str,
}

/// What a key's value must be, and the normal form in which [`Values`](super::values::Values) carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Any text. Normal form: a string.
    Text,
    /// Text that is never shown; may also be given as `<key>_file`, whose content it then is. Normal form: a string.
    Secret,
    /// A whole number. Normal form: a number within the bounds.
    Number {
        /// The least that is allowed.
        min: u64,
        /// The most that is allowed.
        max: u64,
    },
    /// A span of time (`"500ms"`, `"10s"`, `"5m"`). Normal form: its text, for
    /// `#[serde(with = "crate::settings::duration")]`.
    Duration {
        /// The least that is allowed.
        min: Duration,
        /// The most that is allowed.
        max: Duration,
    },
    /// `true` or `false`. Normal form: a boolean.
    Bool,
    /// One of these words. Normal form: a string.
    Choice(&'static [&'static str]),
    /// A list of texts; in a variable, separated by commas. Normal form: an array of strings.
    TextList,
    /// A table of texts. Normal form: an object of strings.
    TextMap,
    /// A table of texts whose values are never shown. Normal form: an object of strings.
    SecretMap,
    /// A file on this machine. Normal form: a string.
    Path,
    /// `host:port`, `[v6]:port`, or `host` where the check has a default port. Normal form: a string with the port.
    HostPort,
    /// One or more of these, in a list or separated by commas. Normal form: an array of strings, each with its port.
    HostPortList,
    /// A URL with one of these schemes and without user and password. Normal form: a string.
    Url(&'static [&'static str]),
}

// === impl Key ===

impl Key {
    /// An optional key without a default.
    pub const fn new(name: &'static str, kind: KeyKind, help: &'static str) -> Self {
        Self {
            name,
            kind,
            required: false,
            default: None,
            help,
        }
    }

    /// The same key, but it must be given.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// The same key, with what holds where it is left out.
    #[must_use]
    pub const fn default(self, default: &'static str) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }
}
