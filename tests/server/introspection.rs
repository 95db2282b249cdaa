//! What tokens are worth, for those who may ask (RFC 7662), over HTTP.

use std::sync::Arc;
use std::time::Duration;

use crate::support::refreshing::{Standing, StrictApp, Verdict};
use crate::support::{API, CALLBACK, Client, ISSUER, MCP, START, World};
use grantor::storage::testkit::{Call, Faulty, Lost};
use grantor::{MemoryStorage, NewClient, Subject};
use http::{Method, StatusCode};
use serde_json::{Value, json};

const HOUR: u64 = 3600;
const INACTIVE: &str = r#"{"active":false}"#;

/// What a client is told of a token that is good.
async fn told(world: &World, client: &Client, token: &str) -> Value {
    let answer = world.introspect(client, token, &[]).await;
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.body());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json()
}

/// A client with all rights, and a redirect URI for codes.
async fn all_in_one(world: &World) -> Client {
    let new = NewClient::confidential("All in one").redirect_uri(CALLBACK).client_credentials().introspects([]);
    world.created(new).await
}

#[tokio::test]
async fn a_resource_server_is_told_what_a_users_token_is_worth() {
    let world = World::new();
    let (client, server) = (world.public_client().await, world.resource_server(&["/api"]).await);
    let token = world.access_token(&client).await;
    let grant = world.principal(API, &token).await.grant().to_string();
    world.clock.advance(Duration::from_secs(60));
    let now = START / 1000;
    let expected = json!({
        "active": true, "scope": "projects:read projects:write", "client_id": client.id, "token_type": "Bearer",
        "exp": now + HOUR, "iat": now, "sub": "alice", "holder": "user", "grant_id": grant, "aud": API,
        "iss": ISSUER,
    });
    assert_eq!(told(&world, &server, &token).await, expected, "and nothing else");
    let basic = server.basic();
    let answer = world.post("/oauth/introspect", &[("token", &token)], &[("authorization", &basic)]).await;
    assert_eq!(answer.json(), expected);
    for hint in ["access_token", "refresh_token", "nonsense", ""] {
        let answer = world.introspect(&server, &token, &[("token_type_hint", hint)]).await;
        assert_eq!(answer.json(), expected, "RFC 7662 §2.1: a wrong hint does no harm");
    }
}

#[tokio::test]
async fn attack_45_a_resource_server_introspects_tokens_for_its_resources_only() {
    let world = World::new();
    let (client, machine) = (world.public_client().await, all_in_one(&world).await);
    let (api, mcp) = (world.resource_server(&[API]).await, world.resource_server(&[MCP]).await);
    let (both, none) = (world.resource_server(&[API, MCP]).await, world.resource_server(&[]).await);
    let code = world.code_for(&client, &[("resource", MCP)]).await;
    let of_user = world.exchange(&client, &code, &[]).await.json()["access_token"].as_str().unwrap().to_owned();
    for (token, own) in
        [(of_user, None), (world.own_token(&machine, &[("resource", MCP)]).await.access, Some(&machine))]
    {
        for asking in [Some(&mcp), Some(&both), own].into_iter().flatten() {
            assert_eq!(told(&world, asking, &token).await["aud"], MCP);
        }
        for stranger in [&api, &none] {
            world.assert_inactive(stranger, &token, "a token for another resource").await;
        }
        if own.is_none() {
            world.assert_inactive(&machine, &token, "another client's token").await;
        }
    }
    assert!(told(&world, &api, &world.access_token(&client).await).await["active"].as_bool().unwrap());
}

#[tokio::test]
async fn attack_45_a_refresh_token_is_told_of_to_its_own_client_alone() {
    let world = World::new();
    let (client, other) = (all_in_one(&world).await, all_in_one(&world).await);
    let server = world.resource_server(&[API, MCP]).await;
    let first = world.tokens(&client).await;
    let scope = "projects:read projects:write";
    let expected = json!({
        "active": true, "scope": scope, "client_id": client.id, "exp": START / 1000 + 30 * 24 * HOUR, "sub": "alice",
        "holder": "user", "iss": ISSUER,
    });
    assert_eq!(told(&world, &client, &first.refresh).await, expected, "it is no bearer token of any resource");
    for stranger in [&other, &server] {
        world.assert_inactive(stranger, &first.refresh, "another client's refresh token").await;
    }
    let second = world.refreshed(&client, &first.refresh, &[]).await;
    world.assert_inactive(&client, &first.refresh, "it was used").await;
    assert_eq!(told(&world, &client, &second.refresh).await["active"], true);
    world.clock.advance(Duration::from_secs(30 * 24 * HOUR));
    world.assert_inactive(&client, &second.refresh, "it has expired").await;
    let third = world.tokens(&client).await;
    world.revoked(&client, &third.refresh).await;
    world.assert_inactive(&client, &third.refresh, "it was revoked").await;
    world.assert_inactive(&client, &third.access, "and its access token with it").await;
}

