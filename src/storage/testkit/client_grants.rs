//! What a client gets for itself (RFC 6749 §4.4).

use std::sync::Arc;

use super::purging::purge_all;
use super::races::{CROWD, Racer, count, race};
use super::records::{self, NOW, TOKEN_LIFETIME};
use super::scene::{Scene, just_before};
use crate::protocol::grant::Holder;
use crate::protocol::secret::OrderedId;
use crate::storage::{
    GrantClient, Granted, Owner, Removed, RevokeGrant, Revoked, Scanned, Storage, StoredAccess, Table, Updated,
};

async fn stored_grant<S: Storage>(scene: &Scene<S>, grant: OrderedId) -> Option<Scanned> {
    scene.scan(Table::Grants, None, 1000).await.into_iter().find(|row| row.grant.id == grant)
}

fn is_same(stored: &StoredAccess, op: &GrantClient) -> bool {
    let (token, given) = (&stored.token, &op.access);
    let times = (token.issued_at, token.expires_at) == (given.issued_at, given.expires_at);
    let worth = (&token.scopes, &token.resource) == (&given.scopes, &given.resource);
    times && worth && token.hash.as_bytes() == given.hash.as_bytes() && stored.grant == op.grant
}

/// Nothing of a client's own grant is there.
async fn assert_nothing<S: Storage>(scene: &Scene<S>, op: &GrantClient, why: &str) {
    assert!(scene.token(op.access.id).await.is_none(), "the token must not exist: {why}");
    assert!(stored_grant(scene, op.grant.id).await.is_none(), "the grant must not exist: {why}");
}

/// A client's own grant is there with its token, ends with it, is revoked by its client, and is no user's, also
/// not that of a user who is called like the client.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_57_a_clients_own_grant_is_no_users<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let op = records::grant_client(&scene.client, NOW);
    assert_eq!(scene.grant_client(op.clone()).await, Granted::Now, "a grant of its own");
    let stored = scene.token(op.access.id).await.expect("the token is found");
    assert!(is_same(&stored, &op) && !stored.revoked, "as it was given: {stored:?}");
    assert_eq!(stored.grant.holder, Holder::Client, "it is the client's own");
    let row = stored_grant(&scene, op.grant.id).await.expect("the grant is found");
    assert_eq!(row.grant_expires_at, op.access.expires_at, "the grant ends with its token");
    assert_eq!((&row.grant, row.revoked), (&op.grant, false), "as it was given");

    assert!(scene.grants("client", NOW).await.is_empty(), "it is in no user's list");
    assert!(scene.consents("client", "client").await.is_empty(), "nobody was asked");
    let withdrawal = |owner| RevokeGrant { grant: op.grant.id, owner, now: NOW };
    for user in ["client", ""] {
        let outcome = scene.revoke(withdrawal(Owner::User(records::subject(user)))).await;
        assert_eq!(outcome, Revoked::Unknown, "a user called {user:?} has no such grant");
        let ended = scene.revoke_all(records::revoke_all_of_user(user, NOW)).await;
        assert_eq!(ended, 0, "a user called {user:?} has no grants");
    }
    scene.assert_live(op.access.id, "nobody who may revoke it did").await;
    let bystander = scene.granted(&scene.client).await;
    let owner = || Owner::Client(scene.client.id.clone());
    assert_eq!(scene.revoke(withdrawal(owner())).await, Revoked::Now, "its client revokes it");
    scene.assert_dead(op.access.id, "its grant was revoked").await;
    scene.assert_live(bystander, "another grant of its client was revoked").await;

    let end = NOW.after(TOKEN_LIFETIME);
    purge_all(&scene, just_before(end), 100).await;
    scene.assert_live(bystander, "it has not ended").await;
    purge_all(&scene, end, 100).await;
    assert!(scene.scan(Table::Grants, None, 1000).await.is_empty(), "grants that have ended are purged");
    assert!(scene.scan(Table::AccessTokens, None, 1000).await.is_empty(), "tokens that have ended are purged");
}

/// A client that was changed or removed since it was decided about gets nothing.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_41_a_client_that_changed_gets_no_grant_of_its_own<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let before = records::grant_client(&scene.client, NOW);
    assert_eq!(scene.update((*scene.client).clone()).await, Updated::Now, "a change that changes nothing else");
    let stored = scene.client(&scene.client.id).await.expect("the client is found");
    let mut later = records::grant_client(&stored, NOW);
    later.client_revision += 1;
    for op in [&before, &later] {
        assert_eq!(scene.grant_client(op.clone()).await, Granted::ClientChanged, "about another state of the client");
        assert_nothing(&scene, op, "its client changed").await;
    }
    let op = records::grant_client(&stored, NOW);
    assert_eq!(scene.remove(&stored.id).await, Removed::Now, "it is removed");
    assert_eq!(scene.grant_client(op.clone()).await, Granted::ClientChanged, "its client is gone");
    assert_nothing(&scene, &op, "its client is gone").await;
}

/// If one of its ids is taken nothing is added, and nothing changes for those who have it; of many grants of one
/// id at once one is added.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_taken_id_leaves_nothing_of_a_clients_own_grant<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let (approval, token) = scene.redeemed("user", NOW).await;
    let own = records::grant_client(&scene.client, NOW);
    assert_eq!(scene.grant_client(own.clone()).await, Granted::Now, "free ids");
    for taken in [token, own.access.id] {
        let mut op = records::grant_client(&scene.client, NOW);
        op.access.id = taken;
        assert_eq!(scene.grant_client(op.clone()).await, Granted::Collision, "the id of a token is taken");
        assert!(stored_grant(&scene, op.grant.id).await.is_none(), "a grant without its token");
        op.access.id = records::ordered_id(NOW);
        assert_eq!(scene.grant_client(op).await, Granted::Now, "with an id that is free");
    }
    for taken in [approval.grant.id, own.grant.id] {
        let mut op = records::grant_client(&scene.client, NOW);
        Arc::make_mut(&mut op.grant).id = taken;
        op.access.grant = taken;
        assert_eq!(scene.grant_client(op.clone()).await, Granted::Collision, "the id of a grant is taken");
        assert!(scene.token(op.access.id).await.is_none(), "a token of somebody else's grant");
    }
    let (stored, theirs) = (scene.token(own.access.id).await, scene.token(token).await);
    assert!(stored.is_some_and(|stored| is_same(&stored, &own)), "as it was");
    assert!(theirs.is_some_and(|stored| stored.grant == approval.grant), "a user's token as it was");

    let first = records::grant_client(&scene.client, NOW);
    let ops: Vec<_> = (0..CROWD)
        .map(|_| {
            let access = records::access(&first.grant, NOW);
            GrantClient { access, ..first.clone() }
        })
        .collect();
    let racers = ops.iter().map(|op| {
        let (store, op) = (Arc::clone(&scene.store), op.clone());
        Box::pin(async move { store.grant_client(op).await.expect("grant_client answers") }) as Racer<_>
    });
    let outcomes = race(racers.collect()).await;
    assert_eq!(count(&outcomes, &Granted::Now), 1, "one grant of an id: {outcomes:?}");
    assert_eq!(count(&outcomes, &Granted::Collision), CROWD - 1, "the id of all others is taken: {outcomes:?}");
    for (op, outcome) in ops.iter().zip(&outcomes) {
        assert_eq!(scene.is_live(op.access.id).await, *outcome == Granted::Now, "the token of the one that was added");
    }
}
