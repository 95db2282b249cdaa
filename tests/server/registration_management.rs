//! Clients that read, change and remove their own registration (RFC 7592).

use std::sync::Arc;

use crate::support::{Answer, CALLBACK, Client, ISSUER, World, request};
use bytes::Bytes;
use grantor::storage::testkit::{Call, Faulty, Lost};
use grantor::{ClientChange, ClientId, MemoryStorage, Registration};
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

const MOVED: &str = "https://client.example/moved";

fn world() -> World {
    World::with(grantor::Builder::registration_management)
}

/// A client with what it needs to manage itself.
struct Managed {
    client: Client,
    uri: String,
    token: String,
}

impl Managed {
    async fn new(world: &World, auth_method: &str) -> Self {
        let answer = world.register(&metadata(auth_method)).await;
        assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.body());
        let json = answer.json();
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        let client =
            Client { id: text("client_id").unwrap(), secret: text("client_secret"), redirect_uri: CALLBACK.to_owned() };
        let uri = text("registration_client_uri").unwrap();
        assert!(uri.starts_with("https://app.example/oauth/register/"), "{uri}");
        let path = uri.strip_prefix("https://app.example").unwrap().to_owned();
        Self { client, uri: path, token: text("registration_access_token").unwrap() }
    }

    fn id(&self) -> ClientId {
        ClientId::parse(&self.client.id).unwrap()
    }

    async fn call(&self, world: &World, method: Method, body: &Value) -> Answer {
        call(world, method, &self.uri, &format!("Bearer {}", self.token), body).await
    }

    fn change(&self, field: &str, value: Value) -> Value {
        let mut body = metadata(if self.client.secret.is_some() { "client_secret_basic" } else { "none" });
        body["client_id"] = json!(self.client.id);
        body[field] = value;
        body
    }
}

fn metadata(auth_method: &str) -> Value {
    json!({ "client_name": "Helper", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": auth_method,
            "grant_types": ["authorization_code", "refresh_token"] })
}

async fn call(world: &World, method: Method, path: &str, authorization: &str, body: &Value) -> Answer {
    let builder = request(method, path).header(header::CONTENT_TYPE, "application/json");
    let builder = if authorization.is_empty() { builder } else { builder.header(header::AUTHORIZATION, authorization) };
    world.send(builder.body(Bytes::from(body.to_string())).unwrap()).await
}

#[tokio::test]
async fn a_client_reads_changes_and_removes_its_registration() {
    let world = world();
    let managed = Managed::new(&world, "none").await;
    let read = managed.call(&world, Method::GET, &Value::Null).await;
    assert_eq!(read.status(), StatusCode::OK, "{}", read.body());
    assert_eq!((&read.json()["client_id"], &read.json()["client_name"]), (&json!(managed.client.id), &json!("Helper")));
    assert!(read.json()["registration_client_uri"].is_string(), "RFC 7592 §3");
    assert_eq!(read.json()["registration_access_token"], json!(managed.token), "RFC 7592 §3");

    let tokens = world.tokens(&managed.client).await;
    let changed = managed.call(&world, Method::PUT, &managed.change("redirect_uris", json!([MOVED]))).await;
    assert_eq!(changed.status(), StatusCode::OK, "{}", changed.body());
    assert_eq!(changed.json()["redirect_uris"], json!([MOVED]));
    world.browser_of("alice").get(&managed.client.authorize()).await.assert_page(400);
    let moved = Client { redirect_uri: MOVED.to_owned(), ..managed.client.clone() };
    let _ = world.tokens(&moved).await;
    assert!(world.is_live(&tokens.access).await, "what it has stays");

    let removed = managed.call(&world, Method::DELETE, &Value::Null).await;
    assert_eq!((removed.status(), removed.body()), (StatusCode::NO_CONTENT, ""));
    assert!(!world.is_live(&tokens.access).await, "with everything that it was given");
    managed.call(&world, Method::GET, &Value::Null).await.assert_error(401, "invalid_token");
    world.browser_of("alice").get(&moved.authorize()).await.assert_page(400);
}

