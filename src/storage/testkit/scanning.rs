//! The walk through all rows shows each once, as it is, with its grant.

use std::time::Duration;

use super::records::{self, CODE_LIFETIME, NOW, REFRESH_LIFETIME, TOKEN_LIFETIME};
use super::scene::Scene;
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;
use crate::storage::{Issued, Redeemed, Revoked, Row, Scanned, Storage, Table};

const TABLES: [Table; 4] = [Table::Grants, Table::Codes, Table::AccessTokens, Table::RefreshTokens];

/// All rows of a table, from pages of `limit`.
async fn walk<S: Storage>(scene: &Scene<S>, table: Table, limit: u32) -> Vec<OrderedId> {
    let mut seen = Vec::<OrderedId>::new();
    loop {
        let page = scene.scan(table, seen.last().copied(), limit).await;
        assert!(page.len() <= limit as usize, "a page of at most {limit} of {table:?} has {}", page.len());
        if page.is_empty() {
            return seen;
        }
        for row in page {
            assert!(Some(row.id()) > seen.last().copied(), "{table:?} in pages of {limit}: a row out of order");
            seen.push(row.id());
        }
    }
}

/// The row of that id.
async fn row<S: Storage>(scene: &Scene<S>, table: Table, id: OrderedId) -> Option<Scanned> {
    let before = id.to_bits().checked_sub(1).and_then(OrderedId::from_bits);
    scene.scan(table, before, 1).await.into_iter().find(|row| row.id() == id)
}

/// Whatever the size of a page, going on from its last id shows every row of a table once, in the order
/// of ids: also those that have ended, were redeemed or used, or hang on a grant that was revoked.
///
/// # Panics
/// If the invariant is broken.
pub async fn pages_of_a_walk_show_every_row_once<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let mut rows = [const { Vec::new() }; 4];
    for table in TABLES {
        assert!(scene.scan(table, None, u32::MAX).await.is_empty(), "{table:?} of an empty store");
    }
    for number in 0..23_u64 {
        // Several of one millisecond, and clocks that differ.
        let now = Timestamp::from_millis(NOW.as_millis() + number / 4 * 7 % 5 * 1000);
        let user = format!("user {}", number % 3);
        if number % 4 == 0 {
            let unused = scene.approved(&user, now).await;
            rows[0].push(unused.grant.id);
            rows[1].push(unused.code.id);
            continue;
        }
        let start = scene.refreshable(&user, now).await;
        let op = scene.rotated(start.refresh, &start.approval.grant, now).await;
        rows[0].push(start.approval.grant.id);
        rows[1].push(start.approval.code.id);
        rows[2].extend([start.access, op.access.id]);
        rows[3].extend([start.refresh, op.successor.id]);
        if number % 3 == 0 {
            let revoked = scene.revoke(records::revoke(&start.approval.grant, now)).await;
            assert_eq!(revoked, Revoked::Now, "revoked");
        }
    }
    // Writes must leave for a minute what has ended.
    let later = scene.refreshable("user", NOW.after(CODE_LIFETIME + Duration::from_secs(40))).await;
    rows[0].push(later.approval.grant.id);
    rows[1].push(later.approval.code.id);
    rows[2].push(later.access);
    rows[3].push(later.refresh);
    for (table, mut expected) in TABLES.into_iter().zip(rows) {
        expected.sort_unstable();
        for limit in [1, 2, 7, expected.len() as u32, 1000, u32::MAX] {
            assert_eq!(walk(&scene, table, limit).await, expected, "{table:?} in pages of {limit}");
        }
        assert!(scene.scan(table, None, 0).await.is_empty(), "a page of none");
        let last = OrderedId::from_bits(u64::MAX >> 1);
        assert!(scene.scan(table, last, 5).await.is_empty(), "behind the last id there is");
        for (number, id) in expected.iter().enumerate() {
            let behind = scene.scan(table, Some(*id), 3).await;
            let behind: Vec<_> = behind.iter().map(Scanned::id).collect();
            let end = expected.len().min(number + 4);
            assert_eq!(behind, expected[number + 1..end], "{table:?} behind a row");
        }
    }
}

