//! Who may register a client, on what terms, and for how long it stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::support::refreshing::Tokens;
use crate::support::{API, Answer, App, CALLBACK, Client, ISSUER, World, request};
use bytes::Bytes;
use grantor::host::{Admission, Applicant};
use grantor::protocol::admission::Terms;
use grantor::storage::Storage as _;
use grantor::storage::testkit::{Call, Faulty, Lost};
use grantor::{ClientChange, ClientId, Host, HostError, MemoryStorage, Registration, ScopeSet, SignIn, Subject, User};
use http::request::Parts;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn helper() -> Value {
    json!({ "client_name": "Helper", "redirect_uris": [CALLBACK, "http://127.0.0.1/cb"],
            "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"] })
}

fn id(answer: &Answer) -> ClientId {
    assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.body());
    ClientId::parse(answer.json()["client_id"].as_str().unwrap()).unwrap()
}

fn client(answer: &Answer) -> Client {
    let secret = answer.json()["client_secret"].as_str().map(str::to_owned);
    Client { id: id(answer).to_string(), secret, redirect_uri: CALLBACK.to_owned() }
}

async fn is_known(world: &World, id: &ClientId) -> bool {
    world.server.client(id).await.unwrap().is_some()
}

#[tokio::test]
async fn attack_35_identical_public_registrations_are_one_client() {
    let world = World::new();
    let first = world.register(&helper()).await;
    let mut reordered = helper();
    reordered["redirect_uris"].as_array_mut().unwrap().reverse();
    reordered["grant_types"].as_array_mut().unwrap().reverse();
    reordered["scope"] = json!("projects:read");
    reordered["unknown"] = json!("ignored");
    for same in [helper(), reordered] {
        world.clock.advance(DAY);
        let again = world.register(&same).await;
        assert_eq!(id(&again), id(&first));
        assert_eq!(again.json(), first.json(), "it is told what is in force, the time of its registration as well");
    }
    for (field, value) in [
        ("client_name", json!("Helper 2")),
        ("client_uri", json!("https://client.example/")),
        ("logo_uri", json!("https://client.example/logo.png")),
        ("redirect_uris", json!([CALLBACK])),
        ("grant_types", json!(["authorization_code"])),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
    ] {
        let mut other = helper();
        other[field] = value;
        assert_ne!(id(&world.register(&other).await), id(&first), "{field}");
    }
}