#[tokio::test]
async fn attack_31_a_registration_token_is_good_for_its_own_client_alone() {
    let world = world();
    let (one, other) = (Managed::new(&world, "none").await, Managed::new(&world, "client_secret_basic").await);
    let access = world.access_token(&one.client).await;
    let hidden = format!("Bearer {}x", one.token);
    for authorization in [
        format!("Bearer {}", other.token),
        format!("Bearer {access}"),
        hidden,
        "Bearer grm_".to_owned(),
        other.client.basic(),
        format!("Basic {}", one.token),
    ] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let body = one.change("client_name", json!("Stolen"));
            let answer = call(&world, method.clone(), &one.uri, &authorization, &body).await;
            answer.assert_error(401, "invalid_token");
            assert!(answer.header("www-authenticate").unwrap().contains("invalid_token"));
            // The same answer for a client that does not exist.
            let nobody = call(&world, method, "/oauth/register/nobody", &authorization, &body).await;
            assert_eq!((nobody.status(), nobody.body()), (answer.status(), answer.body()));
        }
    }
    let without = call(&world, Method::DELETE, &one.uri, "", &Value::Null).await;
    assert_eq!(
        (without.status(), without.header("www-authenticate")),
        (StatusCode::UNAUTHORIZED, Some(r#"Bearer realm="registration""#))
    );
    assert_eq!(one.call(&world, Method::GET, &Value::Null).await.json()["client_name"], json!("Helper"));
}

#[tokio::test]
async fn attack_31_a_client_without_a_token_cannot_be_managed() {
    let world = World::new();
    let plain = world.public_client().await;
    let path = format!("/oauth/register/{}", plain.id);
    for authorization in ["", "Bearer x", "Bearer ", "Bearer grm_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let answer = call(&world, method, &path, authorization, &metadata("none")).await;
            answer.assert_error(401, "invalid_token");
        }
    }
    let _ = world.tokens(&plain).await;
}

#[tokio::test]
async fn a_change_keeps_all_rules_of_registration() {
    let world = world();
    let managed = Managed::new(&world, "client_secret_basic").await;
    let other = Managed::new(&world, "none").await;
    let before = managed.call(&world, Method::GET, &Value::Null).await.json();
    for (body, code) in [
        (managed.change("redirect_uris", json!(["javascript:x"])), "invalid_redirect_uri"),
        (managed.change("redirect_uris", json!([])), "invalid_redirect_uri"),
        (managed.change("client_id", json!(other.client.id)), "invalid_client_metadata"),
        (managed.change("client_id", Value::Null), "invalid_client_metadata"),
        (managed.change("client_secret", json!("another")), "invalid_client_metadata"),
        (managed.change("grant_types", json!(["client_credentials"])), "invalid_client_metadata"),
        (json!([]), "invalid_client_metadata"),
    ] {
        managed.call(&world, Method::PUT, &body).await.assert_error(400, code);
    }
    assert_eq!(managed.call(&world, Method::GET, &Value::Null).await.json(), before, "nothing of that counted");
    let own = managed.change("client_secret", json!(managed.client.secret));
    assert_eq!(managed.call(&world, Method::PUT, &own).await.status(), StatusCode::OK);
    let sneaky = json!({ "client_id": managed.client.id, "redirect_uris": [CALLBACK], "scope": "admin", "blocked": false,
        "token_endpoint_auth_method": "client_secret_basic", "grant_types": ["authorization_code", "client_credentials"],
        "consent_policy": "skip", "introspects": [], "scope_ceiling": "admin" });
    let changed = managed.call(&world, Method::PUT, &sneaky).await;
    assert_eq!(changed.json()["grant_types"], json!(["authorization_code"]));
    assert!(!changed.json()["scope"].as_str().unwrap().contains("admin"));
    assert!(changed.json().get("client_name").is_none(), "all is replaced (RFC 7592 §2.2)");
    assert!(changed.json().get("client_secret").is_none());
}

#[tokio::test]
async fn a_client_that_comes_to_have_a_secret_is_shown_it_once_and_one_that_gives_it_up_has_none() {
    let world = world();
    let managed = Managed::new(&world, "none").await;
    let to_secret = managed.change("token_endpoint_auth_method", json!("client_secret_post"));
    let shown = managed.call(&world, Method::PUT, &to_secret).await.json();
    let secret = shown["client_secret"].as_str().unwrap().to_owned();
    assert!(managed.call(&world, Method::PUT, &to_secret).await.json().get("client_secret").is_none());
    let code = world.code(&managed.client).await;
    world.exchange(&managed.client, &code, &[]).await.assert_error(401, "invalid_client");
    let with_secret = Client { secret: Some(secret), ..managed.client.clone() };
    let _ = world.tokens(&with_secret).await;
    let to_none = managed.change("token_endpoint_auth_method", json!("none"));
    assert_eq!(managed.call(&world, Method::PUT, &to_none).await.status(), StatusCode::OK);
    let _ = world.tokens(&managed.client).await;
}

#[tokio::test]
async fn attack_28_a_client_that_gives_up_its_secret_keeps_nothing_that_it_got_with_it() {
    let world = world();
    let managed = Managed::new(&world, "client_secret_basic").await;
    let (tokens, code) = (world.tokens(&managed.client).await, world.code(&managed.client).await);
    let to_post = managed.change("token_endpoint_auth_method", json!("client_secret_post"));
    assert_eq!(managed.call(&world, Method::PUT, &to_post).await.status(), StatusCode::OK);
    assert!(world.is_live(&tokens.access).await, "it proves who it is as before");
    let to_none = managed.change("token_endpoint_auth_method", json!("none"));
    assert_eq!(managed.call(&world, Method::PUT, &to_none).await.status(), StatusCode::OK);
    let public = Client { secret: None, ..managed.client.clone() };
    world.refresh(&public, &tokens.refresh, &[]).await.assert_error(400, "invalid_grant");
    world.exchange(&public, &code, &[]).await.assert_error(400, "invalid_grant");
    assert!(!world.is_live(&tokens.access).await);
    let _ = world.tokens(&public).await;
}

