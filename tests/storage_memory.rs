//! The store in memory, by the conformance suite.

mod eager;

use eager::Eager;
use grantor::storage::testkit::records::{self, NOW};
use grantor::storage::testkit::{self, Call, Faulty, Lost, Yielding};
use grantor::storage::{AnyStorage, Decided, Inserted, MemoryStorage, Redeemed, Storage, StorageErrorKind};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_conforms_when_what_has_ended_goes_at_once() {
    testkit::run_all(|| async { Eager::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_clones_are_one_store() {
    let two = |store: MemoryStorage| (store.clone(), store);
    testkit::run_shared(|| async { two(MemoryStorage::new()) }).await;
    testkit::run_shared(|| async {
        let (one, other) = two(MemoryStorage::new());
        (Yielding::new(one), Yielding::new(other))
    })
    .await;
    testkit::run_shared(|| async {
        let store = Eager::default();
        (store.clone(), AnyStorage::new(store))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_conforms_with_many_rows() {
    testkit::run_large(|| async { MemoryStorage::new() }).await;
}

/// The caller of an exchange whose answer is lost cannot tell, and trying again must not give a second
/// token: it counts as a replay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_13_an_exchange_is_not_repeated_after_its_answer_was_lost() {
    let store = Faulty::new(MemoryStorage::new());
    let client = records::client("client");
    assert_eq!(
        store.insert_client(grantor::storage::testkit::records::insert(client.clone())).await.unwrap(),
        Inserted::New
    );
    let approval = records::approval(&records::subject("user"), &client.id, NOW);
    let op = records::approve(records::prompt(NOW), &client, &approval, NOW);
    assert_eq!(store.decide(op).await.unwrap(), Decided::First);

    store.lose(Lost::Request, Call::RedeemCode, 1);
    store.lose(Lost::Answer, Call::RedeemCode, 2);
    let (first, second) = (records::redeem(&approval, NOW), records::redeem(&approval, NOW));
    let error = store.redeem_code(first.clone()).await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable);
    assert!(store.access_token(first.access.id).await.unwrap().is_none(), "a lost request does nothing");

    assert!(store.redeem_code(first.clone()).await.is_err());
    assert!(store.access_token(first.access.id).await.unwrap().is_some(), "a lost answer is done");
    assert_eq!(store.redeem_code(second).await.unwrap(), Redeemed::Replayed);
    assert!(store.access_token(first.access.id).await.unwrap().unwrap().revoked);
}

#[tokio::test]
async fn a_sealed_answer_is_forgotten_when_its_window_ends() {
    let store = MemoryStorage::new();
    let client = records::client("client");
    let _ = store.insert_client(grantor::storage::testkit::records::insert(client.clone())).await.unwrap();
    let approval = records::approval(&records::subject("user"), &client.id, NOW);
    let _ = store.decide(records::approve(records::prompt(NOW), &client, &approval, NOW)).await.unwrap();
    let redeem = records::redeem_with_refresh(&approval, NOW);
    let refresh = redeem.refresh.clone().unwrap();
    let _ = store.redeem_code(redeem).await.unwrap();
    let rotate = records::rotate(refresh.id, &approval.grant, NOW);
    let end = rotate.grace_until;
    let _ = store.rotate_refresh(rotate).await.unwrap();
    let answer = async || store.refresh_token(refresh.id).await.unwrap().unwrap().rotation.unwrap().answer;
    let _ = store.purge(grantor::Timestamp::from_millis(end.as_millis() - 1), 100).await.unwrap();
    assert!(answer().await.is_some(), "before its end");
    let _ = store.purge(end, 100).await.unwrap();
    assert!(answer().await.is_none(), "nothing is left of it");
}
