//! What goes wrong within a store, before it is known what that means for it as a whole.

use super::codec::Malformed;
use super::store::StoreError;

/// What went wrong.
#[derive(Debug)]
pub(super) enum Fault<E> {
    /// The database says so.
    Database(E),
    /// It is known already what it means.
    Store(StoreError),
}

impl<E> From<StoreError> for Fault<E> {
    fn from(error: StoreError) -> Self {
        Fault::Store(error)
    }
}

impl<E> From<Malformed> for Fault<E> {
    fn from(malformed: Malformed) -> Self {
        Fault::Store(malformed.into())
    }
}

impl<E> From<serde_json::Error> for Fault<E> {
    fn from(error: serde_json::Error) -> Self {
        Fault::Store(StoreError::Failed(error.to_string()))
    }
}

impl From<rusqlite::Error> for Fault<rusqlite::Error> {
    fn from(error: rusqlite::Error) -> Self {
        Fault::Database(error)
    }
}

impl From<tokio_postgres::Error> for Fault<tokio_postgres::Error> {
    fn from(error: tokio_postgres::Error) -> Self {
        Fault::Database(error)
    }
}
