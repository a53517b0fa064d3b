//! JSON documents with the order of their fields, to hold answers against the specification's examples.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A document whose objects remember the order of their keys.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// # Panics
    ///
    /// Where the text is no JSON.
    pub fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Replaces the value of a field, `a.b`.
    ///
    /// # Panics
    ///
    /// Where there is no such field.
    pub fn set(&mut self, path: &str, value: Node) {
        let (key, rest) = path.split_once('.').unwrap_or((path, ""));
        let Node::Object(fields) = self else {
            panic!("'{path}' is in no object")
        };
        let field = fields.iter_mut().find(|(name, _)| name == key);
        let (_, node) = field.unwrap_or_else(|| panic!("no field '{key}'"));
        match rest {
            "" => *node = value,
            rest => node.set(rest, value),
        }
    }

    /// That this document is the other one with nothing but further fields at the end of its objects: the same names in
    /// the same order, the same values. In the objects at `keyed_by_name` the order says nothing and no field may be
    /// further.
    ///
    /// # Panics
    ///
    /// Where it is not.
    pub fn assert_extends(&self, specified: &Node, keyed_by_name: &[&str]) {
        self.assert_extends_at(specified, keyed_by_name, "");
    }

    fn assert_extends_at(&self, specified: &Node, keyed_by_name: &[&str], at: &str) {
        match (self, specified) {
            (Node::Object(ours), Node::Object(theirs)) => {
                let mut ours = ours.clone();
                let mut theirs = theirs.clone();
                if keyed_by_name.contains(&at) {
                    ours.sort_by(|(a, _), (b, _)| a.cmp(b));
                    theirs.sort_by(|(a, _), (b, _)| a.cmp(b));
                    assert_eq!(ours.len(), theirs.len(), "keys at '{at}'");
                }
                let first: Vec<&String> = ours.iter().take(theirs.len()).map(|(key, _)| key).collect();
                let specified: Vec<&String> = theirs.iter().map(|(key, _)| key).collect();
                assert_eq!(first, specified, "fields at '{at}'");
                for ((key, ours), (_, theirs)) in ours.iter().zip(&theirs) {
                    let at = if at.is_empty() {
                        key.clone()
                    } else {
                        format!("{at}.{key}")
                    };
                    ours.assert_extends_at(theirs, keyed_by_name, &at);
                }
            }
            (Node::List(ours), Node::List(theirs)) => {
                assert_eq!(ours.len(), theirs.len(), "elements at '{at}'");
                for (ours, theirs) in ours.iter().zip(theirs) {
                    ours.assert_extends_at(theirs, keyed_by_name, at);
                }
            }
            (ours, theirs) => assert_eq!(ours, theirs, "value at '{at}'"),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Node, A::Error> {
        let mut object: Vec<(String, Node)> = Vec::new();
        while let Some((key, value)) = fields.next_entry::<String, Node>()? {
            assert!(
                object.iter().all(|(known, _)| *known != key),
                "field '{key}' appears twice"
            );
            object.push((key, value));
        }
        Ok(Node::Object(object))
    }
}
