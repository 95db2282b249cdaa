//! One client an id.

use std::sync::Arc;

use super::races::{CROWD, Racer, count, race};
use super::records;
use super::scene::Scene;
use crate::protocol::client::{AuthMethod, Client, ClientAuthentication, ClientId, ClientOrigin};
use crate::protocol::scope::ScopeSet;
use crate::storage::{Inserted, Storage};

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
    for client in [&confidential, &scene.client] {
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
        let inserted = scene.store.insert_client(Arc::new(second)).await.expect("insert_client answers");
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
            Box::pin(async move { store.insert_client(client).await.expect("insert_client answers") }) as Racer<_>
        });
        let outcomes = race(racers.collect()).await;
        assert_eq!(count(&outcomes, &Inserted::New), 1, "exactly one registration of an id succeeds");
        let winner = outcomes.iter().position(|outcome| *outcome == Inserted::New);
        let stored = read(&*store, &id).await.expect("the client is found");
        assert_eq!(Some(stored.revision as usize), winner, "the client is the one whose registration succeeded");
    }
}
