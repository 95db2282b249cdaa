//! Clocks that jump.

use std::sync::Arc;
use std::time::Duration;

use super::races::{CROWD, Racer, count, race};
use super::records::{self, CODE_LIFETIME, GRACE, NOW, REFRESH_LIFETIME};
use super::scene::{Scene, just_before};
use crate::protocol::time::Timestamp;
use crate::storage::{Decided, Issued, Redeemed, Revoked, Rotated, Storage};

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

/// How far the clock of one instance is ahead of another's: so far that a code ends in between, and just not
/// so far that what has ended for one may be removed while it lives for the other.
const AHEAD: Duration = Duration::from_secs(119);

/// Two instances whose clocks are minutes apart take turns with one grant: each is judged by its own present,
/// and neither takes anything from the other.
///
/// # Panics
/// If the invariant is broken.
pub async fn two_clocks_that_differ_lose_nothing<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let (behind, ahead) = (NOW, NOW.after(AHEAD));
    for number in 0..20 {
        // The code is over for the one that is ahead, which burns nothing.
        let approval = scene.approved("user", behind).await;
        let early = records::redeem_with_refresh(&approval, ahead);
        assert_eq!(scene.redeem(early).await, Redeemed::Gone, "the code is over by that clock");
        let op = records::redeem_with_refresh(&approval, behind);
        assert_eq!(scene.redeem(op.clone()).await, Redeemed::First, "the code is not over by this clock");
        let start = op.refresh.expect("there is a refresh token").id;
        let grant = &approval.grant;

        // The one that is ahead goes first: its answer is good for the other as well.
        let first = scene.rotated(start, grant, ahead).await;
        let again = scene.rotate(records::rotate(start, grant, behind)).await;
        assert!(matches!(&again, Rotated::Repeated(same) if same.successor == first.successor.id), "{again:?}");
        // The other one goes next, and the end of the grant must not go back.
        let second = scene.rotated(first.successor.id, grant, behind).await;
        let listed = scene.grants("user", just_before(ahead.after(REFRESH_LIFETIME))).await;
        assert!(listed.iter().any(|stored| stored.grant.id == grant.id), "the end of a grant moved back");
        assert_eq!(scene.issue(records::issue(grant, ahead)).await, Issued::Now, "the grant is live for both");

        // By the clock that is ahead the window of that answer has ended.
        assert!(ahead >= behind.after(GRACE), "the clocks differ by more than the window");
        scene.assert_live(second.access.id, "it was issued by the clock that is behind").await;
        if number % 2 == 0 {
            let late = scene.rotate(records::rotate(first.successor.id, grant, ahead)).await;
            assert_eq!(late, Rotated::Reused, "the window ends by the clock of whoever asks");
            scene.assert_dead(second.access.id, "a token of its grant was reused").await;
        } else {
            let replay = scene.redeem(records::redeem(&approval, ahead)).await;
            assert_eq!(replay, Redeemed::Replayed, "a replay by the clock that is ahead");
            scene.assert_dead(second.access.id, "its code was replayed").await;
        }
    }
}

/// Of many exchanges of one code, and of many uses of one refresh token, by two clocks at once exactly one
/// succeeds.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_12_parallel_uses_by_two_clocks_give_one_token<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    // A little closer, so that the code lives for both.
    let clocks = [NOW, NOW.after(CODE_LIFETIME / 2)];
    for _ in 0..8 {
        let approval = scene.approved("user", NOW).await;
        let racers = (0..CROWD).map(|number| {
            let (store, op) = (Arc::clone(&scene.store), records::redeem(&approval, clocks[number % 2]));
            Box::pin(async move { store.redeem_code(op).await.expect("redeem_code answers") }) as Racer<_>
        });
        let outcomes = race(racers.collect()).await;
        assert_eq!(count(&outcomes, &Redeemed::First), 1, "exactly one exchange of a code succeeds: {outcomes:?}");
        assert!(!scene.lists(&approval.grant, NOW).await, "a grant whose code was replayed is not live");

        let start = scene.refreshable("user", NOW).await;
        let grant = &start.approval.grant;
        let ops: Vec<_> = (0..CROWD).map(|number| records::rotate(start.refresh, grant, clocks[number % 2])).collect();
        let racers = ops.iter().map(|op| {
            let (store, op) = (Arc::clone(&scene.store), op.clone());
            Box::pin(async move { store.rotate_refresh(op).await.expect("rotate_refresh answers") }) as Racer<_>
        });
        let outcomes = race(racers.collect()).await;
        assert_eq!(count(&outcomes, &Rotated::First), 1, "exactly one use is the first: {outcomes:?}");
        for (op, outcome) in ops.iter().zip(&outcomes) {
            let is_first = *outcome == Rotated::First;
            assert!(is_first || matches!(outcome, Rotated::Repeated(_)), "within the window: {outcome:?}");
            assert_eq!(scene.refresh(op.successor.id).await.is_some(), is_first, "one successor");
            assert_eq!(scene.is_live(op.access.id).await, is_first, "an access token of the first use alone");
        }
    }
}
