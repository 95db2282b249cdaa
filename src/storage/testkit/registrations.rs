//! Clients that registered themselves: one of a kind, no more than there may be, and no longer than they are used.

use std::sync::Arc;
use std::time::Duration;

use super::purging::purge_all;
use super::races::{CROWD, Racer, count, race};
use super::records::{self, NOW, REFRESH_LIFETIME};
use super::scene::{Scene, just_before};
use crate::protocol::client::{Client, ClientId, Tenure};
use crate::protocol::time::Timestamp;
use crate::storage::{Decided, Inserted, Removed, Renewed, Storage, Updated};

/// Rounds of the races.
const ROUNDS: usize = 300;

fn day(number: u32) -> Timestamp {
    NOW.after(Duration::from_secs(86_400) * number)
}

fn id(text: &str) -> ClientId {
    ClientId::parse(text).expect("a client id")
}

const fn without_grant(until: Timestamp) -> Option<Tenure> {
    Some(Tenure { until, granted: false })
}

/// Of many identical registrations at once one adds a client, and all others hear of that client. Those that
/// share nothing are clients of their own.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_35_identical_registrations_are_one_client<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    for round in 0..8 {
        let fold = records::fold();
        let name = |number: usize| format!("client {round} {number}");
        let racers = (0..CROWD).map(|number| {
            let op = records::register(records::registered(&name(number), Some(fold), day(1)), 1000);
            let store = Arc::clone(&scene.store);
            Box::pin(async move { store.insert_client(op).await.expect("insert_client answers") }) as Racer<_>
        });
        let outcomes = race(racers.collect()).await;
        assert_eq!(count(&outcomes, &Inserted::New), 1, "one registration adds a client: {outcomes:?}");
        let winner = outcomes.iter().position(|outcome| *outcome == Inserted::New).unwrap_or_default();
        let others = count(&outcomes, &Inserted::Folded(id(&name(winner))));
        assert_eq!(others, CROWD - 1, "all others hear of that one: {outcomes:?}");
        for number in 0..CROWD {
            let exists = scene.client(&id(&name(number))).await.is_some();
            assert_eq!(exists, number == winner, "one client of a kind");
        }
    }
    for number in 0..3 {
        let op = records::register(records::registered(&format!("alone {number}"), None, day(1)), 1000);
        assert_eq!(scene.register(op).await, Inserted::New, "it shares nothing with others");
    }
}

/// A client that was blocked does not come back by registering anew, and the attempt changes nothing.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_35_a_blocked_client_does_not_come_back_by_registering<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let fold = records::fold();
    let client = records::registered("registered", Some(fold), day(1));
    assert_eq!(scene.register(records::register(client.clone(), 10)).await, Inserted::New, "the first of its kind");
    let blocked = Client { blocked: true, ..client.clone() };
    assert_eq!(scene.update(blocked).await, Updated::Now, "it was blocked");
    for name in ["another", "registered"] {
        let again = records::register(records::registered(name, Some(fold), day(5)), 10);
        assert_eq!(scene.register(again).await, Inserted::Blocked, "the same as {name:?}");
    }
    assert!(scene.client(&id("another")).await.is_none(), "a refused registration adds no client");
    let stored = scene.client(&client.id).await.expect("a blocked client is found");
    assert!(stored.blocked, "a refused registration unblocks nothing");
    assert_eq!(stored.tenure, without_grant(day(1)), "a refused registration renews nothing");
    let freed = Client { blocked: false, revision: stored.revision, ..client.clone() };
    assert_eq!(scene.update(freed).await, Updated::Now, "it is free again");
    let again = records::register(records::registered("another", Some(fold), day(5)), 10);
    assert_eq!(scene.register(again).await, Inserted::Folded(client.id), "it is not blocked any more");
}

