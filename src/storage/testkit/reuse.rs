//! A refresh token that comes again too late was stolen: its grant ends, and no other.

use std::time::Duration;

use super::records::{self, NOW, REFRESH_LIFETIME};
use super::scene::{Refreshable, Scene, just_before};
use crate::protocol::secret::OrderedId;
use crate::storage::{Redeemed, RotateRefresh, Rotated, Storage};

/// Everything of that grant is worth nothing: its access tokens and its refresh tokens.
async fn assert_over<S: Storage>(scene: &Scene<S>, of: &Refreshable, rotations: &[&RotateRefresh], why: &str) {
    let grant = &of.approval.grant;
    let access = rotations.iter().map(|op| op.access.id).chain([of.access]);
    let refresh = rotations.iter().map(|op| op.successor.id).chain([of.refresh]);
    for token in access {
        scene.assert_dead(token, why).await;
    }
    for token in refresh {
        let stored = scene.refresh(token).await.expect("a refresh token of a revoked grant is remembered");
        assert!(stored.revoked, "a refresh token shows that its grant is revoked: {why}");
        let op = records::rotate(token, grant, NOW);
        assert_eq!(scene.rotate(op.clone()).await, Rotated::Gone, "nothing can be refreshed: {why}");
        scene.assert_dead(op.access.id, why).await;
    }
    assert!(!scene.lists(grant, NOW).await, "the grant is not live: {why}");
}

/// A use after the window ends the grant, and leaves every other one of the same user and client alone.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_17_reuse_after_the_window_revokes_that_grant_alone<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    // Before the other tokens end: a store may tidy up what has ended.
    for late in [Duration::ZERO, Duration::from_millis(1), Duration::from_secs(3000)] {
        let before = scene.refreshable("user", NOW).await;
        let stolen = scene.refreshable("user", NOW).await;
        let after = scene.refreshable("user", NOW).await;
        let first = scene.rotated(stolen.refresh, &stolen.approval.grant, NOW).await;

        let reuse = records::rotate(stolen.refresh, &stolen.approval.grant, first.grace_until.after(late));
        assert_eq!(scene.rotate(reuse.clone()).await, Rotated::Reused, "a use after the window");
        assert!(scene.token(reuse.access.id).await.is_none(), "a reuse gives no access token");
        assert!(scene.refresh(reuse.successor.id).await.is_none(), "a reuse gives no successor");
        assert_over(&scene, &stolen, &[&first], "its refresh token was reused").await;
        for other in [before, after] {
            scene.assert_live(other.access, "a token of another grant was reused").await;
            scene.rotated(other.refresh, &other.approval.grant, NOW).await;
        }
    }
}

/// Once the successor was used, the answer of its predecessor is gone from the store, and the
/// predecessor is reused if it comes again.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_16_the_window_ends_when_the_successor_is_used<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let other = scene.refreshable("user", NOW).await;
    let stolen = scene.refreshable("user", NOW).await;
    let grant = &stolen.approval.grant;
    let first = scene.rotated(stolen.refresh, grant, NOW).await;
    let second = scene.rotated(first.successor.id, grant, NOW).await;

    let rotation = async |id: OrderedId| {
        let stored = scene.refresh(id).await.expect("a rotated token is remembered");
        stored.rotation.expect("its rotation is remembered")
    };
    let oldest = rotation(stolen.refresh).await;
    assert!(oldest.answer.is_none(), "the answer goes as soon as the successor was used");
    assert_eq!(oldest.successor, first.successor.id, "the successor is remembered");
    let newer = rotation(first.successor.id).await;
    assert_eq!(newer.answer.as_deref(), Some(&*second.answer), "the answer of the successor itself is kept");
    let again = scene.rotate(records::rotate(first.successor.id, grant, NOW)).await;
    assert!(matches!(again, Rotated::Repeated(_)), "the successor itself is in its window: {again:?}");

    let reuse = records::rotate(stolen.refresh, grant, NOW);
    assert_eq!(scene.rotate(reuse).await, Rotated::Reused, "the window has ended");
    assert_over(&scene, &stolen, &[&first, &second], "its refresh token was reused").await;
    scene.assert_live(other.access, "a token of another grant was reused").await;
}

