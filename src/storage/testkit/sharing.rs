//! Two handles on one database, as two processes have them, are one store.

use std::sync::Arc;

use super::races::{CROWD, Racer, count, race};
use super::records::{self, NOW};
use super::scene::Scene;
use crate::storage::{
    AnyStorage, Decided, Inserted, Issued, Redeemed, Revoked, Rotated, Storage, StorageError, Updated,
};

/// Rounds of the race of a revocation against a rotation.
const ROUNDS: usize = 500;

/// Two handles on one database, with a client in it.
pub(super) struct Two(pub(super) [Scene<AnyStorage>; 2]);

impl Two {
    pub(super) async fn new(one: impl Storage, other: impl Storage) -> Self {
        let one = Scene::new(AnyStorage::new(one)).await;
        let other = Scene { store: Arc::new(AnyStorage::new(other)), client: Arc::clone(&one.client) };
        Self([one, other])
    }

    /// Each in turn.
    pub(super) fn of(&self, number: usize) -> &Scene<AnyStorage> {
        &self.0[number % 2]
    }

    /// Many tasks at once, every other one over the other handle.
    pub(super) async fn race<T: Send + 'static, F>(&self, racer: impl Fn(usize, Arc<AnyStorage>) -> F) -> Vec<T>
    where
        F: Future<Output = Result<T, StorageError>> + Send + 'static,
    {
        let racers = (0..CROWD).map(|number| {
            let racer = racer(number, Arc::clone(&self.of(number).store));
            Box::pin(async move { racer.await.expect("the store answers") }) as Racer<_>
        });
        race(racers.collect()).await
    }
}

/// What one handle has acknowledged, the other one shows at once and goes on from.
///
/// # Panics
/// If the invariant is broken.
pub async fn what_one_handle_wrote_the_other_sees<A: Storage, B: Storage>(one: A, other: B) {
    let two = Two::new(one, other).await;
    for number in 0..50 {
        let (here, there) = (two.of(number), two.of(number + 1));
        let user = format!("user {number}");
        let start = here.refreshable(&user, NOW).await;
        let grant = &start.approval.grant;
        there.assert_live(start.access, "it was issued over the other handle").await;
        assert!(there.lists(grant, NOW).await, "a grant that was made over the other handle");
        assert!(there.code(start.approval.code.id).await.is_some_and(|code| code.redeemed), "a code that was redeemed");
        assert_eq!(
            there.consents(&user, "client").await,
            std::slice::from_ref(&start.approval.consent),
            "consent to the other"
        );
        let op = there.rotated(start.refresh, grant, NOW).await;
        let used = here.refresh(start.refresh).await.expect("the refresh token is remembered");
        let successor = used.rotation.map(|rotation| rotation.successor);
        assert_eq!(successor, Some(op.successor.id), "a rotation over the other handle");
        // Whoever keeps what was read once must hear of what comes now.
        for scene in [here, there] {
            for token in [start.access, op.access.id] {
                scene.assert_live(token, "its grant is live over both handles").await;
            }
            assert!(scene.lists(grant, NOW).await, "a grant that is live over both handles");
        }
        let issue = records::issue(grant, NOW);
        assert_eq!(here.issue(issue.clone()).await, Issued::Now, "the grant is live over both handles");
        assert_eq!(there.revoke_access(issue.access.id).await, Revoked::Now, "a token of the other handle");
        here.assert_dead(issue.access.id, "it was revoked over the other handle").await;
        assert_eq!(there.revoke(records::revoke(grant, NOW)).await, Revoked::Now, "a grant of the other handle");
        for token in [start.access, op.access.id] {
            here.assert_dead(token, "its grant was revoked over the other handle").await;
        }
        let late = here.rotate(records::rotate(op.successor.id, grant, NOW)).await;
        assert_eq!(late, Rotated::Gone, "the grant was revoked over the other handle");
        assert!(here.consents(&user, "client").await.is_empty(), "consent that was forgotten over the other handle");
    }
    changed_clients(&two).await;
}

async fn changed_clients(two: &Two) {
    for number in 0..10 {
        let (here, there) = (two.of(number), two.of(number + 1));
        let client = Arc::new(records::client(&format!("client {number}")));
        here.insert(&client).await;
        for scene in [here, there] {
            let stored = scene.store.client(&client.id).await.expect("client answers").expect("the client is found");
            assert_eq!(stored.revision, client.revision, "a client of the other handle");
        }
        let taken =
            there.store.insert_client(records::insert(Arc::clone(&client))).await.expect("insert_client answers");
        assert_eq!(taken, Inserted::Taken, "a client of the other handle");
        assert_eq!(there.update((*client).clone()).await, Updated::Now, "a client of the other handle");
        let stored = here.store.client(&client.id).await.expect("client answers").expect("the client is found");
        assert_eq!(stored.revision, client.revision + 1, "a client that changed over the other handle");
        let late = records::approval(&records::subject("user"), &client.id, NOW);
        let outcome = here.decide(records::approve(records::prompt(NOW), &client, &late, NOW)).await;
        assert_eq!(outcome, Decided::ClientChanged, "a client that changed over the other handle");
    }
}

