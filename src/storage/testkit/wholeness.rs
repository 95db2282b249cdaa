//! An operation is done whole or not at all, even if nobody waits for its end.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::endings::Access;
use super::records::{self, NOW};
use super::scene::Scene;
use crate::protocol::client::Client;
use crate::storage::{Decided, Redeemed, Revoked, Rotated, Storage, Updated};

/// Polls an operation a few times and drops it; whether it came to its end.
async fn poll_and_drop<T>(operation: impl Future<Output = T>, polls: usize) -> bool {
    let mut operation = pin!(operation);
    for _ in 0..polls {
        let poll = operation.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if matches!(poll, Poll::Ready(_)) {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// A caller that goes away midway, as a client does that hangs up, leaves an exchange, a rotation,
/// a decision, a revocation, or the change or removal of a client with all that it was given, that happened whole or
/// not at all, and what follows agrees with it.
///
/// # Panics
/// If the invariant is broken.
pub async fn an_operation_that_is_dropped_midway_is_whole<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    for polls in 0..40 {
        dropped_decision(&scene, polls).await;
        dropped_exchange(&scene, polls).await;
        dropped_rotation(&scene, polls).await;
        dropped_revocation(&scene, polls).await;
        dropped_change(&scene, polls).await;
        dropped_removal(&scene, polls).await;
    }
}

async fn dropped_decision<S: Storage>(scene: &Scene<S>, polls: usize) {
    let prompt = records::prompt(NOW);
    let approval = records::approval(&records::subject("user"), &scene.client.id, NOW);
    let op = records::approve(prompt, &scene.client, &approval, NOW);
    let store = Arc::clone(&scene.store);
    poll_and_drop(store.decide(op), polls).await;
    // A denial waits for a decision that goes on without its caller, or comes first.
    let approved = match scene.decide(records::deny(prompt, &scene.client, NOW)).await {
        Decided::First => false,
        Decided::AlreadyDecided { approved } => approved,
        other => panic!("a decision after one that was dropped: {other:?}"),
    };
    assert_eq!(scene.code(approval.code.id).await.is_some(), approved, "a dropped approval and its code");
    assert_eq!(scene.lists(&approval.grant, NOW).await, approved, "a dropped approval and its grant");
}

async fn dropped_exchange<S: Storage>(scene: &Scene<S>, polls: usize) {
    let approval = scene.approved("user", NOW).await;
    let op = records::redeem(&approval, NOW);
    let token = op.access.id;
    let store = Arc::clone(&scene.store);
    poll_and_drop(store.redeem_code(op), polls).await;
    let again = records::redeem(&approval, NOW);
    let second = again.access.id;
    match scene.redeem(again).await {
        Redeemed::First => {
            assert!(scene.token(token).await.is_none(), "a dropped exchange left a token and no mark");
            scene.assert_live(second, "the dropped exchange did not happen").await;
        }
        Redeemed::Replayed => {
            assert!(scene.token(token).await.is_some(), "a dropped exchange left a mark and no token");
            scene.assert_dead(token, "its code was replayed").await;
        }
        other => panic!("an exchange after one that was dropped: {other:?}"),
    }
}

async fn dropped_rotation<S: Storage>(scene: &Scene<S>, polls: usize) {
    let start = scene.refreshable("user", NOW).await;
    let grant = &start.approval.grant;
    let op = records::rotate(start.refresh, grant, NOW);
    let store = Arc::clone(&scene.store);
    poll_and_drop(store.rotate_refresh(op.clone()), polls).await;
    let again = records::rotate(start.refresh, grant, NOW);
    let happened = match scene.rotate(again.clone()).await {
        Rotated::First => false,
        Rotated::Repeated(rotation) => {
            assert_eq!(rotation.successor, op.successor.id, "the successor of a dropped rotation");
            true
        }
        other => panic!("a rotation after one that was dropped: {other:?}"),
    };
    for (rotation, exists) in [(&op, happened), (&again, !happened)] {
        assert_eq!(scene.refresh(rotation.successor.id).await.is_some(), exists, "a dropped rotation: its successor");
        assert_eq!(scene.is_live(rotation.access.id).await, exists, "a dropped rotation: its access token");
    }
}

async fn dropped_revocation<S: Storage>(scene: &Scene<S>, polls: usize) {
    let (approval, token) = scene.redeemed("user", NOW).await;
    let store = Arc::clone(&scene.store);
    let done = poll_and_drop(store.revoke_grant(records::revoke(&approval.grant, NOW)), polls).await;
    if done {
        scene.assert_dead(token, "its grant was revoked").await;
    }
    let outcome = scene.revoke(records::revoke(&approval.grant, NOW)).await;
    assert!(matches!(outcome, Revoked::Now | Revoked::Already), "a revocation after one that was dropped: {outcome:?}");
    scene.assert_dead(token, "its grant was revoked").await;
}

/// The change of a client that ends its access.
async fn dropped_change<S: Storage>(scene: &Scene<S>, polls: usize) {
    let (client, theirs) = client_with_access(scene, "changed", polls).await;
    let blocked = Client { blocked: true, ..(*client).clone() };
    let store = Arc::clone(&scene.store);
    poll_and_drop(store.update_client(records::update_and_end(blocked)), polls).await;
    // Another change of the same state waits for one that goes on without its caller, or comes first and undoes it.
    match scene.update((*client).clone()).await {
        Updated::Now => {
            let found = scene.client(&client.id).await.expect("the client of a dropped change is found");
            assert!(!found.blocked, "a dropped change that did not happen left something of itself");
            theirs.assert_lives(scene, "the dropped change did not happen").await;
            scene.assert_live(theirs.own, "the dropped change did not happen").await;
        }
        Updated::Changed => {
            let found = scene.client(&client.id).await.expect("the client of a dropped change is found");
            assert!(found.blocked, "a dropped change that happened left nothing of itself");
            theirs.assert_ended(scene, "the dropped change happened").await;
            scene.assert_dead(theirs.own, "the dropped change happened").await;
        }
        Updated::Unknown => panic!("a change after one that was dropped: the client is gone"),
    }
}

async fn dropped_removal<S: Storage>(scene: &Scene<S>, polls: usize) {
    let (client, theirs) = client_with_access(scene, "removed", polls).await;
    let store = Arc::clone(&scene.store);
    poll_and_drop(store.remove_client(records::remove(&client.id)), polls).await;
    let outcome = scene.update((*client).clone()).await;
    assert_ne!(outcome, Updated::Changed, "a change after a removal that was dropped");
    // A removal that goes on without its caller may still come: what it ended is gone with its client.
    if outcome == Updated::Now && !scene.is_live(theirs.own).await {
        let outcome = scene.update((*client).clone()).await;
        assert_eq!(outcome, Updated::Unknown, "a dropped removal ended access, and its client is there");
    }
    if outcome == Updated::Now {
        let _ = scene.remove(&client.id).await;
    }
    theirs.assert_ended(scene, "its client was removed").await;
    scene.assert_dead(theirs.own, "its client was removed").await;
}

async fn client_with_access<S: Storage>(scene: &Scene<S>, name: &str, polls: usize) -> (Arc<Client>, Access) {
    let client = Arc::new(records::client(&format!("{name} after {polls} polls")));
    scene.insert(&client).await;
    let theirs = Access::of(scene, "user", &client).await;
    (client, theirs)
}
