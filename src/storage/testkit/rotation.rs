//! One successor for a refresh token, and one answer for everyone who asks in time.

use std::sync::Arc;
use std::time::Duration;

use super::races::{CROWD, Racer, count, race};
use super::records::{self, GRACE, NOW, REFRESH_LIFETIME};
use super::scene::{Scene, just_before};
use crate::protocol::grant::{RefreshRecord, Rotation};
use crate::storage::{Redeemed, Revoked, RotateRefresh, Rotated, Storage, StoredRefresh};

fn rotation_of(op: &RotateRefresh) -> Rotation {
    Rotation { successor: op.successor.id, answer: Some(Arc::clone(&op.answer)), grace_until: op.grace_until }
}

fn assert_same(stored: &StoredRefresh, expected: &RefreshRecord) {
    assert_eq!(stored.token.id, expected.id, "the id of the refresh token");
    assert_eq!(stored.token.hash.as_bytes(), expected.hash.as_bytes(), "the hash of the refresh token");
    assert_eq!(stored.token.grant, expected.grant, "the grant of the refresh token");
    assert_eq!(stored.token.expires_at, expected.expires_at, "when the refresh token ends");
    assert!(stored.rotation.is_none() && !stored.revoked, "a new refresh token is neither rotated nor revoked");
}

/// An exchange adds the refresh token that it brought, whole, with its grant, which lives as long.
///
/// # Panics
/// If the invariant is broken.
pub async fn an_exchange_adds_its_refresh_token<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let approval = scene.approved("user", NOW).await;
    let op = records::redeem_with_refresh(&approval, NOW);
    let refresh = op.refresh.clone().expect("there is a refresh token");
    assert!(scene.refresh(refresh.id).await.is_none(), "no refresh token before the exchange");
    assert_eq!(scene.redeem(op.clone()).await, Redeemed::First, "the first exchange");
    let stored = scene.refresh(refresh.id).await.expect("the refresh token of an exchange exists");
    assert_same(&stored, &refresh);
    assert_eq!(stored.grant, approval.grant, "the grant behind the refresh token");
    scene.assert_live(op.access.id, "it came beside a refresh token").await;
    let grants = scene.grants("user", just_before(refresh.expires_at)).await;
    assert_eq!(grants.len(), 1, "the grant lives as long as its refresh token");
    assert_eq!(grants[0].expires_at, op.grant_expires_at, "the exchange says when the grant ends");
}

/// A taken refresh token id leaves no token behind, the code as it was, and the owner of the id too.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_15_a_taken_refresh_id_does_not_burn_the_code<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let owner = scene.refreshable("owner", NOW).await;
    let approval = scene.approved("user", NOW).await;
    for _ in 0..2 {
        let mut op = records::redeem_with_refresh(&approval, NOW);
        op.refresh.as_mut().expect("there is a refresh token").id = owner.refresh;
        assert_eq!(scene.redeem(op.clone()).await, Redeemed::Collision, "the id of the refresh token is taken");
        assert!(scene.token(op.access.id).await.is_none(), "a collision leaves no access token");
    }
    let mut op = records::redeem_with_refresh(&approval, NOW);
    op.access.id = owner.access;
    assert_eq!(scene.redeem(op.clone()).await, Redeemed::Collision, "the id of the access token is taken");
    let refresh = op.refresh.expect("there is a refresh token").id;
    assert!(scene.refresh(refresh).await.is_none(), "a collision leaves no refresh token");

    let code = scene.code(approval.code.id).await.expect("the code is still there");
    assert!(!code.redeemed && !code.revoked, "a collision burns nothing");
    let stored = scene.refresh(owner.refresh).await.expect("the owner of the id keeps the refresh token");
    assert_eq!(stored.grant, owner.approval.grant, "the owner of the id keeps the refresh token");
    let op = records::redeem_with_refresh(&approval, NOW);
    assert_eq!(scene.redeem(op).await, Redeemed::First, "another id gives the tokens");
}