#[tokio::test]
async fn attack_46_of_anything_unknown_expired_revoked_or_foreign_nothing_is_told() {
    let world = World::new();
    let (client, server) = (all_in_one(&world).await, world.resource_server(&[API]).await);
    let expired = world.access_token(&client).await;
    world.clock.advance(Duration::from_secs(HOUR));
    let (live, revoked, taken_back) =
        (world.access_token(&client).await, world.access_token(&client).await, world.access_token(&client).await);
    world.revoked(&client, &revoked).await;
    let grant = world.principal(API, &taken_back).await.grant();
    assert!(world.server.revoke_grant(&Subject::new("alice"), grant).await.unwrap());
    let foreign = world.own_token(&client, &[("resource", MCP)]).await.access;
    let refresh = world.tokens(&client).await.refresh;
    let code = world.code(&client).await;
    let guess = format!("{}{}", &live[..20], if live[20..].starts_with('A') { "B" } else { "A" }) + &live[21..];
    let mut answers = Vec::new();
    for (token, why) in [
        (expired.as_str(), "expired"),
        (&revoked, "revoked by its client"),
        (&taken_back, "taken back by its user"),
        (&foreign, "for another resource"),
        (&refresh, "a refresh token of another client"),
        (&code, "a code"),
        (&guess, "a known id with another secret"),
        (&live.to_uppercase(), "another spelling"),
        (&format!("{live} "), "not quite a token"),
        ("gra_", "a prefix"),
        ("eyJhbGciOiJub25lIn0.e30.", "somebody else's format"),
        ("\u{0}\u{202e}\"}", "bytes"),
        (server.secret.as_ref().unwrap(), "a secret"),
        (&"x".repeat(60_000), "too much"),
    ] {
        world.assert_inactive(&server, token, why).await;
        let answer = world.introspect(&server, token, &[]).await;
        answers.push(answer.told());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    assert_eq!(told(&world, &server, &live).await["active"], true);
}

#[tokio::test]
async fn attack_46_the_store_is_asked_once_whatever_the_token_is() {
    let storage = Arc::new(Faulty::new(MemoryStorage::new()));
    let world = World::at(ISSUER, Arc::clone(&storage), |builder| builder);
    let client = world.public_client().await;
    let (server, other) = (world.resource_server(&[API]).await, world.resource_server(&[MCP]).await);
    let (live, revoked) = (world.access_token(&client).await, world.access_token(&client).await);
    world.revoked(&client, &revoked).await;
    let unknown = format!("gra_{}", "A".repeat(54));
    for (asking, token) in [(&server, &live), (&server, &revoked), (&server, &unknown), (&other, &live)] {
        // The second look-up would be lost, and it is that of the second request.
        storage.lose(Lost::Request, Call::AccessToken, 2);
        assert_eq!(world.introspect(asking, token, &[]).await.status(), StatusCode::OK);
        world.introspect(asking, token, &[]).await.assert_error(503, "temporarily_unavailable");
    }
}

#[tokio::test]
async fn attack_57_a_clients_own_access_has_no_subject() {
    let world = World::new();
    let new = NewClient::confidential("alice").id("alice").client_credentials().introspects([]);
    let machine = world.created(new).await;
    let server = world.resource_server(&[API]).await;
    let token = world.own_token(&machine, &[]).await.access;
    let grant = world.principal(API, &token).await.grant().to_string();
    let now = START / 1000;
    let expected = json!({
        "active": true, "scope": "projects:read", "client_id": "alice", "token_type": "Bearer", "exp": now + HOUR,
        "iat": now, "holder": "client", "grant_id": grant, "aud": API, "iss": ISSUER,
    });
    for asking in [&machine, &server] {
        assert_eq!(told(&world, asking, &token).await, expected, "no client id is in the place of a user's");
    }
}

#[tokio::test]
async fn attack_28_nobody_introspects_without_a_proof_of_who_asks() {
    let world = World::new();
    let (server, public) = (world.resource_server(&[API]).await, world.public_client().await);
    let token = world.access_token(&public).await;
    let wrong = Client { secret: Some("guess".to_owned()), ..server.clone() };
    let silent = Client { secret: None, ..server.clone() };
    for client in [&public, &wrong, &silent] {
        let answer = world.introspect(client, &token, &[]).await;
        answer.assert_error(401, "invalid_client");
        assert!(!answer.body().contains("active"));
    }
    world.post("/oauth/introspect", &[("token", &token)], &[]).await.assert_error(401, "invalid_client");
    let bearer = format!("Bearer {token}");
    let answer = world.post("/oauth/introspect", &[("token", &token)], &[("authorization", &bearer)]).await;
    answer.assert_error(401, "invalid_client");
    let query = format!("/oauth/introspect?client_id={}&client_secret={}", server.id, server.secret.as_ref().unwrap());
    world.post(&query, &[("token", &token)], &[]).await.assert_error(401, "invalid_client");
}

#[tokio::test]
async fn attack_29_the_introspection_endpoint_tells_no_client_apart() {
    let world = World::new();
    let (server, public) = (world.resource_server(&[API]).await, world.public_client().await);
    for by_header in [false, true] {
        let mut answers = Vec::new();
        for (id, secret) in [(&server.id, "guess"), (&server.id, ""), (&public.id, ""), (&public.id, "guess")]
            .into_iter()
            .chain([(&"nobody".to_owned(), "guess"), (&"nobody".to_owned(), "")])
        {
            let client = Client { id: id.clone(), secret: Some(secret.to_owned()), redirect_uri: String::new() };
            let answer = if by_header {
                let basic = client.basic();
                world.post("/oauth/introspect", &[("token", "x")], &[("authorization", &basic)]).await
            } else {
                world.introspect(&client, "x", &[]).await
            };
            answer.assert_error(401, "invalid_client");
            assert_eq!(answer.header("www-authenticate").is_some(), by_header);
            answers.push(answer.told());
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    }
}

#[tokio::test]
async fn who_may_not_introspect_is_told_so_and_nothing_else() {
    let world = World::new();
    let registered = world.client("client_secret_basic", &[CALLBACK]).await;
    let machine = world.machine().await;
    for client in [&registered, &machine] {
        for token in [world.access_token(&registered).await.as_str(), "x", ""] {
            let answer = world.introspect(client, token, &[]).await;
            answer.assert_error(403, "unauthorized_client");
        }
    }
}

#[tokio::test]
async fn what_is_no_introspection_request_is_refused() {
    let world = World::new();
    let server = world.resource_server(&[API]).await;
    world.introspect(&server, "", &[]).await.assert_error(400, "invalid_request");
    let twice = [("token", "x"), ("token", "y")];
    world.introspect(&server, "", &twice).await.assert_error(400, "invalid_request");
    let hints = [("token_type_hint", "x"), ("token_type_hint", "y")];
    world.introspect(&server, "x", &hints).await.assert_error(400, "invalid_request");
    let json = [("content-type", "application/json")];
    world.call(Method::POST, "/oauth/introspect", &json).await.assert_error(400, "invalid_request");
    assert_eq!(world.get("/oauth/introspect").await.status(), StatusCode::METHOD_NOT_ALLOWED);
    let large = "x".repeat(70_000);
    world.introspect(&server, &large, &[]).await.assert_error(413, "invalid_request");
}

#[tokio::test]
async fn attack_44_a_store_that_is_down_calls_no_token_good_or_bad() {
    let world = World::at(ISSUER, Arc::new(Faulty::new(MemoryStorage::new())), |builder| builder);
    let client = all_in_one_at(&world).await;
    let tokens = world.tokens(&client).await;
    for (call, token) in
        [(Call::Client, &tokens.access), (Call::AccessToken, &tokens.access), (Call::RefreshToken, &tokens.refresh)]
    {
        world.storage.lose(Lost::Request, call, 1);
        let answer = world.introspect(&client, token, &[]).await;
        answer.assert_error(503, "temporarily_unavailable");
        assert!(answer.header("retry-after").is_some() && !answer.body().contains("active"));
        assert_eq!(world.introspect(&client, token, &[]).await.json()["active"], true);
    }
}

async fn all_in_one_at(world: &World<Arc<Faulty<MemoryStorage>>>) -> Client {
    world.created(NewClient::confidential("All in one").redirect_uri(CALLBACK).introspects([])).await
}

#[tokio::test]
async fn a_user_who_was_disabled_has_no_good_token() {
    let standing = Standing::default();
    let world = World::with(|builder| builder.host(StrictApp(standing.clone())));
    let (client, machine) = (world.public_client().await, world.machine().await);
    let server = world.resource_server(&[API]).await;
    let (token, own) = (world.access_token(&client).await, world.own_token(&machine, &[]).await.access);
    standing.set(Verdict::AliceMayNot);
    world.assert_inactive(&server, &token, "alice was disabled").await;
    standing.set(Verdict::CannotTell);
    world.introspect(&server, &token, &[]).await.assert_error(503, "temporarily_unavailable");
    assert_eq!(told(&world, &server, &own).await["active"], true, "nobody is asked about a machine");
    assert_eq!(world.introspect(&server, "x", &[]).await.body(), INACTIVE);
    standing.set(Verdict::AllMay);
    assert_eq!(told(&world, &server, &token).await["active"], true);
}

#[tokio::test]
async fn a_block_ends_what_the_client_was_given_and_its_right_to_ask() {
    let world = World::new();
    let (machine, server) = (world.machine().await, world.resource_server(&[API]).await);
    let token = world.own_token(&machine, &[]).await.access;
    world.server.block_client(&machine.client_id()).await.unwrap();
    world.assert_inactive(&server, &token, "its client is blocked").await;
    world.server.unblock_client(&machine.client_id()).await.unwrap();
    world.assert_inactive(&server, &token, "and stays ended").await;
    let token = world.own_token(&machine, &[]).await.access;
    assert_eq!(told(&world, &server, &token).await["active"], true);
    world.server.block_client(&server.client_id()).await.unwrap();
    world.introspect(&server, &token, &[]).await.assert_error(401, "invalid_client");
}
