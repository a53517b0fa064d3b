//! Whether a document from real data has the shape of a specified example: the same keys in the same order, with values of
//! the same type and form.

use jiff::Timestamp;

use health_monitor_test_support::json::Node;

/// Where a document may differ from its example.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Freedom {
    /// Paths of objects that have one entry for each name (of a service, a network, a port): each entry has the shape of
    /// the example's first.
    pub(crate) keyed_by_name: &'static [&'static str],
    /// Paths that may be null although the example's are not.
    pub(crate) nullable: &'static [&'static str],
}

impl Freedom {
    /// Fails the test where a document lacks the example's shape. Further fields may follow the specified ones.
    pub(crate) fn assert_shape(&self, document: &str, example: &str) {
        self.compare(&Node::parse(document), &Node::parse(example), "");
    }

    fn compare(&self, ours: &Node, example: &Node, at: &str) {
        match (ours, example) {
            (Node::Object(ours), Node::Object(example)) if self.keyed_by_name.contains(&at) => {
                for (_, value) in ours {
                    self.compare(value, &example[0].1, &below(at, "*"));
                }
            }
            (Node::Object(ours), Node::Object(example)) => {
                let names = |fields: &[(String, Node)]| fields.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
                let (all, specified) = (names(ours), names(example));
                assert_eq!(
                    all.get(..specified.len()),
                    Some(&specified[..]),
                    "fields at '{at}': {all:?}"
                );
                for ((name, ours), (_, example)) in ours.iter().zip(example) {
                    self.compare(ours, example, &below(at, name));
                }
            }
            (Node::List(ours), Node::List(example)) => {
                for ours in ours {
                    if let Some(first) = example.first() {
                        self.compare(ours, first, &below(at, "*"));
                    }
                }
            }
            (Node::Text(ours), Node::Text(example)) => compare_texts(ours, example, at),
            (Node::Null, _) if self.nullable.contains(&at) => {}
            (Node::Null, Node::Null) | (Node::Bool(_), Node::Bool(_)) => {}
            (Node::Number(ours), Node::Number(_)) => assert!(*ours >= 0.0, "'{at}' is {ours}"),
            _ => panic!("'{at}' is {ours:?}, specified is {example:?}"),
        }
    }
}

/// Times are RFC 3339 in UTC, and a container's id has 12 digits.
fn compare_texts(ours: &str, example: &str, at: &str) {
    if example.parse::<Timestamp>().is_ok() {
        let is_time = ours.parse::<Timestamp>().is_ok() && ours.ends_with('Z');
        assert!(is_time, "'{at}' is no time in UTC: {ours}");
    }
    if is_id(example) {
        assert!(is_id(ours), "'{at}' is no container id: {ours}");
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn below(at: &str, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at}.{name}")
    }
}
