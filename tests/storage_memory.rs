//! The store in memory, by the conformance suite.

use grantor::storage::testkit::{self, Yielding};
use grantor::storage::{AnyStorage, MemoryStorage};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_store_in_memory_conforms() {
    testkit::run_all(|| async { MemoryStorage::new() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_conforms_behind_a_pointer() {
    testkit::run_all(|| async { AnyStorage::new(MemoryStorage::new()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_conforms_when_every_call_gives_way_to_others() {
    testkit::run_all(|| async { Yielding::new(MemoryStorage::new()) }).await;
}
