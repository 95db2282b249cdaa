//! What counts once.

use std::sync::Arc;

use super::purging::purge_all;
use super::races::{CROWD, Racer, count, race};
use super::records::{self, MARK_LIFETIME, NOW};
use super::scene::{Scene, just_before};
use crate::storage::{ClaimOnce, Claimed, Storage};

async fn claim<S: Storage>(scene: &Scene<S>, op: ClaimOnce) -> Claimed {
    scene.store.claim_once(op).await.expect("claim_once answers")
}

/// Of many claims of one thing at once one is the first, whenever each wants it to be forgotten; claims of other
/// things are not among them.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_25_of_parallel_claims_one_is_the_first<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    for _ in 0..8 {
        let key = records::fold();
        let racers = (0..CROWD).map(|number| {
            let mut op = records::claim(key, NOW);
            op.keep_until = op.keep_until.after(MARK_LIFETIME * number as u32);
            let store = Arc::clone(&scene.store);
            Box::pin(async move { store.claim_once(op).await.expect("claim_once answers") }) as Racer<_>
        });
        let outcomes = race(racers.collect()).await;
        assert_eq!(count(&outcomes, &Claimed::First), 1, "one claim is the first: {outcomes:?}");
        assert_eq!(claim(&scene, records::claim(key, NOW)).await, Claimed::Again, "it was claimed before");
        let mut neighbour = key;
        neighbour[31] ^= 1;
        assert_eq!(claim(&scene, records::claim(neighbour, NOW)).await, Claimed::First, "something else");
    }
}

/// What was claimed is remembered until the moment that was asked for, whatever is claimed and purged meanwhile,
/// and goes then.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_claim_is_remembered_as_long_as_asked<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let keys: Vec<_> = (0..20).map(|_| records::fold()).collect();
    for key in &keys {
        assert_eq!(claim(&scene, records::claim(*key, NOW)).await, Claimed::First, "the first claim");
    }
    let long = ClaimOnce { keep_until: NOW.after(MARK_LIFETIME * 3), ..records::claim(records::fold(), NOW) };
    assert_eq!(claim(&scene, long.clone()).await, Claimed::First, "the first claim");
    let end = NOW.after(MARK_LIFETIME);
    let last = just_before(end);
    purge_all(&scene, last, 7).await;
    for key in &keys {
        assert_eq!(claim(&scene, records::claim(*key, last)).await, Claimed::Again, "it is remembered until its end");
        // Writes may clean up as well.
        assert_eq!(claim(&scene, records::claim(records::fold(), last)).await, Claimed::First, "something else");
    }
    purge_all(&scene, end, 7).await;
    for key in &keys {
        let again = claim(&scene, records::claim(*key, end)).await;
        assert_eq!(again, Claimed::First, "what is past its end is forgotten by a purge");
    }
    assert_eq!(claim(&scene, ClaimOnce { now: end, ..long }).await, Claimed::Again, "it ends later");
}
