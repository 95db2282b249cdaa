//! Clients with documents over every store, at two instances of the app that share it.

use std::time::Duration;

use grantor::storage::Storage;
use grantor::{Keys, MemoryStorage};
use http::StatusCode;
use serde_json::{Value, json};

use super::fetched_keys::JWKS;
use super::site::{Answer, URL, Web, client, document, json_answer};
use super::{honest, id};
use crate::support::refreshing::Tokens;
use crate::support::signing::{Key, changed, claims, jwks, post};
use crate::support::{CALLBACK, ISSUER, World, pairs};

/// A document that is not to be stored is good for so long, and used for so long beyond while its site fails.
const FRESH: Duration = Duration::from_mins(5);
const KEPT: Duration = Duration::from_hours(24);

/// Two instances of one app, with one clock.
struct Both<S> {
    web: Web,
    one: World<S>,
    other: World<S>,
}

impl<S: Storage + Clone> Both<S> {
    async fn over(open: impl AsyncFn() -> S) -> Self {
        let web = Web::new();
        let configure = |builder| web.configure(builder, |rules| rules.kept_for(KEPT));
        let one = World::at(ISSUER, open().await, |builder| configure(builder).keys(Keys::from_bytes([7; 32])));
        let clock = one.clock.clone();
        let other = World::at(ISSUER, open().await, |builder| {
            configure(builder).keys(Keys::from_bytes([7; 32])).clock(move || clock.now())
        });
        Self { web, one, other }
    }

    fn later(&self, duration: Duration) {
        self.one.clock.advance(duration);
    }

    fn names(&self, name: &str) {
        let named = changed(document(URL), &json!({ "client_name": name })).to_string();
        self.web.answer(URL, Answer::Is(json_answer(&named).cache_control("no-store")));
    }

    /// Fails unless people see that name, at both.
    async fn assert_shown(&self, name: &str) {
        for world in [&self.other, &self.one] {
            let page = world.browser_of("alice").prompt(&honest().authorize()).await.html;
            assert!(page.contains(&format!("<bdi>{name}</bdi>")), "{name}: {page}");
        }
    }

    async fn assert_page(&self, status: u16) {
        for world in [&self.one, &self.other] {
            world.browser_of("alice").get(&honest().authorize()).await.assert_page(status);
        }
    }
}

/// What holds of documents whatever the store.
async fn hold_over<S: Storage + Clone>(open: impl AsyncFn() -> S) {
    let both = Both::over(open).await;
    are_seen_at_once(&both).await;
    are_good_at_both(&both).await;
    change(&both).await;
    have_keys(&both).await;
    stay_blocked(&both).await;
    let report = grantor::storage::invariants::check(&both.one.storage).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
}

