//! What people agreed to is remembered until they take it back, and no approval comes from less.

use std::sync::Arc;

use super::races::{Racer, race};
use super::records::{self, NOW};
use super::scene::Scene;
use crate::protocol::client::{Client, ClientId};
use crate::protocol::interaction::Consent;
use crate::protocol::redirect::RedirectUri;
use crate::protocol::resource::ResourceId;
use crate::protocol::scope::ScopeSet;
use crate::storage::{Approval, Decided, Inserted, Owner, RevokeGrant, Revoked, Storage, StoredGrant};

const ROUNDS: usize = 1500;
const ELSEWHERE: &str = "https://client.example/elsewhere";

fn approval<S: Storage>(scene: &Scene<S>, scopes: &str) -> Approval {
    let mut approval = records::approval(&records::subject("user"), &scene.client.id, NOW);
    approval.consent.scopes = ScopeSet::parse(scopes).expect("scopes");
    Arc::make_mut(&mut approval.grant).scopes = approval.consent.scopes.clone();
    approval
}

/// The same for another redirect URI.
fn elsewhere(mut approval: Approval) -> Approval {
    approval.consent.redirect_uri = RedirectUri::parse(ELSEWHERE).expect("a redirect URI");
    approval.code.redirect_uri = ELSEWHERE.into();
    approval
}

/// The same for other resources.
fn for_resources(mut approval: Approval, uris: &[&str]) -> Approval {
    let uris = uris.iter().map(|uri| ResourceId::parse(uri).expect("a resource"));
    approval.consent.resources = uris.collect();
    Arc::make_mut(&mut approval.grant).resources = approval.consent.resources.as_slice().into();
    approval
}

/// The same if nobody was asked.
fn silent(approval: Approval) -> Approval {
    Approval { needs_consent: true, ..approval }
}

fn assert_same(mut found: Vec<Consent>, expected: &[&Consent], why: &str) {
    assert_eq!(found.len(), expected.len(), "what is remembered, {why}: {found:?}");
    for consent in expected {
        let at = found.iter().position(|found| found == *consent);
        let at = at.unwrap_or_else(|| panic!("{consent:?} must be remembered, {why}: {found:?}"));
        found.swap_remove(at);
    }
}

/// What was agreed to in an approval is remembered for its user and client, and for each redirect URI
/// and set of resources by itself; what is agreed to later about the same comes on top.
///
/// # Panics
/// If the invariant is broken.
pub async fn consent_is_remembered_and_added_to_what_was_there<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    assert_same(scene.consents("user", "client").await, &[], "before anything");
    let first = approval(&scene, "projects:read");
    scene.approve(&first, NOW).await;
    assert_same(scene.consents("user", "client").await, &[&first.consent], "after the first approval");
    scene.approve(&approval(&scene, "projects:write admin"), NOW).await;
    let mut all = first.consent;
    all.scopes = ScopeSet::parse("projects:read projects:write admin").expect("scopes");
    assert_same(scene.consents("user", "client").await, &[&all], "after more was agreed to");
    scene.approve(&approval(&scene, "projects:write"), NOW).await;
    assert_same(scene.consents("user", "client").await, &[&all], "after less was agreed to");

    let away = elsewhere(approval(&scene, "projects:read"));
    let other = for_resources(approval(&scene, "x"), &["https://app.example/mcp"]);
    let both = for_resources(approval(&scene, "y"), &["https://app.example/api", "https://app.example/mcp"]);
    for separate in [&away, &other, &both] {
        scene.approve(separate, NOW).await;
    }
    let expected = [&all, &away.consent, &other.consent, &both.consent];
    assert_same(scene.consents("user", "client").await, &expected, "each for itself");
    for (subject, client) in [("User", "client"), ("user ", "client"), ("use", "client"), ("user", "Client")] {
        assert_same(scene.consents(subject, client).await, &[], "of somebody else");
    }
}

/// A decision that is no, or does not count, agrees to nothing.
///
/// # Panics
/// If the invariant is broken.
pub async fn only_an_approval_that_counts_is_remembered<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let prompt = records::prompt(NOW);
    let late = approval(&scene, "projects:read");
    assert_eq!(scene.decide(records::deny(prompt, &scene.client, NOW)).await, Decided::First, "the denial");
    assert_same(scene.consents("user", "client").await, &[], "after a denial");
    let op = records::approve(prompt, &scene.client, &late, NOW);
    assert_eq!(scene.decide(op).await, Decided::AlreadyDecided { approved: false }, "a denial stands");
    assert_same(scene.consents("user", "client").await, &[], "after an approval that came too late");
    let changed = Client { revision: scene.client.revision + 1, ..(*scene.client).clone() };
    let op = records::approve(records::prompt(NOW), &changed, &late, NOW);
    assert_eq!(scene.decide(op).await, Decided::ClientChanged, "the client is not the one that was shown");
    assert_same(scene.consents("user", "client").await, &[], "after an approval of another client");

    let owner = scene.approved("owner", NOW).await;
    let mut colliding = approval(&scene, "projects:read");
    colliding.code.id = owner.code.id;
    let op = records::approve(records::prompt(NOW), &scene.client, &colliding, NOW);
    assert_eq!(scene.decide(op).await, Decided::Collision, "an id is taken");
    assert_same(scene.consents("user", "client").await, &[], "after a collision");

    let first = approval(&scene, "projects:read");
    scene.approve(&first, NOW).await;
    let denial = records::deny(records::prompt(NOW), &scene.client, NOW);
    assert_eq!(scene.decide(denial).await, Decided::First, "a later denial");
    assert_same(scene.consents("user", "client").await, &[&first.consent], "a later denial takes nothing back");
}

