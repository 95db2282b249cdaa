//! A prompt is decided once, and only for the client that the user was shown.

use std::sync::Arc;

use super::races::{CROWD, Racer, count, race};
use super::records::{self, NOW};
use super::scene::Scene;
use crate::protocol::client::Client;
use crate::storage::{Approval, Decided, Redeemed, Revoked, Storage};

fn approval<S: Storage>(scene: &Scene<S>) -> Approval {
    records::approval(&records::subject("user"), &scene.client.id, NOW)
}

/// An approval makes the grant and its code visible, whole and together.
///
/// # Panics
/// If the invariant is broken.
pub async fn an_approval_adds_its_grant_and_code<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let approval = scene.approved("user", NOW).await;
    let stored = scene.code(approval.code.id).await.expect("the code of an approval exists");
    assert_eq!(stored.code.id, approval.code.id, "the id of the code");
    assert_eq!(stored.code.hash.as_bytes(), approval.code.hash.as_bytes(), "the hash of the code");
    assert_eq!(stored.code.grant, approval.grant.id, "the grant of the code");
    assert_eq!(stored.code.redirect_uri, approval.code.redirect_uri, "the redirect URI of the code");
    assert_eq!(stored.code.challenge, approval.code.challenge, "the challenge of the code");
    assert_eq!(stored.code.expires_at, approval.code.expires_at, "the end of the code");
    assert!(!stored.redeemed && !stored.revoked, "a new code is neither redeemed nor revoked");
    assert_eq!(stored.grant, approval.grant, "the grant behind the code");
    let grants = scene.grants("user", NOW).await;
    assert_eq!(grants.len(), 1, "the grant of an approval is listed");
    assert_eq!(grants[0].grant, approval.grant, "the grant on the list");
    assert_eq!(grants[0].expires_at, approval.code.expires_at, "a grant that was not redeemed ends with its code");
}

/// A denial leaves no grant and no code, and the prompt is decided.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_denial_is_remembered_and_adds_nothing<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let prompt = records::prompt(NOW);
    assert_eq!(scene.decide(records::deny(prompt, &scene.client, NOW)).await, Decided::First, "the first denial");
    assert!(scene.grants("user", NOW).await.is_empty(), "a denial adds no grant");
    let late = approval(&scene);
    assert_eq!(
        scene.decide(records::approve(prompt, &scene.client, &late, NOW)).await,
        Decided::AlreadyDecided { approved: false },
        "a denial stands"
    );
    scene.assert_absent(&late, NOW, "its prompt was denied before").await;
}

/// Whatever comes second, in whichever order, adds nothing and hears what came first.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_41_a_prompt_is_decided_once<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    for (first_approves, second_approves) in [(true, true), (false, true), (true, false), (false, false)] {
        let prompt = records::prompt(NOW);
        let (first, second) = (approval(&scene), approval(&scene));
        let op = |approves, approval| match approves {
            true => records::approve(prompt, &scene.client, approval, NOW),
            false => records::deny(prompt, &scene.client, NOW),
        };
        assert_eq!(scene.decide(op(first_approves, &first)).await, Decided::First, "the first decision");
        for _ in 0..2 {
            assert_eq!(
                scene.decide(op(second_approves, &second)).await,
                Decided::AlreadyDecided { approved: first_approves },
                "the second decision (approved: {second_approves}) after the first (approved: {first_approves})"
            );
        }
        assert_eq!(scene.code(first.code.id).await.is_some(), first_approves, "the code of the first decision");
        assert_eq!(scene.lists(&first.grant, NOW).await, first_approves, "the grant of the first decision");
        scene.assert_absent(&second, NOW, "its prompt was decided before").await;
    }
}

