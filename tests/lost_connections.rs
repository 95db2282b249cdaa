//! A connection to the store that is lost in any step, and clients that try again.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod eager;
mod support;

use eager::Eager;
use grantor::MemoryStorage;
use support::losses::lost_connections_harm_nothing;

#[tokio::test]
async fn attack_44_lost_connections_to_a_store_in_memory_harm_nothing() {
    lost_connections_harm_nothing(|| async { MemoryStorage::new() }).await;
}

#[tokio::test]
async fn attack_44_lost_connections_harm_nothing_when_what_has_ended_goes_at_once() {
    lost_connections_harm_nothing(|| async { Eager::default() }).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn attack_44_lost_connections_to_sqlite_harm_nothing() {
    lost_connections_harm_nothing(|| async { grantor::SqliteStorage::in_memory().await.unwrap() }).await;
}