/// An approval of which nobody was asked takes effect only if what it relies on is remembered: all its
/// scopes, for the same redirect URI and resources, by the same user and for the same client.
/// Otherwise nothing of it is recorded and the prompt stays open.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_42_a_silent_approval_needs_consent_that_covers_it<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let other_client = Arc::new(records::client("other client"));
    scene.insert(&other_client).await;
    let refuse = |why, client: &Arc<Client>, unasked: Approval| {
        let (client, unasked) = (Arc::clone(client), silent(unasked));
        let scene = &scene;
        async move {
            let before = scene.consents("user", "client").await;
            let prompt = records::prompt(NOW);
            let op = records::approve(prompt, &client, &unasked, NOW);
            assert_eq!(scene.decide(op).await, Decided::ConsentGone, "{why}");
            scene.assert_absent(&unasked, NOW, why).await;
            let subject = unasked.consent.subject.clone();
            let expected: Vec<_> = before.iter().filter(|given| given.subject == subject).collect();
            if client.id == scene.client.id {
                assert_same(scene.consents(subject.as_str(), "client").await, &expected, why);
            }
            assert_eq!(scene.decide(records::deny(prompt, &client, NOW)).await, Decided::First, "it is open: {why}");
        }
    };
    refuse("nothing was agreed to", &scene.client, approval(&scene, "projects:read")).await;
    scene.approve(&approval(&scene, "projects:read projects:write"), NOW).await;
    let same = || approval(&scene, "projects:read");
    let of = |subject, client| records::approval(&records::subject(subject), client, NOW);
    let (api, mcp) = ("https://app.example/api", "https://app.example/mcp");
    refuse("one scope more", &scene.client, approval(&scene, "projects:read projects:write admin")).await;
    refuse("another scope", &scene.client, approval(&scene, "admin")).await;
    refuse("another redirect URI", &scene.client, elsewhere(same())).await;
    refuse("another resource", &scene.client, for_resources(same(), &[mcp])).await;
    refuse("one resource more", &scene.client, for_resources(same(), &[api, mcp])).await;
    refuse("another user", &scene.client, of("User", &scene.client.id)).await;
    refuse("another client", &other_client, of("user", &other_client.id)).await;

    for covered in ["projects:read", "projects:write", "projects:read projects:write"] {
        let unasked = silent(approval(&scene, covered));
        scene.approve(&unasked, NOW).await;
        assert!(scene.code(unasked.code.id).await.is_some(), "what was agreed to needs no question");
        let all = approval(&scene, "projects:read projects:write").consent;
        assert_same(scene.consents("user", "client").await, &[&all], "a silent approval changes nothing");
    }
}

/// With a grant that its user or its client takes back, all that was agreed to between the two is
/// forgotten, and nothing else.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_revocation_forgets_what_was_agreed_to<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let other_client = Arc::new(records::client("other client"));
    scene.insert(&other_client).await;
    let neighbour = scene.approved("another user", NOW).await;
    let beside = records::approval(&records::subject("user"), &other_client.id, NOW);
    let op = records::approve(records::prompt(NOW), &other_client, &beside, NOW);
    assert_eq!(scene.decide(op).await, Decided::First, "another client");
    for by_client in [false, true] {
        let (here, away) = (approval(&scene, "projects:read"), elsewhere(approval(&scene, "projects:read")));
        scene.approve(&here, NOW).await;
        scene.approve(&away, NOW).await;
        let theft = RevokeGrant { owner: Owner::User(records::subject("thief")), ..records::revoke(&here.grant, NOW) };
        assert_eq!(scene.revoke(theft).await, Revoked::Unknown, "it is another's grant");
        let exchange = records::redeem(&here, NOW);
        let token = exchange.access.id;
        let _ = scene.redeem(exchange).await;
        assert_eq!(scene.revoke_access(token).await, Revoked::Now, "one token was revoked");
        assert_same(scene.consents("user", "client").await, &[&here.consent, &away.consent], "no grant was revoked");

        let op = match by_client {
            false => records::revoke(&here.grant, NOW),
            true => records::revoke_by_client(&here.grant, NOW),
        };
        assert_eq!(scene.revoke(op).await, Revoked::Now, "the revocation");
        assert_same(scene.consents("user", "client").await, &[], "all of it is forgotten");
        assert_same(scene.consents("another user", "client").await, &[&neighbour.consent], "another user");
        assert_same(scene.consents("user", "other client").await, &[&beside.consent], "another client");
        for unasked in [silent(approval(&scene, "projects:read")), silent(elsewhere(approval(&scene, "projects:read")))]
        {
            let op = records::approve(records::prompt(NOW), &scene.client, &unasked, NOW);
            assert_eq!(scene.decide(op).await, Decided::ConsentGone, "what was forgotten is asked for");
            scene.assert_absent(&unasked, NOW, "its consent was forgotten").await;
        }
    }
}

