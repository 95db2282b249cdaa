//! A cache in front of SQLite, whose operations go on by themselves if their caller goes away.

use std::pin::pin;
use std::task::{Context, Waker};

use grantor::storage::testkit;
use grantor::storage::testkit::records::{self, NOW};
use grantor::storage::{Cached, SqliteOptions, SqliteStorage, Storage};

use crate::scratch::Folder;
use crate::staged::Staged;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cached_store_in_a_file_of_its_own_conforms() {
    let folder = Folder::new("cached");
    let fresh = || async { Cached::new(SqliteOptions::new().exclusive().open(folder.fresh()).await.unwrap()) };
    testkit::run_all(fresh).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cached_store_in_memory_conforms() {
    testkit::run_all(|| async { Cached::new(SqliteStorage::in_memory().await.unwrap()) }).await;
}

/// Two processes, say, with the same file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_file_that_others_may_use_every_revocation_shows_at_once() {
    let folder = Folder::new("two");
    let path = folder.fresh();
    let here = Cached::new(Staged::over(SqliteStorage::open(&path).await.unwrap()));
    let there = Cached::new(SqliteStorage::open(&path).await.unwrap());
    let client = records::client("client");
    let _ = here.insert_client(records::insert(client.clone())).await.unwrap();
    for round in 0..20 {
        let approval = records::approval(&records::subject("user"), &client.id, NOW);
        let _ = here.decide(records::approve(records::prompt(NOW), &client, &approval, NOW)).await.unwrap();
        let redeem = records::redeem(&approval, NOW);
        let token = redeem.access.id;
        let _ = here.redeem_code(redeem).await.unwrap();
        for look_up in 1..=2 {
            assert!(!here.access_token(token).await.unwrap().unwrap().revoked);
            assert_eq!(here.inner().look_ups(), 3 * round + look_up);
        }
        let _ = there.revoke_grant(records::revoke(&approval.grant, NOW)).await.unwrap();
        assert!(here.access_token(token).await.unwrap().unwrap().revoked);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_that_was_given_up_shows_as_soon_as_the_store_has_it() {
    let store = SqliteStorage::in_memory().await.unwrap();
    let cached = Cached::new(store.clone());
    let client = records::client("client");
    let _ = cached.insert_client(records::insert(client.clone())).await.unwrap();
    for _ in 0..50 {
        let approval = records::approval(&records::subject("user"), &client.id, NOW);
        let _ = cached.decide(records::approve(records::prompt(NOW), &client, &approval, NOW)).await.unwrap();
        let redeem = records::redeem(&approval, NOW);
        let token = redeem.access.id;
        let _ = cached.redeem_code(redeem).await.unwrap();
        assert!(!cached.access_token(token).await.unwrap().unwrap().revoked);
        let poll = {
            let revocation = pin!(cached.revoke_grant(records::revoke(&approval.grant, NOW)));
            revocation.poll(&mut Context::from_waker(Waker::noop()))
        };
        drop(poll);
        while !store.access_token(token).await.unwrap().unwrap().revoked {
            tokio::task::yield_now().await;
        }
        assert!(cached.access_token(token).await.unwrap().unwrap().revoked);
    }
}