/// An identical registration moves the end of the client to its own, never to an earlier time, and changes
/// nothing else. Whoever comes when that client is gone is the first of its kind.
///
/// # Panics
/// If the invariant is broken.
pub async fn an_identical_registration_renews_the_client<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let fold = records::fold();
    let client = records::registered("registered", Some(fold), day(3));
    assert_eq!(scene.register(records::register(client.clone(), 10)).await, Inserted::New, "the first of its kind");
    for (until, end) in [(day(2), day(3)), (day(3), day(3)), (day(4), day(4)), (day(3), day(4))] {
        let again = records::register(records::registered("another", Some(fold), until), 10);
        assert_eq!(scene.register(again).await, Inserted::Folded(client.id.clone()), "the same again");
        let stored = scene.client(&client.id).await.expect("the client is found");
        assert_eq!(stored.tenure, without_grant(end), "the later end counts");
        assert_eq!(stored.revision, client.revision, "a renewal is no change");
        assert_eq!(stored.metadata.name, client.metadata.name, "a renewal is no change");
    }
    // An id that is taken records nothing of what came with it.
    let other = records::fold();
    let taken = records::register(records::registered("client", Some(other), day(1)), 10);
    assert_eq!(scene.register(taken).await, Inserted::Taken, "an id of another client");
    let free = records::register(records::registered("other", Some(other), day(1)), 10);
    assert_eq!(scene.register(free).await, Inserted::New, "what came with a refused registration");

    assert_eq!(scene.remove(&client.id).await, Removed::Now, "it is removed");
    let anew = records::register(records::registered("anew", Some(fold), day(1)), 10);
    assert_eq!(scene.register(anew).await, Inserted::New, "the one before it is gone");
    let alone = Client { registration: None, ..records::registered("anew", None, day(1)) };
    assert_eq!(scene.update(alone).await, Updated::Now, "it shares nothing any more");
    let next = records::register(records::registered("next", Some(fold), day(1)), 10);
    assert_eq!(scene.register(next).await, Inserted::New, "the one before it is of another kind by now");
}

/// When there are too many clients that never got a grant, those give way that would end first: never one that
/// got a grant or that somebody added, and never the new one.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_35_at_the_budget_what_would_end_first_gives_way<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let granted = Arc::new(records::registered("granted", None, day(1)));
    scene.insert(&granted).await;
    let mut approval = records::approval(&records::subject("user"), &granted.id, NOW);
    approval.client_until = day(1);
    let op = records::approve(records::prompt(NOW), &granted, &approval, NOW);
    assert_eq!(scene.decide(op).await, Decided::First, "it gets a grant");
    let fold = records::fold();
    let steps: [(&str, u32, u32, &[&str]); 8] = [
        ("d", 4, 3, &["d"]),
        ("b", 2, 3, &["b", "d"]),
        ("e", 5, 3, &["b", "d", "e"]),
        ("c", 3, 3, &["c", "d", "e"]),
        // The new one would end first.
        ("a", 1, 3, &["a", "d", "e"]),
        ("f", 6, 4, &["a", "d", "e", "f"]),
        ("g", 7, 2, &["f", "g"]),
        ("h", 8, 0, &["h"]),
    ];
    for (name, end, budget, left) in steps {
        let new = records::registered(name, Some(fold).filter(|_| name == "d"), day(end));
        assert_eq!(scene.register(records::register(new, budget)).await, Inserted::New, "registration of {name}");
        for other in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            let exists = scene.client(&id(other)).await.is_some();
            assert_eq!(exists, left.contains(&other), "{other} after {name}, with at most {budget}");
        }
    }
    for stays in ["client", "granted"] {
        assert!(scene.client(&id(stays)).await.is_some(), "{stays:?} gave way");
    }
    assert!(scene.lists(&approval.grant, NOW).await, "the grant of a client that stays");
    let again = records::register(records::registered("again", Some(fold), day(1)), 3);
    assert_eq!(scene.register(again).await, Inserted::New, "the one before it gave way");
    for number in 0..5 {
        scene.insert(&Arc::new(records::client(&format!("added {number}")))).await;
    }
    assert!(scene.client(&id("again")).await.is_some(), "a client that somebody adds takes no place");
}

/// The first approval for a client that registered itself lets it stay until then or longer, and says that it
/// got a grant; neither a denial does so, nor an approval that does not count, nor a later one.
///
/// # Panics
/// If the invariant is broken.
pub async fn the_first_approval_lets_a_client_stay<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    for (name, first, end) in [("short", day(9), day(9)), ("long", day(1), day(3))] {
        let client = Arc::new(records::registered(name, None, day(3)));
        scene.insert(&client).await;
        let approval = |until: Timestamp| {
            let mut approval = records::approval(&records::subject("user"), &client.id, NOW);
            approval.client_until = until;
            approval
        };
        let prompt = records::prompt(NOW);
        let decide = async |op, expected, why| assert_eq!(scene.decide(op).await, expected, "{why}");
        decide(records::deny(prompt, &client, NOW), Decided::First, "a denial").await;
        let late = records::approve(prompt, &client, &approval(day(9)), NOW);
        decide(late, Decided::AlreadyDecided { approved: false }, "a second decision").await;
        let mut unasked = approval(day(9));
        unasked.needs_consent = true;
        decide(records::approve(records::prompt(NOW), &client, &unasked, NOW), Decided::ConsentGone, "unasked").await;
        let outdated = Client { revision: client.revision + 1, ..(*client).clone() };
        let op = records::approve(records::prompt(NOW), &outdated, &approval(day(9)), NOW);
        decide(op, Decided::ClientChanged, "about another state").await;
        assert_eq!(scene.tenure(&client.id).await, without_grant(day(3)), "nothing was granted");

        for until in [first, day(20)] {
            let op = records::approve(records::prompt(NOW), &client, &approval(until), NOW);
            decide(op, Decided::First, "an approval").await;
            let tenure = scene.tenure(&client.id).await;
            assert_eq!(tenure, Some(Tenure { until: end, granted: true }), "the first grant counts");
        }
        let stored = scene.client(&client.id).await.expect("the client is found");
        assert_eq!(stored.revision, client.revision, "a grant is no change");
    }
    scene.approved("user", NOW).await;
    assert_eq!(scene.tenure(&scene.client.id).await, None, "a client that stays until it is removed");
}

