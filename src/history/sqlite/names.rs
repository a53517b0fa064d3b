//! Numbers in place of names.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use super::Fault;

/// Which names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Service,
    Container,
}

/// The numbers of names that were used before; forgotten with a transaction that failed.
#[derive(Debug)]
pub(super) struct Names {
    kind: Kind,
    known: HashMap<Box<str>, i64>,
}

impl Names {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            known: HashMap::new(),
        }
    }

    /// A name's number; a new one where it has none yet.
    pub(super) fn number(&mut self, connection: &Connection, name: &str) -> Result<i64, Fault> {
        if let Some(number) = self.known.get(name) {
            return Ok(*number);
        }
        let number = match find(connection, self.kind, name)? {
            Some(number) => number,
            None => {
                let insert = match self.kind {
                    Kind::Service => "INSERT INTO service (name) VALUES (?1)",
                    Kind::Container => "INSERT INTO container (name) VALUES (?1)",
                };
                connection.prepare_cached(insert)?.insert([name])?
            }
        };
        self.known.insert(name.into(), number);
        Ok(number)
    }

    /// What was learned may not be so.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }
}

/// A name's number; `None` where it has none.
pub(super) fn find(connection: &Connection, kind: Kind, name: &str) -> Result<Option<i64>, Fault> {
    let select = match kind {
        Kind::Service => "SELECT id FROM service WHERE name = ?1",
        Kind::Container => "SELECT id FROM container WHERE name = ?1",
    };
    Ok(connection
        .prepare_cached(select)?
        .query_row([name], |row| row.get(0))
        .optional()?)
}
