//! Two handles on one database: clients, claims and the policy.

use std::sync::Arc;
use std::time::Duration;

use super::endings::{Ending, beside_its_end};
use super::races::{CROWD, count};
use super::records::{self, NOW};
use super::scene::Scene;
use super::sharing::Two;
use crate::protocol::client::ClientId;
use crate::storage::{Claimed, Inserted, Removed, Renewed, Saved, Storage, Updated};

/// Rounds of the race of an end against what it ends.
const ROUNDS: usize = 200;

/// Of many identical registrations over two handles one adds a client, and all others hear of it; what either
/// handle does with it the other one goes on from.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_35_identical_registrations_over_two_handles_are_one_client<A: Storage, B: Storage>(
    one: A,
    other: B,
) {
    let two = Two::new(one, other).await;
    let end = NOW.after(Duration::from_secs(86_400));
    for round in 0..16 {
        let fold = records::fold();
        let name = |number: usize| format!("client {round} {number}");
        let outcomes = two
            .race(|number, store| {
                let op = records::register(records::registered(&name(number), Some(fold), end), 1000);
                async move { store.insert_client(op).await }
            })
            .await;
        assert_eq!(count(&outcomes, &Inserted::New), 1, "one registration adds a client: {outcomes:?}");
        let winner = outcomes.iter().position(|outcome| *outcome == Inserted::New).unwrap_or_default();
        let id = ClientId::parse(&name(winner)).expect("a client id");
        let others = count(&outcomes, &Inserted::Folded(id.clone()));
        assert_eq!(others, CROWD - 1, "all others hear of that one: {outcomes:?}");
        let (here, there) = (two.of(winner), two.of(winner + 1));
        let later = end.after(Duration::from_secs(60));
        assert_eq!(there.renew(&id, later).await, Renewed::Now, "a client of the other handle");
        let tenure = here.tenure(&id).await;
        assert_eq!(tenure.map(|tenure| tenure.until), Some(later), "a use over the other handle");
        assert_eq!(here.remove(&id).await, Removed::Now, "its own client");
        assert!(there.client(&id).await.is_none(), "a client that was removed over the other handle");
        assert_eq!(there.remove(&id).await, Removed::Unknown, "it was removed over the other handle");
    }
}

/// Of many claims of one thing over two handles one is the first.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_25_claims_over_two_handles_count_once<A: Storage, B: Storage>(one: A, other: B) {
    let two = Two::new(one, other).await;
    for _ in 0..16 {
        let key = records::fold();
        let outcomes = two.race(|_, store| async move { store.claim_once(records::claim(key, NOW)).await }).await;
        assert_eq!(count(&outcomes, &Claimed::First), 1, "one claim is the first: {outcomes:?}");
    }
}

/// Of many changes of one state over two handles one counts: of the policy, the first among them, and of a client.
///
/// # Panics
/// If the invariant is broken.
pub async fn of_changes_of_one_state_over_two_handles_one_counts<A: Storage, B: Storage>(one: A, other: B) {
    let two = Two::new(one, other).await;
    for round in 0..16 {
        let outcomes = two
            .race(|number, store| {
                let op = records::save_policy(round, &[&format!("scope{number}")]);
                async move { store.save_policy(op).await }
            })
            .await;
        assert_eq!(count(&outcomes, &Saved::Now), 1, "one change of the policy counts: {outcomes:?}");
        let winner = outcomes.iter().position(|outcome| *outcome == Saved::Now).unwrap_or_default();
        for scene in &two.0 {
            let stored = scene.store.policy().await.expect("policy answers").expect("they were saved");
            let names: Vec<_> = stored.scopes.iter().map(|record| record.name.clone()).collect();
            assert_eq!((stored.revision, names), (round + 1, vec![format!("scope{winner}")]), "the one that counts");
        }
        let client = Arc::clone(&two.0[0].client);
        let outcomes = two
            .race(|number, store| {
                let mut changed = (*client).clone();
                changed.revision += round;
                changed.metadata.name = Some(format!("name {number}"));
                async move { store.update_client(records::update(changed)).await }
            })
            .await;
        assert_eq!(count(&outcomes, &Updated::Now), 1, "one change of a client counts: {outcomes:?}");
    }
}

/// A change or removal over one handle that ends access, beside all that gives some over the other, leaves nothing
/// alive over either.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_22_a_client_that_loses_access_over_another_handle_keeps_nothing<A: Storage, B: Storage>(
    one: A,
    other: B,
) {
    let two = Two::new(one, other).await;
    for round in 0..ROUNDS {
        let client = Arc::new(records::client(&format!("client {round}")));
        two.of(round).insert(&client).await;
        let [here, there] = [round / 2, round / 2 + 1]
            .map(|number| Scene { store: Arc::clone(&two.of(number).store), client: Arc::clone(&client) });
        let ending = Ending::of(&client, round);
        beside_its_end(&here, &there, round, move |store| Box::pin(ending.happen(store))).await;
    }
}