/// Whichever comes first of an approval and a registration for which its client would give way: no client goes
/// that has a grant, and no grant is made for a client that is gone.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_35_giving_way_beside_an_approval_removes_no_client_with_a_grant<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    for round in 0..ROUNDS {
        let client = Arc::new(records::registered(&format!("old {round}"), None, day(1)));
        scene.insert(&client).await;
        let approval = records::approval(&records::subject("user"), &client.id, NOW);
        let op = records::approve(records::prompt(NOW), &client, &approval, NOW);
        let new = records::register(records::registered(&format!("new {round}"), None, day(2)), 1);
        let (approving, registering) = (Arc::clone(&scene.store), Arc::clone(&scene.store));
        let mut racers: Vec<Racer<Option<Decided>>> = vec![
            Box::pin(async move { Some(approving.decide(op).await.expect("decide answers")) }),
            Box::pin(async move {
                // The head start moves them against each other from round to round.
                for _ in 0..round % 64 {
                    std::hint::spin_loop();
                }
                let outcome = registering.insert_client(new).await.expect("insert_client answers");
                assert_eq!(outcome, Inserted::New, "a registration beside an approval");
                None
            }),
        ];
        racers.rotate_left(round % 2);
        let outcome = race(racers).await.into_iter().flatten().next().expect("there was an approval");
        let stored = scene.client(&client.id).await;
        match outcome {
            Decided::First => {
                let tenure = stored.expect("a client with a grant gave way").tenure;
                assert!(tenure.is_some_and(|tenure| tenure.granted), "it has a grant");
                assert!(scene.lists(&approval.grant, NOW).await, "the grant of a client that stays");
            }
            Decided::ClientChanged => {
                assert!(stored.is_none(), "a client is there, but an approval did not find it");
                scene.assert_absent(&approval, NOW, "its client gave way").await;
            }
            other => panic!("an approval beside a registration: {other:?}"),
        }
    }
}

/// A use moves the end of a client that registered itself to a later time, never to an earlier one, and is no
/// change of it.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_use_moves_the_end_of_a_client_to_later_alone<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let client = Arc::new(records::registered("registered", None, day(3)));
    let neighbour = Arc::new(records::registered("Registered", None, day(3)));
    scene.insert(&client).await;
    scene.insert(&neighbour).await;
    for (until, end) in [(day(1), day(3)), (day(3), day(3)), (day(5), day(5)), (day(4), day(5)), (NOW, day(5))] {
        assert_eq!(scene.renew(&client.id, until).await, Renewed::Now, "it stays until then or longer");
        assert_eq!(scene.tenure(&client.id).await, without_grant(end), "the later end counts");
    }
    assert_eq!(scene.tenure(&neighbour.id).await, without_grant(day(3)), "another client was renewed");
    let approval = records::approval(&records::subject("user"), &client.id, NOW);
    let op = records::approve(records::prompt(NOW), &client, &approval, NOW);
    assert_eq!(scene.decide(op).await, Decided::First, "a use is no change of the client");

    for unknown in ["registered ", "client"] {
        assert_eq!(scene.renew(&id(unknown), day(9)).await, Renewed::Unknown, "{unknown:?} has no end");
    }
    assert_eq!(scene.tenure(&scene.client.id).await, None, "a client that stays until it is removed");
    assert!(scene.client(&id("registered ")).await.is_none(), "a use adds no client");
}

