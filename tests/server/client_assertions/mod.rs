//! Clients that prove who they are by assertions that they sign (RFC 7523), over HTTP.

mod attacks;
mod interop;
mod registering;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::refreshing::Tokens;
use crate::support::signing::{Key, changed, claims, encoded, jwks, own_access, own_access_with, post};
use crate::support::{API, Answer, CALLBACK, Client, ISSUER, World, pairs};
use grantor::storage::Storage;
use grantor::storage::testkit::Yielding;
use grantor::{Builder, ChangeClientError, ClientChange, ClientId, Event, MemoryStorage, NewClient};
use http::StatusCode;
use serde_json::{Value, json};

/// A world that remembers why it refused whom, and one of its clients with a key.
struct Scene<S = MemoryStorage> {
    world: World<S>,
    key: Key,
    client: Client,
    reasons: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    async fn new() -> Self {
        Self::over(MemoryStorage::new(), |client| client).await
    }
}

impl<S: Storage + Clone> Scene<S> {
    async fn over(storage: S, change: impl FnOnce(NewClient) -> NewClient) -> Self {
        let reasons = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&reasons);
        let audit = move |event: &Event| {
            if let Some(reason) = event.kind.reason() {
                kept.lock().unwrap().push(reason.name().to_owned());
            }
        };
        let world = World::at(ISSUER, storage, |builder: Builder| builder.audit(audit));
        let key = Key::new("ES256", "one");
        let new = NewClient::with_keys("Nightly report", &jwks(&[&key])).id("nightly").client_credentials();
        let client = world.created(change(new.introspects([API]).redirect_uri(CALLBACK))).await;
        assert_eq!(client.secret, None, "nobody makes a secret for it");
        Self { world, key, client, reasons }
    }

    fn claims(&self) -> Value {
        claims(&self.world, &self.client.id)
    }

    fn assertion(&self) -> String {
        self.key.sign(&self.claims())
    }

    fn id(&self) -> ClientId {
        self.client.client_id()
    }

    async fn accepts(&self, assertion: &str, why: &str) {
        let answer = own_access(&self.world, assertion).await;
        assert_eq!(answer.status(), StatusCode::OK, "{why}: {} {:?}", answer.body(), self.reasons.lock().unwrap());
    }

    /// Fails unless the assertion is refused for exactly that, and nothing of it is told.
    async fn refuses(&self, assertion: &str, reason: &str, why: &str) {
        let answer = own_access(&self.world, assertion).await;
        self.assert_refused(&answer, reason, why);
    }

    fn assert_refused(&self, answer: &Answer, reason: &str, why: &str) {
        assert_eq!(self.reasons.lock().unwrap().pop().as_deref(), Some(reason), "{why}: {}", answer.body());
        answer.assert_error(401, "invalid_client");
        assert_eq!(answer.json()["error_description"], json!("Client authentication failed."), "{why}");
    }
}

