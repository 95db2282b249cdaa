//! Access that clients get for themselves (RFC 6749 §4.4), over HTTP.

use std::sync::Arc;
use std::time::Duration;

use crate::support::refreshing::Tokens;
use crate::support::{API, App, CALLBACK, Client, ISSUER, MCP, World};
use grantor::protocol::grant::Holder;
use grantor::storage::testkit::{Call, Faulty, Lost, Yielding};
use grantor::{ConsentPolicy, MemoryStorage, NewClient, Resource, Server, Subject};
use http::StatusCode;
use serde_json::json;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// 32 random bytes of a host.
const SECRET: &str = "SXsM4cJEKrEEnyMY7+HgoUUDpUbvTbBPpXp9ttxKnTg=";

#[tokio::test]
async fn a_confidential_client_gets_access_of_its_own() {
    let world = World::new();
    let client = world.machine().await;
    let basic = [("authorization", client.basic())];
    let basic = basic.each_ref().map(|(name, value)| (*name, value.as_str()));
    let by_header = world.post("/oauth/token", &[("grant_type", "client_credentials")], &basic).await;
    for answer in [by_header, world.own_access(&client, &[]).await] {
        let token = Tokens::of(&answer);
        assert_eq!((token.scope.as_str(), token.expires_in), ("projects:read", 3600), "the default scopes");
        assert_eq!(answer.json()["token_type"], "Bearer");
        assert!(answer.json().get("refresh_token").is_none(), "RFC 6749 §4.4.3");
        assert_eq!(world.guard(API, "projects:read", &token.access).await, 200);
        let principal = world.principal(API, &token.access).await;
        assert_eq!((principal.holder(), principal.client().as_str()), (&Holder::Client, client.id.as_str()));
    }
    let token = world.own_token(&client, &[]).await.access;
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(world.guard(API, "projects:read", &token).await, 401);
}

#[tokio::test]
async fn a_client_may_use_codes_as_well_and_needs_a_redirect_uri_only_for_them() {
    let world = World::new();
    let new = || NewClient::confidential("Both").client_credentials();
    let both = world.created(new().redirect_uri(CALLBACK).consent(ConsentPolicy::Ask)).await;
    assert!(!world.tokens(&both).await.refresh.is_empty());
    assert!(world.own_token(&both, &[]).await.refresh.is_empty());

    let alone = world.created(new()).await;
    let summary = world.server.client(&alone.client_id()).await.unwrap().unwrap();
    assert_eq!(json!(summary.grant_types), json!(["client_credentials"]));
    let pretends = Client { redirect_uri: CALLBACK.to_owned(), ..alone.clone() };
    world.browser_of("alice").get(&pretends.authorize()).await.assert_page(400);
    world.browser_of("alice").get(&pretends.authorize_with(&[("redirect_uri", "")])).await.assert_page(400);
    world.exchange(&pretends, "grc_x", &[]).await.assert_error(400, "unauthorized_client");
    world.refresh(&alone, "grr_x", &[]).await.assert_error(400, "unauthorized_client");

    let resource_server = world.resource_server(&[API]).await;
    world.own_access(&resource_server, &[]).await.assert_error(400, "unauthorized_client");
}

#[tokio::test]
async fn scopes_are_what_was_asked_for_within_what_the_client_may_have_there() {
    let world = World::with(|builder| {
        builder.resource(Resource::new("/files").scopes("projects:write admin")).default_resource("/api")
    });
    let all = world.machine().await;
    let ceiling = NewClient::confidential("Reader").client_credentials().scopes("projects:read offline_access");
    let reader = world.created(ceiling).await;
    let files = format!("{ISSUER}/files");
    for (client, resource, asked, granted) in [
        (&all, "", "projects:write projects:read", "projects:read projects:write"),
        (&all, "", "admin", "admin"),
        (&all, "", "projects:write unknown offline_access", "projects:write"),
        (&all, "", "offline_access", "projects:read"),
        (&all, &files, "projects:read projects:write", "projects:write"),
        (&reader, "", "projects:read projects:write admin", "projects:read"),
        (&reader, "", "", "projects:read"),
    ] {
        let token = world.own_token(client, &[("scope", asked), ("resource", resource)]).await;
        assert_eq!(token.scope, granted, "{asked:?} at {resource:?}");
    }
    for (client, resource, asked) in [
        (&all, "", "unknown"),
        (&all, "", "a\"b"),
        (&all, &files, ""),
        (&all, &files, "projects:read"),
        (&reader, "", "projects:write"),
        (&reader, &files, "projects:read"),
    ] {
        let answer = world.own_access(client, &[("scope", asked), ("resource", resource)]).await;
        answer.assert_error(400, "invalid_scope");
    }
}

