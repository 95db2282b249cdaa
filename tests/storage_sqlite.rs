//! The store in SQLite, by the conformance suite, in a file and in memory.

#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

use grantor::SqliteStorage;
use grantor::storage::testkit::{self, Yielding};

mod scratch;

use scratch::Folder;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_in_a_file_conforms() {
    let folder = Folder::new("conforms");
    testkit::run_all(|| async { SqliteStorage::open(folder.fresh()).await.unwrap() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_in_a_file_conforms_when_every_call_gives_way_to_others() {
    let folder = Folder::new("yields");
    testkit::run_all(|| async { Yielding::new(SqliteStorage::open(folder.fresh()).await.unwrap()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_in_memory_conforms() {
    testkit::run_all(|| async { SqliteStorage::in_memory().await.unwrap() }).await;
}