/// Many people at both instances see a client for the first time: each instance fetches once, and there is one client.
async fn are_seen_at_once<S: Storage + Clone>(both: &Both<S>) {
    let gate = both.web.hold();
    let requests: Vec<_> = (0..8)
        .flat_map(|number| [&both.one, &both.other].map(|world| world.browser_of(&format!("user{number}"))))
        .map(|mut browser| tokio::spawn(async move { browser.get(&honest().authorize()).await.status() }))
        .collect();
    while both.web.fetches() < 2 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(1000);
    for request in requests {
        assert_eq!(request.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(both.web.fetches(), 2);
    assert_eq!(both.one.server.clients(None, 10).await.unwrap().len(), 1);
}

/// Whatever one instance knows, the other knows: no document is read twice, and a code is good at both.
async fn are_good_at_both<S: Storage + Clone>(both: &Both<S>) {
    let code = both.one.code(&honest()).await;
    let tokens = Tokens::of(&both.other.exchange(&honest(), &code, &[]).await);
    assert!(both.one.is_live(&tokens.access).await);
    let before = both.web.fetches();
    both.names("Renewed");
    both.later(Duration::from_hours(1));
    both.assert_shown("Renewed").await;
    assert_eq!(both.web.fetches(), before + 1);
    Tokens::of(&both.one.refresh(&honest(), &tokens.refresh, &[]).await);
}

/// A page that is open at one instance does not count once the other has read something else; and the last copy is
/// used at both while the site fails, and no longer than it may.
async fn change<S: Storage + Clone>(both: &Both<S>) {
    let mut browser = both.one.browser_of("carol");
    let open = browser.prompt(&honest().authorize()).await;
    both.names("Changed");
    both.later(FRESH);
    let _ = both.other.browser_of("bob").prompt(&honest().authorize()).await;
    browser.decide(&open, "allow").await.assert_page(403);
    both.one.assert_nothing_granted(&["carol"]).await;

    both.web.answer(URL, Answer::Unreachable);
    both.later(FRESH + KEPT - Duration::from_millis(1));
    both.assert_shown("Changed").await;
    both.later(Duration::from_millis(1));
    both.assert_page(400).await;
    both.names("Back");
    both.assert_shown("Back").await;
}

/// Keys in a document, and at a URL of its own, are what the store gives back.
async fn have_keys<S: Storage + Clone>(both: &Both<S>) {
    let key = Key::new("ES256", "k");
    both.web.answer(JWKS, Answer::Is(json_answer(&jwks(&[&key]))));
    let set: Value = serde_json::from_str(&jwks(&[&key])).unwrap();
    for (number, keys) in [json!({ "jwks": set }), json!({ "jwks_uri": JWKS })].into_iter().enumerate() {
        for methods in [json!("private_key_jwt"), json!(["none", "private_key_jwt"])] {
            let may_come_without = methods.is_array();
            let url = format!("https://client.example/{number}/{may_come_without}");
            let named = changed(document(&url), &json!({ "token_endpoint_auth_method": methods }));
            both.web.put(&url, &changed(named, &keys));
            let client = client(&url, CALLBACK);
            let code = both.one.code(&client).await;
            let form = client.token_request(&code, &[]);
            let by_key = || key.sign(&claims(&both.one, &url));
            let tokens = Tokens::of(&post(&both.other, "/oauth/token", &by_key(), &pairs(&form)).await);
            let refresh = [("grant_type", "refresh_token"), ("refresh_token", &*tokens.refresh), ("client_id", &url)];
            both.one.post("/oauth/token", &refresh, &[]).await.assert_error(401, "invalid_client");
            let used = by_key();
            Tokens::of(&post(&both.one, "/oauth/token", &used, &refresh).await);
            let again = post(&both.other, "/oauth/token", &used, &refresh).await;
            again.assert_error(401, "invalid_client");
            let code = both.other.code(&client).await;
            let without = both.one.exchange(&client, &code, &[]).await;
            assert_eq!(without.status() == StatusCode::OK, may_come_without, "{keys}");
        }
    }
}

/// A client that is blocked at one instance is blocked at the other, for ever, and is not even looked at.
async fn stay_blocked<S: Storage + Clone>(both: &Both<S>) {
    let token = both.one.access_token(&honest()).await;
    both.one.server.block_client(&id()).await.unwrap();
    assert!(!both.other.is_live(&token).await);
    both.assert_page(403).await;
    both.names("Quite another");
    let before = both.web.fetches();
    both.later(Duration::from_hours(400 * 24));
    for world in [&both.one, &both.other] {
        world.server.purge(1000).await.unwrap();
    }
    both.assert_page(403).await;
    assert_eq!(both.web.fetches(), before);
    both.other.server.unblock_client(&id()).await.unwrap();
    both.assert_shown("Quite another").await;
}

#[tokio::test]
async fn documents_hold_in_memory() {
    let storage = MemoryStorage::new();
    hold_over(async || storage.clone()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn documents_hold_in_sqlite() {
    let folder = crate::scratch::Folder::new("documents");
    let file = folder.fresh();
    hold_over(async || grantor::SqliteStorage::open(&file).await.unwrap()).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn documents_hold_in_postgres() {
    let (url, schema) = (crate::postgres::shared_url(), crate::postgres::fresh_schema());
    let options = || grantor::storage::PostgresOptions::new().schema(&schema);
    hold_over(async || options().connect(&url).await.unwrap()).await;
}