/// Each row is shown as it is by now, with its grant, when that ends, and whether it was revoked.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_walk_shows_rows_as_they_are<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let unused = scene.approved("user", NOW).await;
    let code = row(&scene, Table::Codes, unused.code.id).await.expect("a code is shown");
    assert_eq!((&code.grant, code.revoked), (&unused.grant, false), "the grant of a code");
    assert_eq!(code.grant_expires_at, unused.code.expires_at, "a grant that was not redeemed ends with its code");
    let Row::Code { code, redeemed } = code.row else { panic!("a code is shown as one") };
    assert_eq!((code.grant, code.expires_at), (unused.grant.id, unused.code.expires_at), "the code");
    assert_eq!(code.hash.as_bytes(), unused.code.hash.as_bytes(), "the hash of the code");
    assert_eq!((code.redirect_uri, code.challenge), (unused.code.redirect_uri, unused.code.challenge), "the code");
    assert!(!redeemed, "a code that was not redeemed");

    let op = records::redeem(&scene.approved("user", NOW).await, NOW);
    assert_eq!(scene.redeem(op.clone()).await, Redeemed::First, "a new code was redeemed");
    let code = row(&scene, Table::Codes, op.code).await.expect("a code is shown");
    assert!(matches!(code.row, Row::Code { redeemed: true, .. }), "a code that was redeemed");
    let token = row(&scene, Table::AccessTokens, op.access.id).await.expect("a token is shown");
    assert_eq!(token.grant_expires_at, op.grant_expires_at, "the exchange says when the grant ends");
    let Row::Access(token) = token.row else { panic!("an access token is shown as one") };
    assert_eq!(token.hash.as_bytes(), op.access.hash.as_bytes(), "the hash of the token");
    assert_eq!((token.grant, token.scopes), (op.access.grant, op.access.scopes), "the token");
    assert_eq!(token.resource, op.access.resource, "the resource of the token");
    assert_eq!((token.issued_at, token.expires_at), (op.access.issued_at, op.access.expires_at), "its times");

    // The token outlives what the exchange said.
    let late = NOW.after(TOKEN_LIFETIME / 2);
    let grant = &token.grant;
    let again = records::issue(&scene.token(token.id).await.expect("the token exists").grant, late);
    assert_eq!(scene.issue(again.clone()).await, Issued::Now, "another token");
    let end = again.access.expires_at;
    let shown = row(&scene, Table::Grants, *grant).await.expect("the grant is shown");
    assert_eq!(shown.grant_expires_at, end, "a grant lasts as long as its tokens");
    let earlier = row(&scene, Table::AccessTokens, token.id).await.expect("the first token is shown");
    assert_eq!(earlier.grant_expires_at, end, "every row of the grant shows when it ends by now");
    assert_eq!(scene.revoke_access(token.id).await, Revoked::Now, "one token was revoked");
    assert!(row(&scene, Table::AccessTokens, token.id).await.is_none(), "a token that was revoked is not shown");
}

/// Each refresh token is shown with what took its place and what it took the place of; a revocation shows
/// at every row of its grant.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_walk_shows_what_took_the_place_of_what<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let start = scene.refreshable("user", NOW).await;
    let grant = &start.approval.grant;
    let first = scene.rotated(start.refresh, grant, NOW).await;
    let second = scene.rotated(first.successor.id, grant, NOW.after(Duration::from_secs(9))).await;
    let end = second.now.after(REFRESH_LIFETIME);
    let answer = |op: &crate::storage::RotateRefresh| Some(op.answer.clone());
    for (id, came_after, rotated) in [
        (start.refresh, None, Some((&first, None))),
        (first.successor.id, Some(start.refresh), Some((&second, answer(&second)))),
        (second.successor.id, Some(first.successor.id), None),
    ] {
        let shown = row(&scene, Table::RefreshTokens, id).await.expect("a refresh token is shown");
        assert_eq!((&shown.grant, shown.grant_expires_at), (grant, end), "the grant of a refresh token");
        let Row::Refresh { token, rotation, predecessor } = shown.row else {
            panic!("a refresh token is shown as one")
        };
        assert_eq!((token.id, token.grant), (id, grant.id), "the refresh token");
        assert_eq!(predecessor, came_after, "what it took the place of");
        assert_eq!(rotation.is_some(), rotated.is_some(), "whether it was used");
        if let Some((rotation, (op, answer))) = rotation.zip(rotated) {
            assert_eq!(rotation.successor, op.successor.id, "what took its place");
            assert_eq!((rotation.answer, rotation.grace_until), (answer, op.grace_until), "the answer that is kept");
        }
    }
    let bystander = scene.refreshable("user", NOW).await;
    assert_eq!(scene.revoke(records::revoke(grant, NOW)).await, Revoked::Now, "revoked");
    for (table, id) in [
        (Table::Grants, grant.id),
        (Table::Codes, start.approval.code.id),
        (Table::AccessTokens, second.access.id),
        (Table::RefreshTokens, start.refresh),
        (Table::RefreshTokens, second.successor.id),
    ] {
        let shown = row(&scene, table, id).await.expect("a row of a revoked grant is shown");
        assert!(shown.revoked, "{table:?}: a row shows that its grant is revoked");
    }
    let shown = row(&scene, Table::RefreshTokens, bystander.refresh).await.expect("another grant is shown");
    assert!(!shown.revoked, "another grant was revoked");
}
