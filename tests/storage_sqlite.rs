//! The store in SQLite, by the conformance suite, in a file, in memory, and over two handles.

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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_handles_on_a_file_are_one_store() {
    let folder = Folder::new("shared");
    let two = || async {
        let file = folder.fresh();
        (SqliteStorage::open(&file).await.unwrap(), SqliteStorage::open(&file).await.unwrap())
    };
    testkit::run_shared(two).await;
    testkit::run_shared(|| async {
        let (one, other) = two().await;
        (Yielding::new(one), Yielding::new(other))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_in_a_file_conforms_with_many_rows() {
    let folder = Folder::new("large");
    testkit::run_large(|| async { SqliteStorage::open(folder.fresh()).await.unwrap() }).await;
}
