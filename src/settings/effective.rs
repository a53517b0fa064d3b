//! What holds in the end, key by key: the value as it may be shown, and where it was said.

use serde_json::Value as Json;

use super::key::KeyKind;
use super::place::{KeyPath, Place};
use crate::secret::shown_url;

/// What stands in a secret's place.
const HIDDEN: &str = "***";

/// What holds for one key.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// The key, as a file would have it.
    pub path: KeyPath,
    /// Its value in the normal form, secrets hidden.
    pub value: Json,
    /// Where that was said.
    pub origin: Place,
}

impl Effective {
    /// What holds for a key of this kind.
    pub(super) fn new(path: KeyPath, kind: KeyKind, value: &Json, origin: Place) -> Self {
        Self {
            path,
            value: shown(kind, value),
            origin,
        }
    }
}

fn shown(kind: KeyKind, value: &Json) -> Json {
    match (kind, value) {
        (KeyKind::Secret, _) => Json::from(HIDDEN),
        (KeyKind::SecretMap, Json::Object(entries)) => {
            let names = entries.keys().map(|name| (name.clone(), Json::from(HIDDEN)));
            Json::Object(names.collect())
        }
        (KeyKind::SecretMap, _) => Json::from(HIDDEN),
        (KeyKind::Url(_), Json::String(url)) => Json::from(shown_url(url)),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_secret_is_shown() {
        for (kind, value, expected) in [
            (KeyKind::Secret, json!("hunter2"), json!("***")),
            (
                KeyKind::SecretMap,
                json!({"Authorization": "hunter2"}),
                json!({"Authorization": "***"}),
            ),
            (
                KeyKind::Url(&["http"]),
                json!("http://app/x?token=hunter2"),
                json!("http://app/x"),
            ),
            (KeyKind::Text, json!("monitor"), json!("monitor")),
            (KeyKind::Bool, json!(true), json!(true)),
        ] {
            assert_eq!(shown(kind, &value), expected);
        }
    }
}
