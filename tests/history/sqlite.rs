//! The suite over SQLite, and what only a file can suffer.

use std::sync::Arc;

use health_monitor::history::sqlite::Sqlite;
use health_monitor::history::store::Store;
use tempfile::TempDir;

async fn open() -> (Arc<dyn Store>, TempDir) {
    let folder = TempDir::new().unwrap();
    let store = Sqlite::open(&folder.path().join("history.db")).await.unwrap();
    (Arc::new(store), folder)
}

crate::suite::suite!(open);
