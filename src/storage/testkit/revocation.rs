//! What a user took away stays away.

use std::sync::Arc;

use super::races::{CROWD, Racer, count, race};
use super::records::{self, NOW};
use super::scene::Scene;
use crate::storage::{Redeemed, RevokeGrant, Revoked, Storage};

/// Rounds of the race of a revocation against an exchange.
const ROUNDS: usize = 1500;

/// Nobody revokes another user's grant, nor learns that it exists.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_grant_is_revoked_by_its_user_alone<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let (approval, token) = scene.redeemed("user", NOW).await;
    let (_, bystander) = scene.redeemed("user", NOW).await;
    for stranger in ["stranger", "User", "user ", ""] {
        let op = RevokeGrant { subject: records::subject(stranger), ..records::revoke(&approval.grant, NOW) };
        assert_eq!(scene.revoke(op).await, Revoked::Unknown, "{stranger:?} has no such grant");
    }
    let unknown = RevokeGrant { grant: records::ordered_id(NOW), ..records::revoke(&approval.grant, NOW) };
    assert_eq!(scene.revoke(unknown).await, Revoked::Unknown, "there is no such grant");
    scene.assert_live(token, "nobody who may revoke it did").await;

    assert_eq!(scene.revoke(records::revoke(&approval.grant, NOW)).await, Revoked::Now, "the first revocation");
    assert_eq!(scene.revoke(records::revoke(&approval.grant, NOW)).await, Revoked::Already, "the second revocation");
    scene.assert_live(bystander, "another grant of its user was revoked").await;
}

/// As soon as a revocation is answered, every look-up says so.
///
/// # Panics
/// If the invariant is broken.
pub async fn tokens_of_a_revoked_grant_are_revoked<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let (approval, token) = scene.redeemed("user", NOW).await;
    assert_eq!(scene.revoke(records::revoke(&approval.grant, NOW)).await, Revoked::Now, "the first revocation");
    scene.assert_dead(token, "its grant was revoked").await;
    let code = scene.code(approval.code.id).await.expect("the code is remembered");
    assert!(code.revoked, "the code shows that its grant is revoked");
    assert!(!scene.lists(&approval.grant, NOW).await, "a revoked grant is not live");
}

/// A code whose grant was revoked is worth nothing, and trying it changes nothing.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_revoked_grant_gives_no_token<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let approval = scene.approved("user", NOW).await;
    assert_eq!(scene.revoke(records::revoke(&approval.grant, NOW)).await, Revoked::Now, "the first revocation");
    for _ in 0..2 {
        let op = records::redeem(&approval, NOW);
        assert_eq!(scene.redeem(op.clone()).await, Redeemed::Gone, "the grant is revoked");
        scene.assert_dead(op.access.id, "its grant was revoked before").await;
    }
    let again = scene.revoke(records::revoke(&approval.grant, NOW)).await;
    assert_eq!(again, Revoked::Already, "a revoked grant stays revoked");
}

/// Of many revocations of one grant at once exactly one is the one that did it.
///
/// # Panics
/// If the invariant is broken.
pub async fn parallel_revocations_count_once<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    for _ in 0..8 {
        let (approval, token) = scene.redeemed("user", NOW).await;
        let racers = (0..CROWD).map(|_| {
            let (store, op) = (Arc::clone(&scene.store), records::revoke(&approval.grant, NOW));
            Box::pin(async move { store.revoke_grant(op).await.expect("revoke_grant answers") }) as Racer<_>
        });
        let outcomes = race(racers.collect()).await;
        assert_eq!(count(&outcomes, &Revoked::Now), 1, "exactly one revocation did it: {outcomes:?}");
        assert_eq!(count(&outcomes, &Revoked::Already), CROWD - 1, "the others come second: {outcomes:?}");
        scene.assert_dead(token, "its grant was revoked").await;
    }
}

/// Whichever of a revocation and an exchange comes first, no token is live when both are done.
///
/// # Panics
/// If the invariant is broken.
pub async fn revoking_beside_an_exchange_leaves_no_live_token<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    for round in 0..ROUNDS {
        let approval = scene.approved("user", NOW).await;
        let exchange = records::redeem(&approval, NOW);
        let token = exchange.access.id;
        let (redeeming, revoking) = (Arc::clone(&scene.store), Arc::clone(&scene.store));
        let withdrawal = records::revoke(&approval.grant, NOW);
        let first: Racer<(Option<Redeemed>, Option<Revoked>)> =
            Box::pin(async move { (Some(redeeming.redeem_code(exchange).await.expect("redeem_code answers")), None) });
        let second: Racer<_> = Box::pin(async move {
            // The head start moves the two against each other from round to round.
            for _ in 0..round % 64 {
                std::hint::spin_loop();
            }
            (None, Some(revoking.revoke_grant(withdrawal).await.expect("revoke_grant answers")))
        });
        let outcomes = race(if round % 2 == 0 { vec![first, second] } else { vec![second, first] }).await;
        for outcome in &outcomes {
            assert!(
                matches!(outcome, (None, Some(Revoked::Now)) | (Some(Redeemed::First | Redeemed::Gone), None)),
                "a revocation beside an exchange: {outcomes:?}"
            );
        }
        scene.assert_dead(token, "its grant was revoked while the code was redeemed").await;
        assert!(!scene.lists(&approval.grant, NOW).await, "the grant is not live");
    }
}