#[tokio::test]
async fn attack_35_a_secret_or_a_registration_token_is_never_shared() {
    let world = World::new();
    let mut confidential = helper();
    confidential["token_endpoint_auth_method"] = json!("client_secret_basic");
    let (one, other) = (world.register(&confidential).await, world.register(&confidential).await);
    assert_ne!(id(&one), id(&other));
    assert_ne!(client(&one).secret, client(&other).secret);

    let world = World::with(grantor::Builder::registration_management);
    let (one, other) = (world.register(&helper()).await, world.register(&helper()).await);
    assert_ne!(id(&one), id(&other), "each has a token of its own, and so a registration of its own");
    assert_ne!(one.json()["registration_access_token"], other.json()["registration_access_token"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_35_of_parallel_identical_registrations_there_is_one_client() {
    let world = World::new();
    let racers: Vec<_> = (0..64)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { id(&world.register(&helper()).await) })
        })
        .collect();
    let mut ids = std::collections::BTreeSet::new();
    for racer in racers {
        ids.insert(racer.await.unwrap());
    }
    assert_eq!(ids.len(), 1);
    assert_eq!(world.server.clients(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn attack_35_who_is_blocked_does_not_come_back_by_registering_anew() {
    let world = World::new();
    let first = id(&world.register(&helper()).await);
    world.server.block_client(&first).await.unwrap();
    world.register(&helper()).await.assert_error(403, "access_denied");
    assert_eq!(world.server.clients(None, 10).await.unwrap().len(), 1);
    world.server.unblock_client(&first).await.unwrap();
    assert_eq!(id(&world.register(&helper()).await), first);
}

#[tokio::test]
async fn attack_35_a_block_outlasts_the_registration_and_any_number_of_others() {
    let world = World::with(|builder| builder.registration_budget(3));
    let first = id(&world.register(&helper()).await);
    world.server.block_client(&first).await.unwrap();
    for number in 0..8 {
        let mut metadata = helper();
        metadata["client_name"] = json!(format!("Helper {number}"));
        let _ = id(&world.register(&metadata).await);
    }
    world.register(&helper()).await.assert_error(403, "access_denied");
    world.clock.advance(1000 * DAY);
    world.server.purge(1000).await.unwrap();
    world.register(&helper()).await.assert_error(403, "access_denied");
    assert!(world.server.client(&first).await.unwrap().unwrap().blocked);
}

#[tokio::test]
async fn attack_35_what_an_administrator_decided_is_not_shaken_off_by_registering_anew() {
    let world = World::new();
    let first = world.register(&helper()).await;
    let ceiling = ClientChange::new().scopes(Some("projects:read"));
    let _ = world.server.change_client(&id(&first), ceiling).await.unwrap();
    let again = world.register(&helper()).await;
    assert_eq!((id(&again), &again.json()["scope"]), (id(&first), &json!("projects:read")));
    let asked = world.browser_of("alice").get(&client(&again).authorize_with(&[("scope", "projects:write")])).await;
    assert_ne!(asked.status(), StatusCode::OK);
}

#[tokio::test]
async fn attack_35_a_registration_that_is_not_used_ends() {
    let world = World::new();
    let unused = world.register(&helper()).await;
    world.clock.advance(7 * DAY - Duration::from_millis(1));
    assert!(is_known(&world, &id(&unused)).await);
    world.clock.advance(Duration::from_millis(1));
    assert!(!is_known(&world, &id(&unused)).await, "also before it is removed");
    world.browser_of("alice").get(&client(&unused).authorize()).await.assert_page(400);
    assert!(world.storage.client(&id(&unused)).await.unwrap().is_some());
    world.server.purge(100).await.unwrap();
    assert!(world.storage.client(&id(&unused)).await.unwrap().is_none());
    assert_ne!(id(&world.register(&helper()).await), id(&unused), "it is another one by then");
}

#[tokio::test]
async fn attack_35_the_consent_page_and_every_use_keep_a_registration() {
    let world = World::new();
    let registered = world.register(&helper()).await;
    let (client, id) = (client(&registered), id(&registered));
    for _ in 0..3 {
        world.clock.advance(6 * DAY);
        let _ = world.browser_of("alice").prompt(&client.authorize()).await;
        assert!(is_known(&world, &id).await, "whom a person looks at stays");
    }
    // Used once in 29 days: longer than any registration without a grant, and within a refresh token's life.
    let mut tokens = world.tokens(&client).await;
    for _ in 0..5 {
        world.clock.advance(29 * DAY);
        world.server.purge(1000).await.unwrap();
        tokens = Tokens::of(&world.refresh(&client, &tokens.refresh, &[]).await);
    }
    assert!(world.is_live(&tokens.access).await);
    // It outlives its last refresh token, whatever the day of its last use.
    world.clock.advance(30 * DAY);
    world.refresh(&client, &tokens.refresh, &[]).await.assert_error(400, "invalid_grant");
    assert!(is_known(&world, &id).await);
    world.clock.advance(7 * DAY);
    assert!(!is_known(&world, &id).await);
}

#[tokio::test]
async fn a_registration_is_renewed_once_in_a_while_and_its_failure_spoils_nothing() {
    let storage = Arc::new(Faulty::new(MemoryStorage::new()));
    let world = World::at(ISSUER, Arc::clone(&storage), |builder| builder);
    let client = client(&world.register(&helper()).await);
    let id = ClientId::parse(&client.id).unwrap();
    let until = async || storage.client(&id).await.unwrap().unwrap().tenure.unwrap().until;
    let mut tokens = world.tokens(&client).await;
    let after_the_first = until().await;
    for _ in 0..10 {
        world.clock.advance(Duration::from_secs(3600));
        tokens = world.refreshed(&client, &tokens.refresh, &[]).await;
    }
    assert_eq!(until().await, after_the_first, "not every use is written down");
    world.clock.advance(DAY);
    storage.lose(Lost::Request, Call::RenewClient, 1);
    tokens = world.refreshed(&client, &tokens.refresh, &[]).await;
    assert_eq!(until().await, after_the_first);
    let _ = world.refreshed(&client, &tokens.refresh, &[]).await;
    assert!(until().await > after_the_first);
}

#[tokio::test]
async fn attack_35_beyond_the_budget_the_oldest_without_a_grant_gives_way() {
    let world = World::with(|builder| builder.registration_budget(5));
    let granted = world.register(&helper()).await;
    let _ = world.tokens(&client(&granted)).await;
    let mut others = Vec::new();
    for number in 0..7 {
        world.clock.advance(Duration::from_secs(60));
        let mut metadata = helper();
        metadata["client_name"] = json!(format!("Helper {number}"));
        others.push(id(&world.register(&metadata).await));
        if number == 2 {
            // The first one is looked at, so that the second one is now the one that ends first.
            world.clock.advance(2 * DAY);
            let looked_at = Client { id: others[0].to_string(), secret: None, redirect_uri: CALLBACK.to_owned() };
            let _ = world.browser_of("alice").prompt(&looked_at.authorize()).await;
        }
    }
    let mut left = Vec::new();
    for other in &others {
        left.push(is_known(&world, other).await);
    }
    assert_eq!(left, [true, false, false, true, true, true, true], "the new ones were let in");
    assert!(is_known(&world, &id(&granted)).await, "one with a grant is never pushed out");
}

#[tokio::test]
async fn attack_30_what_is_privileged_is_not_to_be_had_by_registering() {
    let world = World::new();
    let metadata = json!({
        "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "client_secret_basic", "introspection": true,
        "grant_types": ["authorization_code", "client_credentials", "urn:unknown"], "response_types": ["code", "token"],
        "scope": "admin projects:read nothing", "client_id": "mine", "client_secret": "mine", "consent_policy": "skip",
        "origin": "administrator", "blocked": false, "introspects": [API], "tenure": null, "scope_ceiling": "admin",
        "lifetimes": { "access_token": { "secs": 1_000_000, "nanos": 0 } },
    });
    let registered = world.register(&metadata).await;
    let json = registered.json();
    assert_eq!(json["grant_types"], json!(["authorization_code"]));
    assert_eq!((&json["response_types"], &json["scope"]), (&json!(["code"]), &json!("projects:read projects:write")));
    let client = client(&registered);
    assert!(client.id != "mine" && client.secret.as_deref() != Some("mine"));
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &client.id),
        ("client_secret", client.secret.as_ref().unwrap()),
    ];
    world.post("/oauth/token", &form, &[]).await.assert_error(400, "unauthorized_client");
    let form = [("token", "gra_x"), ("client_id", &client.id), ("client_secret", client.secret.as_ref().unwrap())];
    assert_eq!(world.post("/oauth/introspect", &form, &[]).await.status(), StatusCode::FORBIDDEN);
    let tokens = world.tokens(&client).await;
    assert_eq!(tokens.expires_in, 3600);
    let stored = world.storage.client(&id(&registered)).await.unwrap().unwrap();
    assert!(stored.tenure.is_some() && stored.introspects.is_none() && stored.scope_ceiling.is_none());
}

/// An app that admits those who come from a friend's address.
#[derive(Clone, Default)]
struct Choosy(Arc<AtomicU32>);

impl Host for Choosy {
    async fn signed_in(&self, request: &Parts) -> Result<Option<User>, HostError> {
        App.signed_in(request).await
    }
    async fn sign_in(&self, request: &Parts, ask: SignIn) -> Result<String, HostError> {
        App.sign_in(request, ask).await
    }
    async fn admit(&self, applicant: &Applicant<'_>, source: &Parts) -> Result<Admission, HostError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let mut terms = Terms::default();
        match source.headers.get("x-address").map(|address| address.to_str().unwrap()) {
            Some("a friend") => {
                terms.client_credentials = applicant.wants_client_credentials;
                terms.introspects = Some(Vec::new());
            }
            Some("a guest") => {
                terms.scopes = Some(ScopeSet::parse("projects:read").unwrap());
                terms.lifetimes.access_token = Some(Duration::from_secs(60));
            }
            Some("a broken one") => return Err(HostError::new("the app's database is gone")),
            _ => return Ok(Admission::Refuse),
        }
        Ok(Admission::Admit(terms))
    }
}

async fn register_from(world: &World, address: &str, metadata: &Value) -> Answer {
    let builder = request(Method::POST, "/oauth/register").header(header::CONTENT_TYPE, "application/json");
    world.send(builder.header("x-address", address).body(Bytes::from(metadata.to_string())).unwrap()).await
}

#[tokio::test]
async fn the_app_decides_who_registers_and_on_what_terms() {
    let choosy = Choosy::default();
    let world = World::with(|builder| builder.host(choosy.clone()).registration(Registration::Decided));
    register_from(&world, "a stranger", &helper()).await.assert_error(403, "access_denied");
    world.register(&helper()).await.assert_error(403, "access_denied");
    let failed = register_from(&world, "a broken one", &helper()).await;
    failed.assert_error(503, "temporarily_unavailable");
    assert!(failed.header("retry-after").is_some());
    let asked = choosy.0.load(Ordering::SeqCst);
    register_from(&world, "a friend", &json!({ "redirect_uris": [] })).await.assert_error(400, "invalid_redirect_uri");
    assert_eq!(choosy.0.load(Ordering::SeqCst), asked, "what is no registration is not put to the app");

    let guest = register_from(&world, "a guest", &helper()).await;
    assert_eq!(guest.json()["scope"], json!("projects:read"));
    assert_eq!(world.tokens(&client(&guest)).await.expires_in, 60);
    let friend = register_from(&world, "a friend", &helper()).await;
    assert_ne!(id(&friend), id(&guest), "the same on other terms is another client");
    assert_eq!(friend.json()["scope"], json!("offline_access projects:read projects:write"));
}

#[tokio::test]
async fn attack_30_a_client_does_not_become_what_the_app_would_not_take_in() {
    let world = World::with(|builder| {
        builder.host(Choosy::default()).registration(Registration::Decided).registration_management()
    });
    let friend = register_from(&world, "a friend", &helper()).await.json();
    let text = |name: &str| friend[name].as_str().unwrap().to_owned();
    let path = text("registration_client_uri").replace(ISSUER, "");
    let mut changed = helper();
    changed["client_id"] = friend["client_id"].clone();
    changed["client_name"] = json!("Another");
    for (address, status) in [("a stranger", 403), ("a broken one", 503), ("a guest", 200)] {
        let builder = request(Method::PUT, &path).header(header::CONTENT_TYPE, "application/json");
        let builder = builder.header("x-address", address);
        let builder = builder.header(header::AUTHORIZATION, format!("Bearer {}", text("registration_access_token")));
        let answer = world.send(builder.body(Bytes::from(changed.to_string())).unwrap()).await;
        assert_eq!(answer.status().as_u16(), status, "{address}: {}", answer.body());
    }
}

#[tokio::test]
async fn attack_30_a_client_without_a_secret_never_acts_for_itself_whatever_the_app_says() {
    let world = World::with(|builder| builder.host(Choosy::default()).registration(Registration::Decided));
    let mut metadata = helper();
    metadata["grant_types"] = json!(["authorization_code", "client_credentials"]);
    let public = register_from(&world, "a friend", &metadata).await;
    assert_eq!(public.json()["grant_types"], json!(["authorization_code"]));
    assert!(world.storage.client(&id(&public)).await.unwrap().unwrap().introspects.is_none());
    metadata["token_endpoint_auth_method"] = json!("client_secret_basic");
    let friend = register_from(&world, "a friend", &metadata).await;
    assert_eq!(friend.json()["grant_types"], json!(["authorization_code", "client_credentials"]));
    let friend = client(&friend);
    let form = [("grant_type", "client_credentials"), ("scope", "projects:read")];
    let answer = world.post("/oauth/token", &form, &[("authorization", &friend.basic())]).await;
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.body());
    let guest = register_from(&world, "a guest", &metadata).await;
    assert_eq!(guest.json()["grant_types"], json!(["authorization_code"]), "who was not given it");
}

