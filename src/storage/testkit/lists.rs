//! The list of what a user has granted.

use std::time::Duration;

use super::records::{self, CODE_LIFETIME, NOW, TOKEN_LIFETIME};
use super::scene::{Scene, just_before};
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;
use crate::storage::{Revoked, Storage, StoredGrant};

fn second(number: u64) -> Timestamp {
    NOW.after(Duration::from_secs(number))
}

fn ids(grants: &[StoredGrant]) -> Vec<OrderedId> {
    grants.iter().map(|stored| stored.grant.id).collect()
}

/// Grants come newest first, in whichever order they were added.
///
/// # Panics
/// If the invariant is broken.
pub async fn grants_are_listed_newest_first<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let mut expected = Vec::new();
    for number in [3, 1, 4, 0, 2] {
        let (approval, _) = scene.redeemed("user", second(number)).await;
        scene.redeemed("another user", second(number)).await;
        expected.push(approval.grant.id);
    }
    expected.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(ids(&scene.grants("user", second(5)).await), expected, "newest first, and this user's alone");
}

/// Whatever the size of a page, going on from its last id shows every live grant once.
///
/// # Panics
/// If the invariant is broken.
pub async fn pages_show_every_grant_once<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let user = records::subject("user");
    for number in 0..23 {
        // Several of one millisecond, and dead ones in between.
        let (approval, _) = scene.redeemed("user", second(number / 4)).await;
        if number % 5 == 0 {
            assert_eq!(scene.revoke(records::revoke(&approval.grant, NOW)).await, Revoked::Now, "revoked");
        }
    }
    let now = second(30);
    let all = ids(&scene.grants("user", now).await);
    assert_eq!(all.len(), 18, "all live grants are listed");
    for limit in [1, 2, 7, 18, 19, 1000] {
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page = scene.store.grants(&user, before, limit, now).await.expect("grants answers");
            assert!(page.len() <= limit as usize, "a page of at most {limit} has {}", page.len());
            let Some(last) = page.last() else { break };
            before = Some(last.grant.id);
            seen.extend(ids(&page));
            assert!(seen.len() <= all.len(), "pages of {limit} show a grant twice: {seen:?}");
        }
        assert_eq!(seen, all, "pages of {limit} show every grant once, newest first");
    }
}

/// A grant that was revoked, or has ended, is not on the list.
///
/// # Panics
/// If the invariant is broken.
pub async fn only_live_grants_are_listed<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let unused = scene.approved("user", NOW).await;
    let (used, _) = scene.redeemed("user", NOW).await;
    let (revoked, _) = scene.redeemed("user", NOW).await;
    assert_eq!(scene.revoke(records::revoke(&revoked.grant, NOW)).await, Revoked::Now, "revoked");
    let (code_end, token_end) = (NOW.after(CODE_LIFETIME), NOW.after(TOKEN_LIFETIME));
    for (now, unused_lives, used_lives) in [
        (just_before(code_end), true, true),
        (code_end, false, true),
        (just_before(token_end), false, true),
        (token_end, false, false),
    ] {
        assert_eq!(scene.lists(&unused.grant, now).await, unused_lives, "a grant whose code was not used, at {now:?}");
        assert_eq!(scene.lists(&used.grant, now).await, used_lives, "a grant whose code was used, at {now:?}");
        assert!(!scene.lists(&revoked.grant, now).await, "a revoked grant, at {now:?}");
    }
    assert!(scene.grants("nobody", NOW).await.is_empty(), "a user without grants");
}

/// `limit` and `before` are kept to at their extremes.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_page_holds_no_more_than_asked_for<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let user = records::subject("user");
    let (older, _) = scene.redeemed("user", NOW).await;
    let (newer, _) = scene.redeemed("user", second(1)).await;
    let first = OrderedId::first_at(Timestamp::from_millis(0));
    let last = OrderedId::new(Timestamp::from_millis(u64::MAX), u32::MAX);
    for (before, limit, expected) in [
        (None, 0, vec![]),
        (None, 1, vec![newer.grant.id]),
        (None, u32::MAX, vec![newer.grant.id, older.grant.id]),
        (Some(last), u32::MAX, vec![newer.grant.id, older.grant.id]),
        (Some(newer.grant.id), 5, vec![older.grant.id]),
        (Some(older.grant.id), 5, vec![]),
        (Some(first), 5, vec![]),
    ] {
        let page = scene.store.grants(&user, before, limit, NOW).await.expect("grants answers");
        assert_eq!(ids(&page), expected, "at most {limit} before {before:?}");
    }
}