#[tokio::test]
async fn attack_31_a_blocked_client_cannot_manage_itself_and_an_administrators_word_stays() {
    let world = world();
    let managed = Managed::new(&world, "none").await;
    let ceiling = ClientChange::new().scopes(Some("projects:read"));
    let _ = world.server.change_client(&managed.id(), ceiling).await.unwrap();
    let renamed = managed.call(&world, Method::PUT, &managed.change("client_name", json!("Renamed"))).await;
    assert_eq!(renamed.json()["scope"], json!("projects:read"));
    world.server.block_client(&managed.id()).await.unwrap();
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let body = managed.change("client_name", json!("Renamed again"));
        managed.call(&world, method, &body).await.assert_error(403, "access_denied");
    }
    assert!(world.server.client(&managed.id()).await.unwrap().unwrap().blocked);
}

#[tokio::test]
async fn attack_44_a_change_or_removal_that_the_store_cannot_do_is_never_called_done() {
    let storage = Arc::new(Faulty::new(MemoryStorage::new()));
    let world = World::at(ISSUER, Arc::clone(&storage), grantor::Builder::registration_management);
    let metadata = metadata("none");
    let registered = world.register(&metadata).await.json();
    let text = |field: &str| registered[field].as_str().unwrap().to_owned();
    let (id, token) = (text("client_id"), text("registration_access_token"));
    let send = async |method: Method, name: &str| {
        let mut body = metadata.clone();
        (body["client_id"], body["client_name"]) = (json!(id), json!(name));
        let builder = request(method, &format!("/oauth/register/{id}")).header("content-type", "application/json");
        let builder = builder.header(header::AUTHORIZATION, format!("Bearer {token}"));
        world.send(builder.body(Bytes::from(body.to_string())).unwrap()).await
    };
    let name = async || send(Method::GET, "").await.json()["client_name"].clone();
    for (method, call, lost, after) in [
        (Method::PUT, Call::Client, Lost::Request, json!("Helper")),
        (Method::PUT, Call::UpdateClient, Lost::Request, json!("Helper")),
        (Method::PUT, Call::UpdateClient, Lost::Answer, json!("Renamed")),
        (Method::DELETE, Call::Client, Lost::Request, json!("Renamed")),
        (Method::DELETE, Call::RemoveClient, Lost::Request, json!("Renamed")),
    ] {
        storage.lose(lost, call, 1);
        let answer = send(method.clone(), "Renamed").await;
        answer.assert_error(503, "temporarily_unavailable");
        assert_eq!(answer.header("retry-after"), Some("2"));
        assert_eq!(name().await, after, "{method}");
    }
    assert_eq!(send(Method::PUT, "Renamed").await.status(), StatusCode::OK);
    storage.lose(Lost::Answer, Call::RemoveClient, 1);
    send(Method::DELETE, "").await.assert_error(503, "temporarily_unavailable");
    send(Method::DELETE, "").await.assert_error(401, "invalid_token");
}

#[tokio::test]
async fn attack_41_a_consent_page_does_not_outlive_a_change_that_its_client_makes() {
    let world = world();
    let managed = Managed::new(&world, "none").await;
    let mut browser = world.browser_of("alice");
    let page = browser.prompt(&managed.client.authorize()).await;
    let added = managed.change("redirect_uris", json!([CALLBACK, MOVED]));
    assert_eq!(managed.call(&world, Method::PUT, &added).await.status(), StatusCode::OK);
    browser.decide(&page, "allow").await.assert_page(403);
}

#[tokio::test]
async fn the_paths_are_there_only_where_clients_register() {
    let world = World::with(|builder| builder.registration(Registration::Off));
    for path in ["/oauth/register", "/oauth/register/x", "/oauth/register/"] {
        assert_eq!(call(&world, Method::GET, path, "", &Value::Null).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let world = self::world();
    for (method, path, status) in [
        (Method::POST, "/oauth/register/x", 405),
        (Method::PATCH, "/oauth/register/x", 405),
        (Method::GET, "/oauth/register", 405),
        (Method::GET, "/oauth/registerx", 404),
        (Method::GET, "/oauth/register/%ff%fe", 401),
        (Method::GET, "/oauth/register/%", 401),
        (Method::GET, "/oauth/register/a/b", 401),
        (Method::GET, "/oauth/register/", 401),
    ] {
        let answer = call(&world, method.clone(), path, "Bearer x", &Value::Null).await;
        assert_eq!(answer.status().as_u16(), status, "{method} {path}");
    }
    let preflight = world
        .call(
            Method::OPTIONS,
            "/oauth/register/x",
            &[("origin", "https://c.example"), ("access-control-request-method", "PUT")],
        )
        .await;
    assert!(preflight.header("access-control-allow-methods").unwrap().contains("PUT, DELETE"));
}