/// Of many exchanges of one code over two handles exactly one succeeds, and nothing of it is live then.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_12_exchanges_over_two_handles_give_one_token<A: Storage, B: Storage>(one: A, other: B) {
    let two = Two::new(one, other).await;
    for round in 0..16 {
        let approval = two.of(round).approved("user", NOW).await;
        let ops: Vec<_> = (0..CROWD).map(|_| records::redeem_with_refresh(&approval, NOW)).collect();
        let outcomes = two
            .race(|number, store| {
                let op = ops[number].clone();
                async move { store.redeem_code(op).await }
            })
            .await;
        assert_eq!(count(&outcomes, &Redeemed::First), 1, "exactly one exchange of a code succeeds: {outcomes:?}");
        let refused = count(&outcomes, &Redeemed::Replayed) + count(&outcomes, &Redeemed::Gone);
        assert_eq!(refused, CROWD - 1, "all others are replays: {outcomes:?}");
        for (op, outcome) in ops.iter().zip(&outcomes) {
            for scene in &two.0 {
                scene.assert_dead(op.access.id, "its code was replayed").await;
                let exists = scene.token(op.access.id).await.is_some();
                assert_eq!(exists, *outcome == Redeemed::First, "the token of the exchange that succeeded");
            }
        }
    }
}

/// Of many uses of one refresh token over two handles one is the first, and all others hear of it.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_16_rotations_over_two_handles_give_one_successor<A: Storage, B: Storage>(one: A, other: B) {
    let two = Two::new(one, other).await;
    for round in 0..16 {
        let start = two.of(round).refreshable("user", NOW).await;
        let grant = &start.approval.grant;
        let ops: Vec<_> = (0..CROWD).map(|_| records::rotate(start.refresh, grant, NOW)).collect();
        let outcomes = two
            .race(|number, store| {
                let op = ops[number].clone();
                async move { store.rotate_refresh(op).await }
            })
            .await;
        assert_eq!(count(&outcomes, &Rotated::First), 1, "exactly one use is the first: {outcomes:?}");
        let winner = outcomes.iter().position(|outcome| *outcome == Rotated::First).unwrap_or_default();
        let first = &ops[winner];
        for outcome in outcomes.iter().filter(|outcome| **outcome != Rotated::First) {
            let is_same = matches!(outcome, Rotated::Repeated(same) if same.successor == first.successor.id
                && same.answer.as_ref() == Some(&first.answer));
            assert!(is_same, "all others hear of that one: {outcome:?}");
        }
        for (number, op) in ops.iter().enumerate() {
            let exists = two.of(number + 1).refresh(op.successor.id).await.is_some();
            assert_eq!(exists, number == winner, "one successor");
        }
        two.of(winner + 1).rotated(first.successor.id, grant, NOW).await;
    }
}

/// Of many decisions about one prompt over two handles exactly one counts, and of many registrations of one
/// client id.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_41_decisions_over_two_handles_count_once<A: Storage, B: Storage>(one: A, other: B) {
    let two = Two::new(one, other).await;
    let client = Arc::clone(&two.0[0].client);
    for round in 0..16 {
        let prompt = records::prompt(NOW);
        let subject = records::subject("user");
        let approvals: Vec<_> = (0..CROWD).map(|_| records::approval(&subject, &client.id, NOW)).collect();
        let outcomes = two
            .race(|number, store| {
                let mut op = records::approve(prompt, &client, &approvals[number], NOW);
                op.approval = op.approval.filter(|_| number % 4 < 3);
                async move { store.decide(op).await }
            })
            .await;
        assert_eq!(count(&outcomes, &Decided::First), 1, "exactly one decision counts: {outcomes:?}");
        let winner = outcomes.iter().position(|outcome| *outcome == Decided::First).unwrap_or_default();
        let losers = count(&outcomes, &Decided::AlreadyDecided { approved: winner % 4 < 3 });
        assert_eq!(losers, CROWD - 1, "all others hear what was decided: {outcomes:?}");
        for (number, approval) in approvals.iter().enumerate() {
            let exists = two.of(number + 1).code(approval.code.id).await.is_some();
            assert_eq!(exists, number == winner && winner % 4 < 3, "the code of the decision that counts");
        }

        let id = format!("client {round}");
        let outcomes = two
            .race(|_, store| {
                let client = Arc::new(records::client(&id));
                async move { store.insert_client(records::insert(Arc::clone(&client))).await }
            })
            .await;
        assert_eq!(count(&outcomes, &Inserted::New), 1, "exactly one registration of an id succeeds: {outcomes:?}");
    }
}

/// A revocation over one handle beside a rotation and an issue over the other leaves nothing alive.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_22_a_revocation_over_another_handle_leaves_nothing_alive<A: Storage, B: Storage>(one: A, other: B) {
    let two = Two::new(one, other).await;
    for round in 0..ROUNDS {
        let (here, there) = (two.of(round), two.of(round + 1));
        let start = here.refreshable(&format!("user {round}"), NOW).await;
        let grant = &start.approval.grant;
        let (rotation, issue) = (records::rotate(start.refresh, grant, NOW), records::issue(grant, NOW));
        let withdrawal =
            if round % 4 < 2 { records::revoke(grant, NOW) } else { records::revoke_by_client(grant, NOW) };
        let tokens = [start.access, rotation.access.id, issue.access.id];
        let refreshes = [start.refresh, rotation.successor.id];
        let (rotating, issuing, revoking) =
            (Arc::clone(&there.store), Arc::clone(&here.store), Arc::clone(&here.store));
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
                let outcome = revoking.revoke_grant(withdrawal).await.expect("revoke_grant answers");
                assert_eq!(outcome, Revoked::Now, "the only revocation");
            }),
        ];
        racers.rotate_left(round % 3);
        race(racers).await;
        for scene in [here, there] {
            for token in tokens {
                scene.assert_dead(token, "its grant was revoked over one of two handles").await;
            }
            for token in refreshes {
                let later = scene.rotate(records::rotate(token, grant, NOW)).await;
                assert_eq!(later, Rotated::Gone, "a revoked grant cannot be refreshed");
            }
            assert!(!scene.lists(grant, NOW).await, "the grant is not live");
        }
    }
}