#[tokio::test]
async fn without_default_scopes_it_is_all_that_the_client_may_have_there() {
    let world = World::with(|builder| builder.default_scopes(""));
    assert_eq!(world.own_token(&world.machine().await, &[]).await.scope, "admin projects:read projects:write");
    let ceiling = NewClient::confidential("Writer").client_credentials().scopes("projects:write offline_access");
    assert_eq!(world.own_token(&world.created(ceiling).await, &[]).await.scope, "projects:write");
    let none = NewClient::confidential("Nobody").client_credentials().scopes("offline_access");
    world.own_access(&world.created(none).await, &[]).await.assert_error(400, "invalid_scope");
}

#[tokio::test]
async fn a_token_is_for_one_resource_that_is_known() {
    let world = World::new();
    let client = world.machine().await;
    for (asked, resource, other) in [("", API, MCP), (API, API, MCP), (MCP, MCP, API)] {
        let token = world.own_token(&client, &[("resource", asked)]).await.access;
        assert_eq!((world.guard(resource, "", &token).await, world.guard(other, "", &token).await), (200, 401));
    }
    for unknown in ["https://app.example/other", "/api", "https://app.example/api#x", "x"] {
        world.own_access(&client, &[("resource", unknown)]).await.assert_error(400, "invalid_target");
    }
    let several = [("resource", API), ("resource", MCP)];
    world.own_access(&client, &several).await.assert_error(400, "invalid_target");
}

#[tokio::test]
async fn attack_28_no_secret_no_access_of_its_own() {
    let world = World::new();
    let client = world.machine().await;
    world.own_access(&client, &[("client_secret", "")]).await.assert_error(401, "invalid_client");
    let query = format!("/oauth/token?client_secret={}", client.secret.as_ref().unwrap());
    let form = [("grant_type", "client_credentials"), ("client_id", &client.id)];
    world.post(&query, &form, &[]).await.assert_error(401, "invalid_client");
    // A user's grant is out of reach of a client that has only its own.
    let public = world.public_client().await;
    let registered = world.client("client_secret_basic", &[CALLBACK]).await;
    for client in [&public, &registered] {
        world.own_access(client, &[]).await.assert_error(400, "unauthorized_client");
    }
}

