//! One client an id.

use std::sync::Arc;

use super::races::{CROWD, Racer, count, race};
use super::records::{self, NOW};
use super::scene::Scene;
use crate::protocol::client::{AuthMethod, Client, ClientAuthentication, ClientId, ClientOrigin};
use crate::protocol::redirect::RedirectUri;
use crate::protocol::scope::ScopeSet;
use crate::storage::{Decided, Inserted, Storage, Updated};

fn json(client: &Client) -> serde_json::Value {
    serde_json::to_value(client).expect("a client has a JSON form")
}

async fn read<S: Storage>(store: &S, id: &str) -> Option<Arc<Client>> {
    store.client(&ClientId::parse(id).expect("a client id")).await.expect("client answers")
}

/// Every field of a client comes back; an id that nobody registered is unknown.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_client_is_read_back_as_it_was_inserted<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let mut confidential = Client {
        origin: ClientOrigin::Administrator,
        authentication: ClientAuthentication::Secret(records::hash()),
        scope_ceiling: Some(ScopeSet::parse("a b").expect("scopes")),
        revision: u32::MAX,
        ..records::client("https://client.example/?x='%")
    };
    confidential.metadata.auth_method = AuthMethod::ClientSecretBasic;
    confidential.metadata.name = Some("Ünïcode \u{202e} '; DROP TABLE client; --".to_owned());
    confidential.metadata.home_page = Some("https://client.example/".to_owned());
    confidential.metadata.logo = Some("https://client.example/logo.png".to_owned());
    let confidential = Arc::new(confidential);
    scene.insert(&confidential).await;
    let authentication = ClientAuthentication::Keys(records::keys());
    let mut with_keys = Client { authentication, ..records::client("with keys") };
    with_keys.metadata.auth_method = AuthMethod::PrivateKeyJwt;
    let with_keys = Arc::new(with_keys);
    scene.insert(&with_keys).await;
    for client in [&confidential, &with_keys, &scene.client] {
        let stored = read(&*scene.store, client.id.as_str()).await.expect("an inserted client is found");
        assert_eq!(json(&stored), json(client), "a client comes back as it was inserted");
    }
    for unknown in ["Client", "client ", "clien", "%"] {
        assert!(read(&*scene.store, unknown).await.is_none(), "nobody registered {unknown:?}");
    }
}

/// The second client of one id is refused and changes nothing.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_registered_client_id_is_taken<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let thief = Client { origin: ClientOrigin::Administrator, revision: 9, ..records::client("client") };
    for second in [thief, (*scene.client).clone()] {
        let inserted = scene.store.insert_client(records::insert(second)).await.expect("insert_client answers");
        assert_eq!(inserted, Inserted::Taken, "the id was taken");
    }
    let stored = read(&*scene.store, "client").await.expect("the first client stays");
    assert_eq!(json(&stored), json(&scene.client), "the first client stays as it was");
}

/// Of many registrations of one id at once exactly one succeeds, and it is the one that is found.
///
/// # Panics
/// If the invariant is broken.
pub async fn parallel_registrations_of_one_id_add_one_client<S: Storage>(store: S) {
    let store = Arc::new(store);
    for round in 0..8 {
        let id = format!("client {round}");
        let racers = (0..CROWD).map(|number| {
            let (store, id) = (Arc::clone(&store), id.clone());
            let client = Arc::new(Client { revision: number as u32, ..records::client(&id) });
            Box::pin(async move {
                store.insert_client(records::insert(Arc::clone(&client))).await.expect("insert_client answers")
            }) as Racer<_>
        });
        let outcomes = race(racers.collect()).await;
        assert_eq!(count(&outcomes, &Inserted::New), 1, "exactly one registration of an id succeeds");
        let winner = outcomes.iter().position(|outcome| *outcome == Inserted::New);
        let stored = read(&*store, &id).await.expect("the client is found");
        assert_eq!(Some(stored.revision as usize), winner, "the client is the one whose registration succeeded");
    }
}