/// Whichever of a silent approval and a revocation comes first, no grant comes to be after the
/// revocation, and nothing is remembered.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_22_a_silent_approval_beside_a_revocation_needs_its_consent<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    for round in 0..ROUNDS {
        let name = format!("user {round}");
        let subject = records::subject(&name);
        let first = scene.approved(&name, NOW).await;
        let unasked = silent(records::approval(&subject, &scene.client.id, NOW));
        let op = records::approve(records::prompt(NOW), &scene.client, &unasked, NOW);
        let by_user = round % 4 < 2;
        let withdrawal =
            if by_user { records::revoke(&first.grant, NOW) } else { records::revoke_by_client(&first.grant, NOW) };
        let (approving, revoking) = (Arc::clone(&scene.store), Arc::clone(&scene.store));
        let mut racers: Vec<Racer<(Option<Decided>, Vec<StoredGrant>)>> = vec![
            Box::pin(async move { (Some(approving.decide(op).await.expect("decide answers")), Vec::new()) }),
            Box::pin(async move {
                // The head start moves them against each other from round to round.
                for _ in 0..round % 64 {
                    std::hint::spin_loop();
                }
                let outcome = revoking.revoke_grant(withdrawal).await.expect("revoke_grant answers");
                assert_eq!(outcome, Revoked::Now, "the only revocation");
                (None, revoking.grants(&subject, None, 10, NOW).await.expect("grants answers"))
            }),
        ];
        racers.rotate_left(round % 2);
        let outcomes = race(racers).await;
        let outcome = outcomes.iter().find_map(|(outcome, _)| *outcome).expect("there was an approval");
        let is_in_time = outcomes.iter().any(|(_, seen)| seen.iter().any(|live| live.grant.id == unasked.grant.id));
        match outcome {
            Decided::First => assert!(is_in_time, "a grant was made from consent that was forgotten"),
            Decided::ConsentGone => scene.assert_absent(&unasked, NOW, "its consent was forgotten").await,
            other => panic!("a silent approval beside a revocation: {other:?}"),
        }
        assert_same(scene.consents(&name, "client").await, &[], "after the revocation");
    }
}

/// Whatever the size of a page, going on from its last id shows every client once, in the order of ids.
///
/// # Panics
/// If the invariant is broken.
pub async fn pages_show_every_client_once<S: Storage>(store: S) {
    let ids = ["Z", "a", "a b", "aa", "b", "client", "client 2", "https://client.example/?x='%", "~"];
    for id in [4, 0, 8, 2, 6, 1, 3, 5, 7].map(|at: usize| ids[at]) {
        let inserted = store.insert_client(records::insert(records::client(id))).await.expect("insert_client answers");
        assert_eq!(inserted, Inserted::New, "the id of a new client was free");
    }
    let page = async |after: Option<&str>, limit| {
        let after = after.map(|id| ClientId::parse(id).expect("a client id"));
        let page = store.clients(after.as_ref(), limit).await.expect("clients answers");
        page.iter().map(|client| client.id.to_string()).collect::<Vec<_>>()
    };
    assert!(page(None, 0).await.is_empty() && page(Some("a"), 0).await.is_empty(), "a page of none");
    for (after, at) in [("!", 0), ("Z", 1), ("a a", 2), ("client", 6), ("client 1", 6), ("~", 9), ("~~", 9)] {
        assert_eq!(page(Some(after), u32::MAX).await, ids[at..], "behind {after:?}");
    }
    for limit in [1, 2, 4, 8, 9, 1000, u32::MAX] {
        let mut seen = Vec::<String>::new();
        loop {
            let next = page(seen.last().map(String::as_str), limit).await;
            assert!(next.len() <= limit as usize, "a page of at most {limit} has {}", next.len());
            if next.is_empty() {
                break;
            }
            seen.extend(next);
            assert!(seen.len() <= ids.len(), "pages of {limit} show a client twice: {seen:?}");
        }
        assert_eq!(seen, ids, "pages of {limit} show every client once");
    }
}
