//! Numbers in place of names.

use std::collections::HashMap;

use tokio_postgres::Transaction;

use super::Fault;

/// The numbers of names that were used before; forgotten with a transaction that failed.
#[derive(Debug)]
pub(super) struct Names {
    table: &'static str,
    known: HashMap<Box<str>, i32>,
}

impl Names {
    pub(super) fn new(table: &'static str) -> Self {
        Self {
            table,
            known: HashMap::new(),
        }
    }

    /// Learns the numbers of all these names in one question, and gives new ones to those that have none.
    pub(super) async fn learn(&mut self, transaction: &Transaction<'_>, names: Vec<&str>) -> Result<(), Fault> {
        let mut new: Vec<&str> = names
            .into_iter()
            .filter(|name| !self.known.contains_key(*name))
            .collect();
        new.sort_unstable();
        new.dedup();
        if new.is_empty() {
            return Ok(());
        }
        let table = self.table;
        let insert = format!("INSERT INTO {table} (name) SELECT unnest($1::text[]) ON CONFLICT (name) DO NOTHING");
        transaction.execute(&insert, &[&new]).await?;
        let select = format!("SELECT id, name FROM {table} WHERE name = ANY($1::text[])");
        for row in transaction.query(&select, &[&new]).await? {
            self.known.insert(row.get::<_, &str>(1).into(), row.get(0));
        }
        Ok(())
    }

    /// A name's number, learned before.
    pub(super) fn number(&self, name: &str) -> i32 {
        self.known.get(name).copied().unwrap_or_default()
    }

    /// What was learned may not be so.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }
}