/// A change replaces all of a client but its id, and raises the revision that is stored, if it brings that
/// revision; the client of another id stays, and one that nobody registered is not added.
///
/// # Panics
/// If the invariant is broken.
pub async fn a_change_replaces_a_client_and_raises_its_revision<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let neighbour = Arc::new(records::client("Client"));
    scene.insert(&neighbour).await;
    let mut revision = scene.client.revision;
    for brought in [0, revision + 1, 1_000_000] {
        let outdated = Client { revision: brought, ..records::client("client") };
        assert_eq!(scene.update(outdated).await, Updated::Changed, "a change of another state than the stored one");
    }
    for number in 0..4 {
        let mut changed = Client {
            origin: ClientOrigin::Administrator,
            authentication: ClientAuthentication::Secret(records::hash()),
            scope_ceiling: Some(ScopeSet::parse("a b").expect("scopes")),
            revision,
            blocked: number % 2 == 1,
            ..records::client("client")
        };
        changed.metadata.auth_method = AuthMethod::ClientSecretPost;
        changed.metadata.name = Some(format!("\u{202e} '; -- {number}"));
        changed.metadata.redirect_uris = vec![RedirectUri::parse("https://new.example/").expect("a redirect URI")];
        assert_eq!(scene.update(changed.clone()).await, Updated::Now, "a client that is there is changed");
        revision += 1;
        changed.revision = revision;
        let stored = read(&*scene.store, "client").await.expect("the client is found");
        assert_eq!(json(&stored), json(&changed), "a changed client comes back as it was given");
        assert_eq!(stored.revision, revision, "every change raises the revision by one");
    }
    for unknown in ["client ", "clien"] {
        assert_eq!(scene.update(records::client(unknown)).await, Updated::Unknown, "nobody registered {unknown:?}");
        assert!(read(&*scene.store, unknown).await.is_none(), "a change adds no client");
    }
    let stored = read(&*scene.store, "Client").await.expect("the other client is found");
    assert_eq!((json(&stored), stored.revision), (json(&neighbour), neighbour.revision), "another was changed");

    let last = Client { revision: u32::MAX, ..records::client("last") };
    scene.insert(&Arc::new(last.clone())).await;
    assert_eq!(scene.update(last).await, Updated::Now, "behind the last revision there is");
    let stored = read(&*scene.store, "last").await.expect("it is found");
    assert_ne!(stored.revision, u32::MAX, "another revision follows the last one");
}

/// What was decided about a client before a change, and arrives after it, does not count.
///
/// # Panics
/// If the invariant is broken.
pub async fn attack_41_a_decision_about_a_client_before_its_change_does_not_count<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let approval = || records::approval(&records::subject("user"), &scene.client.id, NOW);
    let before = approval();
    let prompt = records::prompt(NOW);
    let op = records::approve(prompt, &scene.client, &before, NOW);
    assert_eq!(scene.update((*scene.client).clone()).await, Updated::Now, "a change that changes nothing else");
    assert_eq!(scene.decide(op).await, Decided::ClientChanged, "the client is not the one that was shown");
    scene.assert_absent(&before, NOW, "its client changed").await;
    let shown = read(&*scene.store, "client").await.expect("the client is found");
    let op = records::approve(prompt, &shown, &approval(), NOW);
    assert_eq!(scene.decide(op).await, Decided::First, "the client as it is by now");
}

/// Of many changes of one state one counts, whole, and raises the revision by one.
///
/// # Panics
/// If the invariant is broken.
pub async fn of_parallel_changes_of_one_state_one_counts<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    for round in 1..=8 {
        let changes: Vec<_> = (0..CROWD)
            .map(|number| {
                let mut changed = records::client("client");
                changed.revision = scene.client.revision + round - 1;
                changed.metadata.name = Some(format!("name {number}"));
                changed.metadata.home_page = Some(format!("https://client.example/{number}"));
                changed
            })
            .collect();
        let racers = changes.iter().map(|changed| {
            let (store, changed) = (Arc::clone(&scene.store), Arc::new(changed.clone()));
            Box::pin(async move {
                store.update_client(records::update((*changed).clone())).await.expect("update_client answers")
            }) as Racer<_>
        });
        let outcomes = race(racers.collect()).await;
        assert_eq!(count(&outcomes, &Updated::Now), 1, "one change of a state counts");
        assert_eq!(count(&outcomes, &Updated::Changed), CROWD - 1, "the others hear that they come too late");
        let stored = read(&*scene.store, "client").await.expect("the client is found");
        assert_eq!(stored.revision, scene.client.revision + round, "a change raises the revision by one");
        let winner = outcomes.iter().position(|outcome| *outcome == Updated::Now).map(|at| json(&changes[at]));
        let winner = winner.expect("there is one");
        assert_eq!(winner["metadata"], json(&stored)["metadata"], "what is stored is the change that counted");
    }
}