/// The first use adds the successor and the access token, whole, is remembered by the token that was
/// used, and moves the end of the grant; the successor goes on in the same way.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_successor_takes_the_place_of_a_refresh_token<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let start = scene.refreshable("user", NOW).await;
    let grant = &start.approval.grant;
    let (mut presented, mut now) = (start.refresh, NOW);
    for _ in 0..3 {
        now = now.after(GRACE * 10);
        let op = scene.rotated(presented, grant, now).await;
        let used = scene.refresh(presented).await.expect("a rotated token is remembered");
        assert_eq!(used.rotation, Some(rotation_of(&op)), "what became of the token");
        let successor = scene.refresh(op.successor.id).await.expect("the successor exists");
        assert_same(&successor, &op.successor);
        assert_eq!(successor.grant, *grant, "the grant behind the successor");
        let access = scene.token(op.access.id).await.expect("the access token exists");
        assert_eq!(access.token.hash.as_bytes(), op.access.hash.as_bytes(), "the hash of the access token");
        assert_eq!(access.token.expires_at, op.access.expires_at, "when the access token ends");
        assert_eq!(access.grant, *grant, "the grant behind the access token");
        assert!(!access.revoked, "a new access token is not revoked");
        let listed = scene.grants("user", now).await;
        assert_eq!(listed.len(), 1, "the grant is live");
        assert_eq!(listed[0].expires_at, op.grant_expires_at, "the rotation says when the grant ends");
        presented = op.successor.id;
    }
    scene.assert_live(start.access, "a rotation leaves earlier access tokens alone").await;
}

/// Of many uses of one refresh token at once exactly one rotates it. All others hear of that one, and
/// of the tokens that were offered only those of that one exist.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_16_parallel_rotations_give_one_successor<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    for _ in 0..16 {
        let start = scene.refreshable("user", NOW).await;
        let ops: Vec<_> = (0..CROWD).map(|_| records::rotate(start.refresh, &start.approval.grant, NOW)).collect();
        let racers = ops.iter().map(|op| {
            let (store, op) = (Arc::clone(&scene.store), op.clone());
            Box::pin(async move { store.rotate_refresh(op).await.expect("rotate_refresh answers") }) as Racer<_>
        });
        let outcomes = race(racers.collect()).await;
        assert_eq!(count(&outcomes, &Rotated::First), 1, "exactly one use is the first: {outcomes:?}");
        let winner = outcomes.iter().position(|outcome| *outcome == Rotated::First).unwrap_or_default();
        let repeated = Rotated::Repeated(rotation_of(&ops[winner]));
        assert_eq!(count(&outcomes, &repeated), CROWD - 1, "all others hear of that one: {outcomes:?}");
        for (number, op) in ops.iter().enumerate() {
            let is_winner = number == winner;
            assert_eq!(scene.is_live(op.access.id).await, is_winner, "an access token of the first use alone");
            assert_eq!(scene.refresh(op.successor.id).await.is_some(), is_winner, "one successor");
        }
        scene.rotated(ops[winner].successor.id, &start.approval.grant, NOW).await;
    }
}

/// Up to the last millisecond of the window a repetition hears the same, byte for byte, and adds nothing.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_16_a_repetition_hears_the_same_and_adds_nothing<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let start = scene.refreshable("user", NOW).await;
    let first = scene.rotated(start.refresh, &start.approval.grant, NOW).await;
    for now in [NOW, NOW.after(Duration::from_secs(1)), just_before(first.grace_until)] {
        let again = records::rotate(start.refresh, &start.approval.grant, now);
        let outcome = scene.rotate(again.clone()).await;
        assert_eq!(outcome, Rotated::Repeated(rotation_of(&first)), "a repetition hears the same");
        assert!(scene.token(again.access.id).await.is_none(), "a repetition adds no access token");
        assert!(scene.refresh(again.successor.id).await.is_none(), "a repetition adds no successor");
    }
    let grants = scene.grants("user", NOW).await;
    assert_eq!(grants[0].expires_at, first.grant_expires_at, "a repetition does not move the end of the grant");
    scene.assert_live(first.access.id, "a repetition is no reuse").await;
    scene.rotated(first.successor.id, &start.approval.grant, just_before(first.grace_until)).await;
}

