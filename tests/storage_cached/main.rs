//! A cache in front of a store: it conforms like the store, it answers by itself, and what it answers is true.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed expectation is a failed test")]

mod clients;
mod exactness;
mod feed;
mod others;
#[cfg(feature = "postgres")]
mod postgres;
mod scene;
#[cfg(feature = "sqlite")]
#[path = "../scratch/mod.rs"]
mod scratch;
#[cfg(feature = "postgres")]
#[path = "../storage_postgres/server.rs"]
mod server;
#[cfg(feature = "sqlite")]
mod sqlite;
mod staged;
mod stress;

use grantor::storage::testkit::{self, Yielding};
use grantor::storage::{AnyStorage, Cached, MemoryStorage};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cached_store_conforms() {
    testkit::run_all(|| async { Cached::new(MemoryStorage::new()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_conforms_when_every_call_gives_way_to_others() {
    testkit::run_all(|| async { Cached::new(Yielding::new(MemoryStorage::new())) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_conforms_when_it_is_small_and_behind_a_pointer() {
    for capacity in [0, 1, 3] {
        testkit::run_all(|| async { AnyStorage::new(Cached::new(MemoryStorage::new()).capacity(capacity)) }).await;
    }
}