async fn register_with(world: &World, authorization: &str, metadata: &Value) -> Answer {
    let builder = request(Method::POST, "/oauth/register").header(header::CONTENT_TYPE, "application/json");
    let builder = builder.header(header::AUTHORIZATION, authorization);
    world.send(builder.body(Bytes::from(metadata.to_string())).unwrap()).await
}

#[tokio::test]
async fn an_initial_access_token_is_asked_for_where_the_app_wants_one() {
    let world = World::with(grantor::Builder::initial_access_tokens);
    let without = world.register(&helper()).await;
    without.assert_error(401, "invalid_token");
    assert_eq!(without.header("www-authenticate"), Some(r#"Bearer realm="registration""#));
    let token = world.server.issue_initial_access_token(DAY, false).unwrap();
    for bad in
        ["Bearer", "Bearer ", "Bearer gri_", "Basic YTpi", "Bearer gra_x", &format!("Bearer {}x", token.expose())]
    {
        let answer = register_with(&world, bad, &helper()).await;
        answer.assert_error(401, "invalid_token");
        assert!(answer.header("www-authenticate").unwrap().contains("invalid_token"), "{bad}");
    }
    for _ in 0..3 {
        let _ = id(&register_with(&world, &format!("bearer {}", token.expose()), &helper()).await);
    }
    world.clock.advance(DAY);
    register_with(&world, &format!("Bearer {}", token.expose()), &helper()).await.assert_error(401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_initial_access_token_for_one_use_gives_one_client_and_is_not_burned_by_a_mistake() {
    let world = World::with(grantor::Builder::initial_access_tokens);
    let token = format!("Bearer {}", world.server.issue_initial_access_token(DAY, true).unwrap().expose());
    register_with(&world, &token, &json!({})).await.assert_error(400, "invalid_redirect_uri");
    register_with(&world, &token, &json!({ "redirect_uris": ["javascript:x"] }))
        .await
        .assert_error(400, "invalid_redirect_uri");
    let racers: Vec<_> = (0..64)
        .map(|number| {
            let (world, token) = (world.clone(), token.clone());
            let mut metadata = helper();
            metadata["client_name"] = json!(format!("Helper {number}"));
            tokio::spawn(async move { register_with(&world, &token, &metadata).await.status() })
        })
        .collect();
    let mut created = 0;
    for racer in racers {
        created += u32::from(racer.await.unwrap() == StatusCode::CREATED);
    }
    assert_eq!((created, world.server.clients(None, 100).await.unwrap().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_35_a_registration_beside_a_block_leaves_nothing_alive() {
    let world = World::new();
    for round in 0..20 {
        let mut metadata = helper();
        metadata["client_name"] = json!(format!("Helper {round}"));
        let first = world.register(&metadata).await;
        let racer = tokio::spawn({
            let (world, metadata) = (world.clone(), metadata.clone());
            async move { world.register(&metadata).await.status() }
        });
        world.server.block_client(&id(&first)).await.unwrap();
        let status = racer.await.unwrap();
        assert!(status == StatusCode::CREATED || status == StatusCode::FORBIDDEN, "{status}");
        world.browser_of("alice").get(&client(&first).authorize()).await.assert_page(403);
    }
    let clients = world.server.clients(None, 100).await.unwrap();
    assert!(clients.len() == 20 && clients.iter().all(|client| client.blocked), "none registered past its block");
    assert!(world.server.grants(&Subject::new("alice"), None, 10).await.unwrap().is_empty());
}