/// A refresh token that has ended, never was, or whose grant is revoked gives nothing, and nothing
/// happens to it.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_refresh_token_that_is_over_or_unknown_is_gone<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let start = scene.refreshable("user", NOW).await;
    let grant = &start.approval.grant;
    let end = NOW.after(REFRESH_LIFETIME);
    let gone = async |presented, now, why: &str| {
        let op = records::rotate(presented, grant, now);
        assert_eq!(scene.rotate(op.clone()).await, Rotated::Gone, "{why}");
        scene.assert_dead(op.access.id, why).await;
        assert!(scene.refresh(op.successor.id).await.is_none(), "no successor: {why}");
    };
    gone(start.refresh, end, "it is over").await;
    gone(start.refresh, end.after(Duration::from_secs(1)), "it is over").await;
    gone(records::ordered_id(NOW), NOW, "it is unknown").await;
    gone(start.access, NOW, "it is an access token").await;
    let stored = scene.refresh(start.refresh).await.expect("a token that has just ended is remembered");
    assert!(stored.rotation.is_none() && !stored.revoked, "a use in vain changes nothing");
    let first = scene.rotated(start.refresh, grant, just_before(end)).await;

    assert_eq!(scene.revoke(records::revoke(grant, NOW)).await, Revoked::Now, "revoked");
    gone(start.refresh, first.now, "its grant was revoked while its answer was kept").await;
    gone(first.successor.id, first.now, "its grant was revoked").await;
    for id in [start.refresh, first.successor.id] {
        let stored = scene.refresh(id).await.expect("the refresh token is remembered");
        assert!(stored.revoked, "a refresh token shows that its grant is revoked");
    }
}

/// A taken id of the access token or of the successor leaves nothing of the rotation behind, and the
/// refresh token and the owner of the id as they were.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_taken_id_does_not_burn_the_refresh_token<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let owner = scene.refreshable("owner", NOW).await;
    let start = scene.refreshable("user", NOW).await;
    let grant = &start.approval.grant;
    for taken in [owner.refresh, start.refresh] {
        let mut op = records::rotate(start.refresh, grant, NOW);
        op.successor.id = taken;
        assert_eq!(scene.rotate(op.clone()).await, Rotated::Collision, "the id of the successor is taken");
        assert!(scene.token(op.access.id).await.is_none(), "a collision leaves no access token");
    }
    for taken in [owner.access, start.access] {
        let mut op = records::rotate(start.refresh, grant, NOW);
        op.access.id = taken;
        op.grant_expires_at = NOW;
        assert_eq!(scene.rotate(op.clone()).await, Rotated::Collision, "the id of the access token is taken");
        assert!(scene.refresh(op.successor.id).await.is_none(), "a collision leaves no successor");
    }
    let stored = scene.refresh(start.refresh).await.expect("the refresh token is still there");
    assert!(stored.rotation.is_none() && !stored.revoked, "a collision burns nothing");
    let listed = scene.grants("user", NOW).await;
    assert_eq!(listed[0].expires_at, NOW.after(REFRESH_LIFETIME), "a collision does not move the end of the grant");
    let kept = scene.refresh(owner.refresh).await.expect("the owner of the id keeps the refresh token");
    assert_eq!(kept.grant, owner.approval.grant, "the owner of the id keeps the refresh token");
    scene.assert_live(owner.access, "the owner of the id keeps the access token").await;
    let op = scene.rotated(start.refresh, grant, NOW).await;
    scene.assert_live(op.access.id, "other ids give the tokens").await;
}
