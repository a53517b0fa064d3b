//! Values that were already held against a schema, on their way to what they configure.

use std::fmt;

use serde::de::DeserializeOwned;

use serde_json::{Map, Value};

/// What the configuration says for the keys of one schema, each in the normal form of its
/// [`KeyKind`](super::key::KeyKind). Keys that were left out are absent: their defaults belong to what is configured.
///
/// Secrets are among the values, so `Debug` prints the names alone. Two sets of values are equal when they configure
/// the same thing.
#[derive(Clone, Default, PartialEq)]
pub struct Values(Map<String, Value>);

/// Values that fit their schema and still cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {problem}")]
pub struct InvalidValue {
    /// Name of the key at fault, relative to the section of the values.
    pub key: String,
    /// What is wrong with it and what would be right, to be read after the key's path.
    pub problem: String,
}

// === impl Values ===

impl Values {
    /// Sets a key's value, which must be in the normal form of its kind.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.insert(key.into(), value.into());
        self
    }

    /// A key's value in its normal form.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The values as the settings that they are for.
    ///
    /// # Errors
    ///
    /// Where they do not fit: then the schema and the settings contradict each other.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, InvalidValue> {
        T::deserialize(Value::Object(self.0.clone())).map_err(|error| InvalidValue {
            key: "settings".to_owned(),
            problem: format!("do not fit: {error}"),
        })
    }
}

impl FromIterator<(String, Value)> for Values {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

// === impl InvalidValue ===

impl InvalidValue {
    /// This key's value cannot be used, because of this problem.
    pub fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            problem: problem.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::Deserialize;

    use super::*;
    use crate::secret::Secret;

    #[derive(Debug, Deserialize)]
    struct Login {
        user: String,
        password: Option<Secret>,
        #[serde(with = "crate::settings::duration")]
        patience: Duration,
    }

    #[test]
    fn become_the_settings_they_are_for() {
        let values = Values::default()
            .with("user", "monitor")
            .with("password", "hunter2")
            .with("patience", "1s500ms");
        let login: Login = values.read().unwrap();
        assert_eq!(login.user, "monitor");
        assert_eq!(login.password.unwrap().expose(), "hunter2");
        assert_eq!(login.patience, Duration::from_millis(1500));
    }

    #[test]
    fn show_their_keys_alone() {
        let values = Values::default().with("password", "hunter2");
        assert_eq!(format!("{values:?}"), r#"{"password"}"#);
    }

    #[test]
    fn say_what_does_not_fit() {
        let error = Values::default().with("user", 1).read::<Login>().unwrap_err();
        assert!(error.to_string().contains("invalid type: integer `1`"), "{error}");
    }
}