/// A reuse is one whatever ids it brings: the thief does not choose.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_17_a_reuse_is_noticed_whatever_ids_it_brings<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    for takes_access_id in [true, false] {
        let stolen = scene.refreshable("user", NOW).await;
        let first = scene.rotated(stolen.refresh, &stolen.approval.grant, NOW).await;
        let mut reuse = records::rotate(stolen.refresh, &stolen.approval.grant, first.grace_until);
        if takes_access_id {
            reuse.access.id = first.access.id;
        } else {
            reuse.successor.id = first.successor.id;
        }
        assert_eq!(scene.rotate(reuse).await, Rotated::Reused, "a reuse with a taken id");
        assert_over(&scene, &stolen, &[&first], "its refresh token was reused").await;
    }
}

/// A rotated token is remembered until its own end, whatever is purged meanwhile; then it is merely over.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_17_a_rotated_token_is_remembered_until_its_end<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let end = NOW.after(REFRESH_LIFETIME);
    let last = just_before(end);
    for reused_at in [last, end] {
        let start = scene.refreshable("user", NOW).await;
        let grant = &start.approval.grant;
        let first = scene.rotated(start.refresh, grant, NOW).await;
        let second = scene.rotated(first.successor.id, grant, last).await;
        while scene.purge(reused_at, 100).await >= 100 {}
        // Writes may clean up as well.
        scene.refreshable("another user", reused_at).await;
        let outcome = scene.rotate(records::rotate(start.refresh, grant, reused_at)).await;
        if reused_at == last {
            assert_eq!(outcome, Rotated::Reused, "a rotated token is remembered until its end");
            scene.assert_dead(second.access.id, "a token of its grant was reused").await;
        } else {
            assert_eq!(outcome, Rotated::Gone, "a rotated token past its end");
            scene.assert_live(second.access.id, "what is over cannot be reused").await;
        }
    }
}

/// A second exchange of the code ends what was refreshed since.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_13_a_replay_ends_what_was_refreshed_since<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let other = scene.refreshable("user", NOW).await;
    let start = scene.refreshable("user", NOW).await;
    let grant = &start.approval.grant;
    let first = scene.rotated(start.refresh, grant, NOW).await;
    let second = scene.rotated(first.successor.id, grant, NOW).await;
    let replay = records::redeem_with_refresh(&start.approval, NOW);
    assert_eq!(scene.redeem(replay.clone()).await, Redeemed::Replayed, "the second exchange of a code");
    let refresh = replay.refresh.expect("there is a refresh token").id;
    assert!(scene.refresh(refresh).await.is_none(), "a replay gives no refresh token");
    assert_over(&scene, &start, &[&first, &second], "its code was replayed").await;
    scene.assert_live(other.access, "the code of another grant was replayed").await;
}

/// Refresh tokens survive every purge up to their last millisecond, used or not, and go when they have
/// ended; then they are unknown.
///
/// # Panics
/// If the invariant is broken.
pub async fn purging_removes_refresh_tokens_that_have_ended<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let end = NOW.after(REFRESH_LIFETIME);
    let mut all = Vec::new();
    for _ in 0..20 {
        all.push(scene.refreshable("user", NOW).await);
    }
    let used = &all[0];
    let op = scene.rotated(used.refresh, &used.approval.grant, just_before(end)).await;
    while scene.purge(just_before(end), 7).await >= 7 {}
    for start in &all {
        assert!(scene.refresh(start.refresh).await.is_some(), "a live refresh token was purged");
    }
    while scene.purge(end, 7).await >= 7 {}
    for start in &all {
        assert!(scene.refresh(start.refresh).await.is_none(), "a refresh token that ended is left behind");
        let rotated = scene.rotate(records::rotate(start.refresh, &start.approval.grant, NOW)).await;
        assert_eq!(rotated, Rotated::Gone, "a purged refresh token is unknown");
    }
    assert!(scene.refresh(op.successor.id).await.is_some(), "a live successor was purged");
    scene.assert_live(op.access.id, "its grant lives on with the successor").await;
    scene.rotated(op.successor.id, &used.approval.grant, end).await;
}
