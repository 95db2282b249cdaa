//! The store of `examples/custom_store` is safe to copy: it conforms, keeps what it was told, shares its file
//! with others and says what is wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

#[path = "../examples/custom_store/store/mod.rs"]
mod store;

mod scratch;

use std::path::PathBuf;
use std::sync::Arc;

use grantor::Timestamp;
use grantor::protocol::client::Client;
use grantor::storage::testkit::records::{self, NOW};
use grantor::storage::testkit::{self, Yielding};
use grantor::storage::{Approval, Decided, Inserted, Redeemed, Revoked, Rotated, Storage, StorageErrorKind};
use rusqlite::Connection;
use tokio::sync::Barrier;

use scratch::Folder;
use store::AppStorage;

/// A database in a file.
struct File(PathBuf);

impl File {
    fn in_folder(folder: &Folder) -> Self {
        Self(folder.fresh())
    }

    fn connection(&self) -> Connection {
        Connection::open(&self.0).unwrap()
    }

    fn store(&self) -> AppStorage {
        AppStorage::new(self.connection()).unwrap()
    }
}

fn in_memory() -> AppStorage {
    AppStorage::new(Connection::open_in_memory().unwrap()).unwrap()
}

async fn with_a_client(store: &AppStorage) -> Client {
    let client = records::client("client");
    assert_eq!(
        store.insert_client(grantor::storage::testkit::records::insert(client.clone())).await.unwrap(),
        Inserted::New
    );
    client
}

async fn approved(store: &AppStorage, client: &Client) -> Approval {
    let approval = records::approval(&records::subject("user"), &client.id, NOW);
    let op = records::approve(records::prompt(NOW), client, &approval, NOW);
    assert_eq!(store.decide(op).await.unwrap(), Decided::First);
    approval
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_store_of_the_example_conforms() {
    testkit::run_all(|| async { in_memory() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_conforms_when_every_call_gives_way_to_others() {
    testkit::run_all(|| async { Yielding::new(in_memory()) }).await;
}

#[tokio::test]
async fn it_keeps_its_rows_beside_those_of_the_app() {
    let folder = Folder::new("custom-store");
    let file = File::in_folder(&folder);
    file.connection().execute_batch("CREATE TABLE note (text TEXT); INSERT INTO note VALUES ('Buy milk')").unwrap();
    let store = file.store();
    let client = with_a_client(&store).await;
    let approval = approved(&store, &client).await;
    let exchange = records::redeem_with_refresh(&approval, NOW);
    assert_eq!(store.redeem_code(exchange.clone()).await.unwrap(), Redeemed::First);
    drop(store);

    let store = file.store();
    assert_eq!(store.access_token(exchange.access.id).await.unwrap().unwrap().grant, approval.grant);
    let rotation = records::rotate(exchange.refresh.unwrap().id, &approval.grant, NOW);
    assert_eq!(store.rotate_refresh(rotation).await.unwrap(), Rotated::First);
    let note: String = file.connection().query_row("SELECT text FROM note", [], |row| row.get(0)).unwrap();
    assert_eq!(note, "Buy milk");
}

#[tokio::test]
async fn a_sealed_answer_is_forgotten_when_its_window_ends() {
    let store = in_memory();
    let client = with_a_client(&store).await;
    let approval = approved(&store, &client).await;
    let exchange = records::redeem_with_refresh(&approval, NOW);
    assert_eq!(store.redeem_code(exchange.clone()).await.unwrap(), Redeemed::First);
    let presented = exchange.refresh.unwrap().id;
    let rotation = records::rotate(presented, &approval.grant, NOW);
    let end = rotation.grace_until;
    assert_eq!(store.rotate_refresh(rotation).await.unwrap(), Rotated::First);
    for (now, is_kept) in [(Timestamp::from_millis(end.as_millis() - 1), true), (end, false)] {
        let _ = store.purge(now, 100).await.unwrap();
        let rotation = store.refresh_token(presented).await.unwrap().unwrap().rotation.unwrap();
        assert_eq!(rotation.answer.is_some(), is_kept);
    }
}

/// As two processes would: each has a connection of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_handles_on_one_file_redeem_a_code_once() {
    let folder = Folder::new("custom-store");
    let file = File::in_folder(&folder);
    let stores = [file.store(), file.store()];
    let client = with_a_client(&stores[0]).await;
    for _ in 0..5 {
        let approval = approved(&stores[0], &client).await;
        let start = Arc::new(Barrier::new(64));
        let racers: Vec<_> = (0..64)
            .map(|number| {
                let (store, start) = (stores[number % 2].clone(), Arc::clone(&start));
                let op = records::redeem(&approval, NOW);
                tokio::spawn(async move {
                    start.wait().await;
                    (op.access.id, store.redeem_code(op).await.unwrap())
                })
            })
            .collect();
        let mut first = Vec::new();
        for racer in racers {
            let (token, outcome) = racer.await.unwrap();
            if outcome == Redeemed::First {
                first.push(token);
            }
        }
        assert_eq!(first.len(), 1, "one code, one token");
        for store in &stores {
            assert!(store.access_token(first[0]).await.unwrap().unwrap().revoked, "the code was replayed");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_understood_is_corrupt_and_what_is_locked_a_conflict() {
    let folder = Folder::new("custom-store");
    let file = File::in_folder(&folder);
    let store = file.store();
    let client = with_a_client(&store).await;
    let approval = approved(&store, &client).await;
    let other = file.connection();
    for damage in [
        "UPDATE oauth_code SET hash = x'00'",
        "UPDATE oauth_code SET hash = zeroblob(32); UPDATE oauth_grant SET resources = 'nowhere'",
        "UPDATE oauth_grant SET resources = '', scopes = '\"'",
        "UPDATE oauth_grant SET scopes = '', created_at = -1",
    ] {
        other.execute_batch(damage).unwrap();
        let error = store.code(approval.code.id).await.unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Corrupt, "{damage}");
    }
    other.execute_batch("UPDATE oauth_grant SET created_at = 0; BEGIN IMMEDIATE").unwrap();
    let error = store.revoke_grant(records::revoke(&approval.grant, NOW)).await.unwrap_err();
    assert!(error.kind() == StorageErrorKind::Conflict && error.is_temporary(), "{error}");
    assert!(!store.code(approval.code.id).await.unwrap().unwrap().revoked, "nothing was done");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(store.revoke_grant(records::revoke(&approval.grant, NOW)).await.unwrap(), Revoked::Now);
}
