//! Clocks that jump.

use std::time::Duration;

use super::records::{self, NOW};
use super::scene::Scene;
use crate::protocol::time::Timestamp;
use crate::storage::{Decided, Redeemed, Revoked, Storage};

/// What was made after a clock went backwards is found, and so is what was made before.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_clock_that_goes_backwards_loses_nothing<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let mut tokens = Vec::new();
    for back in [0, 1, 1000, 2, 500, 3_600_000, 86_400_000, 1_800_000_000_000] {
        let now = Timestamp::from_millis(NOW.as_millis() - back);
        for _ in 0..50 {
            tokens.push(scene.redeemed("user", now).await);
        }
    }
    assert_eq!(scene.purge(Timestamp::from_millis(0), 1000).await, 0, "at the beginning of time nothing has ended");
    for (approval, token) in &tokens {
        let stored = scene.token(*token).await.expect("a token is found whatever the clock did");
        assert_eq!(stored.grant, approval.grant, "with its own grant");
        assert!(!stored.revoked, "and it is live");
    }
    let again = records::revoke(&tokens[0].0.grant, Timestamp::from_millis(0));
    assert_eq!(scene.revoke(again).await, Revoked::Now, "a revocation at any time");
    scene.assert_dead(tokens[0].1, "its grant was revoked").await;
}

/// The first and the last moment there is make nothing panic and nothing live for ever.
///
/// # Panics
/// If the invariant is broken.
pub async fn the_ends_of_time_break_nothing<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let end = Timestamp::from_millis(u64::MAX);
    let (first, token) = scene.redeemed("user", Timestamp::from_millis(0)).await;
    scene.assert_live(token, "it was issued at the beginning of time").await;
    assert!(scene.grants("user", end).await.is_empty(), "at the end of time no grant is live");
    // A store may have removed the code by then.
    let replay = scene.redeem(records::redeem(&first, end)).await;
    assert!(matches!(replay, Redeemed::Replayed | Redeemed::Gone), "a replay at the end of time: {replay:?}");
    scene.assert_dead(token, "its code was replayed, or it has ended for long").await;

    // Signed 64 bits are the most that databases keep.
    let late = Timestamp::from_millis(i64::MAX as u64 - 2 * 86_400_000);
    let (approval, token) = scene.redeemed("late user", late).await;
    scene.assert_live(token, "it was issued late").await;
    assert!(scene.lists(&approval.grant, late.after(Duration::from_secs(1))).await, "a grant far in the future");
    let denial = records::deny(records::prompt(end), &scene.client, end);
    assert_eq!(scene.decide(denial).await, Decided::First, "a decision at the end of time");
    let mut rounds = 0;
    while scene.purge(end, 100).await >= 100 {
        rounds += 1;
        assert!(rounds < 1000, "purging at the end of time does not come to an end");
    }
    assert!(scene.token(token).await.is_none(), "at the end of time everything has ended");
}
