//! What a configuration key is: the schema tables of sections and checks are made of these.

/// One key of a section or of a check.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// How it is spelled in the file: lower case, words joined by `_`.
    pub name: &'static str,
    /// What its value may be.
    pub kind: KeyKind,
    /// Leaving it out is an error.
    pub required: bool,
    /// One sentence for a person, without a period: what it does.
    pub help: &'static str,
}

/// What a key's value may be. The loader checks values against it before anything is deserialised, so a check's
/// `Settings` meet only values of the right form: see each variant for the form.
#[derive(Debug, Clone, Copy)]
pub enum KeyKind {
    /// `true` or `false`.
    Boolean,
    /// A whole number within these bounds, both included.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A time above zero such as `"500ms"`, `"10s"`, `"2m"`, `"1h30m"`. It stays text:
    /// deserialise it with [`super::duration`].
    Duration,
    /// The same, and `"0s"` is allowed.
    DurationOrZero,
    /// Any text that is not empty.
    Text,
    /// Any text.
    TextOrEmpty,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `host:port`, or a host alone where the check has a default port, which is then added: always `host:port` when it
    /// is deserialised. An IPv6 address with a port stands in brackets.
    Address,
    /// An address with a scheme, one of these.
    Url(&'static [&'static str]),
    /// A file on the monitor's side. Not opened by the loader, except where it holds a secret.
    File,
    /// Text that is never shown. It may be given as `NAME_file`, the path of a file that holds it; then the content,
    /// without the line end at its end, is what is deserialised as `NAME`.
    Secret,
    /// A list of texts, none of them empty. A variable separates them by commas.
    Texts,
    /// A list of whole numbers within these bounds. A variable separates them by commas.
    Integers {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A table from any name to a text, as for HTTP headers.
    TextTable,
    /// The same, and its texts are never shown.
    SecretTable,
}

// === impl Key ===

impl Key {
    /// A key that may be left out.
    pub const fn optional(name: &'static str, kind: KeyKind, help: &'static str) -> Self {
        Self {
            name,
            kind,
            required: false,
            help,
        }
    }

    /// A key that must be given.
    pub const fn required(name: &'static str, kind: KeyKind, help: &'static str) -> Self {
        Self {
            required: true,
            ..Self::optional(name, kind, help)
        }
    }
}
