//! Only what has ended goes.

use std::sync::Arc;
use std::time::Duration;

use super::races::{Racer, race};
use super::records::{self, CODE_LIFETIME, MARK_LIFETIME, NOW, TOKEN_LIFETIME};
use super::scene::{Scene, just_before};
use crate::protocol::time::Timestamp;
use crate::storage::{Decided, Redeemed, Revoked, Storage};

/// How far one purge may go beyond its limit.
const SLACK: u32 = 16;

/// Purges until nothing is left, in steps of `limit`.
pub(super) async fn purge_all<S: Storage>(scene: &Scene<S>, now: Timestamp, limit: u32) -> u32 {
    let mut total = 0;
    for _ in 0..10_000 {
        let gone = scene.purge(now, limit).await;
        assert!(gone <= limit.saturating_add(SLACK), "a purge of at most {limit} rows removed {gone}");
        total += gone;
        if gone < limit {
            return total;
        }
    }
    panic!("purging in steps of {limit} does not come to an end");
}

/// Live codes, tokens and grants survive every purge up to their last millisecond.
///
/// # Panics
/// If the invariant is broken.
pub async fn purging_leaves_what_is_alive<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let (mut codes, mut tokens) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        codes.push(scene.approved("user", NOW).await);
        tokens.push(scene.redeemed("user", NOW).await);
    }
    let code_end = just_before(NOW.after(CODE_LIFETIME));
    purge_all(&scene, code_end, 7).await;
    for approval in &codes {
        assert!(scene.code(approval.code.id).await.is_some(), "a live code was purged");
        assert!(scene.lists(&approval.grant, code_end).await, "the grant of a live code was purged");
    }
    let token_end = just_before(NOW.after(TOKEN_LIFETIME));
    purge_all(&scene, token_end, 7).await;
    for (approval, token) in &tokens {
        scene.assert_live(*token, "it was purged before its end").await;
        assert!(scene.lists(&approval.grant, token_end).await, "the grant of a live token was purged");
    }
    let (approval, token) = &tokens[0];
    assert_eq!(scene.revoke(records::revoke(&approval.grant, NOW)).await, Revoked::Now, "a live grant can be revoked");
    purge_all(&scene, token_end, 7).await;
    scene.assert_dead(*token, "its grant was revoked, and purging must not bring it back").await;
}

/// Each step keeps to its limit, and the steps come to an end when all that has ended is gone,
/// also behind a row that lives on.
///
/// # Panics
/// If the invariant is broken.
pub async fn purging_goes_in_steps_until_nothing_is_left<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let oldest = scene.approved("user", NOW).await;
    let mut long = records::redeem(&oldest, NOW);
    long.access.expires_at = NOW.after(TOKEN_LIFETIME * 1000);
    long.grant_expires_at = long.access.expires_at;
    assert_eq!(scene.redeem(long.clone()).await, Redeemed::First, "a token with a long life");
    let mut ended = Vec::new();
    for number in 0..60 {
        ended.push(scene.redeemed("user", NOW.after(Duration::from_millis(number))).await);
    }
    let later = NOW.after(TOKEN_LIFETIME * 2);
    assert_eq!(scene.purge(later, 0).await, 0, "a purge of no rows");
    let total = purge_all(&scene, later, 10).await;
    assert!(total >= 60, "60 tokens ended with their grants, codes and marks, but {total} rows went");
    assert_eq!(scene.purge(later, 10).await, 0, "nothing is left");
    for (_, token) in &ended {
        assert!(scene.token(*token).await.is_none(), "a token that ended is left behind");
    }
    scene.assert_live(long.access.id, "it lives on among rows that ended").await;
    assert!(scene.lists(&oldest.grant, later).await, "a grant lives on with its token");
}

/// A code that ended without being used goes and is unknown from then on, with its grant.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_purged_code_is_unknown<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let approval = scene.approved("user", NOW).await;
    let end = approval.code.expires_at;
    purge_all(&scene, end, 100).await;
    scene.assert_absent(&approval, NOW, "it ended and was purged").await;
    let mut op = records::redeem(&approval, NOW);
    assert_eq!(scene.redeem(op.clone()).await, Redeemed::Gone, "a purged code is unknown");
    op.now = end;
    assert_eq!(scene.redeem(op.clone()).await, Redeemed::Gone, "a purged code is unknown");
    assert!(scene.token(op.access.id).await.is_none(), "a purged code gives no token");
}