/// Of many approvals and denials of one prompt at once exactly one counts, and what exists
/// afterwards is what that one says.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_41_parallel_decisions_count_once<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    for _ in 0..16 {
        let prompt = records::prompt(NOW);
        let approvals: Vec<_> = (0..CROWD).map(|number| (number % 2 == 0).then(|| approval(&scene))).collect();
        let racers = approvals.iter().map(|approval| {
            let store = Arc::clone(&scene.store);
            let mut op = records::deny(prompt, &scene.client, NOW);
            op.approval.clone_from(approval);
            Box::pin(async move { store.decide(op).await.expect("decide answers") }) as Racer<_>
        });
        let outcomes = race(racers.collect()).await;
        assert_eq!(count(&outcomes, &Decided::First), 1, "exactly one decision counts");
        let winner = outcomes.iter().position(|outcome| *outcome == Decided::First).unwrap_or_default();
        let approved = approvals[winner].is_some();
        let losers = count(&outcomes, &Decided::AlreadyDecided { approved });
        assert_eq!(losers, CROWD - 1, "all others hear what was decided");
        for (number, approval) in approvals.iter().enumerate() {
            let Some(approval) = approval else { continue };
            if number == winner {
                assert!(scene.code(approval.code.id).await.is_some(), "the code of the decision that counts");
                assert!(scene.lists(&approval.grant, NOW).await, "the grant of the decision that counts");
            } else {
                scene.assert_absent(approval, NOW, "another decision came first").await;
            }
        }
    }
}

/// A client that is unknown, or not in the state that the user was shown, gets nothing, and the
/// prompt stays open for the one that was shown.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_41_a_client_that_changed_gains_nothing<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let shown = &scene.client;
    let stranger = records::client("stranger");
    let older = Client { revision: shown.revision - 1, ..(**shown).clone() };
    let newer = Client { revision: shown.revision + 1, ..(**shown).clone() };
    for changed in [&stranger, &older, &newer] {
        let prompt = records::prompt(NOW);
        let refused = records::approval(&records::subject("user"), &changed.id, NOW);
        for op in [records::approve(prompt, changed, &refused, NOW), records::deny(prompt, changed, NOW)] {
            assert_eq!(scene.decide(op).await, Decided::ClientChanged, "the client is not the one that was shown");
        }
        scene.assert_absent(&refused, NOW, "its client changed").await;
        let op = records::approve(prompt, shown, &approval(&scene), NOW);
        assert_eq!(scene.decide(op).await, Decided::First, "a refused decision leaves the prompt open");
    }
}

/// A taken id of a grant or of a code leaves nothing of the decision behind, the owner of the id as
/// it was, and the prompt open.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_collision_of_ids_records_nothing<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let owner = scene.approved("owner", NOW).await;
    let (mut same_grant, mut same_code) = (approval(&scene), approval(&scene));
    Arc::make_mut(&mut same_grant.grant).id = owner.grant.id;
    same_grant.code.grant = owner.grant.id;
    same_code.code.id = owner.code.id;
    for colliding in [same_grant, same_code] {
        let prompt = records::prompt(NOW);
        let op = records::approve(prompt, &scene.client, &colliding, NOW);
        assert_eq!(scene.decide(op).await, Decided::Collision, "an id is taken");
        assert!(scene.grants("user", NOW).await.is_empty(), "a collision adds no grant");
        if colliding.code.id != owner.code.id {
            assert!(scene.code(colliding.code.id).await.is_none(), "a collision adds no code");
        }
        assert_eq!(
            scene.revoke(records::revoke(&colliding.grant, NOW)).await,
            Revoked::Unknown,
            "the user of a collision has no grant"
        );
        let stored = scene.code(owner.code.id).await.expect("the owner of the id keeps the code");
        assert_eq!(stored.grant, owner.grant, "the owner of the id keeps the grant");
        assert!(!stored.revoked && !stored.redeemed, "the owner of the id is not touched");

        let again = records::approval(&records::subject("again"), &scene.client.id, NOW);
        let op = records::approve(prompt, &scene.client, &again, NOW);
        assert_eq!(scene.decide(op).await, Decided::First, "after a collision the prompt is still open");
    }
    assert_eq!(scene.redeem(records::redeem(&owner, NOW)).await, Redeemed::First, "the owner's code works");
}