#[tokio::test]
async fn every_algorithm_is_taken_at_every_endpoint() {
    let world = World::new();
    for algorithm in ["ES256", "RS256", "PS256", "EdDSA", "Ed25519"] {
        let key = Key::new(algorithm, algorithm);
        let new = NewClient::with_keys(algorithm, &jwks(&[&key])).id(algorithm).client_credentials();
        let client = world.created(new.introspects([API])).await;
        let assertion = || key.sign(&claims(&world, &client.id));
        let token = Tokens::of(&own_access(&world, &assertion()).await).access;
        assert!(world.is_live(&token).await, "{algorithm}");
        let told = post(&world, "/oauth/introspect", &assertion(), &[("token", &token)]).await;
        assert_eq!((told.status(), &told.json()["active"]), (StatusCode::OK, &json!(true)), "{algorithm}");
        let revoked = post(&world, "/oauth/revoke", &assertion(), &[("token", &token)]).await;
        assert_eq!(revoked.status(), StatusCode::OK, "{algorithm}: {}", revoked.body());
        assert!(!world.is_live(&token).await, "{algorithm}");
    }
    let metadata = world.get("/.well-known/oauth-authorization-server").await.json();
    for endpoint in ["token", "revocation", "introspection"] {
        let methods = metadata[format!("{endpoint}_endpoint_auth_methods_supported")].as_array().unwrap().clone();
        assert!(methods.contains(&json!("private_key_jwt")), "{endpoint}: {methods:?}");
        assert_eq!(
            metadata[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")],
            json!(["ES256", "RS256", "PS256", "EdDSA", "Ed25519"]),
            "RFC 8414 §2"
        );
    }
}

#[tokio::test]
async fn a_users_grant_is_exchanged_and_refreshed_with_an_assertion_each_time() {
    let scene = Scene::new().await;
    let code = scene.world.code(&scene.client).await;
    let form = scene.client.token_request(&code, &[]);
    let tokens = Tokens::of(&post(&scene.world, "/oauth/token", &scene.assertion(), &pairs(&form)).await);
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
    let used = scene.assertion();
    let refreshed = Tokens::of(&post(&scene.world, "/oauth/token", &used, &refresh).await);
    assert!(scene.world.is_live(&refreshed.access).await);
    let again = [("grant_type", "refresh_token"), ("refresh_token", refreshed.refresh.as_str())];
    let replayed = post(&scene.world, "/oauth/token", &used, &again).await;
    scene.assert_refused(&replayed, "assertion_replayed", "a used assertion is no proof for a refresh either");
    Tokens::of(&post(&scene.world, "/oauth/token", &scene.assertion(), &again).await);
}

#[tokio::test]
async fn what_libraries_write_in_different_ways_is_taken() {
    let scene = Scene::new().await;
    let now = scene.world.clock.now().as_secs();
    for changes in [
        json!({ "aud": "https://app.example/" }),
        json!({ "aud": ["https://app.example"] }),
        json!({ "iat": null }),
        json!({ "nbf": now, "exp": f64::from(u32::try_from(now).unwrap()) + 60.5 }),
        json!({ "iat": now + 59, "nbf": now + 59, "exp": now + 100 }),
        json!({ "exp": now + 3600 }),
        json!({ "exp": now - 59 }),
        json!({ "jti": "x".repeat(256), "extra": { "a": [1, 2, { "b": null }] } }),
    ] {
        scene.accepts(&scene.key.sign(&changed(scene.claims(), &changes)), &changes.to_string()).await;
    }
    for header in [
        json!({ "alg": "ES256" }),
        json!({ "alg": "ES256", "kid": "one", "typ": "application/client-authentication+JWT" }),
        json!({ "alg": "ES256", "kid": "one", "typ": "client-authentication+jwt", "x": [1] }),
    ] {
        scene.accepts(&scene.key.sign_with(&header, &scene.claims()), &header.to_string()).await;
    }
    let named = [("client_id", scene.client.id.as_str())];
    let with_id = own_access_with(&scene.world, &scene.assertion(), &named, &[]).await;
    assert_eq!(with_id.status(), StatusCode::OK, "RFC 7521 §4.2");
}

#[tokio::test]
async fn keys_are_rotated_with_both_beside_each_other_for_a_while() {
    let scene = Scene::new().await;
    let (server, id) = (&scene.world.server, scene.id());
    let new = Key::new("EdDSA", "two");
    let by_new = || new.sign(&scene.claims());
    scene.refuses(&by_new(), "assertion_signature", "it is not known yet").await;
    let both = server.change_client(&id, ClientChange::new().keys(&jwks(&[&scene.key, &new]))).await.unwrap();
    assert_eq!(serde_json::to_value(both.keys).unwrap(), json!({ "keys": [scene.key.jwk(), new.jwk()] }));
    scene.accepts(&by_new(), "both are good").await;
    scene.accepts(&scene.assertion(), "both are good").await;
    server.change_client(&id, ClientChange::new().keys(&jwks(&[&new]))).await.unwrap();
    scene.accepts(&by_new(), "the new one stays").await;
    scene.refuses(&scene.assertion(), "assertion_signature", "the old one is good no more").await;

    let rotated = server.rotate_client_secret(&id, Duration::ZERO).await;
    assert!(matches!(rotated, Err(ChangeClientError::HasKeys)), "it has no secret to rotate");
    let broken = server.change_client(&id, ClientChange::new().keys("{}")).await.unwrap_err();
    assert!(broken.to_string().contains("will not do: it is not a JWK Set"), "{broken}");
    scene.accepts(&by_new(), "a change that will not do changes nothing").await;
}

#[tokio::test]
async fn a_client_with_a_secret_comes_to_have_keys_and_its_secret_is_good_no_more() {
    let scene = Scene::new().await;
    let machine = scene.world.machine().await;
    let token = scene.world.own_token(&machine, &[]).await.access;
    let change = ClientChange::new().keys(&jwks(&[&scene.key]));
    let changed = scene.world.server.change_client(&machine.client_id(), change).await.unwrap();
    assert_eq!(serde_json::to_value(&changed).unwrap()["auth_method"], json!("private_key_jwt"));
    let by_secret = scene.world.own_access(&machine, &[]).await;
    scene.assert_refused(&by_secret, "secret_unexpected", "the class is enforced");
    scene.accepts(&scene.key.sign(&claims(&scene.world, &machine.id)), "by its key").await;
    assert!(scene.world.is_live(&token).await, "it proves who it is as before");
    let public = scene.world.public_client().await;
    let change = ClientChange::new().keys(&jwks(&[&scene.key]));
    let refused = scene.world.server.change_client(&public.client_id(), change).await.unwrap_err();
    assert!(refused.to_string().contains("is public and stays so"), "others may share its id: {refused}");
}

#[tokio::test]
async fn keys_that_are_changed_at_this_moment_fail_no_request_and_a_block_is_never_overtaken() {
    let (mut granted, mut refused) = (0, 0);
    for (before_request, before_change) in (0..12).flat_map(|a| (0..12).map(move |b| (a, b))) {
        let scene = Scene::over(Yielding::new(MemoryStorage::new()), |client| client).await;
        for blocks in [false, true] {
            let request = tokio::spawn({
                let (world, assertion) = (scene.world.clone(), scene.assertion());
                async move {
                    pause(before_request).await;
                    own_access(&world, &assertion).await
                }
            });
            pause(before_change).await;
            if blocks {
                scene.world.server.block_client(&scene.id()).await.unwrap();
            } else {
                let both = jwks(&[&Key::new("EdDSA", "two"), &scene.key]);
                scene.world.server.change_client(&scene.id(), ClientChange::new().keys(&both)).await.unwrap();
            }
            let answer = request.await.unwrap();
            if !blocks || answer.status() == StatusCode::OK {
                granted += usize::from(blocks);
                let token = Tokens::of(&answer).access;
                assert_eq!(scene.world.is_live(&token).await, !blocks, "{before_request} {before_change}");
            } else {
                refused += 1;
                scene.assert_refused(&answer, "client_blocked", "at any step");
            }
        }
    }
    assert!(granted > 0 && refused > 0, "{granted} granted, {refused} refused");
}

async fn pause(steps: usize) {
    for _ in 0..steps {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_of_the_builder_may_have_keys() {
    let key = Key::new("EdDSA", "k");
    let fixed = NewClient::with_keys("Fixed", &jwks(&[&key])).id("fixed").client_credentials();
    let world = World::with(|builder| builder.client(fixed));
    Tokens::of(&own_access(&world, &key.sign(&claims(&world, "fixed"))).await);
    let shown = world.server.client(&ClientId::parse("fixed").unwrap()).await.unwrap().unwrap();
    assert_eq!(serde_json::to_value(shown.keys).unwrap(), json!({ "keys": [key.jwk()] }));
}

#[tokio::test]
async fn only_public_keys_that_verify_something_are_taken() {
    let world = World::new();
    let (es, ed, rsa) = (Key::new("ES256", "a").jwk(), Key::new("EdDSA", "b").jwk(), Key::new("RS256", "c").jwk());
    let with = |jwk: &Value, changes: Value| json!({ "keys": [changed(jwk.clone(), &changes)] });
    let long_n = |bytes: usize| encoded([vec![0xff; bytes - 1], vec![1]].concat());
    let one = es.to_string();
    for (jwks, reason) in [
        (json!([]), "not a JWK Set"),
        (json!({ "keys": es }), "not a JWK Set"),
        (json!({ "keys": ["x"] }), "not a JWK Set"),
        (json!({ "keys": vec![&es; 17] }), "more than 16"),
        (json!({ "keys": [] }), "no key for ES256"),
        (json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0" }] }), "symmetric"),
        (json!({ "keys": [es, { "kty": "oct", "k": "c2VjcmV0", "use": "enc" }] }), "symmetric"),
        (with(&es, json!({ "d": "AAAA" })), "private"),
        (with(&ed, json!({ "d": "AAAA" })), "private"),
        (with(&rsa, json!({ "p": "AAAA" })), "private"),
        (with(&es, json!({ "x": null })), "malformed"),
        (with(&es, json!({ "x": "AAAA" })), "malformed"),
        (with(&es, json!({ "x": "****" })), "malformed"),
        (with(&es, json!({ "kty": null })), "malformed"),
        (with(&es, json!({ "kid": 7 })), "malformed"),
        (with(&es, json!({ "kid": "x".repeat(257) })), "malformed"),
        (with(&es, json!({ "key_ops": "verify" })), "malformed"),
        (with(&es, json!({ "alg": "RS256" })), "malformed"),
        (with(&ed, json!({ "alg": "ES256" })), "malformed"),
        (with(&rsa, json!({ "alg": "ES256" })), "malformed"),
        (with(&rsa, json!({ "e": "AQ" })), "malformed"),
        (with(&rsa, json!({ "e": "AAEAAQ" })), "malformed"),
        (with(&rsa, json!({ "e": "AQAAAAE" })), "malformed"),
        (with(&rsa, json!({ "e": "AQAD" })), "malformed"),
        (with(&rsa, json!({ "e": "Ag" })), "malformed"),
        (with(&rsa, json!({ "n": encoded([[0].as_slice(), &[0xff; 256]].concat()) })), "malformed"),
        (with(&rsa, json!({ "n": long_n(255) })), "2048 to 8192 bits"),
        (with(&rsa, json!({ "n": long_n(1025) })), "2048 to 8192 bits"),
        (with(&es, json!({ "use": "enc" })), "no key for ES256"),
        (with(&es, json!({ "key_ops": ["sign"] })), "no key for ES256"),
        (with(&rsa, json!({ "alg": "RS512" })), "no key for ES256"),
        (with(&ed, json!({ "crv": "X25519" })), "no key for ES256"),
        (json!({ "keys": [Key::new("ES384", "p384").jwk()] }), "no key for ES256"),
    ] {
        let new = NewClient::with_keys("K", &jwks.to_string()).client_credentials();
        let error = world.server.create_client(new).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{reason}: {error} {jwks}");
    }
    let twice = format!(r#"{{"keys":[{one}],"keys":[{one}]}}"#);
    let member_twice = format!(r#"{{"keys":[{}]}}"#, one.replacen('{', r#"{"kty":"oct","#, 1));
    for text in ["", "null", &twice, &member_twice] {
        let new = NewClient::with_keys("K", text).client_credentials();
        assert!(world.server.create_client(new).await.unwrap_err().to_string().contains("not a JWK Set"), "{text}");
    }
    // What is not for us is left out beside what is.
    let mixed = json!({ "keys": [es, { "kty": "later" }, Key::new("ES384", "p384").jwk(),
        with(&rsa, json!({ "use": "enc" }))["keys"][0], with(&rsa, json!({ "n": long_n(1024) }))["keys"][0]] });
    let new = NewClient::with_keys("K", &mixed.to_string()).client_credentials();
    let created = world.server.create_client(new).await.unwrap().client;
    let shown = serde_json::to_value(created.keys).unwrap();
    assert_eq!(shown["keys"].as_array().unwrap().len(), 2, "{shown}");
    let not_for_keys = NewClient::confidential("C").client_credentials().token_endpoint_audience();
    assert!(world.server.create_client(not_for_keys).await.unwrap_err().to_string().contains("has no keys"));
}
