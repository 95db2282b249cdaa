//! All that a client or a user has given or got ends at once.

use std::sync::Arc;

use super::races::{Racer, race};
use super::records::{self, NOW};
use super::scene::{Refreshable, Scene};
use crate::protocol::client::Client;
use crate::protocol::grant::Grant;
use crate::protocol::secret::OrderedId;
use crate::storage::{
    Approval, Decided, Granted, Inserted, Issued, Redeemed, Removed, RevokeGrants, Revoked, Rotated, Storage, Updated,
};

/// Rounds of the races.
const ROUNDS: usize = 300;

/// Everything that somebody can have of one client.
pub(super) struct Access {
    unused: Approval,
    tokens: Refreshable,
    pub(super) own: OrderedId,
}

impl Access {
    pub(super) async fn of<S: Storage>(scene: &Scene<S>, user: &str, client: &Arc<Client>) -> Self {
        let theirs = Scene { store: Arc::clone(&scene.store), client: Arc::clone(client) };
        Self {
            unused: theirs.approved(user, NOW).await,
            tokens: theirs.refreshable(user, NOW).await,
            own: theirs.granted(client).await,
        }
    }

    pub(super) async fn assert_ended<S: Storage>(&self, scene: &Scene<S>, why: &str) {
        let grant = &self.tokens.approval.grant;
        scene.assert_dead(self.tokens.access, why).await;
        for approval in [&self.unused, &self.tokens.approval] {
            let code = scene.code(approval.code.id).await;
            assert!(code.is_none_or(|code| code.revoked), "the code must not be live: {why}");
            assert!(!scene.lists(&approval.grant, NOW).await, "the grant must not be live: {why}");
        }
        assert_eq!(scene.redeem(records::redeem(&self.unused, NOW)).await, Redeemed::Gone, "an exchange: {why}");
        assert!(scene.refresh(self.tokens.refresh).await.is_none_or(|token| token.revoked), "a refresh token: {why}");
        let rotation = scene.rotate(records::rotate(self.tokens.refresh, grant, NOW)).await;
        assert_eq!(rotation, Rotated::Gone, "a refresh: {why}");
        assert_eq!(scene.issue(records::issue(grant, NOW)).await, Issued::Gone, "an issue: {why}");
        let user = records::user_of(grant);
        assert!(scene.consents(user.as_str(), grant.client.as_str()).await.is_empty(), "consent: {why}");
    }

    pub(super) async fn assert_lives<S: Storage>(&self, scene: &Scene<S>, why: &str) {
        let grant = &self.tokens.approval.grant;
        scene.assert_live(self.tokens.access, why).await;
        assert!(
            scene.code(self.unused.code.id).await.is_some_and(|code| !code.revoked),
            "the code must be live: {why}"
        );
        for approval in [&self.unused, &self.tokens.approval] {
            assert!(scene.lists(&approval.grant, NOW).await, "the grant must be live: {why}");
        }
        assert!(scene.refresh(self.tokens.refresh).await.is_some_and(|token| !token.revoked), "to refresh: {why}");
        let user = records::user_of(grant);
        assert!(!scene.consents(user.as_str(), grant.client.as_str()).await.is_empty(), "consent: {why}");
    }
}

/// How access ends.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    Change(Arc<Client>),
    Removal(Arc<Client>),
}

impl Ending {
    /// Each in turn.
    pub(super) fn of(client: &Arc<Client>, number: usize) -> Self {
        if number.is_multiple_of(2) {
            Self::Change(Arc::new(Client { blocked: true, ..(**client).clone() }))
        } else {
            Self::Removal(Arc::clone(client))
        }
    }

    pub(super) async fn happen<S: Storage>(self, store: Arc<S>) {
        match self {
            Self::Change(client) => {
                let outcome = store.update_client(records::update_and_end((*client).clone())).await;
                assert_eq!(outcome.expect("update_client answers"), Updated::Now, "the only change");
            }
            Self::Removal(client) => {
                let outcome = store.remove_client(records::remove(&client.id)).await;
                assert_eq!(outcome.expect("remove_client answers"), Removed::Now, "the only removal");
            }
        }
    }
}

