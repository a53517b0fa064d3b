//! The name of a service, as configuration, labels and URLs spell it.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest name, in bytes.
const MAX_LENGTH: usize = 128;

/// A service's name: `[A-Za-z0-9][A-Za-z0-9_.-]{0,127}`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceName(Arc<str>);

/// Why a text is not a service name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{name}' is not a service name: use 1 to 128 letters, digits, '_', '.' or '-', the first a letter or a digit")]
pub struct InvalidName {
    name: String,
}

// === impl ServiceName ===

impl ServiceName {
    /// Checks and takes a name.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        let mut bytes = name.bytes();
        let first_is_good = bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let rest_is_good = bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
        if first_is_good && rest_is_good && name.len() <= MAX_LENGTH {
            Ok(Self(Arc::from(name)))
        } else {
            let shown = name.chars().take(MAX_LENGTH).collect();
            Err(InvalidName { name: shown })
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which two names that differ only in case are the same.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Borrow<str> for ServiceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceName {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        Self::new(name)
    }
}

impl TryFrom<String> for ServiceName {
    type Error = InvalidName;

    fn try_from(name: String) -> Result<Self, InvalidName> {
        Self::new(&name)
    }
}

impl From<ServiceName> for String {
    fn from(name: ServiceName) -> Self {
        name.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_compose_calls_a_service() {
        for name in ["kafka", "mqtt-kafka-connector", "a", "0.db_1", &"x".repeat(128)] {
            assert_eq!(ServiceName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn refuses_the_rest_and_says_what_is_allowed() {
        for name in ["", "-kafka", ".db", "a b", "ä", "a/b", &"x".repeat(129)] {
            let error = ServiceName::new(name).unwrap_err().to_string();
            assert!(error.contains("1 to 128 letters"), "{error}");
        }
    }
}