/// How long a client stays is not changed with it, whatever a change brings.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_change_keeps_how_long_a_client_stays<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let mut client = records::registered("registered", None, day(3));
    scene.insert(&Arc::new(client.clone())).await;
    assert_eq!(scene.renew(&client.id, day(4)).await, Renewed::Now, "a use beside the changes");
    for brought in [client.tenure, None, Some(Tenure { until: day(9), granted: true })] {
        client.tenure = brought;
        assert_eq!(scene.update(client.clone()).await, Updated::Now, "a change");
        client.revision += 1;
        assert_eq!(scene.tenure(&client.id).await, without_grant(day(4)), "as the store has it");
    }
    let brought = Client { tenure: without_grant(day(1)), ..(*scene.client).clone() };
    assert_eq!(scene.update(brought).await, Updated::Now, "a change");
    assert_eq!(scene.tenure(&scene.client.id).await, None, "a client that stays until it is removed");
    let listed = scene.store.clients(None, 10).await.expect("clients answers");
    let tenures: Vec<_> = listed.iter().map(|client| client.tenure).collect();
    assert_eq!(tenures, [None, without_grant(day(4))], "a list shows how long each stays");
}

/// Clients that registered themselves go when they have ended, with the consent to them: not before, and no others.
///
/// # Panics
/// If the invariant is broken.
pub async fn purging_removes_clients_that_have_ended<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let fold = records::fold();
    for (name, fold) in [("unused", Some(fold)), ("used", None), ("granted", None), ("renewed", None)] {
        scene.insert(&Arc::new(records::registered(name, fold, day(1)))).await;
    }
    for name in ["granted", "client"] {
        let client = scene.client(&id(name)).await.expect("the client is found");
        let mut approval = records::approval(&records::subject("user"), &client.id, NOW);
        approval.client_until = day(1).after(REFRESH_LIFETIME);
        let op = records::approve(records::prompt(NOW), &client, &approval, NOW);
        assert_eq!(scene.decide(op).await, Decided::First, "it gets a grant");
    }
    assert_eq!(scene.renew(&id("renewed"), day(3)).await, Renewed::Now, "it is used");
    purge_all(&scene, just_before(day(1)), 100).await;
    for name in ["unused", "used", "granted", "renewed", "client"] {
        assert!(scene.client(&id(name)).await.is_some(), "{name:?} has not ended");
    }
    assert_eq!(scene.purge(day(1), 0).await, 0, "a purge of no rows");
    assert_eq!(purge_all(&scene, day(1), 1).await, 2, "two clients have ended");
    for (end, gone) in [(day(1), ["unused", "used"].as_slice()), (day(2), &["granted"]), (day(3), &["renewed"])] {
        purge_all(&scene, end, 100).await;
        for name in gone {
            assert!(scene.client(&id(name)).await.is_none(), "{name:?} has ended");
        }
        let left = scene.store.clients(None, 10).await.expect("clients answers").len();
        assert_eq!(left, 1 + usize::from(end < day(2)) + usize::from(end < day(3)), "the others have not, at {end:?}");
        let is_agreed = !scene.consents("user", "granted").await.is_empty();
        assert_eq!(is_agreed, end < day(2), "consent ends with its client");
    }
    assert!(!scene.consents("user", "client").await.is_empty(), "consent to a client that stays");
    let anew = records::register(records::registered("anew", Some(fold), day(9)), 10);
    assert_eq!(scene.register(anew).await, Inserted::New, "the one before it has ended");
}

/// A client that was just told that it stays is not purged, whatever runs beside it.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_use_beside_a_purge_keeps_the_client<S: Storage>(store: S) {
    let scene = Arc::new(Scene::new(store).await);
    for round in 0..ROUNDS {
        let fold = records::fold();
        let client = Arc::new(records::registered(&format!("client {round}"), Some(fold), day(1)));
        scene.insert(&client).await;
        let again = records::register(records::registered(&format!("again {round}"), Some(fold), day(2)), 1000);
        let (using, purging, id) = (Arc::clone(&scene), Arc::clone(&scene), client.id.clone());
        let mut racers: Vec<Racer<Option<ClientId>>> = vec![
            Box::pin(async move {
                if round % 2 == 0 {
                    let outcome = using.renew(&id, day(2)).await;
                    return Some(id).filter(|_| outcome == Renewed::Now);
                }
                match using.register(again).await {
                    Inserted::New => None,
                    Inserted::Folded(same) => Some(same),
                    other => panic!("a registration beside a purge: {other:?}"),
                }
            }),
            Box::pin(async move {
                purging.purge(day(1), 10).await;
                None
            }),
        ];
        racers.rotate_left(round / 2 % 2);
        for kept in race(racers).await.into_iter().flatten() {
            assert!(scene.client(&kept).await.is_some(), "a client that was used was purged");
        }
    }
}
