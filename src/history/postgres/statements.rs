//! Statements that the server has prepared already.

use std::collections::HashMap;

use tokio_postgres::{Statement, Transaction};

use super::Fault;

/// What was prepared on one connection, by its text. A prepared statement outlives the transaction in which it was made.
#[derive(Default)]
pub(super) struct Statements {
    prepared: HashMap<String, Statement>,
}

impl Statements {
    /// The statement, prepared the first time.
    pub(super) async fn get(&mut self, transaction: &Transaction<'_>, text: &str) -> Result<Statement, Fault> {
        if let Some(prepared) = self.prepared.get(text) {
            return Ok(prepared.clone());
        }
        let prepared = transaction.prepare(text).await?;
        self.prepared.insert(text.to_owned(), prepared.clone());
        Ok(prepared)
    }
}
