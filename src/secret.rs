//! A value that is used and never shown, and what may be shown of one that holds another.

use std::fmt;

use serde::Deserialize;

/// A password, key or token. `Debug` prints `***`; there is neither `Display` nor `Serialize`, so it cannot slip into a
/// log, an answer or a file. Whoever needs the value says so with [`Secret::expose`].
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// A URL without what people put secrets into: user and password, query, fragment.
pub(crate) fn shown_url(url: &str) -> String {
    let shown = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = match shown.find("://") {
        Some(at) => shown.split_at(at + 3),
        None => ("", shown),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}{host}{path}")
}

// === impl Secret ===

impl Secret {
    /// Keeps the value from being shown.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_secrets() {
        for (url, shown) in [
            ("http://app:8080/health", "http://app:8080/health"),
            ("https://app/a@b?token=hunter2", "https://app/a@b"),
            ("https://app?token=hunter2", "https://app"),
            ("https://app/#hunter2?x", "https://app/"),
            ("https://me:hunter2@app/x", "https://app/x"),
            ("https://me:hunt@er2@app", "https://app"),
            ("me:hunter2@app/x?y", "app/x"),
            ("ftp://app/ü?hunter2", "ftp://app/ü"),
            ("", ""),
        ] {
            assert_eq!(shown_url(url), shown, "{url}");
        }
    }

    #[test]
    fn is_not_shown_by_debug_alone_or_inside_another_value() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "*** Some(\n    ***,\n)");
        assert_eq!(secret.expose(), "hunter2");
    }
}