#[tokio::test]
async fn attack_29_an_unknown_machine_and_a_wrong_secret_get_the_same_answer() {
    let world = World::new();
    let client = world.machine().await;
    let mut answers = Vec::new();
    for changes in [[("client_secret", "guess")].as_slice(), &[("client_id", "nobody")], &[("client_secret", "")]] {
        let answer = world.own_access(&client, changes).await;
        answer.assert_error(401, "invalid_client");
        answers.push(answer.told());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
}

#[tokio::test]
async fn attack_30_who_registered_itself_gets_no_access_of_its_own() {
    let world = World::new();
    for types in [json!(["client_credentials", "authorization_code"]), json!(["authorization_code", "refresh_token"])] {
        let metadata = json!({ "redirect_uris": [CALLBACK], "grant_types": types, "client_credentials": true,
            "introspects": [API] });
        let json = world.register(&metadata).await.json();
        assert!(!json["grant_types"].as_array().unwrap().contains(&json!("client_credentials")), "{json}");
        let text = |name: &str| json[name].as_str().unwrap().to_owned();
        let client =
            Client { id: text("client_id"), secret: Some(text("client_secret")), redirect_uri: CALLBACK.to_owned() };
        world.own_access(&client, &[]).await.assert_error(400, "unauthorized_client");
        let token = world.access_token(&client).await;
        world.introspect(&client, &token, &[]).await.assert_error(403, "unauthorized_client");
    }
}

#[test]
fn a_public_client_can_have_neither_and_a_secret_must_be_one() {
    let build = |client: NewClient| {
        let builder = Server::builder(ISSUER).storage(MemoryStorage::new()).host(App);
        builder.scope("a", "A").resource("/api").client(client).build().map_err(|error| error.to_string())
    };
    let public = || NewClient::public("Shop").id("shop").redirect_uri(CALLBACK);
    let confidential = |secret: &str| NewClient::confidential("Shop").id("shop").secret(secret).client_credentials();
    for (client, reason) in [
        (public().client_credentials(), "only a confidential one may use client credentials"),
        (public().introspects(["/api"]), "only a confidential one may use client credentials or introspect tokens"),
        (public().introspects([]), "is public"),
        (confidential(SECRET).introspects(["/other"]), "\"/other\" is not a resource of this server"),
        (confidential(SECRET).introspects(["https://else.example/api"]), "is not a resource of this server"),
        (confidential(&SECRET[..42]), "will not do: it is too short"),
        (confidential("correct horse battery staple, correct horse battery"), "neither base64 nor hexadecimal"),
        (confidential(&"0".repeat(64)), "will not do: it repeats a few bytes"),
    ] {
        let error = build(client).unwrap_err();
        assert!(error.contains(reason), "{reason}: {error}");
        assert!(!error.contains(SECRET) && !error.contains("battery staple"), "{error}");
    }
    for client in [confidential(SECRET), confidential(SECRET).introspects(["/api", "https://app.example/api/"])] {
        build(client).unwrap();
    }
}

#[tokio::test]
async fn attack_57_a_machine_whose_id_is_a_users_name_is_not_that_user() {
    let world = World::new();
    let machine = world.created(NewClient::confidential("alice").id("alice").client_credentials()).await;
    let token = world.own_token(&machine, &[]).await.access;
    let principal = world.principal(API, &token).await;
    assert_eq!((principal.holder(), principal.subject()), (&Holder::Client, None));
    let alice = Subject::new("alice");
    assert!(world.server.grants(&alice, None, 10).await.unwrap().is_empty());
    assert!(!world.server.revoke_grant(&alice, principal.grant()).await.unwrap());
    assert_eq!(world.server.revoke_grants(&alice).await.unwrap(), 0);
    assert!(world.is_live(&token).await);
    world.revoked(&machine, &token).await;
    assert!(!world.is_live(&token).await, "it is the client's own to revoke");
}

#[tokio::test]
async fn attack_44_a_client_gets_no_access_from_a_store_that_is_down() {
    let world = World::at(ISSUER, Arc::new(Faulty::new(MemoryStorage::new())), |builder| builder);
    let client = world.machine().await;
    for (lost, call) in
        [(Lost::Request, Call::Client), (Lost::Request, Call::GrantClient), (Lost::Answer, Call::GrantClient)]
    {
        world.storage.lose(lost, call, 1);
        let answer = world.own_access(&client, &[]).await;
        answer.assert_error(503, "temporarily_unavailable");
        assert!(answer.header("retry-after").is_some() && !answer.body().contains("gra_"));
        let token = world.own_token(&client, &[]).await.access;
        assert!(world.is_live(&token).await, "and then it works again");
    }
}

/// A world whose steps interleave, and one of its machines.
async fn busy() -> (World<Yielding<MemoryStorage>>, Client) {
    let world = World::at(ISSUER, Yielding::new(MemoryStorage::new()), |builder| builder);
    let machine = world.machine().await;
    (world, machine)
}

#[tokio::test]
async fn a_secret_that_is_rotated_at_this_moment_fails_no_request() {
    let (world, machine) = busy().await;
    let rotating = tokio::spawn({
        let (world, id) = (world.clone(), machine.client_id());
        async move {
            for round in 0..40 {
                world.server.set_client_secret(&id, SECRET, DAY).await.unwrap();
                pause(round % 9 + 4).await;
            }
        }
    });
    // Until the first rotation the old secret is good, and one overlap longer.
    Tokens::of(&world.own_access(&machine, &[]).await);
    let machine = Client { secret: Some(SECRET.to_owned()), ..machine };
    let mut granted = 0;
    while !rotating.is_finished() {
        Tokens::of(&world.own_access(&machine, &[]).await);
        granted += 1;
    }
    rotating.await.unwrap();
    assert!(granted >= 10, "{granted} requests met 40 rotations");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_requests_that_race_a_block_leave_nothing_alive() {
    let (mut granted, mut refused) = (0, 0);
    for round in 0..16 {
        let (world, machine) = busy().await;
        let requests: Vec<_> = (0..64)
            .map(|number| {
                let (world, machine) = (world.clone(), machine.clone());
                tokio::spawn(async move {
                    pause((number + round) % 12).await;
                    world.own_access(&machine, &[]).await
                })
            })
            .collect();
        pause(round).await;
        world.server.block_client(&machine.client_id()).await.unwrap();
        for request in requests {
            let answer = request.await.unwrap();
            if answer.status() == StatusCode::OK {
                granted += 1;
                assert!(!world.is_live(&Tokens::of(&answer).access).await, "a token outlived the block");
            } else {
                refused += 1;
                answer.assert_error(401, "invalid_client");
            }
        }
        world.own_access(&machine, &[]).await.assert_error(401, "invalid_client");
    }
    assert!(granted > 0 && refused > 0, "there was no race: {granted} granted, {refused} refused");
}

#[tokio::test]
async fn a_block_at_any_step_of_a_request_leaves_nothing_alive() {
    let (mut granted, mut refused) = (0, 0);
    for (before_request, before_block) in (0..12).flat_map(|a| (0..12).map(move |b| (a, b))) {
        let (world, machine) = busy().await;
        let request = tokio::spawn({
            let (world, machine) = (world.clone(), machine.clone());
            async move {
                pause(before_request).await;
                world.own_access(&machine, &[]).await
            }
        });
        pause(before_block).await;
        world.server.block_client(&machine.client_id()).await.unwrap();
        let answer = request.await.unwrap();
        if answer.status() == StatusCode::OK {
            granted += 1;
            assert!(!world.is_live(&Tokens::of(&answer).access).await, "{before_request} {before_block}");
        } else {
            refused += 1;
            answer.assert_error(401, "invalid_client");
        }
    }
    assert!(granted > 0 && refused > 0, "{granted} granted, {refused} refused");
}

async fn pause(steps: usize) {
    for _ in 0..steps {
        tokio::task::yield_now().await;
    }
}