/// A change of a client that ends access, and its removal, end all that anybody has of that client, and nothing of
/// another; any other change, and one that is refused, ends nothing.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_22_what_ends_access_ends_all_of_that_client<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    for number in 0..2 {
        let client = Arc::new(records::client(&format!("client {number}")));
        scene.insert(&client).await;
        let theirs = [Access::of(&scene, "user", &client).await, Access::of(&scene, "other user", &client).await];
        let other = Access::of(&scene, "user", &scene.client).await;
        let namesake = Access::of(&scene, client.id.as_str(), &scene.client).await;
        let outdated = Client { revision: client.revision + 1, ..(*client).clone() };
        assert_eq!(scene.change(records::update_and_end(outdated)).await, Updated::Changed, "from another state");
        let unknown = records::client("client x");
        assert_eq!(scene.remove(&unknown.id).await, Removed::Unknown, "nobody registered it");
        assert_eq!(scene.change(records::update_and_end(unknown)).await, Updated::Unknown, "nobody registered it");
        assert_eq!(scene.update((*client).clone()).await, Updated::Now, "a change that ends nothing");
        for access in &theirs {
            access.assert_lives(&scene, "its client was merely changed").await;
            scene.assert_live(access.own, "its client was merely changed").await;
        }
        let client = scene.client(&client.id).await.expect("the client is found");
        Ending::of(&client, number).happen(Arc::clone(&scene.store)).await;
        for access in &theirs {
            access.assert_ended(&scene, "its client lost its access").await;
            scene.assert_dead(access.own, "its client lost its access").await;
        }
        for access in [&other, &namesake] {
            access.assert_lives(&scene, "it is of another client").await;
            scene.assert_live(access.own, "it is of another client").await;
        }
        let late = records::approval(&records::subject("user"), &client.id, NOW);
        let outcome = scene.decide(records::approve(records::prompt(NOW), &client, &late, NOW)).await;
        assert_eq!(outcome, Decided::ClientChanged, "its client is not the one that was shown");
    }
    let removed = scene.client(&records::client("client 1").id).await;
    assert!(removed.is_none(), "a removed client is gone");
    assert_eq!(scene.remove(&records::client("client 1").id).await, Removed::Unknown, "it was removed before");
    let again = scene.register(records::insert(records::client("client 1"))).await;
    assert_eq!(again, Inserted::New, "the id of a removed client is free");
    for user in ["user", "other user"] {
        assert!(scene.consents(user, "client 1").await.is_empty(), "a client of the same id gets nothing back");
    }
}

/// Whatever is on its way for a client that loses its access, nothing is live when all is done, and nothing is
/// remembered.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_22_what_is_on_its_way_for_a_client_that_loses_access_is_dead<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    for round in 0..ROUNDS {
        let client = Arc::new(records::client(&format!("client {round}")));
        scene.insert(&client).await;
        let here = Scene { store: Arc::clone(&scene.store), client: Arc::clone(&client) };
        let ending = Ending::of(&client, round);
        beside_its_end(&here, &here, round, move |store| Box::pin(ending.happen(store))).await;
    }
}

/// Lets access end over one handle beside everything that gives some over the other, and looks over both.
pub(super) async fn beside_its_end<S: Storage>(
    here: &Scene<S>,
    there: &Scene<S>,
    round: usize,
    end: impl FnOnce(Arc<S>) -> Racer<()>,
) {
    let client = &here.client;
    let user = format!("user {round}");
    let start = here.refreshable(&user, NOW).await;
    let unused = here.approved(&user, NOW).await;
    let late = records::approval(&records::subject(&user), &client.id, NOW);
    let grant = &start.approval.grant;
    let rotation = records::rotate(start.refresh, grant, NOW);
    let exchange = records::redeem(&unused, NOW);
    let own = records::grant_client(client, NOW);
    let decision = records::approve(records::prompt(NOW), client, &late, NOW);
    let tokens = [start.access, rotation.access.id, exchange.access.id, own.access.id];
    let refreshes = [start.refresh, rotation.successor.id];
    let [deciding, rotating, redeeming, granting] = [(); 4].map(|()| Arc::clone(&there.store));
    let ending = end(Arc::clone(&here.store));
    let mut racers: Vec<Racer<()>> = vec![
        Box::pin(async move {
            let outcome = deciding.decide(decision).await.expect("decide answers");
            assert!(matches!(outcome, Decided::First | Decided::ClientChanged), "a decision: {outcome:?}");
        }),
        Box::pin(async move {
            let outcome = granting.grant_client(own).await.expect("grant_client answers");
            assert!(matches!(outcome, Granted::Now | Granted::ClientChanged), "a client's own grant: {outcome:?}");
        }),
        Box::pin(async move {
            // The head start moves them against each other from round to round.
            for _ in 0..round % 64 {
                std::hint::spin_loop();
            }
            ending.await;
        }),
        Box::pin(async move {
            let outcome = rotating.rotate_refresh(rotation).await.expect("rotate_refresh answers");
            assert!(matches!(outcome, Rotated::First | Rotated::Gone), "a rotation: {outcome:?}");
        }),
        Box::pin(async move {
            let outcome = redeeming.redeem_code(exchange).await.expect("redeem_code answers");
            assert!(matches!(outcome, Redeemed::First | Redeemed::Gone), "an exchange: {outcome:?}");
        }),
    ];
    racers.rotate_left(round % 5);
    race(racers).await;
    for scene in [here, there] {
        for token in tokens {
            scene.assert_dead(token, "its client lost its access").await;
        }
        assert_not_refreshed(scene, refreshes, grant).await;
        assert_over(scene, [&start.approval, &unused, &late]).await;
    }
}

async fn assert_not_refreshed<S: Storage>(scene: &Scene<S>, refreshes: [OrderedId; 2], grant: &Grant) {
    for token in refreshes {
        let later = scene.rotate(records::rotate(token, grant, NOW)).await;
        assert_eq!(later, Rotated::Gone, "a refresh for a client that lost its access");
    }
}

