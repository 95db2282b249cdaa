//! Clients with keys that register and manage themselves (RFC 7591, RFC 7592).

use bytes::Bytes;
use grantor::host::{Admission, Applicant};
use grantor::protocol::admission::Terms;
use grantor::{Builder, ClientId, Host, HostError, Registration, SignIn, User};
use http::request::Parts;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::support::refreshing::Tokens;
use crate::support::signing::{Key, changed, claims, own_access, post};
use crate::support::{Answer, App, CALLBACK, Client, World, pairs, request};

fn metadata(keys: &[&Key]) -> Value {
    json!({ "client_name": "Helper", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt",
        "grant_types": ["authorization_code", "refresh_token"],
        "jwks": { "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() } })
}

async fn manage(world: &World, registered: &Value, method: Method, changes: &Value) -> Answer {
    let uri = registered["registration_client_uri"].as_str().unwrap();
    let token = registered["registration_access_token"].as_str().unwrap();
    let body = changed(changed(metadata(&[]), &json!({ "client_id": registered["client_id"] })), changes);
    let builder = request(method, uri.strip_prefix("https://app.example").unwrap())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    world.send(builder.body(Bytes::from(body.to_string())).unwrap()).await
}

fn client(registered: &Value) -> Client {
    let id = registered["client_id"].as_str().unwrap().to_owned();
    let secret = registered["client_secret"].as_str().map(str::to_owned);
    Client { id, secret, redirect_uri: CALLBACK.to_owned() }
}

/// What the token endpoint says to a code of alice with an assertion.
async fn exchange(world: &World, client: &Client, key: &Key) -> Answer {
    let code = world.code(client).await;
    let form = client.token_request(&code, &[("client_secret", "")]);
    post(world, "/oauth/token", &key.sign(&claims(world, &client.id)), &pairs(&form)).await
}

#[tokio::test]
async fn a_client_registers_with_its_keys_and_is_never_folded() {
    let world = World::new();
    let key = Key::new("ES256", "k");
    let answer = world.register(&metadata(&[&key])).await;
    assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.body());
    let registered = answer.json();
    assert_eq!(registered["token_endpoint_auth_method"], json!("private_key_jwt"));
    assert_eq!(registered["jwks"], json!({ "keys": [key.jwk()] }), "RFC 7591 §3.2.1");
    assert!(registered.get("client_secret").is_none() && registered.get("client_secret_expires_at").is_none());
    let tokens = Tokens::of(&exchange(&world, &client(&registered), &key).await);
    assert!(world.is_live(&tokens.access).await);
    let again = world.register(&metadata(&[&key])).await.json();
    assert_ne!(again["client_id"], registered["client_id"]);
    let id = ClientId::parse(&client(&registered).id).unwrap();
    let shown = serde_json::to_value(world.server.client(&id).await.unwrap().unwrap()).unwrap();
    assert_eq!((&shown["auth_method"], &shown["keys"]), (&json!("private_key_jwt"), &registered["jwks"]));
}

#[tokio::test]
async fn a_registration_whose_keys_will_not_do_is_told_why() {
    let world = World::new();
    let key = Key::new("ES256", "k");
    for (changes, text) in [
        (json!({ "jwks": null }), "send jwks"),
        (json!({ "jwks": null, "jwks_uri": "https://client.example/jwks" }), "jwks_uri is not supported: send jwks"),
        (json!({ "jwks_uri": "https://client.example/jwks" }), "must not both be present"),
        (json!({ "jwks": {} }), "must be a JWK Set"),
        (json!({ "jwks": { "keys": [] } }), "no key for ES256"),
        (json!({ "jwks": { "keys": vec![key.jwk(); 17] } }), "at most 16 keys"),
        (json!({ "jwks": { "keys": [{ "kty": "oct", "k": "AAAA" }] } }), "symmetric"),
        (json!({ "jwks": { "keys": [changed(key.jwk(), &json!({ "d": "AAAA" }))] } }), "private"),
        (json!({ "jwks": { "keys": [changed(key.jwk(), &json!({ "x": "AA" }))] } }), "malformed"),
        (json!({ "jwks": { "keys": [{ "kty": "RSA", "n": "_____w", "e": "AQAB" }] } }), "2048"),
        (json!({ "token_endpoint_auth_method": "client_secret_jwt" }), "or private_key_jwt"),
    ] {
        let answer = world.register(&changed(metadata(&[&key]), &changes)).await;
        answer.assert_error(400, "invalid_client_metadata");
        let told = answer.json()["error_description"].as_str().unwrap().to_owned();
        assert!(told.contains(text), "{changes}: {told}");
    }
    let twice = metadata(&[&key]).to_string().replacen(r#""kid":"k""#, r#""kid":"k","kid":"k""#, 1);
    let sent = request(Method::POST, "/oauth/register").header(header::CONTENT_TYPE, "application/json");
    world.send(sent.body(Bytes::from(twice)).unwrap()).await.assert_error(400, "invalid_client_metadata");
}

#[tokio::test]
async fn of_a_list_of_methods_the_first_counts_that_the_client_can_use_here() {
    let world = World::new();
    let key = Key::new("ES256", "k");
    let elsewhere = json!({ "jwks": null, "jwks_uri": "https://chatgpt.com/jwks.json" });
    for (methods, keys, method) in [
        (json!(["none", "private_key_jwt"]), &elsewhere, "none"),
        (json!(["private_key_jwt", "none"]), &elsewhere, "none"),
        (json!(["private_key_jwt", "none"]), &json!({}), "private_key_jwt"),
        (json!(["tls_client_auth", "private_key_jwt"]), &json!({}), "private_key_jwt"),
    ] {
        let sent = changed(metadata(&[&key]), &json!({ "token_endpoint_auth_method": methods }));
        let registered = world.register(&changed(sent, keys)).await.json();
        assert_eq!(registered["token_endpoint_auth_method"], json!(method), "{methods} {registered}");
        assert_eq!(registered.get("jwks").is_some(), method == "private_key_jwt");
    }
    // Keys of a client that does not authenticate by them are not looked at.
    let odd = json!({ "token_endpoint_auth_method": "none", "jwks": { "keys": ["x"] } });
    assert_eq!(world.register(&changed(metadata(&[]), &odd)).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_client_that_manages_itself_replaces_its_keys() {
    let world = World::with(Builder::registration_management);
    let (one, two) = (Key::new("ES256", "one"), Key::new("EdDSA", "two"));
    let registered = world.register(&metadata(&[&one])).await.json();
    let itself = client(&registered);
    let read = manage(&world, &registered, Method::GET, &json!({})).await.json();
    assert_eq!(read["jwks"], json!({ "keys": [one.jwk()] }));
    let set = |keys: &[&Key]| json!({ "jwks": metadata(keys)["jwks"] });
    for (keys, good, bad) in [(vec![&one, &two], vec![&one, &two], vec![]), (vec![&two], vec![&two], vec![&one])] {
        let changed = manage(&world, &registered, Method::PUT, &set(&keys)).await;
        assert_eq!(changed.status(), StatusCode::OK, "{}", changed.body());
        assert_eq!(changed.json()["jwks"], set(&keys)["jwks"]);
        for key in good {
            Tokens::of(&exchange(&world, &itself, key).await);
        }
        for key in bad {
            exchange(&world, &itself, key).await.assert_error(401, "invalid_client");
        }
    }
    for changes in [json!({ "jwks": null }), json!({ "jwks": { "keys": [] } }), json!({ "client_secret": "guess" })] {
        let refused = manage(&world, &registered, Method::PUT, &changed(set(&[&one]), &changes)).await;
        refused.assert_error(400, "invalid_client_metadata");
    }
    Tokens::of(&exchange(&world, &itself, &two).await);
}

/// An app that trusts whoever has keys.
struct Trusting;

impl Host for Trusting {
    async fn signed_in(&self, request: &Parts) -> Result<Option<User>, HostError> {
        App.signed_in(request).await
    }
    async fn sign_in(&self, request: &Parts, ask: SignIn) -> Result<String, HostError> {
        App.sign_in(request, ask).await
    }
    async fn admit(&self, applicant: &Applicant<'_>, _: &Parts) -> Result<Admission, HostError> {
        let mut terms = Terms::default();
        terms.client_credentials = applicant.wants_client_credentials;
        terms.introspects = Some(Vec::new());
        terms.token_endpoint_audience = true;
        terms.managed = true;
        Ok(Admission::Admit(terms))
    }
}

#[tokio::test]
async fn what_the_app_grants_a_client_with_keys_stays_while_it_has_keys() {
    let world = World::with(|builder| builder.host(Trusting).registration(Registration::Decided));
    let key = Key::new("ES256", "k");
    let types = json!({ "grant_types": ["authorization_code", "client_credentials"] });
    let registered = world.register(&changed(metadata(&[&key]), &types)).await.json();
    let id = client(&registered).id;
    let for_endpoint = || changed(claims(&world, &id), &json!({ "aud": "https://app.example/oauth/token" }));
    for _ in 0..2 {
        let token = Tokens::of(&own_access(&world, &key.sign(&for_endpoint())).await).access;
        let told = post(&world, "/oauth/introspect", &key.sign(&for_endpoint()), &[("token", &token)]).await;
        assert_eq!(told.json()["active"], json!(true), "{}", told.body());
        let change = changed(types.clone(), &json!({ "jwks": metadata(&[&key])["jwks"] }));
        assert_eq!(manage(&world, &registered, Method::PUT, &change).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn attack_25_a_client_that_manages_itself_chooses_no_audience() {
    let world = World::with(Builder::registration_management);
    let key = Key::new("ES256", "k");
    let registered = world.register(&metadata(&[&key])).await.json();
    let id = client(&registered).id;
    let change = json!({ "jwks": metadata(&[&key])["jwks"], "token_endpoint_audience": true });
    assert_eq!(manage(&world, &registered, Method::PUT, &change).await.status(), StatusCode::OK);
    let for_endpoint = changed(claims(&world, &id), &json!({ "aud": "https://app.example/oauth/token" }));
    own_access(&world, &key.sign(&for_endpoint)).await.assert_error(401, "invalid_client");
    own_access(&world, &key.sign(&claims(&world, &id))).await.assert_error(400, "unauthorized_client");
}

#[tokio::test]
async fn attack_28_a_client_that_changes_its_method_is_held_to_the_new_one() {
    let world = World::with(Builder::registration_management);
    let key = Key::new("ES256", "k");
    let registered = world.register(&metadata(&[&key])).await.json();
    let itself = client(&registered);
    let tokens = Tokens::of(&exchange(&world, &itself, &key).await);
    let to = |method: &str| json!({ "token_endpoint_auth_method": method, "jwks": { "keys": [key.jwk()] } });

    let shown = manage(&world, &registered, Method::PUT, &to("client_secret_post")).await.json();
    let with_secret = client(&shown);
    assert!(with_secret.secret.is_some() && shown.get("jwks").is_none(), "{shown}");
    exchange(&world, &itself, &key).await.assert_error(401, "invalid_client");
    assert!(world.is_live(&tokens.access).await, "it proves who it is as before");
    Tokens::of(&world.refresh(&with_secret, &tokens.refresh, &[]).await);

    let back = manage(&world, &registered, Method::PUT, &to("private_key_jwt")).await.json();
    assert!(back.get("client_secret").is_none() && back["jwks"]["keys"][0]["kid"] == "k", "{back}");
    world.refresh(&with_secret, &tokens.refresh, &[]).await.assert_error(401, "invalid_client");
    let tokens = Tokens::of(&exchange(&world, &itself, &key).await);

    assert_eq!(manage(&world, &registered, Method::PUT, &to("none")).await.status(), StatusCode::OK);
    world.refresh(&itself, &tokens.refresh, &[]).await.assert_error(400, "invalid_grant");
    assert!(!world.is_live(&tokens.access).await, "what it got by its keys is for nobody else");
    exchange(&world, &itself, &key).await.assert_error(401, "invalid_client");
}
