//! Access that is issued and taken back beside refresh tokens, by a client itself too.

use std::sync::Arc;

use super::races::{Racer, race};
use super::records::{self, NOW, REFRESH_LIFETIME};
use super::scene::{Scene, just_before};
use crate::protocol::client::ClientId;
use crate::storage::{Issued, Owner, RevokeGrant, Revoked, Rotated, Storage};

/// Rounds of the race of a revocation against a rotation.
const ROUNDS: usize = 4000;

/// An access token is added whole to a grant that is live, and to no other.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_token_is_issued_into_a_live_grant_alone<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let start = scene.refreshable("user", NOW).await;
    let grant = &start.approval.grant;
    let end = NOW.after(REFRESH_LIFETIME);
    let op = records::issue(grant, just_before(end));
    assert_eq!(scene.issue(op.clone()).await, Issued::Now, "the last millisecond of a grant");
    let stored = scene.token(op.access.id).await.expect("the token exists");
    assert_eq!(stored.token.hash.as_bytes(), op.access.hash.as_bytes(), "the hash of the token");
    assert_eq!(stored.token.expires_at, op.access.expires_at, "when the token ends");
    assert_eq!(stored.grant, *grant, "the grant behind the token");

    let mut taken = records::issue(grant, NOW);
    taken.access.id = op.access.id;
    assert_eq!(scene.issue(taken).await, Issued::Collision, "the id of the token is taken");
    let end = op.access.expires_at;
    assert!(scene.lists(grant, just_before(end)).await, "a grant lasts as long as its tokens");
    let unknown = records::approval(&records::subject("user"), &scene.client.id, NOW);
    for (grant, now) in [(grant, end), (&unknown.grant, NOW)] {
        let op = records::issue(grant, now);
        assert_eq!(scene.issue(op.clone()).await, Issued::Gone, "the grant is over or unknown");
        assert!(scene.token(op.access.id).await.is_none(), "a grant that is over or unknown gets no token");
    }
    scene.assert_live(op.access.id, "nothing happened to it").await;
    assert_eq!(scene.revoke(records::revoke(grant, NOW)).await, Revoked::Now, "revoked");
    let late = records::issue(grant, NOW);
    assert_eq!(scene.issue(late.clone()).await, Issued::Gone, "the grant is revoked");
    scene.assert_dead(late.access.id, "its grant was revoked before").await;
}

/// An access token that is revoked is not found any more; all else of its grant stays.
///
/// # Panics
/// If the invariant is broken.
pub async fn an_access_token_is_revoked_alone<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let other = scene.refreshable("user", NOW).await;
    let start = scene.refreshable("user", NOW).await;
    let grant = &start.approval.grant;
    let issued = records::issue(grant, NOW);
    assert_eq!(scene.issue(issued.clone()).await, Issued::Now, "a second token");
    assert_eq!(scene.revoke_access(start.access).await, Revoked::Now, "the first revocation of a token");
    scene.assert_dead(start.access, "it was revoked").await;
    let second = scene.revoke_access(start.access).await;
    assert!(matches!(second, Revoked::Already | Revoked::Unknown), "the second revocation of a token: {second:?}");
    assert_eq!(scene.revoke_access(records::ordered_id(NOW)).await, Revoked::Unknown, "there is no such token");
    assert_eq!(scene.revoke_access(start.refresh).await, Revoked::Unknown, "a refresh token is no access token");

    for token in [issued.access.id, other.access] {
        scene.assert_live(token, "another token was revoked").await;
    }
    assert!(scene.lists(grant, NOW).await, "a grant outlives one of its tokens");
    let op = scene.rotated(start.refresh, grant, NOW).await;
    scene.assert_live(op.access.id, "its refresh token was not revoked").await;
    scene.assert_dead(start.access, "a rotation does not bring it back").await;
}

/// A client revokes the grants that it has and no other: not those of another client, and not those
/// of a user who is called like it.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_45_a_grant_is_revoked_by_its_client_alone<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let start = scene.refreshable("user", NOW).await;
    let bystander = scene.refreshable("user", NOW).await;
    let grant = &start.approval.grant;
    let client = |id| Owner::Client(ClientId::parse(id).expect("a client id"));
    let user = |id| Owner::User(records::subject(id));
    for owner in [client("stranger"), client("Client"), client("client "), client("user"), user("client")] {
        let op = RevokeGrant { owner: owner.clone(), ..records::revoke(grant, NOW) };
        assert_eq!(scene.revoke(op).await, Revoked::Unknown, "{owner:?} has no such grant");
    }
    let unknown = RevokeGrant { grant: records::ordered_id(NOW), ..records::revoke_by_client(grant, NOW) };
    assert_eq!(scene.revoke(unknown).await, Revoked::Unknown, "there is no such grant");
    scene.assert_live(start.access, "nobody who may revoke it did").await;

    assert_eq!(scene.revoke(records::revoke_by_client(grant, NOW)).await, Revoked::Now, "the first revocation");
    assert_eq!(scene.revoke(records::revoke_by_client(grant, NOW)).await, Revoked::Already, "the second revocation");
    scene.assert_dead(start.access, "its grant was revoked").await;
    let stored = scene.refresh(start.refresh).await.expect("the refresh token is remembered");
    assert!(stored.revoked, "a refresh token shows that its grant is revoked");
    let rotated = scene.rotate(records::rotate(start.refresh, grant, NOW)).await;
    assert_eq!(rotated, Rotated::Gone, "the grant is revoked");
    scene.assert_live(bystander.access, "another grant of its client was revoked").await;
}

/// Whichever of a revocation, a rotation and an issue comes first, no token is live when all are
/// done, and nothing can be refreshed.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_22_revoking_beside_a_rotation_leaves_nothing_alive<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    for round in 0..ROUNDS {
        let start = scene.refreshable(&format!("user {round}"), NOW).await;
        let grant = &start.approval.grant;
        let rotation = records::rotate(start.refresh, grant, NOW);
        let issue = records::issue(grant, NOW);
        let withdrawal =
            if round % 4 < 2 { records::revoke(grant, NOW) } else { records::revoke_by_client(grant, NOW) };
        let tokens = [start.access, rotation.access.id, issue.access.id];
        let refreshes = [start.refresh, rotation.successor.id];
        let [rotating, issuing, revoking] = [(); 3].map(|()| Arc::clone(&scene.store));
        let mut racers: Vec<Racer<()>> = vec![
            Box::pin(async move {
                let outcome = rotating.rotate_refresh(rotation).await.expect("rotate_refresh answers");
                assert!(matches!(outcome, Rotated::First | Rotated::Gone), "beside a revocation: {outcome:?}");
            }),
            Box::pin(async move {
                let outcome = issuing.issue_access(issue).await.expect("issue_access answers");
                assert!(matches!(outcome, Issued::Now | Issued::Gone), "beside a revocation: {outcome:?}");
            }),
            Box::pin(async move {
                // The head start moves them against each other from round to round.
                for _ in 0..round % 64 {
                    std::hint::spin_loop();
                }
                let outcome = revoking.revoke_grant(withdrawal).await.expect("revoke_grant answers");
                assert_eq!(outcome, Revoked::Now, "the only revocation");
            }),
        ];
        racers.rotate_left(round % 3);
        race(racers).await;
        for token in tokens {
            scene.assert_dead(token, "its grant was revoked beside a rotation").await;
        }
        for token in refreshes {
            let later = scene.rotate(records::rotate(token, grant, NOW)).await;
            assert_eq!(later, Rotated::Gone, "a revoked grant cannot be refreshed");
        }
        assert!(!scene.lists(grant, NOW).await, "the grant is not live");
    }
}
