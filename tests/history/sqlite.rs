//! The suite over SQLite.

use std::sync::Arc;

use health_monitor::history::sqlite::Sqlite;
use tempfile::TempDir;

use crate::suite::CASES;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_suite() {
    for (case, test) in CASES {
        println!("{case}");
        let folder = TempDir::new().unwrap();
        test(Arc::new(Sqlite::open(&folder.path().join("history.db")).await.unwrap())).await;
    }
}
