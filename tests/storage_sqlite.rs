//! The store in SQLite, by the conformance suite, in a file, in memory, and over two handles.

#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

use std::path::Path;

use grantor::SqliteStorage;
use grantor::storage::testkit::records::{self, NOW};
use grantor::storage::testkit::{self, Yielding};
use grantor::storage::{Decided, Inserted, Redeemed, Rotated, Storage as _};

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

/// The columns of each table as the first version had them.
const FIRST_TABLES: [(&str, &str); 7] = [
    ("client", "id, revision, data"),
    ("decision", "prompt, keep_until, approved"),
    ("consent", "key, owner, subject, client, redirect_uri, resources, scopes"),
    ("grants", "id, expires_at, revoked, subject, client, scopes, resources, created_at"),
    ("code", "id, expires_at, grant_id, uses, hash, challenge, redirect_uri"),
    ("access_token", "id, expires_at, grant_id, issued_at, hash, scopes, resource"),
    ("refresh_token", "id, expires_at, grant_id, hash, predecessor, uses, successor, grace_until, answer"),
];

/// A file as the first version made it, with all rows of a newer one in it.
fn first_version(newer: &Path, file: &Path) {
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.execute_batch(include_str!("../src/storage/sqlite/schema.sql")).unwrap();
    connection.pragma_update(None, "application_id", 0x6772_616e).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    connection.execute("ATTACH ?1 AS newer", [newer.to_str().unwrap()]).unwrap();
    for (table, columns) in FIRST_TABLES {
        let copy = format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}");
        assert!(connection.execute(&copy, []).unwrap() > 0, "there is something in {table}");
    }
    let unknown_then = "'$.blocked', '$.lifetimes', '$.introspects', '$.registration', '$.tenure'";
    connection.execute(&format!("UPDATE main.client SET data = json_remove(data, {unknown_then})"), []).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_the_first_version_goes_on_with_all_that_is_in_it() {
    let folder = Folder::new("migrates");
    let (newer, file) = (folder.fresh(), folder.fresh());
    let (client, subject) = (records::client("client"), records::subject("user"));
    let (approval, prompt) = (records::approval(&subject, &client.id, NOW), records::prompt(NOW));
    let exchange = records::redeem_with_refresh(&approval, NOW);
    let refresh = exchange.refresh.as_ref().unwrap().id;
    let rotation = records::rotate(refresh, &approval.grant, NOW);
    {
        let store = SqliteStorage::open(&newer).await.unwrap();
        assert_eq!(store.insert_client(records::insert(client.clone())).await.unwrap(), Inserted::New);
        let op = records::approve(prompt, &client, &approval, NOW);
        assert_eq!(store.decide(op).await.unwrap(), Decided::First);
        assert_eq!(store.redeem_code(exchange.clone()).await.unwrap(), Redeemed::First);
        assert_eq!(store.rotate_refresh(rotation.clone()).await.unwrap(), Rotated::First);
    }
    first_version(&newer, &file);

    // Once to bring it up to date, and once to see that it stays so.
    for time in 0..2 {
        let store = SqliteStorage::open(&file).await.unwrap();
        let stored = store.client(&client.id).await.unwrap().expect("the client is there");
        assert_eq!(stored.revision, client.revision);
        assert_eq!(stored.metadata.redirect_uris, client.metadata.redirect_uris);
        assert!(!stored.blocked && stored.tenure.is_none(), "what is new says nothing of an old client");
        assert_eq!(store.consents(&subject, &client.id).await.unwrap(), std::slice::from_ref(&approval.consent));
        for token in [exchange.access.id, rotation.access.id] {
            let stored = store.access_token(token).await.unwrap().expect("the token is there");
            assert_eq!((stored.grant, stored.revoked), (approval.grant.clone(), false));
        }
        assert!(store.code(approval.code.id).await.unwrap().expect("the code is there").redeemed);
        let late = records::deny(prompt, &client, NOW);
        assert_eq!(store.decide(late).await.unwrap(), Decided::AlreadyDecided { approved: true });
        let again = store.rotate_refresh(records::rotate(refresh, &approval.grant, NOW)).await.unwrap();
        assert!(matches!(again, Rotated::Repeated(same) if same.successor == rotation.successor.id));

        let registered = records::registered(&format!("new {time}"), Some([7; 32]), NOW);
        let outcome = store.insert_client(records::register(registered, 10)).await.unwrap();
        let same = records::client("new 0").id;
        assert_eq!(outcome, if time == 0 { Inserted::New } else { Inserted::Folded(same) });
        testkit::nothing_is_wrong(&store).await;
    }
    let store = SqliteStorage::open(&file).await.unwrap();
    let all = records::revoke_all_of_client(&client.id, NOW);
    assert_eq!(store.revoke_grants(all).await.unwrap(), 1, "a grant of the first version is found by its client");
    assert!(store.access_token(exchange.access.id).await.unwrap().is_none_or(|token| token.revoked));
}