/// A grant that ended goes with everything that hangs on it, revoked or not.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_purged_grant_takes_all_of_it_along<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let (kept, kept_token) = scene.redeemed("user", NOW.after(Duration::from_secs(1))).await;
    for revoked in [false, true] {
        let (approval, token) = scene.redeemed("user", NOW).await;
        if revoked {
            assert_eq!(scene.revoke(records::revoke(&approval.grant, NOW)).await, Revoked::Now, "revoked");
        }
        purge_all(&scene, NOW.after(TOKEN_LIFETIME), 100).await;
        assert!(scene.token(token).await.is_none(), "the token of a purged grant is unknown");
        scene.assert_absent(&approval, NOW, "it ended and was purged").await;
        let outcome = scene.redeem(records::redeem(&approval, NOW)).await;
        assert_eq!(outcome, Redeemed::Gone, "the code of a purged grant is unknown");
    }
    scene.assert_live(kept_token, "it ends a second later").await;
    assert!(scene.lists(&kept.grant, NOW).await, "a grant that ends a second later stays");
}

/// The mark of a decision stays until the moment that was asked for, and goes then.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_decision_is_remembered_as_long_as_asked<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let end = NOW.after(MARK_LIFETIME);
    let prompt = records::prompt(NOW);
    assert_eq!(scene.decide(records::deny(prompt, &scene.client, NOW)).await, Decided::First, "the first decision");
    let last = just_before(end);
    purge_all(&scene, last, 100).await;
    // Writes may clean up as well.
    scene.redeemed("user", last).await;
    let late = records::approval(&records::subject("user"), &scene.client.id, last);
    assert_eq!(
        scene.decide(records::approve(prompt, &scene.client, &late, last)).await,
        Decided::AlreadyDecided { approved: false },
        "a decision is remembered until its end"
    );
    purge_all(&scene, end, 100).await;
    let again = scene.decide(records::deny(prompt, &scene.client, end)).await;
    assert_eq!(again, Decided::First, "a decision past its end is forgotten by a purge");
}

/// Purging while codes are issued and redeemed takes nothing that is alive.
///
/// # Panics
/// If the invariant is broken.
pub async fn purging_beside_exchanges_loses_nothing<S: Storage>(store: S) {
    let scene = Arc::new(Scene::new(store).await);
    let end = NOW.after(CODE_LIFETIME);
    let last = just_before(end);
    for round in 0..50 {
        let dying = scene.approved("user", NOW).await;
        let mut racers: Vec<Racer<()>> = Vec::new();
        for _ in 0..4 {
            let (issuing, purging) = (Arc::clone(&scene), Arc::clone(&scene));
            racers.push(Box::pin(async move {
                let (approval, token) = issuing.redeemed("other user", last).await;
                issuing.assert_live(token, "it was issued beside a purge").await;
                assert!(issuing.lists(&approval.grant, last).await, "the grant of a token that was issued just now");
            }));
            racers.push(Box::pin(async move {
                purging.purge(end, 3 + round % 5).await;
            }));
        }
        // A purge that comes first takes the code along; one that comes second must leave its token.
        let exchanging = Arc::clone(&scene);
        racers.push(Box::pin(async move {
            let op = records::redeem(&dying, last);
            let outcome = exchanging.redeem(op.clone()).await;
            let live = exchanging.is_live(op.access.id).await;
            assert!(matches!(outcome, Redeemed::First | Redeemed::Gone), "an exchange beside a purge: {outcome:?}");
            assert_eq!(live, outcome == Redeemed::First, "an exchange beside a purge is all or nothing");
            // The grant of a code that was purged may wait for the next step.
            let listed = exchanging.lists(&dying.grant, last).await;
            assert!(listed || !live, "the grant of a live token was purged");
        }));
        race(racers).await;
    }
}