/// Nothing can be had from what was approved, and nothing is remembered of it.
async fn assert_over<S: Storage>(scene: &Scene<S>, approvals: [&Approval; 3]) {
    for approval in approvals {
        let exchange = scene.redeem(records::redeem(approval, NOW)).await;
        assert_eq!(exchange, Redeemed::Gone, "an exchange for a client that lost its access");
        assert!(!scene.lists(&approval.grant, NOW).await, "a grant of a client that lost its access");
        let (user, client) = (records::user_of(&approval.grant), &approval.grant.client);
        let given = scene.consents(user.as_str(), client.as_str()).await;
        assert!(given.is_empty(), "consent to a client that lost its access");
    }
}

/// A user takes back everything at once: all their grants, for whichever client, and all that they have agreed to;
/// nothing of another user, and nothing of a client's own.
///
/// # Panics
/// If the invariant is broken.
pub async fn all_grants_of_a_user_end_at_once<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let second = Arc::new(records::client("client 2"));
    scene.insert(&second).await;
    let theirs = [Access::of(&scene, "client", &scene.client).await, Access::of(&scene, "client", &second).await];
    let mut others = Vec::new();
    for user in ["Client", "client ", "", "user"] {
        others.push(Access::of(&scene, user, &scene.client).await);
    }
    let nobody = scene.revoke_all(records::revoke_all_of_user("nobody", NOW)).await;
    assert_eq!(nobody, 0, "a user without grants");
    for access in &theirs {
        access.assert_lives(&scene, "nobody who may end it did").await;
    }
    let single = scene.revoke(records::revoke(&theirs[0].unused.grant, NOW)).await;
    assert_eq!(single, Revoked::Now, "one before all");
    assert_eq!(scene.revoke_all(records::revoke_all_of_user("client", NOW)).await, 3, "three of four grants were live");
    assert_eq!(scene.revoke_all(records::revoke_all_of_user("client", NOW)).await, 0, "all were revoked before");
    for access in &theirs {
        access.assert_ended(&scene, "its user took it back").await;
        scene.assert_live(access.own, "it is the client's own").await;
    }
    for access in &others {
        access.assert_lives(&scene, "it is of another user").await;
    }
    let anew = Access::of(&scene, "client", &second).await;
    anew.assert_lives(&scene, "it was given anew").await;
}

/// Everything of a client is taken back at once, its own grants among it, and all consent to it; the client stays.
///
/// # Panics
/// If the invariant is broken.
pub async fn all_grants_of_a_client_end_at_once<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let second = Arc::new(records::client("Client"));
    scene.insert(&second).await;
    let theirs = [Access::of(&scene, "user", &scene.client).await, Access::of(&scene, "Client", &scene.client).await];
    let others = [Access::of(&scene, "user", &second).await, Access::of(&scene, "client", &second).await];
    let op = records::revoke_all_of_client(&scene.client.id, NOW);
    assert_eq!(scene.revoke_all(op.clone()).await, 6, "four grants of users and two of its own");
    assert_eq!(scene.revoke_all(op).await, 0, "all were revoked before");
    for access in &theirs {
        access.assert_ended(&scene, "it was taken from its client").await;
        scene.assert_dead(access.own, "it was taken from its client").await;
    }
    for access in &others {
        access.assert_lives(&scene, "it is of another client").await;
        scene.assert_live(access.own, "it is of another client").await;
    }
    let anew = Access::of(&scene, "user", &scene.client).await;
    anew.assert_lives(&scene, "the client is as it was").await;
}

/// Whichever comes first of the end of all of an owner and a use of it, nothing that was there is live when both
/// are done.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_22_revoking_everything_beside_its_use_leaves_nothing_alive<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    for round in 0..ROUNDS {
        let user = format!("user {round}");
        let start = scene.refreshable(&user, NOW).await;
        let grant = &start.approval.grant;
        let (rotation, issue) = (records::rotate(start.refresh, grant, NOW), records::issue(grant, NOW));
        let withdrawal: RevokeGrants = match round % 2 {
            0 => records::revoke_all_of_user(&user, NOW),
            _ => records::revoke_all_of_client(&scene.client.id, NOW),
        };
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
                for _ in 0..round % 64 {
                    std::hint::spin_loop();
                }
                let ended = revoking.revoke_grants(withdrawal).await.expect("revoke_grants answers");
                assert_eq!(ended, 1, "the only grant that was live");
            }),
        ];
        racers.rotate_left(round % 3);
        race(racers).await;
        for token in tokens {
            scene.assert_dead(token, "its grant was revoked with all others").await;
        }
        for token in refreshes {
            let later = scene.rotate(records::rotate(token, grant, NOW)).await;
            assert_eq!(later, Rotated::Gone, "a revoked grant cannot be refreshed");
        }
        assert!(!scene.lists(grant, NOW).await, "the grant is not live");
        assert!(scene.consents(&user, "client").await.is_empty(), "what was agreed to is forgotten");
    }
}
