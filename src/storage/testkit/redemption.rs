//! One code, one token; after a replay nothing of its grant is valid.

use std::sync::Arc;
use std::time::Duration;

use super::races::{CROWD, Racer, count, race};
use super::records::{self, CODE_LIFETIME, NOW};
use super::scene::{Scene, just_before};
use crate::storage::{Redeemed, Storage};

/// The first exchange gives the token that it brought, whole, with its grant.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_code_is_worth_one_token<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let approval = scene.approved("user", NOW).await;
    let op = records::redeem(&approval, NOW);
    assert!(scene.token(op.access.id).await.is_none(), "no token before the exchange");
    assert_eq!(scene.redeem(op.clone()).await, Redeemed::First, "the first exchange");
    let stored = scene.token(op.access.id).await.expect("the token of an exchange exists");
    let (token, expected) = (&stored.token, &op.access);
    assert_eq!(token.id, expected.id, "the id of the token");
    assert_eq!(token.hash.as_bytes(), expected.hash.as_bytes(), "the hash of the token");
    assert_eq!(token.grant, expected.grant, "the grant of the token");
    assert_eq!(token.scopes, expected.scopes, "the scopes of the token");
    assert_eq!(token.resource, expected.resource, "the resource of the token");
    assert_eq!(token.issued_at, expected.issued_at, "when the token was issued");
    assert_eq!(token.expires_at, expected.expires_at, "when the token ends");
    assert_eq!(stored.grant, approval.grant, "the grant behind the token");
    assert!(!stored.revoked, "a new token is not revoked");
    let code = scene.code(approval.code.id).await.expect("a redeemed code is remembered");
    assert!(code.redeemed && !code.revoked, "the code is redeemed and its grant is not revoked");
    let grants = scene.grants("user", NOW).await;
    assert_eq!(grants.len(), 1, "the grant is listed");
    assert_eq!(grants[0].expires_at, op.grant_expires_at, "the exchange says when the grant ends");
}

/// A code past its end, or one that never was, gives nothing and nothing happens to it.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_code_that_is_over_or_unknown_is_gone<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let approval = scene.approved("user", NOW).await;
    let end = NOW.after(CODE_LIFETIME);
    for late in [end, end.after(Duration::from_secs(1))] {
        let mut op = records::redeem(&approval, NOW);
        op.now = late;
        assert_eq!(scene.redeem(op.clone()).await, Redeemed::Gone, "the code is over");
        assert!(scene.token(op.access.id).await.is_none(), "a code that is over gives no token");
    }
    let unknown = records::approval(&records::subject("user"), &scene.client.id, NOW);
    let op = records::redeem(&unknown, NOW);
    assert_eq!(scene.redeem(op.clone()).await, Redeemed::Gone, "the code is unknown");
    assert!(scene.token(op.access.id).await.is_none(), "an unknown code gives no token");

    let code = scene.code(approval.code.id).await.expect("the code is still there");
    assert!(!code.redeemed && !code.revoked, "an exchange in vain burns nothing");
    let op = records::redeem(&approval, just_before(end));
    assert_eq!(scene.redeem(op).await, Redeemed::First, "the last millisecond of a code");
}

/// Of many exchanges of one code at once exactly one succeeds, and since the others are replays,
/// its token is not live afterwards.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_12_parallel_exchanges_give_one_token_that_is_dead_at_once<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    for _ in 0..16 {
        let approval = scene.approved("user", NOW).await;
        let ops: Vec<_> = (0..CROWD).map(|_| records::redeem(&approval, NOW)).collect();
        let racers = ops.iter().map(|op| {
            let (store, op) = (Arc::clone(&scene.store), op.clone());
            Box::pin(async move { store.redeem_code(op).await.expect("redeem_code answers") }) as Racer<_>
        });
        let outcomes = race(racers.collect()).await;
        assert_eq!(count(&outcomes, &Redeemed::First), 1, "exactly one exchange of a code succeeds: {outcomes:?}");
        assert!(count(&outcomes, &Redeemed::Replayed) >= 1, "a second exchange is a replay: {outcomes:?}");
        assert_eq!(count(&outcomes, &Redeemed::Collision), 0, "all ids are free: {outcomes:?}");
        for (op, outcome) in ops.iter().zip(&outcomes) {
            scene.assert_dead(op.access.id, "its code was replayed").await;
            let exists = scene.token(op.access.id).await.is_some();
            assert!(!exists || *outcome == Redeemed::First, "an exchange that failed left a token");
        }
        assert!(!scene.lists(&approval.grant, NOW).await, "a grant whose code was replayed is not live");
    }
}

/// A replay ends its grant and leaves every other one of the same user and client alone.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_13_a_replay_revokes_that_grant_alone<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let (before, token_before) = scene.redeemed("user", NOW).await;
    let (replayed, token) = scene.redeemed("user", NOW).await;
    let (after, token_after) = scene.redeemed("user", NOW).await;
    let unused = scene.approved("user", NOW).await;

    let op = records::redeem(&replayed, NOW);
    assert_eq!(scene.redeem(op.clone()).await, Redeemed::Replayed, "the second exchange of a code");
    assert!(scene.token(op.access.id).await.is_none(), "a replay gives no token");
    scene.assert_dead(token, "its code was replayed").await;
    assert!(!scene.lists(&replayed.grant, NOW).await, "the grant is not live");
    let code = scene.code(replayed.code.id).await.expect("the code is remembered");
    assert!(code.revoked && code.redeemed, "the code shows that its grant is revoked");
    let third = scene.redeem(records::redeem(&replayed, NOW)).await;
    assert!(matches!(third, Redeemed::Replayed | Redeemed::Gone), "a third exchange: {third:?}");

    for (other, token) in [(&before, token_before), (&after, token_after)] {
        scene.assert_live(token, "another grant's code was replayed").await;
        assert!(scene.lists(&other.grant, NOW).await, "other grants stay");
    }
    assert_eq!(scene.redeem(records::redeem(&unused, NOW)).await, Redeemed::First, "other codes stay");
}

/// A redeemed code that comes again after its end still shows that it was stolen.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_13_a_replay_is_noticed_after_the_end_of_the_code<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let (approval, token) = scene.redeemed("user", NOW).await;
    let op = records::redeem(&approval, approval.code.expires_at.after(Duration::from_secs(1)));
    assert_eq!(scene.redeem(op.clone()).await, Redeemed::Replayed, "a replay after the end of the code");
    scene.assert_dead(token, "its code was replayed after its end").await;
    scene.assert_dead(op.access.id, "it came from a replay").await;
}

/// A replay whose token id is taken is a replay all the same: the thief does not choose.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_13_a_replay_is_noticed_whatever_token_id_it_brings<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let (approval, token) = scene.redeemed("user", NOW).await;
    let mut op = records::redeem(&approval, NOW);
    op.access.id = token;
    assert_eq!(scene.redeem(op).await, Redeemed::Replayed, "a replay with a taken token id");
    scene.assert_dead(token, "its code was replayed").await;
}

/// A taken token id leaves the code as it was, and the owner of the id too.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_15_a_taken_token_id_does_not_burn_the_code<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let (owner, token) = scene.redeemed("owner", NOW).await;
    let approval = scene.approved("user", NOW).await;
    for _ in 0..2 {
        let mut op = records::redeem(&approval, NOW);
        op.access.id = token;
        assert_eq!(scene.redeem(op).await, Redeemed::Collision, "the id of the token is taken");
    }
    let code = scene.code(approval.code.id).await.expect("the code is still there");
    assert!(!code.redeemed && !code.revoked, "a collision burns nothing");
    let stored = scene.grants("user", NOW).await;
    assert_eq!(stored.len(), 1, "the grant is still there");
    assert_eq!(stored[0].expires_at, approval.code.expires_at, "a collision does not move the end of the grant");
    let stored = scene.token(token).await.expect("the owner of the id keeps the token");
    assert_eq!(stored.grant, owner.grant, "the owner of the id keeps the token");
    assert!(!stored.revoked, "the owner of the id keeps the token");
    let op = records::redeem(&approval, NOW);
    assert_eq!(scene.redeem(op.clone()).await, Redeemed::First, "another id gives the token");
    scene.assert_live(op.access.id, "its code was redeemed").await;
}
